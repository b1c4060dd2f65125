//! What is clear to be meant is put right, with a word on why.

use muster_api::marks;
use muster_api::resource::{CLUSTERS, GROUP};
use serde_json::{Map, Value, json};

use super::spelling::{Labelled, Spec, Spelling, Texts};

/// The definitions that come with Muster, as the registry's own `multicluster.yaml` had them too.
const OWN_DEFINITIONS: [&str; 2] =
    ["clusters.multicluster.coreos.com", "clusterpolicies.multicluster.coreos.com"];

/// Puts a document right. Whether it is to be applied at all.
///
/// # Errors
/// Where it is of a version that is not served any more, and it cannot be told what it is in a newer one.
pub(super) fn coerce(
    document: &mut Value,
    spelling: &Spelling,
    warnings: &mut Vec<String>,
) -> Result<bool, String> {
    if !version(document, warnings)? {
        return Ok(false);
    }
    if let Some(metadata) = document.get_mut("metadata") {
        labelled(metadata, "metadata", &spelling.metadata, warnings);
    }
    if document["kind"] == "ClusterPolicy"
        && document["apiVersion"] == CLUSTERS.api_version()
        && let Some(spec) = document.get_mut("spec")
    {
        policy(spec, &spelling.spec.clone().unwrap_or_default(), warnings);
    }
    Ok(true)
}

/// Lifts what old servers served to what servers of today do.
fn version(document: &mut Value, warnings: &mut Vec<String>) -> Result<bool, String> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let (group, old) = version.split_once('/').unwrap_or(("", &version));
    let to = match (group, old, kind.as_str()) {
        (GROUP, "v1alpha1", _) | ("clusterregistry.k8s.io", "v1alpha1", "Cluster") => format!("{GROUP}/v1"),
        ("rbac.authorization.k8s.io", "v1beta1", _) => format!("{group}/v1"),
        ("apps", "v1beta1" | "v1beta2", _)
        | ("extensions", "v1beta1", "Deployment" | "DaemonSet" | "ReplicaSet") => "apps/v1".to_owned(),
        ("apiextensions.k8s.io", "v1beta1", _) => {
            let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if OWN_DEFINITIONS.contains(&name) {
                warnings.push(
                    "is left out: this definition comes with Muster's multicluster.yaml, and is newer there"
                        .to_owned(),
                );
                return Ok(false);
            }
            return Err("apiVersion apiextensions.k8s.io/v1beta1 is served no more since Kubernetes 1.22, and its schema \
                        has to be written anew for v1: see kubectl explain crd.spec.versions"
                .to_owned());
        }
        _ => return Ok(true),
    };
    warnings.push(format!("apiVersion {version} is read as {to}: no server serves the old one any more"));
    document["apiVersion"] = json!(to);
    if group == "clusterregistry.k8s.io"
        && let Some(namespace) =
            document["metadata"].as_object_mut().and_then(|metadata| metadata.remove("namespace"))
    {
        warnings
            .push(format!("metadata.namespace {namespace} is left out: entries of a directory have none"));
    }
    if to == "apps/v1" {
        selector(document, warnings);
    }
    Ok(true)
}

/// The old versions took the selector from the labels of the pods where there was none.
fn selector(document: &mut Value, warnings: &mut Vec<String>) {
    let labels = document.pointer("/spec/template/metadata/labels").cloned();
    if document.pointer("/spec/selector").is_none()
        && let Some(labels) = labels
        && let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert("selector".to_owned(), json!({"matchLabels": labels}));
        warnings.push(
            "spec.selector is the labels of the template, as the old version had it: apps/v1 needs one"
                .to_owned(),
        );
    }
}

fn policy(spec: &mut Value, spelling: &Spec, warnings: &mut Vec<String>) {
    if let Some(selector) = spec.get_mut("selector").and_then(Value::as_object_mut) {
        let spelling = spelling.selector.clone().unwrap_or_default();
        texts(selector, "spec.selector", "labels are text", &spelling.flat, warnings);
        if let Some(labels) = selector.get_mut("matchLabels").and_then(Value::as_object_mut) {
            texts(labels, "spec.selector.matchLabels", "labels are text", &spelling.labels, warnings);
        }
    }
    let namespaces = spec.get_mut("namespaces").and_then(Value::as_array_mut);
    for (number, namespace) in namespaces.into_iter().flatten().enumerate() {
        let spelling =
            spelling.namespaces.as_ref().and_then(|all| all.get(number)).cloned().unwrap_or_default();
        labelled(namespace, &format!("spec.namespaces[{number}]"), &spelling, warnings);
    }
}

fn labelled(object: &mut Value, path: &str, spelling: &Labelled, warnings: &mut Vec<String>) {
    let none = Texts::new();
    for (key, spelled) in [("labels", &spelling.labels), ("annotations", &spelling.annotations)] {
        if let Some(map) = object.get_mut(key).and_then(Value::as_object_mut) {
            let why = format!("{key} are text");
            texts(map, &format!("{path}.{key}"), &why, spelled.as_ref().unwrap_or(&none), warnings);
        }
    }
}

/// Makes text of the scalars of a map that are none.
fn texts(map: &mut Map<String, Value>, path: &str, why: &str, spelled: &Texts, warnings: &mut Vec<String>) {
    for (key, value) in map {
        let spelling = spelled.get(key).cloned().flatten();
        let (what, text) = match &*value {
            // For the directory what it means counts, not how it is spelled.
            Value::Bool(on) if key == marks::DIRECTORY => ("a boolean", on.to_string()),
            Value::Bool(on) => ("a boolean", spelling.unwrap_or_else(|| on.to_string())),
            Value::Number(number) => ("a number", spelling.unwrap_or_else(|| number.to_string())),
            Value::Null => ("empty", String::new()),
            Value::String(_) | Value::Array(_) | Value::Object(_) => continue,
        };
        warnings.push(format!(
            "{path}[{key}] is {what}, and is read as {text:?}: {why}, which kubectl does not make of it"
        ));
        *value = Value::String(text);
    }
}
