//! `join`: all that a cluster needs to join, on stdout; on stderr what was done for it in the directory.

use muster_api::marks;
use muster_api::names::{AGENT, HOSTING_NAMESPACE, SYSTEM_NAMESPACE};
use muster_api::resource::CLUSTERS;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::args::{Join, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet::{self, Approval};
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
    let there = entry(api, flags).await?;
    let behind = match &there {
        Some(there) => fleet::behind(api, there).await,
        None => None,
    };
    let whole = flags.manifests || behind.is_none();
    if flags.dry_run {
        note(&format!("directory: {} (from {})", address.server, address.origin));
        note("a rehearsal: no token was asked for, and the Secret with the credential is left out");
        return if whole { print(&manifests(flags.hosted)) } else { Ok(()) };
    }
    credential::account(api, name, flags.directory.timeout).await?;
    let token = credential::token(api, name).await?;
    let identity = address::identity(&connection).await.ok();
    credential::describe(api, name, &address, identity.as_deref(), &token);
    let entry = there.as_ref().map_or_else(|| body(flags), Value::clone);
    if let Some(Approval::Pending) = Approval::of(&entry) {
        note(&format!(
            "the cluster waits for approval, and has no rights until then: {}",
            api.kubectl().muster(&format!("approve {name}"))
        ));
    }
    if flags.hosted {
        note(&hosting(name));
    }
    let secret = credential::secret(name, &address, &token);
    let secret = secret.expose_secret();
    if let (Some(identity), false) = (behind, whole) {
        note(&format!(
            "the cluster of identity {identity} joined already: its new credential alone is printed. With --manifests \
             multicluster.yaml is too, which brings back what was deleted of it there: muster-works-default, say"
        ));
        return print(secret);
    }
    note(
        "what is printed lets Works do anything in the cluster, by ClusterRoleBinding muster-works-default: \
         its comments say how to grant less",
    );
    print(&format!("{}\n---\n{secret}", manifests(flags.hosted).trim_end()))
}

/// What every cluster gets; without the Deployment where the agent runs elsewhere.
fn manifests(hosted: bool) -> String {
    let is_kept = |document: &&str| !(hosted && document.lines().any(|line| line == "kind: Deployment"));
    MULTICLUSTER.split("\n---\n").filter(is_kept).collect::<Vec<_>>().join("\n---\n")
}

/// What is to be done where the agent runs outside the cluster.
fn hosting(name: &str) -> String {
    format!(
        "the agent runs elsewhere, with a kubeconfig of this cluster that holds a token of its account directory-sync:\n  \
         kubectl --context REPLICA -n {SYSTEM_NAMESPACE} create token {AGENT} --duration=2160h\n\
         and in the cluster that hosts it, where FILE is that kubeconfig:\n  \
         sed s/CLUSTER_NAME/{name}/g hosted.yaml | kubectl --context HOSTING apply -f -\n  \
         kubectl --context HOSTING -n {HOSTING_NAMESPACE} create secret generic muster-{name} --from-file=kubeconfig=FILE"
    )
}

/// Makes the entry where it is not there. One that is there is left as it is, and returned.
async fn entry(api: &Api, flags: &Join) -> Result<Option<Value>, Failure> {
    let name = &flags.name;
    let call = |verb| Call::new(verb, &CLUSTERS, None, Some(name.as_str()));
    match api.get(&CLUSTERS, None, name).await {
        Ok(there) => {
            judge(api, flags, &there)?;
            return Ok(Some(there));
        }
        Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("get"), error)),
    }
    match api.create(&CLUSTERS, None, &body(flags)).await {
        Ok(_) => {
            note(&format!("cluster.multicluster.coreos.com/{name} {}", api.became("created")));
            Ok(None)
        }
        // Somebody else was faster.
        Err(CallError::Exists) => Ok(None),
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
    if flags.manual {
        entry["metadata"]["annotations"] = json!({marks::APPROVAL: marks::APPROVAL_REQUIRED});
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
    if flags.manual && Approval::of(entry).is_none() {
        let annotation = format!("{}={}", marks::APPROVAL, marks::APPROVAL_REQUIRED);
        let command = api.kubectl().run(&format!("annotate mcl {name} --overwrite {annotation}"));
        note(&format!("warning: it has its rights already; to have it wait for approval: {command}"));
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
    let (hosting, selected) = if flags.hosted {
        let lines =
            hosting(&flags.name).lines().fold(String::new(), |text, line| format!("{text}# {line}\n"));
        (lines, " --selector 'app!=directory-sync'")
    } else {
        (String::new(), "")
    };
    format!(
        "# The entry, where it is not there yet.\n\
         {} >&2 <<'EOF' || true\n{entry}EOF\n\
         {}\
         # What every cluster gets beside the Secret, once: another time it brings back what its owner deleted of it.\n\
         # kubectl --context REPLICA apply --server-side{selected} -f multicluster.yaml\n\
         {hosting}",
        kubectl.run("create -f -"),
        credential::explain(kubectl, &flags.name, flags.directory.server.as_ref()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_elsewhere_leaves_out_the_deployment_and_nothing_else() {
        let kinds = |text: &str| {
            let kinds = text.lines().filter_map(|line| line.strip_prefix("kind: ")).map(str::to_owned);
            kinds.collect::<Vec<_>>()
        };
        assert_eq!(manifests(false), MULTICLUSTER);
        let (whole, hosted) = (kinds(MULTICLUSTER), kinds(&manifests(true)));
        assert_eq!(whole.iter().filter(|kind| *kind != "Deployment").cloned().collect::<Vec<_>>(), hosted);
        assert_eq!(whole.len(), hosted.len() + 1);
    }
}
