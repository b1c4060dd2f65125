//! What of a document can be told without a server to be wrong, or odd.

use muster_api::policy::ClusterPolicy;
use muster_api::resource::CLUSTERS;
use muster_api::{marks, names};
use serde_json::Value;

/// What a document is called in messages: its kind and name.
///
/// # Errors
/// Where it is no object, or lacks what every object has.
pub(super) fn name(document: &Value) -> Result<String, String> {
    if !document.is_object() {
        return Err("is no object: a document begins with apiVersion, kind and metadata".to_owned());
    }
    let needed = |pointer: &str| {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        match document.pointer(pointer) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::Bool(_)) => Err(format!("{field} is a boolean: write it in quotes")),
            Some(Value::Number(_)) => Err(format!("{field} is a number: write it in quotes")),
            _ => Err(format!("has no {field}")),
        }
    };
    needed("/apiVersion")?;
    let (kind, name) = (needed("/kind")?, needed("/metadata/name")?);
    Ok(format!("{kind} {name}"))
}

/// What is odd about a document that was put right.
///
/// # Errors
/// What a server would refuse, and what is to be corrected.
pub(super) fn judge(document: &Value) -> Result<Vec<String>, String> {
    if document["apiVersion"] != CLUSTERS.api_version() {
        return Ok(Vec::new());
    }
    match document["kind"].as_str() {
        Some("Cluster") => cluster(document),
        Some("ClusterPolicy") => {
            // A field that is not known in a policy is a typing error in who may do what.
            let read = serde_json::from_value::<ClusterPolicy>(document.clone());
            read.map(|_| Vec::new()).map_err(|error| format!("{error}; see docs/policies.md"))
        }
        _ => Ok(Vec::new()),
    }
}

fn cluster(document: &Value) -> Result<Vec<String>, String> {
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if !names::is_subdomain(name) {
        return Err(format!(
            "metadata.name {name:?} is no legal name: use lower-case letters, digits, '-' and '.'"
        ));
    }
    let spec = |key: &str| document.pointer("/spec").and_then(|spec| spec.get(key)).is_some();
    if spec("KubernetesAPIEndpoints") && spec("kubernetesApiEndpoints") {
        return Err("spec has the addresses in both casings, and they could differ: remove one".to_owned());
    }
    let directory = document.pointer("/metadata/annotations").and_then(|all| all.get(marks::DIRECTORY));
    match directory.and_then(Value::as_str) {
        None | Some("true" | "false") => Ok(Vec::new()),
        Some(other) => Ok(vec![format!(
            "annotation {} is {other:?}: only \"true\" says that this is the directory",
            marks::DIRECTORY
        )]),
    }
}
