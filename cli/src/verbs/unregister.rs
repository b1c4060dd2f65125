//! `unregister`: takes a cluster off the directory's list.

mod holds;

use std::time::Duration;

use muster_api::resource::{CLUSTERS, SERVICE_ACCOUNTS};
use muster_api::{marks, names};
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::args::{Target, Unregister};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::Kubectl;
use crate::output::note;
use crate::verbs::revoke;

/// A change that takes all finalizers off an object, as one word of a shell.
const NO_FINALIZERS: &str = r#"'{"metadata":{"finalizers":null}}'"#;
/// How often it is looked whether the entry is gone.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(target: &Target, flags: &Unregister) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let (api, name) = (&connection.api, flags.name.as_str());
    let call = |verb| Call::new(verb, &CLUSTERS, None, Some(name));
    let entry = fleet::entry(api, name).await?;
    if takes_works(&entry) {
        if flags.force {
            keep_works(api, name).await?;
        } else {
            note("what Works made in that cluster goes with it: the entry says spec.deregistration: Delete");
        }
    }
    match api.delete(&CLUSTERS, None, name).await {
        Ok(_) | Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("delete"), error)),
    }
    if flags.force {
        return force(api, flags, &entry).await;
    }
    if flags.writing.dry_run {
        note(&format!("cluster.multicluster.coreos.com/{name} {}", api.became("deleted")));
        return super::written(flags.writing, &entry);
    }
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let left = match api.get(&CLUSTERS, None, name).await {
            Err(CallError::NotFound) => break,
            // Of this name there is another one already.
            Ok(there) if there.pointer("/metadata/uid") != entry.pointer("/metadata/uid") => break,
            Ok(there) => there,
            Err(error) => return Err(api.failure(call("get"), error)),
        };
        if began.elapsed() >= flags.timeout {
            tell_of_namespace(api, &entry, name).await;
            return Err(held(api, &left, name, &format!(" after {} s", flags.timeout.as_secs())));
        }
        if !told {
            note(&format!("waiting until the cluster has left, {} s at most", flags.timeout.as_secs()));
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
    note(&format!("cluster.multicluster.coreos.com/{name} deleted"));
    if has_account(api, name).await {
        note(&format!(
            "its account stays: no controller of the directory removes it. Once the cluster has seen that it is off the \
             list: {}",
            api.kubectl().muster(&format!("revoke {name}"))
        ));
    }
    tell_of_namespace(api, &entry, name).await;
    super::written(flags.writing, &entry)
}

/// Whether what Works made goes with an entry.
fn takes_works(entry: &Value) -> bool {
    entry.pointer("/spec/deregistration").is_some_and(|says| says == "Delete")
}

/// Nobody is waited for, so nothing is to go that takes its time: half of it might be gone when the credential ends.
async fn keep_works(api: &Api, name: &str) -> Result<(), Failure> {
    let keep = json!({"spec": {"deregistration": "Keep"}});
    let call = Call::new("patch", &CLUSTERS, None, Some(name));
    api.patch(&CLUSTERS, None, name, &keep).await.map_err(|error| api.failure(call, error))?;
    note(&format!(
        "cluster.multicluster.coreos.com/{name} {}: spec.deregistration is Keep, since nobody waits for what would go",
        api.became("changed")
    ));
    Ok(())
}

/// Says what holds the execution namespace, as far as it may be read.
async fn tell_of_namespace(api: &Api, entry: &Value, name: &str) {
    if let Ok(home) = holds::home(api, entry, name).await {
        holds::tell_of_namespace(api, &home).await;
    }
}

/// Whether the cluster may still have an account in the directory.
async fn has_account(api: &Api, name: &str) -> bool {
    let account = api.get(&SERVICE_ACCOUNTS, Some(names::AGENTS_NAMESPACE), name).await;
    name != names::KUBERNETES_ACCOUNT && !matches!(account, Err(CallError::NotFound))
}

/// The rest where nobody is waited for: the account goes, then Muster's own finalizers. In this order no credential outlives
/// the entry.
async fn force(api: &Api, flags: &Unregister, entry: &Value) -> Result<(), Failure> {
    let name = flags.name.as_str();
    let home = holds::home(api, entry, name).await?;
    if has_account(api, name).await {
        revoke::account(api, name).await?;
    }
    holds::let_go(api, entry, &home).await?;
    if api.is_rehearsal() {
        note(&format!("cluster.multicluster.coreos.com/{name} {}", api.became("deleted")));
        return super::written(flags.writing, entry);
    }
    holds::tell_of_namespace(api, &home).await;
    match api.get(&CLUSTERS, None, name).await {
        Ok(left) if left.pointer("/metadata/uid") == entry.pointer("/metadata/uid") => {
            return Err(held(api, &left, name, ""));
        }
        _ => note(&format!("cluster.multicluster.coreos.com/{name} deleted")),
    }
    note(
        "its agent was not waited for, and cannot read any more that it is to leave: what it made there stays, until \
         somebody says so in that cluster: kubectl muster leave",
    );
    super::written(flags.writing, entry)
}

/// The entry is still there: what holds it, and what removes that.
fn held(api: &Api, entry: &Value, name: &str, after: &str) -> Failure {
    let (what, remedies): (Vec<String>, Vec<String>) = holds::of_entry(api, entry, name).into_iter().unzip();
    Failure::new(
        format!("unable to see the end of clusters.multicluster.coreos.com {name}"),
        format!("it is still being deleted{after}, and held by {}", what.join(", ")),
        if remedies.is_empty() {
            api.kubectl().run(&format!("describe mcl {name}"))
        } else {
            remedies.join("\n")
        },
    )
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Unregister) -> String {
    let name = &flags.name;
    if !flags.force {
        return format!(
            "{}\n",
            kubectl.run(&format!("delete mcl {name} --timeout={}s", flags.timeout.as_secs()))
        );
    }
    let namespace = names::execution_namespace(name);
    let keep = kubectl
        .run(&format!("patch mcl {name} --type=merge -p '{{\"spec\":{{\"deregistration\":\"Keep\"}}}}'"));
    let works = format!("-n {namespace} get works.multicluster.x-k8s.io -o name");
    format!(
        "{keep}\n{}\n{}\n# Muster's own finalizers. These take off those of others, too: see before that there are none. Where the \
         namespace is another cluster's, nothing in it is touched.\n\
         case \"$({})\" in {name}|'') for work in $({}); do {}; done;; esac\n{} || true\n",
        kubectl.run(&format!("delete mcl {name} --wait=false")),
        kubectl
            .run(&format!("-n {} delete serviceaccount {name} --ignore-not-found", names::AGENTS_NAMESPACE)),
        kubectl.run(&format!(
            "get namespace {namespace} --ignore-not-found -o jsonpath='{{.metadata.annotations.{}}}'",
            marks::FOR_CLUSTER.replace('.', "\\.")
        )),
        kubectl.run(&works),
        kubectl.run(&format!("-n {namespace} patch $work --type=merge -p {NO_FINALIZERS}")),
        kubectl.run(&format!("patch mcl {name} --type=merge -p {NO_FINALIZERS}")),
    )
}
