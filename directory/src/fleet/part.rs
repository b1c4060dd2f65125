//! What the directory keeps for one cluster, part by part: `manifests/enrol-by-hand.yaml` in code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use muster_api::marks::{ALLOW_DELETION, EXECUTION_NAMESPACE, FOR_CLUSTER, MUSTER, PART_OF_MUSTER};
use muster_api::names::{self, AGENT_ROLE, AGENTS_NAMESPACE, TOKEN_ROLE, VIEW_BINDING, VIEW_ROLE};
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, LEASES, NAMESPACES, RBAC_GROUP, REPORTS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS,
};
use muster_api::{Meta, Object, Resource};
use serde_json::{Value, json};

/// One part, in the order in which they are made: a credential comes last that could use what is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The execution namespace.
    Namespace,
    /// The heartbeat.
    Lease,
    /// The report.
    Report,
    /// The agent's account.
    Account,
    /// What the agent may do in the execution namespace.
    AgentBinding,
    /// The right to ask for a token of the own account.
    TokenRole,
    /// The binding to that.
    TokenBinding,
    /// The list of clusters and the policies.
    ViewBinding,
}

/// What is seen of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) uid: String,
    pub(super) version: u64,
    pub(super) deleting: bool,
    /// What keeps it, while it is being deleted.
    pub(super) finalizers: Vec<String>,
    /// Whether it bears Muster's label; a namespace, that of execution namespaces.
    pub(super) ours: bool,
    /// The cluster that a namespace says it is for.
    pub(super) owner: Option<String>,
    /// Whether the annotation lets it go.
    pub(super) may_go: bool,
    shape: u64,
}

impl Seen {
    /// Whether it has the content of another.
    pub(super) fn shape_is(&self, other: &Self) -> bool {
        Self { version: 0, may_go: false, ..self.clone() }
            == Self { version: 0, may_go: false, ..other.clone() }
    }
}

impl Part {
    /// All parts, in order.
    pub const ALL: [Self; 8] = [
        Self::Namespace,
        Self::Lease,
        Self::Report,
        Self::Account,
        Self::AgentBinding,
        Self::TokenRole,
        Self::TokenBinding,
        Self::ViewBinding,
    ];

    /// What goes when the cluster leaves, in order, before the namespace: the account, whose tokens die with it, then what
    /// granted it something, then what the agent told.
    pub(super) const REMOVED: [Self; 7] = [
        Self::Account,
        Self::AgentBinding,
        Self::ViewBinding,
        Self::TokenBinding,
        Self::TokenRole,
        Self::Lease,
        Self::Report,
    ];

    /// Its resource.
    #[must_use]
    pub fn resource(self) -> Resource {
        match self {
            Self::Namespace => NAMESPACES,
            Self::Lease => LEASES,
            Self::Report => REPORTS,
            Self::Account => SERVICE_ACCOUNTS,
            Self::AgentBinding | Self::TokenBinding => ROLE_BINDINGS,
            Self::TokenRole => ROLES,
            Self::ViewBinding => CLUSTER_ROLE_BINDINGS,
        }
    }

    /// Its namespace, for a cluster.
    #[must_use]
    pub fn namespace(self, cluster: &str) -> Option<String> {
        match self {
            Self::Namespace | Self::ViewBinding => None,
            Self::Lease | Self::Report | Self::AgentBinding => Some(names::execution_namespace(cluster)),
            Self::Account | Self::TokenRole | Self::TokenBinding => Some(AGENTS_NAMESPACE.to_owned()),
        }
    }

    /// Its name, for a cluster.
    #[must_use]
    pub fn name(self, cluster: &str) -> String {
        match self {
            Self::Namespace => names::execution_namespace(cluster),
            Self::Lease | Self::Report | Self::Account => cluster.to_owned(),
            Self::AgentBinding => AGENT_ROLE.to_owned(),
            Self::TokenRole | Self::TokenBinding => format!("{TOKEN_ROLE}{cluster}"),
            Self::ViewBinding => format!("{VIEW_BINDING}{cluster}"),
        }
    }

    /// Where it is, for people.
    pub(super) fn place(self, cluster: &str) -> String {
        let (kind, name) = (self.resource().kind.to_lowercase(), self.name(cluster));
        match self.namespace(cluster) {
            Some(namespace) => format!("{kind} {name} in namespace {namespace}"),
            None => format!("{kind} {name}"),
        }
    }

    /// For whom an object of this kind is, if it is this part of any: the execution namespace, or the cluster.
    pub(crate) fn slot_of(self, meta: &Meta) -> Option<String> {
        let namespace = meta.namespace.as_deref();
        match self {
            Self::Namespace => meta.name.starts_with(names::EXECUTION_NAMESPACE).then(|| meta.name.clone()),
            Self::AgentBinding => (meta.name == AGENT_ROLE).then(|| namespace.map(str::to_owned)).flatten(),
            Self::Lease | Self::Report => {
                let own = names::execution_namespace(&meta.name);
                (namespace == Some(own.as_str())).then(|| meta.name.clone())
            }
            Self::Account => Some(meta.name.clone()),
            Self::TokenRole | Self::TokenBinding => meta.name.strip_prefix(TOKEN_ROLE).map(str::to_owned),
            Self::ViewBinding => meta.name.strip_prefix(VIEW_BINDING).map(str::to_owned),
        }
    }

    /// The same, from the cluster.
    pub(super) fn slot(self, cluster: &str) -> String {
        match self {
            Self::Namespace | Self::AgentBinding => names::execution_namespace(cluster),
            _ => cluster.to_owned(),
        }
    }

    /// Whether it lies in the execution namespace.
    pub(super) fn is_inside(self) -> bool {
        matches!(self, Self::Lease | Self::Report | Self::AgentBinding)
    }

    /// Whether it gives the account rights, or the way to some.
    pub(super) fn grants(self) -> bool {
        matches!(self, Self::AgentBinding | Self::TokenRole | Self::TokenBinding | Self::ViewBinding)
    }

    /// Whether the place is Muster's alone, so that an object there is Muster's to make right, whoever made it.
    pub(super) fn is_at_home(self) -> bool {
        !matches!(self, Self::Namespace | Self::ViewBinding)
    }

    /// The object as it is to be. `lease`: how long a heartbeat counts.
    #[must_use]
    pub fn body(self, cluster: &str, lease: Duration) -> Value {
        let mut labels = json!({ PART_OF_MUSTER: MUSTER });
        if self == Self::Namespace {
            labels[EXECUTION_NAMESPACE] = json!("true");
        }
        let resource = self.resource();
        let mut metadata = json!({"name": self.name(cluster), "labels": labels});
        if let Some(namespace) = self.namespace(cluster) {
            metadata["namespace"] = json!(namespace);
        }
        if self == Self::Namespace {
            metadata["annotations"] = json!({ FOR_CLUSTER: cluster });
        }
        let mut body = json!({
            "apiVersion": resource.api_version(), "kind": resource.kind, "metadata": metadata,
        });
        let bound = |kind: &str, name: &str| json!({"apiGroup": RBAC_GROUP, "kind": kind, "name": name});
        let role = match self {
            Self::AgentBinding => Some(bound("ClusterRole", AGENT_ROLE)),
            Self::ViewBinding => Some(bound("ClusterRole", VIEW_ROLE)),
            Self::TokenBinding => Some(bound("Role", &Self::TokenRole.name(cluster))),
            _ => None,
        };
        if let Some(role) = role {
            body["roleRef"] = role;
            body["subjects"] =
                json!([{"kind": "ServiceAccount", "name": cluster, "namespace": AGENTS_NAMESPACE}]);
        }
        match self {
            Self::Lease => body["spec"] = json!({"leaseDurationSeconds": lease.as_secs()}),
            Self::Account => body["automountServiceAccountToken"] = json!(false),
            Self::TokenRole => {
                body["rules"] = json!([{
                    "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [cluster],
                    "verbs": ["create"],
                }]);
            }
            _ => {}
        }
        body
    }

    /// What of an object must be as it is to be: equal numbers stand for equal content.
    fn shape(self, object: &Value) -> u64 {
        let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut hash = DefaultHasher::new();
        let labels = &object["metadata"]["labels"];
        text(labels, PART_OF_MUSTER).hash(&mut hash);
        match self {
            Self::Namespace => text(labels, EXECUTION_NAMESPACE).hash(&mut hash),
            Self::Lease => object["spec"]["leaseDurationSeconds"].as_u64().hash(&mut hash),
            Self::Report => {}
            Self::Account => object["automountServiceAccountToken"].as_bool().hash(&mut hash),
            Self::TokenRole => {
                for rule in list(&object["rules"]) {
                    for field in ["apiGroups", "resources", "resourceNames", "verbs", "nonResourceURLs"] {
                        let words: Vec<_> =
                            list(&rule[field]).iter().map(|word| word.as_str().map(str::to_owned)).collect();
                        words.hash(&mut hash);
                    }
                }
            }
            Self::AgentBinding | Self::TokenBinding | Self::ViewBinding => {
                for field in ["kind", "name"] {
                    text(&object["roleRef"], field).hash(&mut hash);
                }
                for subject in list(&object["subjects"]) {
                    for field in ["kind", "name", "namespace"] {
                        text(&subject, field).hash(&mut hash);
                    }
                }
            }
        }
        hash.finish()
    }

    /// What is seen of an object.
    pub(super) fn see(self, object: &Object) -> Seen {
        let meta = &object.meta;
        let label = |name: &str, value: &str| meta.labels.get(name).is_some_and(|found| found == value);
        Seen {
            uid: meta.uid.clone(),
            version: meta.resource_version.parse().unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: match meta.deletion_timestamp {
                Some(_) => meta.finalizers.clone(),
                None => Vec::new(),
            },
            ours: match self {
                Self::Namespace => label(EXECUTION_NAMESPACE, "true"),
                _ => label(PART_OF_MUSTER, MUSTER),
            },
            owner: meta.annotations.get(FOR_CLUSTER).filter(|_| self == Self::Namespace).cloned(),
            may_go: meta.annotations.get(ALLOW_DELETION).is_some_and(|value| value == "true"),
            shape: self.shape(&serde_json::from_str(object.raw.get()).unwrap_or_default()),
        }
    }

    /// Whether what is seen is as it is to be. A namespace that is Muster's is.
    pub(super) fn is_right(self, seen: &Seen, cluster: &str, lease: Duration) -> bool {
        self == Self::Namespace && seen.ours || self.shape(&self.body(cluster, lease)) == seen.shape
    }
}
