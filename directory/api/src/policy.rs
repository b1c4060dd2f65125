//! `ClusterPolicy`: namespaces, roles and grants for the clusters that a selector matches. The documented fields are
//! those of the multi-cluster registry; the parts that it promised and never specified are Muster's.

mod limits;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use limits::{Amounts, Limit, LimitRange, Quantity, ResourceQuota, ScopeRequirement, ScopeSelector};

/// Namespaces, roles and grants that the matching clusters get. Several policies may speak of one namespace: a cluster
/// gets the union of all that match it. What no policy asks for any more is taken away, access first; namespaces stay
/// unless the annotation multicluster.coreos.com/namespace-deletion says delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterPolicy {
    /// What the policy says.
    pub spec: ClusterPolicySpec,
}

/// What a policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClusterPolicySpec {
    /// The clusters that the policy applies to, by the labels of their entries: either label: value pairs that must all
    /// be there, or matchLabels and matchExpressions. Empty ({}) matches every cluster. It must be given: a policy
    /// without it applies nowhere.
    pub selector: Selector,
    /// Grants for a whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<ClusterAuthorization>,
    /// Namespaces that the clusters get, with the grants in each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), transform = crate::schema::map_by_name))]
    pub namespaces: Vec<PolicyNamespace>,
}

/// Which clusters are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-preserve-unknown-fields" = true))
)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that an entry must have, with these values. To select on a label that is itself called matchLabels or
    /// matchExpressions, name it in here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Demands on labels of an entry, all of which must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub match_expressions: Option<Vec<SelectorRequirement>>,
    /// The short form: label: value pairs. A schema cannot say that the values are strings, so whoever reads a policy
    /// must refuse other values, and both forms in one selector.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub labels: BTreeMap<String, Value>,
}

/// A demand on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
        "message": "In and NotIn need values, Exists and DoesNotExist take none",
    }]))
)]
#[serde(deny_unknown_fields)]
pub struct SelectorRequirement {
    /// The label.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 317)))]
    pub key: String,
    /// In: the label's value is one of values. `NotIn`: it is none of them, or the label is absent. Exists: the label is
    /// there. `DoesNotExist`: it is not.
    pub operator: SelectorOperator,
    /// The values that In and `NotIn` compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64), inner(length(max = 63))))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SelectorOperator {
    /// The value is one of the values.
    In,
    /// The value is none of the values, or the label is absent.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// Grants for a whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterAuthorization {
    /// Grants of cluster roles in the whole cluster. Each becomes a `ClusterRoleBinding`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub cluster_bindings: Vec<ClusterBinding>,
    /// Cluster roles that the clusters get. They need the right to escalate, which the owner of a cluster must grant
    /// to Muster first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), transform = crate::schema::map_by_name))]
    pub cluster_roles: Vec<ClusterRoleDefinition>,
}

/// A grant in the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::needs_subject)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterBinding {
    /// The cluster role that is granted. It must exist in the cluster, or be one of clusterRoles.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::role_name))]
    pub cluster_role: String,
    /// Users who get it, by the names that the cluster's authentication gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), inner(length(min = 1, max = 1024))))]
    pub users: Vec<String>,
    /// Groups who get it, by the names that the cluster's authentication gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), inner(length(min = 1, max = 1024))))]
    pub groups: Vec<String>,
    /// Service accounts of the cluster that get it, each as NAMESPACE/NAME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), transform = crate::schema::service_accounts))]
    pub service_accounts: Vec<String>,
}

/// A namespace that the clusters get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyNamespace {
    /// The name. A namespace that is there already is used as it is, and never deleted.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub name: String,
    /// Labels of the namespace. Others on it are kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the namespace. Others on it are kept.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub annotations: BTreeMap<String, String>,
    /// Grants in the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<NamespaceAuthorization>,
    /// What all of the namespace together may use. It becomes a `ResourceQuota`. Where several policies give one, all of
    /// them hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota: Option<ResourceQuota>,
    /// What a single pod, container or claim in the namespace may use. It becomes a `LimitRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_range: Option<LimitRange>,
}

/// Grants in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NamespaceAuthorization {
    /// Grants of roles in the namespace. Each becomes a `RoleBinding`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub bindings: Vec<Binding>,
    /// Roles that the namespace gets. They need the right to escalate, which the owner of a cluster must grant to Muster
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), transform = crate::schema::map_by_name))]
    pub roles: Vec<RoleDefinition>,
}

/// A grant in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(
        extend("x-kubernetes-validations" = [{
            "rule": "has(self.role) != has(self.clusterRole)",
            "message": "a binding names exactly one of role and clusterRole",
        }]),
        transform = crate::schema::needs_subject
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// The cluster role that is granted in this namespace. It must exist in the cluster, or be one of the policy's
    /// clusterRoles. Give either clusterRole or role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::role_name))]
    pub cluster_role: Option<String>,
    /// The role of this namespace that is granted. It must exist in the namespace, or be one of roles. Give either
    /// clusterRole or role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::role_name))]
    pub role: Option<String>,
    /// Users who get it, by the names that the cluster's authentication gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), inner(length(min = 1, max = 1024))))]
    pub users: Vec<String>,
    /// Groups who get it, by the names that the cluster's authentication gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), inner(length(min = 1, max = 1024))))]
    pub groups: Vec<String>,
    /// Service accounts of the cluster that get it, each as NAMESPACE/NAME.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), transform = crate::schema::service_accounts))]
    pub service_accounts: Vec<String>,
}

/// A cluster role that the clusters get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClusterRoleDefinition {
    /// The name, by which bindings grant it.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::role_name))]
    pub name: String,
    /// What it allows.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub rules: Vec<ClusterRule>,
}

/// A role that a namespace gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleDefinition {
    /// The name, by which bindings grant it.
    #[cfg_attr(feature = "schema", schemars(transform = crate::schema::role_name))]
    pub name: String,
    /// What it allows.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub rules: Vec<Rule>,
}

/// Something that a cluster role allows, as in a `ClusterRole` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("x-kubernetes-validations" = [
        {
            "rule": "has(self.nonResourceURLs) != has(self.resources)",
            "message": "a rule names either resources or nonResourceURLs",
        },
        {
            "rule": "has(self.apiGroups) == has(self.resources) && (!has(self.resourceNames) || has(self.resources))",
            "message": "apiGroups goes with resources, and resourceNames needs them",
        },
    ]))
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRule {
    /// What may be done: get, list, watch, create, update, patch, delete, or * for all.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub verbs: Vec<String>,
    /// The API groups of the resources: an empty string is the core group, * is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub api_groups: Option<Vec<String>>,
    /// The resources, by plural name; * is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub resources: Option<Vec<String>>,
    /// The names of the only objects that are meant. Absent: all objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub resource_names: Option<Vec<String>>,
    /// Paths of the API server that are no resources, such as /healthz.
    #[serde(default, rename = "nonResourceURLs", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub non_resource_urls: Option<Vec<String>>,
}

/// Something that a role allows, as in a Role of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What may be done: get, list, watch, create, update, patch, delete, or * for all.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub verbs: Vec<String>,
    /// The API groups of the resources: an empty string is the core group, * is all.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub api_groups: Vec<String>,
    /// The resources, by plural name; * is all.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub resources: Vec<String>,
    /// The names of the only objects that are meant. Absent: all objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub resource_names: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_selector_are_read() {
        let flat: Selector = serde_json::from_str(r#"{"cloud":"aws"}"#).unwrap();
        assert_eq!(flat.labels["cloud"], "aws");
        assert!(flat.match_labels.is_none());
        let long: Selector = serde_json::from_str(
            r#"{"matchLabels":{"cloud":"aws"},"matchExpressions":[{"key":"stage","operator":"Exists"}]}"#,
        )
        .unwrap();
        assert!(long.labels.is_empty());
        assert_eq!(long.match_expressions.unwrap()[0].operator, SelectorOperator::Exists);
    }

    /// What a newer version may have narrowed must not be read as wider: an unknown field is an error.
    #[test]
    fn a_policy_without_selector_or_with_a_field_too_many_is_refused() {
        let read = |spec: &str| {
            serde_json::from_str::<ClusterPolicy>(&format!(
                r#"{{"apiVersion":"multicluster.coreos.com/v1","kind":"ClusterPolicy","metadata":{{"name":"a"}},"spec":{spec}}}"#
            ))
        };
        read(r#"{"selector":{}}"#).unwrap();
        for spec in ["{}", r#"{"selector":null}"#, r#"{"selector":{},"namespace":[]}"#] {
            assert!(read(spec).is_err(), "{spec}");
        }
    }
}
