//! `tree`: the Works of a cluster, and what became of each of their manifests there.

use std::fmt::Write as _;

use muster_api::work::{ManifestCondition, Work};

use crate::args::{Named, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::Kubectl;
use crate::output::{note, plain, print};
use crate::verbs::status::{reason, works};

pub(super) async fn run(target: &Target, flags: &Named) -> Result<(), Failure> {
    let connection = connect(target, false).await?;
    let member = fleet::member(&connection.api, &flags.name).await?;
    let works = works(&connection.api, &member).await?;
    if works.is_empty() {
        note(&format!("there are no Works in {}", member.namespace));
    }
    print(&drawn(&member.name, &works))
}

fn drawn(cluster: &str, works: &[(String, Work)]) -> String {
    let mut text = format!("{cluster}\n");
    for (place, (name, work)) in works.iter().enumerate() {
        let (branch, below) = arms(place, works.len());
        let state = told(&reason(work, "Applied"), &reason(work, "Available"), "");
        let _ = writeln!(text, "{branch}{}", plain(&format!("Work {name}{state}")));
        let manifests =
            work.status.as_ref().map(|status| status.manifest_conditions.as_slice()).unwrap_or_default();
        for (place, manifest) in manifests.iter().enumerate() {
            let (branch, _) = arms(place, manifests.len());
            let _ = writeln!(text, "{below}{branch}{}", plain(&leaf(manifest)));
        }
    }
    text
}

fn arms(place: usize, of: usize) -> (&'static str, &'static str) {
    if place + 1 == of { ("└─ ", "   ") } else { ("├─ ", "│  ") }
}

fn leaf(manifest: &ManifestCondition) -> String {
    let which = &manifest.identifier;
    let name = match (which.namespace.as_str(), which.name.as_str()) {
        (_, "") => format!("manifest {}", which.ordinal),
        ("", name) => format!("{} {name}", which.kind),
        (namespace, name) => format!("{} {namespace}/{name}", which.kind),
    };
    let found = |kind: &str| manifest.conditions.iter().find(|condition| condition.type_ == kind);
    let reason = |kind: &str| found(kind).map(|condition| condition.reason.as_str()).unwrap_or_default();
    // What is applied and ready needs no words.
    let message = ["Applied", "Available"]
        .iter()
        .filter_map(|kind| found(kind))
        .find(|condition| condition.status != muster_api::Status::True)
        .map(|condition| condition.message.as_str())
        .unwrap_or_default();
    format!("{name}{}", told(reason("Applied"), reason("Available"), message))
}

fn told(applied: &str, available: &str, message: &str) -> String {
    let mut words: Vec<&str> = [applied, available].into_iter().filter(|word| !word.is_empty()).collect();
    words.dedup();
    match (words.is_empty(), message) {
        (true, _) => ": not reported yet".to_owned(),
        (false, "") => format!(": {}", words.join(", ")),
        (false, message) => format!(": {} ({message})", words.join(", ")),
    }
}

pub(super) fn explain(kubectl: &Kubectl, flags: &Named) -> String {
    let namespace = muster_api::names::execution_namespace(&flags.name);
    let command = kubectl.run(&format!("-n {namespace} get works.multicluster.x-k8s.io -o yaml"));
    format!("{command} # status.manifestConditions\n")
}
