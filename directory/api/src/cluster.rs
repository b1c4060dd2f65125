//! `Cluster`: an entry of the directory's list.
//!
//! The types are for reading. An entry is never written from them: its spec keeps what people wrote, in fields that
//! no type here knows, so that a copy is equal to its original byte for byte.

use serde::{Deserialize, Serialize};

use crate::Condition;

/// An entry of the fleet's list: it stands for one cluster. Policies select on its labels. The annotation
/// multicluster.coreos.com/directory: "true" says that it is the directory itself, multicluster.coreos.com/console-url
/// holds the address of a console for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cluster {
    /// What people say of the cluster. All of it is optional, fields that are not listed here are kept as written, and
    /// nothing is filled in.
    #[serde(default)]
    pub spec: Option<ClusterSpec>,
    /// What is known of the cluster. It changes on transitions only, since every replica watches every entry; what
    /// moves is in the `ClusterReport`.
    #[serde(default)]
    pub status: Option<ClusterStatus>,
}

/// What people say of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend(
        "x-kubernetes-preserve-unknown-fields" = true,
        "x-kubernetes-validations" = [{
            "rule": "!(has(self.KubernetesAPIEndpoints) && has(self.kubernetesApiEndpoints))",
            "message": "give the addresses either as KubernetesAPIEndpoints or as kubernetesApiEndpoints, not as both: they could differ",
        }]
    ))
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Addresses of the cluster's API server, in the casing of the multi-cluster registry that this kind comes from.
    /// They inform people and tools; no part of Muster dials them. See kubernetesApiEndpoints for the other casing.
    #[serde(default, rename = "KubernetesAPIEndpoints")]
    pub registry_endpoints: Option<RegistryEndpoints>,
    /// Addresses of the cluster's API server, in the casing of clusterregistry.k8s.io. They inform people and tools; no
    /// part of Muster dials them. See `KubernetesAPIEndpoints` for the other casing.
    #[serde(default)]
    pub kubernetes_api_endpoints: Option<ClusterRegistryEndpoints>,
    /// What happens to the workloads that Muster applied in the cluster when this entry is deleted: Keep, which is also
    /// what absence means, leaves them; Delete removes what Works made, except where a Work says otherwise, is suspended,
    /// or is of a protected kind without allow-deletion. Say Delete before the entry is deleted; Keep is heard later, too, as long as the agent reads it.
    #[serde(default)]
    pub deregistration: Option<Deregistration>,
}

/// What happens to the workloads when the entry is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Deregistration {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Delete,
}

/// Addresses of an API server, in the casing of the multi-cluster registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-preserve-unknown-fields" = true))
)]
#[serde(rename_all = "PascalCase")]
pub struct RegistryEndpoints {
    /// The addresses. Tables show the first.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub server_endpoints: Vec<RegistryServerEndpoint>,
    /// The CA certificates of the API server: PEM, in base64.
    #[serde(default, rename = "CABundle")]
    #[cfg_attr(feature = "schema", schemars(length(max = 262_144)))]
    pub ca_bundle: Option<String>,
}

/// One address, in the casing of the multi-cluster registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-preserve-unknown-fields" = true))
)]
#[serde(rename_all = "PascalCase")]
pub struct RegistryServerEndpoint {
    /// The address: a URL such as `https://east.example.com:443`, or a host name or IP address, with or without a port.
    /// A user or password in it is refused, since every replica reads it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::address))]
    pub server_address: Option<String>,
    /// The clients that this address is for, as a range of IP addresses such as 0.0.0.0/0.
    #[serde(default, rename = "ClientCIDR")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub client_cidr: Option<String>,
}

/// Addresses of an API server, in the casing of clusterregistry.k8s.io.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-preserve-unknown-fields" = true))
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistryEndpoints {
    /// The addresses. Tables show the first.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub server_endpoints: Vec<ClusterRegistryServerEndpoint>,
    /// The CA certificates of the API server: PEM, in base64.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 262_144)))]
    pub ca_bundle: Option<String>,
}

/// One address, in the casing of clusterregistry.k8s.io.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-preserve-unknown-fields" = true))
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistryServerEndpoint {
    /// The address: a URL such as `https://east.example.com:443`, or a host name or IP address, with or without a port.
    /// A user or password in it is refused, since every replica reads it.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::address))]
    pub server_address: Option<String>,
    /// The clients that this address is for, as a range of IP addresses such as 0.0.0.0/0.
    #[serde(default, rename = "clientCIDR")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub client_cidr: Option<String>,
}

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The cluster's state, one item for each aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::conditions))]
    pub conditions: Vec<Condition>,
    /// The cluster's identity: the UID of its namespace kube-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub id: Option<String>,
    /// The version of Kubernetes that the cluster's API server runs, such as v1.36.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub version: Option<String>,
    /// Where the cluster's agent runs: Pull is in the cluster itself, Hosted is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The version of the cluster's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub agent_version: Option<String>,
    /// The namespace in the directory that holds the cluster's Works, its Lease and its report. Where it is absent, it
    /// is muster-cluster-NAME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 63)))]
    pub execution_namespace: Option<String>,
}

/// Where a cluster's agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// In the cluster that it serves.
    Pull,
    /// Elsewhere, with a kubeconfig for the cluster that it serves.
    Hosted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_casings_and_an_empty_entry_are_read() {
        let registry: Cluster = serde_json::from_str(
            r#"{"spec":{"KubernetesAPIEndpoints":{"ServerEndpoints":[{"ServerAddress":"https://a:443","ClientCIDR":"0.0.0.0/0"}],"CABundle":"x"},"more":1}}"#,
        )
        .unwrap();
        let endpoints = registry.spec.unwrap().registry_endpoints.unwrap();
        assert_eq!(endpoints.server_endpoints[0].server_address.as_deref(), Some("https://a:443"));
        assert_eq!(endpoints.server_endpoints[0].client_cidr.as_deref(), Some("0.0.0.0/0"));
        assert_eq!(endpoints.ca_bundle.as_deref(), Some("x"));

        let upstream: Cluster = serde_json::from_str(
            r#"{"spec":{"kubernetesApiEndpoints":{"serverEndpoints":[{"serverAddress":"b","clientCIDR":"::/0"}],"caBundle":"y"},"deregistration":"Delete"}}"#,
        )
        .unwrap();
        let spec = upstream.spec.unwrap();
        assert_eq!(spec.deregistration, Some(Deregistration::Delete));
        let endpoints = spec.kubernetes_api_endpoints.unwrap();
        assert_eq!(endpoints.server_endpoints[0].server_address.as_deref(), Some("b"));
        assert_eq!(endpoints.server_endpoints[0].client_cidr.as_deref(), Some("::/0"));

        assert_eq!(serde_json::from_str::<Cluster>("{}").unwrap(), Cluster::default());
        assert!(serde_json::from_str::<Cluster>(r#"{"spec":{}}"#).unwrap().spec.is_some());
    }
}
