//! What a namespace of a policy may use, after `ResourceQuota` and `LimitRange` of Kubernetes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SelectorOperator;

/// An amount as Kubernetes has it: a number, or text such as 500m or 2Gi.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// A plain number.
    Number(i64),
    /// A number with a suffix.
    Text(String),
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
            "x-kubernetes-int-or-string": true,
        })
    }
}

/// Amounts by the name of what is measured, such as cpu or memory.
pub type Amounts = BTreeMap<String, Quantity>;

/// What all of a namespace together may use: the spec of a `ResourceQuota` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceQuota {
    /// The limits, by resource, such as requests.cpu, limits.memory, pods or count/secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub hard: Amounts,
    /// Kinds of pods that alone are counted, such as `BestEffort` or `NotTerminating`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub scopes: Vec<String>,
    /// The same with demands on the scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_selector: Option<ScopeSelector>,
}

/// Which pods a quota counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSelector {
    /// The demands, all of which must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub match_expressions: Vec<ScopeRequirement>,
}

/// A demand on the scope of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeRequirement {
    /// The scope, such as `PriorityClass`.
    pub scope_name: String,
    /// How the scope's value is compared: In, `NotIn`, Exists or `DoesNotExist`.
    pub operator: SelectorOperator,
    /// The values that In and `NotIn` compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub values: Vec<String>,
}

/// What a single object of a namespace may use: the spec of a `LimitRange` of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitRange {
    /// The limits, one item for each kind of object.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub limits: Vec<Limit>,
}

/// Limits for one kind of object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// What is limited: Pod, Container or `PersistentVolumeClaim`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub type_: String,
    /// The most that one may use, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub max: Amounts,
    /// The least that one must ask for, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub min: Amounts,
    /// The limit of one that names none, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub default: Amounts,
    /// The request of one that names none, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub default_request: Amounts,
    /// How many times its request the limit of one may be, by resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 64)))]
    pub max_limit_request_ratio: Amounts,
}
