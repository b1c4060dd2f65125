//! `ClusterReport`: what an agent says of its replica.

pub mod replica;

use serde::{Deserialize, Serialize};

pub use self::replica::ReplicaReport;
use crate::cluster::Mode;
use crate::{Condition, Time};

/// What an agent says of the cluster that it serves. There is one in the cluster's execution namespace in the
/// directory, and a copy named directory-sync in the cluster itself, in namespace muster-system. The heartbeat is not
/// here: it is the Lease beside the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterReport {
    /// What the agent says. It is written when something in it changes, never for the time alone.
    #[serde(default)]
    pub status: ClusterReportStatus,
}

/// What the agent says. Everything is optional: what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterReportStatus {
    /// The name of the cluster's entry in the directory, as the agent was told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 253)))]
    pub cluster: Option<String>,
    /// The agent's state, one item for each aspect. docs/conditions.md lists them with their reasons and remedies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::conditions))]
    pub conditions: Vec<Condition>,
    /// The directory that the agent reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryReport>,
    /// The credential with which the agent reads the directory. It is never itself shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialReport>,
    /// The cluster that the agent serves. What moves in it is written every 10 seconds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaReport>,
    /// The agent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentReport>,
    /// The copies of the directory's Cluster entries. The counts are written every 10 seconds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorReport>,
    /// What policies made in the cluster. The counts are written every 10 seconds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<PoliciesReport>,
    /// The Works of the cluster. The counts are written every 10 seconds at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub works: Option<WorksReport>,
    /// The deletions that wait for somebody's word. To release one, annotate the Cluster entry in the directory with
    /// multicluster.coreos.com/release=ID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub holds: Vec<HoldReport>,
}

/// The directory that the agent reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DirectoryReport {
    /// The directory's identity, recorded when the agent joined: the UID of its namespace kube-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub id: Option<String>,
    /// The address of its API server, from the kubeconfig in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 2048)))]
    pub server: Option<String>,
}

/// What is known of a credential, beside the credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CredentialReport {
    /// The user that the directory takes the agent for, such as system:serviceaccount:muster-agents:east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1024)))]
    pub user: Option<String>,
    /// When it ends. Absent where it cannot be told, as with an opaque token, or where it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// When the agent last renewed it. Absent while it uses the one that people gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<Time>,
}

/// The agent itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentReport {
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub version: Option<String>,
    /// Where it runs: Pull is in the cluster that it serves, Hosted is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// The copies of the directory's Cluster entries in the cluster that the agent serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MirrorReport {
    /// Cluster entries in the directory that are to be mirrored.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub entries: i64,
    /// Copies that are there and as they should be.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub copies: i64,
    /// Entries without a copy, since a Cluster that is no copy has the name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub conflicts: i64,
    /// Copies that were kept, although the directory told of a deletion, since its state does not confirm it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub frozen_deletions: i64,
}

/// What policies made in the cluster that the agent serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoliciesReport {
    /// Policies that are applied in the cluster.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub applied: i64,
    /// Objects that are there for them and as they should be.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub objects: i64,
    /// Policies of which something is to go, but is kept, since the state of the directory does not confirm it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub frozen_deletions: i64,
}

/// The Works of the cluster that the agent serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorksReport {
    /// Works that the agent knows, those that are being deleted included.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub total: i64,
    /// Works of which all is applied.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub applied: i64,
    /// Works of which something is not applied, or not as the Work has it, and stays so until somebody acts.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub failing: i64,
    /// Works of which something is not wanted any more, and is kept until somebody allows that it goes.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub held: i64,
}

/// A deletion that waits for somebody's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HoldReport {
    /// By which it is released.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub id: String,
    /// Why it waits, as the reasons of the condition Held have it.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub reason: String,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The Works of which something is to go, the first ten of them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 10), inner(length(max = 253))))]
    pub works: Vec<String>,
    /// How many Works there are.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub work_count: i64,
    /// How many objects were to go when it began.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub objects: i64,
    /// Only a word on the report in the cluster itself releases it: its owner said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub owner_only: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_absent() {
        assert_eq!(serde_json::to_string(&ClusterReportStatus::default()).unwrap(), "{}");
        let report: ClusterReport = serde_json::from_str("{}").unwrap();
        assert_eq!(report, ClusterReport::default());
    }
}
