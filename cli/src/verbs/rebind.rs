//! `rebind`: another cluster takes the place of the one that an entry stands for.

use muster_api::marks::REBIND;
use muster_api::resource::{CLUSTERS, LEASES};
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::args::{Rebind, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::{Kubectl, quoted};
use crate::output::note;

pub(super) async fn run(target: &Target, flags: &Rebind) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let (api, name) = (&connection.api, flags.name.as_str());
    let member = fleet::member(api, name).await?;
    let identity = match &flags.identity {
        Some(identity) => identity.clone(),
        None => reporting(api, name, &member.namespace).await?,
    };
    let bound = member.status.id.as_deref();
    if bound == Some(&identity) {
        note(&format!("cluster.multicluster.coreos.com/{name} stands for the cluster {identity} already"));
        return Ok(());
    }
    let change = json!({"metadata": {"annotations": {REBIND: identity}}});
    let call = Call::new("patch", &CLUSTERS, None, Some(name));
    let entry = api.patch(&CLUSTERS, None, name, &change).await.map_err(|error| api.failure(call, error))?;
    note(&format!(
        "cluster.multicluster.coreos.com/{name} {}: the cluster {identity} {} the place of {} as soon as it reports",
        api.became("annotated"),
        if api.is_rehearsal() { "would take" } else { "takes" },
        bound.unwrap_or("none"),
    ));
    super::written(flags.writing, &entry)
}

/// The identity of the cluster whose agent renewed the Lease last.
async fn reporting(api: &Api, name: &str, namespace: &str) -> Result<String, Failure> {
    let call = Call::new("get", &LEASES, Some(namespace), Some(name));
    let none = || {
        Failure::new(
            format!("unable to rebind clusters.multicluster.coreos.com {name}"),
            "no cluster reports under this name, so it is not known which one takes the place",
            format!(
                "let it join: {}, or name it by --identity: the UID of its namespace kube-system",
                api.kubectl().muster(&format!("join {name}"))
            ),
        )
    };
    let lease = match api.get(&LEASES, Some(namespace), name).await {
        Ok(lease) => lease,
        Err(CallError::NotFound | CallError::NoNamespace) => return Err(none()),
        Err(error) => return Err(api.failure(call, error)),
    };
    let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str);
    // IDENTITY/INSTALL
    let identity = holder.and_then(|holder| holder.split('/').next()).filter(|identity| !identity.is_empty());
    identity.map(str::to_owned).ok_or_else(none)
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Rebind) -> String {
    let name = &flags.name;
    let namespace = muster_api::names::execution_namespace(name);
    let identity = flags.identity.as_deref().map_or_else(
        || {
            let lease = format!("-n {namespace} get lease {name} -o jsonpath='{{.spec.holderIdentity}}'");
            format!("$({} | cut -d/ -f1)", kubectl.run(&lease))
        },
        quoted,
    );
    format!("{}\n", kubectl.run(&format!("annotate mcl {name} --overwrite {REBIND}={identity}")))
}
