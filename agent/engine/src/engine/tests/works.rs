//! Works, from the directory's word to the object and back.

mod applying;
mod beginning;
mod changing;
mod crashing;
mod deleting;
mod doubts;
mod drift;
mod fighting;
mod found;
mod heritage;
mod holding;
mod ignoring;
mod leaving;
mod lost;
mod moving;
mod options;
mod planning;
mod random;
mod replacing;
mod rolling;
mod secrets;
mod set_back;
mod sharing;
mod sight;
mod silent;
mod spoiling;
mod unclear;
mod versions;
mod waking;
mod world;

use serde_json::{Value, json};

use self::world::WorkWorld;
use super::OWN;

/// What happens once all is in step.
type Act = fn(&mut WorkWorld);

fn config_of(name: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "web"}, "data": {"a": data}})
}

fn config(name: &str) -> Value {
    config_of(name, "1")
}

/// A manifest with an option.
fn with(mut manifest: Value, option: &str, value: &str) -> Value {
    manifest["metadata"]["annotations"][format!("multicluster.coreos.com/{option}")] = value.into();
    manifest
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn definition() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true}]}})
}

fn widget(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name, "namespace": namespace},
        "spec": {"size": 1}})
}

fn role() -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader", "namespace": "team"},
        "rules": []})
}

fn binding() -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "readers", "namespace": "team"}, "subjects": [],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}})
}

/// Where a line stands in the log.
fn place(log: &[String], line: &str) -> usize {
    log.iter().position(|logged| logged == line).unwrap_or_else(|| panic!("no {line} in {log:#?}"))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
