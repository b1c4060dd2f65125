//! `unregister`: takes a cluster off the directory's list.

use std::time::Duration;

use muster_api::names;
use muster_api::resource::{CLUSTERS, NAMESPACES, SERVICE_ACCOUNTS};
use serde_json::Value;

use crate::api::{Api, Call, CallError};
use crate::args::{Target, Unregister};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::Kubectl;
use crate::output::note;
use crate::verbs::revoke;

/// How often it is looked whether the entry is gone.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(target: &Target, flags: &Unregister) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let (api, name) = (&connection.api, flags.name.as_str());
    let call = |verb| Call::new(verb, &CLUSTERS, None, Some(name));
    let entry = fleet::entry(api, name).await?;
    match api.delete(&CLUSTERS, None, name).await {
        Ok(_) | Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("delete"), error)),
    }
    if flags.writing.dry_run {
        note(&format!("cluster.multicluster.coreos.com/{name} deleted (rehearsed)"));
        return super::written(flags.writing, &entry);
    }
    if flags.force {
        match api.get(&SERVICE_ACCOUNTS, Some(names::AGENTS_NAMESPACE), name).await {
            Err(CallError::NotFound) => {}
            _ => drop(revoke::account(api, name).await?),
        }
        note(
            "its agent was not waited for, and cannot read any more that it is to leave: what it made there stays, until \
             somebody says so in that cluster: kubectl muster leave",
        );
        return super::written(flags.writing, &entry);
    }
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        match api.get(&CLUSTERS, None, name).await {
            Err(CallError::NotFound) => break,
            // Of this name there is another one already.
            Ok(there) if there.pointer("/metadata/uid") != entry.pointer("/metadata/uid") => break,
            Ok(_) => {}
            Err(error) => return Err(api.failure(call("get"), error)),
        }
        if began.elapsed() >= flags.timeout {
            return Err(Failure::new(
                format!("unable to see the end of clusters.multicluster.coreos.com {name}"),
                format!(
                    "it is still being deleted after {} s: its finalizers wait for the cluster",
                    flags.timeout.as_secs()
                ),
                format!(
                    "{}; or do not wait for it: {}",
                    api.kubectl().run(&format!("describe mcl {name}")),
                    api.kubectl().muster(&format!("unregister {name} --force"))
                ),
            ));
        }
        if !told {
            note(&format!("waiting until the cluster has left, {} s at most", flags.timeout.as_secs()));
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
    note(&format!("cluster.multicluster.coreos.com/{name} deleted"));
    if api.get(&SERVICE_ACCOUNTS, Some(names::AGENTS_NAMESPACE), name).await.is_ok() {
        note(&format!(
            "its account stays: no controller of the directory removes it. Once the cluster has seen that it is off the \
             list: {}",
            api.kubectl().muster(&format!("revoke {name}"))
        ));
    }
    retained(api, &entry, name).await;
    super::written(flags.writing, &entry)
}

/// Says so where the execution namespace outlives the entry.
async fn retained(api: &Api, entry: &Value, name: &str) {
    let told = entry.pointer("/status/executionNamespace").and_then(Value::as_str);
    let namespace = told.map_or_else(|| names::execution_namespace(name), str::to_owned);
    let Ok(there) = api.metadata(&NAMESPACES, None, &namespace).await else { return };
    if there.pointer("/metadata/deletionTimestamp").is_none() {
        note(&format!(
            "namespace/{namespace} stays: it holds Works, or no controller of the directory removes it. An entry of the \
             same name finds it again. To see what is in it: {}",
            api.kubectl().run(&format!("-n {namespace} get works.multicluster.x-k8s.io")),
        ));
    }
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Unregister) -> String {
    let name = &flags.name;
    if flags.force {
        return format!(
            "{}\n{}\n",
            kubectl.run(&format!("delete mcl {name} --wait=false")),
            kubectl.run(&format!(
                "-n {} delete serviceaccount {name} --ignore-not-found",
                names::AGENTS_NAMESPACE
            )),
        );
    }
    format!("{}\n", kubectl.run(&format!("delete mcl {name} --timeout={}s", flags.timeout.as_secs())))
}
