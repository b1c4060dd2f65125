//! The cluster that an agent serves: who it is, and what can be known of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Most resources of which amounts are told.
pub const MOST_AMOUNTS: usize = 32;
/// Most ranges of addresses that are told.
pub const MOST_RANGES: usize = 16;
/// Most properties that are told.
pub const MOST_PROPERTIES: usize = 64;
/// Longest value of a property that is told, in characters: what a `ClusterProfile` (KEP-4322) has room for.
pub const LONGEST_PROPERTY: usize = 1024;

/// The cluster that the agent serves. All but its identity is read every five minutes, unless the agent was told otherwise.
/// What the agent may not read, or what the cluster does not say, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplicaReport {
    /// The cluster's identity: the UID of its namespace kube-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub id: Option<String>,
    /// The version of Kubernetes that its API server runs, such as v1.36.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub version: Option<String>,
    /// The operating system and processor that its API server runs on, such as linux/amd64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub platform: Option<String>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesReport>,
    /// What all its nodes have together, ready or not, by resource, such as cpu or memory. What they have none of is left
    /// out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::amounts))]
    pub capacity: BTreeMap<String, String>,
    /// What of that pods may use. What is in use is not told: it moves all the time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::amounts))]
    pub allocatable: BTreeMap<String, String>,
    /// The ranges of addresses that its nodes give to pods; those that adjoin are told as one. Absent where the network
    /// does not record them in nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "podCIDRs")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16), inner(length(max = 64))))]
    pub pod_cidrs: Vec<String>,
    /// The ranges of addresses of its Services. Absent before Kubernetes 1.33, which cannot be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "serviceCIDRs")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16), inner(length(max = 64))))]
    pub service_cidrs: Vec<String>,
    /// What it says of itself: its `ClusterProperties` (about.k8s.io), the well-known ones first. Values of more than 1024
    /// characters are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64), transform = crate::schema::map_by_name))]
    pub properties: Vec<PropertyReport>,
}

/// Nodes of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodesReport {
    /// All of them.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub total: i64,
    /// Those whose condition Ready is True.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub ready: i64,
}

/// One `ClusterProperty`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PropertyReport {
    /// Its name, such as cluster.clusterset.k8s.io.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Its value, unchanged.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub value: String,
}
