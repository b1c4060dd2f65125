//! `AppliedWork`: the ledger of one Work or policy in the replica. The fields of SIG-Multicluster's kind
//! (kubernetes-sigs/work-api) stay exactly as published; what Muster adds is in `spec.ledger`, and in `digest` of each
//! applied resource. Another tool's CRD of the same name would prune both, so the agent tries before it trusts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The record, in a cluster, of what was made there for one Work or policy of the directory. The agent needs it to know
/// its own objects: do not edit or delete it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppliedWork {
    /// What is to be there. It is written before the objects are.
    pub spec: AppliedWorkSpec,
    /// What is there. It is written after the objects, and can be rebuilt from their marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AppliedWorkStatus>,
}

/// What is to be there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppliedWorkSpec {
    /// The name of the Work, or of the policy, in the directory.
    pub work_name: String,
    /// The namespace of the Work in the directory; empty for a policy.
    pub work_namespace: String,
    /// What Muster records beyond the standard, so that it can go on without the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
}

/// What Muster records beyond the standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Which object of the directory this is the ledger of, and which state of it.
    pub source: LedgerSource,
    /// The identity of the directory: the UID of its namespace kube-system.
    #[serde(rename = "directoryID")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub directory_id: String,
    /// The identity of the cluster that this ledger was made in: the UID of its namespace kube-system. A ledger that
    /// was copied or restored into another cluster is known by it.
    #[serde(rename = "replicaID")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub replica_id: String,
    /// A random value, also on each object made for this ledger: it tells those objects from copies of them.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub nonce: String,
    /// Applying while the objects are wanted, Deleting once they are to go, Leaving once they are to go with the entry of
    /// this cluster.
    pub phase: Phase,
    /// The UID of the entry with which they go, where the phase is Leaving: with another one they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub departure: Option<String>,
    /// The options in force, by name without the prefix multicluster.coreos.com/.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 32)))]
    pub options: BTreeMap<String, String>,
    /// The objects as they are to be, in order. The values of Secrets are not here: a keyed digest of each is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub manifests: Vec<LedgerManifest>,
    /// All objects that may be there: those of the present state, and those of earlier states that are not confirmed
    /// gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub resources: Vec<LedgerResource>,
}

/// The object of the directory that a ledger is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LedgerSource {
    /// Its kind: Work or `ClusterPolicy`.
    pub kind: SourceKind,
    /// Its UID.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub uid: String,
    /// Its generation that this ledger records.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub generation: i64,
    /// In which stretch of its directory's history that was, which ends where the directory is set back to an earlier state, and
    /// where that is said to be followed: a generation is compared with others of the same number.
    #[serde(default, skip_serializing_if = "is_first")]
    #[cfg_attr(feature = "schema", schemars(with = "i64", range(min = 0)))]
    pub era: u32,
    /// Its resourceVersion at that time.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub resource_version: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_first(era: &u32) -> bool {
    *era == 0
}

/// The kinds that a ledger can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SourceKind {
    /// A Work.
    Work,
    /// A policy.
    ClusterPolicy,
}

/// Whether the objects of a ledger are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Phase {
    /// They are.
    Applying,
    /// They are to go.
    Deleting,
    /// They are to go with the entry of the cluster.
    Leaving,
}

/// One object as it is to be, as JSON text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LedgerManifest(pub Box<RawValue>);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for LedgerManifest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LedgerManifest".into()
    }

    /// Not an embedded resource as in a Work: a server rewrites the metadata of those, and a record must not change.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// An object that may be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LedgerResource {
    /// The API group of the object; empty or absent in the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The version of the API group.
    pub version: String,
    /// The kind of the object.
    pub kind: String,
    /// The plural name of the kind, as in URLs.
    pub resource: String,
    /// The namespace of the object; empty or absent where the kind has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// The UID of the object, once it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The manifest's place in the list of the Work, from 0; objects of one list have the place of that list. Absent for
    /// an object that is wanted no more, and in the ledger of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0), transform = crate::schema::plain_integer))]
    pub ordinal: Option<i64>,
    /// The options in force for this object where they differ from those of the Work, by name without the prefix
    /// multicluster.coreos.com/.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 32)))]
    pub options: Option<BTreeMap<String, String>>,
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppliedWorkStatus {
    /// The objects that were applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_resources: Vec<AppliedResource>,
}

/// An object that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppliedResource {
    /// The manifest's place in the list, from 0.
    #[serde(default)]
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
    /// The UID of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// A digest of the fields that Muster owns on the object. Where the object's differ, it was changed by hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub digest: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_object_of_a_ledger_does_not_have_is_not_written() {
        let mut resource = LedgerResource { name: "a".to_owned(), ..LedgerResource::default() };
        let mut written = json!({"version": "", "kind": "", "resource": "", "name": "a"});
        assert_eq!(serde_json::to_value(&resource).unwrap(), written);
        assert_eq!(serde_json::from_value::<LedgerResource>(written.clone()).unwrap(), resource);

        resource.ordinal = Some(0);
        resource.options = Some([("apply".to_owned(), "create".to_owned())].into());
        written["ordinal"] = json!(0);
        written["options"] = json!({"apply": "create"});
        assert_eq!(serde_json::to_value(&resource).unwrap(), written);
        assert_eq!(serde_json::from_value::<LedgerResource>(written).unwrap(), resource);
    }
}
