//! `join`: all that a cluster needs to join, on stdout; on stderr what was done for it in the directory.

use muster_api::resource::CLUSTERS;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::args::{Join, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::kubectl::{Kubectl, quoted};
use crate::output::{note, print};
use crate::{address, credential};

/// What every cluster gets.
const MULTICLUSTER: &str = include_str!("../../../manifests/multicluster.yaml");

pub(super) async fn run(target: &Target, flags: &Join) -> Result<(), Failure> {
    let connection = connect(target, flags.dry_run).await?;
    let (api, name) = (&connection.api, &flags.name);
    // Before anything is made: what cannot be told to the cluster need not be begun.
    let address = address::choose(&connection, &flags.directory).await?;
    warn_of_namesakes(api).await;
    entry(api, flags).await?;
    if flags.dry_run {
        note(&format!("directory: {} (from {})", address.server, address.origin));
        note("a rehearsal: no token was asked for, and the Secret with the credential is left out");
        return print(MULTICLUSTER);
    }
    credential::account(api, name, flags.directory.timeout).await?;
    let token = credential::token(api, name).await?;
    let identity = address::identity(&connection).await.ok();
    credential::describe(api, name, &address, identity.as_deref(), &token);
    note(
        "what is printed lets Works do anything in the cluster, by ClusterRoleBinding muster-works-default: \
         its comments say how to grant less",
    );
    let secret = credential::secret(name, &address, &token);
    print(&format!("{}\n---\n{}", MULTICLUSTER.trim_end(), secret.expose_secret()))
}

/// Makes the entry where it is not there. One that is there is left as it is.
async fn entry(api: &Api, flags: &Join) -> Result<(), Failure> {
    let name = &flags.name;
    let call = |verb| Call::new(verb, &CLUSTERS, None, Some(name.as_str()));
    let rehearsed = if api.is_rehearsal() { " (rehearsed)" } else { "" };
    match api.get(&CLUSTERS, None, name).await {
        Ok(there) => return judge(api, flags, &there),
        Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("get"), error)),
    }
    match api.create(&CLUSTERS, None, &body(flags)).await {
        Ok(_) => {
            note(&format!("cluster.multicluster.coreos.com/{name} created{rehearsed}"));
            Ok(())
        }
        // Somebody else was faster.
        Err(CallError::Exists) => Ok(()),
        Err(CallError::Refused(why)) => Err(Failure::new(
            format!("unable to create clusters.multicluster.coreos.com {name}"),
            why,
            "correct --labels, and run this again",
        )),
        Err(error) => Err(api.failure(call("create"), error)),
    }
}

fn body(flags: &Join) -> Value {
    let mut entry = json!({
        "apiVersion": CLUSTERS.api_version(), "kind": CLUSTERS.kind, "metadata": {"name": flags.name},
    });
    if !flags.labels.is_empty() {
        entry["metadata"]["labels"] = json!(flags.labels);
    }
    entry
}

fn judge(api: &Api, flags: &Join, entry: &Value) -> Result<(), Failure> {
    let name = &flags.name;
    if entry.pointer("/metadata/deletionTimestamp").is_some() {
        return Err(Failure::new(
            format!("unable to join by clusters.multicluster.coreos.com {name}"),
            "it is being deleted: the cluster of this name is leaving",
            format!(
                "{}, and then run this again",
                api.kubectl().run(&format!("wait --for=delete mcl/{name} --timeout=5m"))
            ),
        ));
    }
    note(&format!("cluster.multicluster.coreos.com/{name} is there already, and is left as it is"));
    let labels = entry.pointer("/metadata/labels");
    let differ: Vec<String> = flags
        .labels
        .iter()
        .filter(|(key, value)| {
            labels.and_then(|all| all.get(key.as_str())).and_then(Value::as_str) != Some(value.as_str())
        })
        .map(|(key, value)| quoted(&format!("{key}={value}")))
        .collect();
    if !differ.is_empty() {
        let command = api.kubectl().run(&format!("label mcl {name} --overwrite {}", differ.join(" ")));
        note(&format!("warning: its labels are others; to give it those that you named: {command}"));
    }
    Ok(())
}

/// `kubectl delete cluster east` may delete another software's object of that name.
async fn warn_of_namesakes(api: &Api) {
    let groups = super::namesakes(api).await;
    if !groups.is_empty() {
        note(&format!(
            "warning: {} serves \"clusters\" here too: always write mcl, since `kubectl delete cluster NAME` may delete \
             something else",
            groups.join(", ")
        ));
    }
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Join) -> String {
    let entry = serde_saphyr::to_string(&body(flags)).unwrap_or_default();
    format!(
        "# The entry, where it is not there yet.\n\
         {} >&2 <<'EOF' || true\n{}EOF\n\
         {}\
         # What every cluster gets beside the Secret.\n\
         # kubectl --context REPLICA apply -f multicluster.yaml\n",
        kubectl.run("create -f -"),
        entry,
        credential::explain(kubectl, &flags.name, flags.directory.server.as_ref()),
    )
}
