//! Works of the execution namespace, applied in a replica.

mod accounts;
mod applying;
mod authors;
pub(crate) mod bench;
pub(crate) mod burst;
mod changes;
mod cloned;
pub(crate) mod confirmed;
pub(crate) mod crashes;
mod damaged;
mod defining;
mod down;
mod drift;
mod ending;
mod enduring;
mod fights;
mod full;
mod halting;
mod handing;
pub(crate) mod holding;
mod hours;
mod judged;
pub(crate) mod leaving;
mod masses;
mod mending;
mod names;
mod odd;
mod options;
mod peculiar;
mod refused;
mod replacing;
mod restored;
mod returning;
mod rounds;
mod secrets;
mod set_back;
mod soak;
mod standard;
mod streams;
mod troubles;
mod truth;
mod versions;
mod waking;
mod writes;

pub(crate) use self::bench::{Kept, is_gone, made, turnover, written, written_upstream};
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use crate::fleet::{Fleet, OWN, condition_of, until};

/// Path of the collection of Works of the replica.
pub(crate) fn works() -> String {
    format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-{OWN}/works")
}

/// Path of the collection of ledgers.
pub(crate) const LEDGERS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/appliedworks";

/// As which user what Works ask for is applied.
pub(crate) const APPLIER: &str = "system:serviceaccount:muster-appliers:works";

/// Makes a Work, or gives one of that name other manifests.
pub(crate) fn put_work(fleet: &Fleet, name: &str, manifests: &Value) -> Value {
    put_work_with(fleet, name, &json!({}), manifests)
}

/// The same with annotations.
pub(crate) fn put_work_with(fleet: &Fleet, name: &str, annotations: &Value, manifests: &Value) -> Value {
    let work = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"workload": {"manifests": manifests}},
    });
    let api = fleet.directory.api();
    let path = format!("{}/{name}", works());
    if api.get(&path).is_ok() {
        let change = json!({"metadata": {"annotations": annotations}, "spec": work["spec"]});
        return api.patch(&path, MERGE_PATCH, &change).unwrap();
    }
    api.create(&works(), &work).unwrap()
}

/// A Work as the directory has it.
pub(crate) fn work(fleet: &Fleet, name: &str) -> Value {
    fleet.directory.api().get(&format!("{}/{name}", works())).unwrap()
}

/// Waits until a Work says this of itself; gives the Work.
pub(crate) fn until_told(
    fleet: &Fleet,
    agent: &AgentProcess,
    name: &str,
    condition: &str,
    reason: &str,
) -> Value {
    let mut found = Value::Null;
    until(agent, &format!("Work {name}: {condition} {reason}"), || {
        found = told(fleet, name, condition, reason)?;
        Ok(())
    });
    found
}

/// The Work, where it says this of itself as it is now; else what it says.
fn told(fleet: &Fleet, name: &str, condition: &str, reason: &str) -> Result<Value, String> {
    let found = work(fleet, name);
    let current = found.pointer("/status/conditions/0/observedGeneration");
    let current = current.is_some() && current == found.pointer("/metadata/generation");
    match condition_of(&found, condition) {
        Some((seen, _)) if current && seen == reason => Ok(found),
        seen => Err(format!("{name}: {seen:?} {}", found["status"])),
    }
}

/// Reason and message of a condition of the manifest at a place.
pub(crate) fn of_manifest(work: &Value, ordinal: usize, condition: &str) -> (String, String) {
    let list = work["status"]["manifestConditions"].as_array().unwrap();
    let found = list.iter().find(|entry| entry["identifier"]["ordinal"] == ordinal);
    let found = found.unwrap_or_else(|| panic!("no manifest {ordinal}: {work:#}"));
    condition_of(&json!({"status": found}), condition).unwrap_or_else(|| panic!("no {condition}: {found:#}"))
}

/// A `ConfigMap` as a manifest.
pub(crate) fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
        "data": {"key": value},
    })
}

/// A manifest of a kind with nothing but names, and what is merged into it.
#[allow(clippy::needless_pass_by_value)] // what callers give is made on the spot, by `json!`
pub(crate) fn manifest(api_version: &str, kind: &str, namespace: &str, name: &str, more: Value) -> Value {
    let mut manifest = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        manifest["metadata"]["namespace"] = namespace.into();
    }
    for (field, value) in more.as_object().unwrap() {
        manifest[field] = value.clone();
    }
    manifest
}

/// A namespace as a manifest.
pub(crate) fn namespace(name: &str) -> Value {
    manifest("v1", "Namespace", "", name, json!({}))
}

/// The definition of a kind `Widget` of a group, as a manifest.
pub(crate) fn widgets(group: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}});
    manifest(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        &format!("widgets.{group}"),
        json!({"spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        }}),
    )
}
