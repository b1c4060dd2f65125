//! `Work`: a bundle of manifests for one replica, exactly as SIG-Multicluster publishes the kind
//! (kubernetes-sigs/work-api, `multicluster.x-k8s.io/v1alpha1`). Muster adds no field to it: another tool's CRD of the
//! same name would prune it away.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Condition;

/// A bundle of manifests that is to be applied in one cluster: the one whose execution namespace in the directory it
/// lies in. Options are annotations multicluster.coreos.com/..., on the Work or on one manifest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Work {
    /// What is to be applied.
    #[serde(default)]
    pub spec: WorkSpec,
    /// What became of it, as the cluster's agent reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkStatus>,
}

/// What is to be applied.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkSpec {
    /// The workload to deploy in the cluster.
    #[serde(default)]
    pub workload: Workload,
}

/// A workload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workload {
    /// The Kubernetes objects to apply in the cluster, of any kind. Each has apiVersion, kind and metadata.name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Manifest>,
}

/// One object to apply, as JSON text: it is parsed when it is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest(pub Box<RawValue>);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Manifest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Manifest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// What became of a Work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkStatus {
    /// The state of the Work as a whole. Applied: all manifests are applied in the cluster. Available: all that was
    /// applied is there and ready. The standard also knows Progressing and Degraded.
    pub conditions: Vec<Condition>,
    /// The state of each manifest.
    // Written also where there is none: a merge patch would leave what was told before.
    #[serde(default)]
    pub manifest_conditions: Vec<ManifestCondition>,
}

/// The state of one manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ManifestCondition {
    /// Which manifest this is.
    #[serde(default)]
    pub identifier: ResourceIdentifier,
    /// Its state, one item for each aspect. observedGeneration is the generation of the applied object.
    pub conditions: Vec<Condition>,
}

/// Which manifest of a Work something speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceIdentifier {
    /// The manifest's place in the list, from 0. It holds also for a manifest that cannot be read.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::plain_integer))]
    pub ordinal: i64,
    /// The API group of the object; empty or absent in the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The version of the API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The kind of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The plural name of the kind, as in URLs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// The namespace of the object; empty or absent where the kind has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_kept_as_text() {
        let text =
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"z":"1","a":"2"}}"#;
        let work: Work =
            serde_json::from_str(&format!(r#"{{"spec":{{"workload":{{"manifests":[{text}]}}}}}}"#)).unwrap();
        assert_eq!(work.spec.workload.manifests[0].0.get(), text);
    }

    #[test]
    fn a_work_without_anything_is_read() {
        assert!(serde_json::from_str::<Work>("{}").unwrap().spec.workload.manifests.is_empty());
    }
}
