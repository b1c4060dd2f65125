//! `pause`, `resume`, `leave` and `repin`: the word of a cluster's owner, in that cluster itself. None of them needs the
//! directory.

use muster_api::resource::{CONFIG_MAPS, REPORTS};
use muster_api::{marks, names};
use serde_json::{Value, json};

use crate::api::{Api, Call, CallError};
use crate::args::{Replica, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::output::note;

/// What the owner says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Pause,
    Resume,
    Leave,
}

impl Word {
    /// The annotation of the local report, and its value; `None` takes it away.
    fn annotation(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Pause => (marks::PAUSE, Some("true")),
            Self::Resume => (marks::PAUSE, None),
            Self::Leave => (marks::LEAVE, Some("true")),
        }
    }

    /// What it would do, where it is only rehearsed.
    fn would(self) -> &'static str {
        match self {
            Self::Pause => "would be paused (rehearsed): no agent would write to this cluster any more",
            Self::Resume => "would be resumed (rehearsed): the agent would put right what differs",
            Self::Leave => {
                "would be told to leave (rehearsed): the agent would remove its copies and what policies granted, and keep \
                 namespaces and what Works made"
            }
        }
    }
}

pub(super) async fn say(target: &Target, flags: &Replica, word: Word) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let api = &connection.api;
    let namespace = Some(flags.namespace.as_str());
    let (key, value) = word.annotation();
    let change = json!({"metadata": {"annotations": {key: value}}});
    let report = api
        .patch(&REPORTS, namespace, names::AGENT, &change)
        .await
        .map_err(|error| no_report(api, flags, error))?;
    if api.is_rehearsal() {
        note(word.would());
        return super::written(flags.writing, &report);
    }
    let (context, namespace) = (api.kubectl(), &flags.namespace);
    note(&match word {
        Word::Pause => format!(
            "paused: no agent writes to this cluster any more, and heartbeats go on. To go on: {}",
            context.muster(&format!("resume{}", inside(flags)))
        ),
        Word::Resume => "resumed: the agent puts right what differs".to_owned(),
        Word::Leave => format!(
            "the agent removes its copies and what policies granted, and keeps namespaces and what Works made. To see it \
             done: {}. To come back: {}",
            context.run(&format!("-n {namespace} get mcr {}", names::AGENT)),
            context.run(&format!("-n {namespace} annotate mcr {} {key}-", names::AGENT)),
        ),
    });
    super::written(flags.writing, &report)
}

fn inside(flags: &Replica) -> String {
    if flags.namespace == names::SYSTEM_NAMESPACE {
        String::new()
    } else {
        format!(" -n {}", flags.namespace)
    }
}

fn no_report(api: &Api, flags: &Replica, error: CallError) -> Failure {
    let namespace = &flags.namespace;
    match error {
        CallError::NotFound | CallError::NoNamespace => Failure::new(
            format!("unable to patch clusterreports.multicluster.coreos.com {namespace}/{}", names::AGENT),
            "it does not exist: no agent has run in this cluster, or it is not the one that you mean",
            format!(
                "name the cluster itself by --context, or see: {}",
                api.kubectl().run(&format!("-n {namespace} get pods"))
            ),
        ),
        error => api.failure(Call::new("patch", &REPORTS, Some(namespace), Some(names::AGENT)), error),
    }
}

/// Takes away what the agent recorded of the directory that it joined, so that it joins the one that it finds.
pub(super) async fn repin(target: &Target, flags: &Replica) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let api = &connection.api;
    let (namespace, name) = (flags.namespace.as_str(), names::STATE_CONFIG_MAP);
    let call = |verb| Call::new(verb, &CONFIG_MAPS, Some(namespace), Some(name));
    let there = match api.get(&CONFIG_MAPS, Some(namespace), name).await {
        Ok(there) => there,
        Err(CallError::NotFound) => {
            note(&format!(
                "configmaps {namespace}/{name} is not there: the agent joins the directory that it finds"
            ));
            return Ok(());
        }
        Err(error) => return Err(api.failure(call("get"), error)),
    };
    let pin = there.pointer("/data/pin").and_then(Value::as_str);
    let pin = pin.and_then(|pin| serde_json::from_str::<Value>(pin).ok()).unwrap_or_default();
    match api.delete(&CONFIG_MAPS, Some(namespace), name).await {
        Ok(_) | Err(CallError::NotFound) => {}
        Err(error) => return Err(api.failure(call("delete"), error)),
    }
    let was = pin.get("directory").and_then(Value::as_str).unwrap_or("unknown");
    if api.is_rehearsal() {
        note(&format!(
            "configmap/{name} {} from {namespace}: the agent would forget the directory of identity {was}",
            api.became("deleted")
        ));
        return super::written(flags.writing, &there);
    }
    note(&format!(
        "configmap/{name} deleted from {namespace}: the agent forgets the directory of identity {was}, and joins the one \
         that its kubeconfig leads to. Copies of entries that are not there any more go where it is the same cluster; what was made for \
         another one stays, and so do objects of Works. An agent that still reads the one it joined does so at its next start"
    ));
    super::written(flags.writing, &there)
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Replica, word: Option<Word>) -> String {
    let namespace = &flags.namespace;
    let command = match word.map(Word::annotation) {
        None => format!("-n {namespace} delete configmap {}", names::STATE_CONFIG_MAP),
        Some((key, None)) => format!("-n {namespace} annotate mcr {} {key}-", names::AGENT),
        Some((key, Some(value))) => {
            format!("-n {namespace} annotate mcr {} {key}={value} --overwrite", names::AGENT)
        }
    };
    format!("{}\n", kubectl.run(&command))
}
