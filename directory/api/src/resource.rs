//! The API resources that Muster speaks of by name. Kinds that Works bring are not here: discovery finds those.

use std::borrow::Cow;
use std::fmt;

/// Whether objects of a resource live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// One set of names for the whole cluster.
    Cluster,
    /// One set of names in each namespace.
    Namespaced,
}

/// A resource of the Kubernetes API: everything that is needed to build its URL and to know its objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// Version of the group.
    pub version: Cow<'static, str>,
    /// Kind of one object.
    pub kind: Cow<'static, str>,
    /// Plural name, as it stands in URLs. Never guessed from the kind.
    pub plural: Cow<'static, str>,
    /// Scope of its objects.
    pub scope: Scope,
}

impl Resource {
    const fn fixed(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        scope: Scope,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            scope,
        }
    }

    /// `group/version`, or `version` alone in the core group: the value of `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The path of the collection, or of one object. A namespace is ignored where the resource is cluster-scoped.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if let (Scope::Namespaced, Some(namespace)) = (self.scope, namespace) {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        if let Some(name) = name {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// Name of the CRD that serves this resource, and the way in which `kubectl` can be told it beyond doubt.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())
    }
}

/// Group of Muster's own kinds.
pub const GROUP: &str = "multicluster.coreos.com";
/// Group of the kinds that SIG-Multicluster publishes.
pub const WORK_GROUP: &str = "multicluster.x-k8s.io";

/// Cluster entries.
pub const CLUSTERS: Resource = Resource::fixed(GROUP, "v1", "Cluster", "clusters", Scope::Cluster);
/// Policies.
pub const POLICIES: Resource =
    Resource::fixed(GROUP, "v1", "ClusterPolicy", "clusterpolicies", Scope::Cluster);
/// What agents report.
pub const REPORTS: Resource =
    Resource::fixed(GROUP, "v1", "ClusterReport", "clusterreports", Scope::Namespaced);
/// Bundles of manifests, each for one replica.
pub const WORKS: Resource = Resource::fixed(WORK_GROUP, "v1alpha1", "Work", "works", Scope::Namespaced);
/// Ledgers: what the agent made in its replica, one for each Work and policy.
pub const APPLIED_WORKS: Resource =
    Resource::fixed(WORK_GROUP, "v1alpha1", "AppliedWork", "appliedworks", Scope::Cluster);
/// Heartbeats and leadership.
pub const LEASES: Resource =
    Resource::fixed("coordination.k8s.io", "v1", "Lease", "leases", Scope::Namespaced);
/// Namespaces.
pub const NAMESPACES: Resource = Resource::fixed("", "v1", "Namespace", "namespaces", Scope::Cluster);
/// Secrets.
pub const SECRETS: Resource = Resource::fixed("", "v1", "Secret", "secrets", Scope::Namespaced);
/// Accounts.
pub const SERVICE_ACCOUNTS: Resource =
    Resource::fixed("", "v1", "ServiceAccount", "serviceaccounts", Scope::Namespaced);
/// `ConfigMap`s.
pub const CONFIG_MAPS: Resource = Resource::fixed("", "v1", "ConfigMap", "configmaps", Scope::Namespaced);
/// Quotas: what all of a namespace together may use.
pub const RESOURCE_QUOTAS: Resource =
    Resource::fixed("", "v1", "ResourceQuota", "resourcequotas", Scope::Namespaced);
/// Limits: what a single object of a namespace may use.
pub const LIMIT_RANGES: Resource = Resource::fixed("", "v1", "LimitRange", "limitranges", Scope::Namespaced);
/// Group of the kinds that say who may do what.
pub const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
/// Roles for a whole cluster.
pub const CLUSTER_ROLES: Resource =
    Resource::fixed(RBAC_GROUP, "v1", "ClusterRole", "clusterroles", Scope::Cluster);
/// Roles of a namespace.
pub const ROLES: Resource = Resource::fixed(RBAC_GROUP, "v1", "Role", "roles", Scope::Namespaced);
/// Grants in a whole cluster.
pub const CLUSTER_ROLE_BINDINGS: Resource =
    Resource::fixed(RBAC_GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", Scope::Cluster);
/// Grants in a namespace.
pub const ROLE_BINDINGS: Resource =
    Resource::fixed(RBAC_GROUP, "v1", "RoleBinding", "rolebindings", Scope::Namespaced);
/// Group of the kinds that say what is admitted.
pub const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";
/// Which webhooks judge objects.
pub const VALIDATING_WEBHOOKS: Resource = Resource::fixed(
    ADMISSION_GROUP,
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    Scope::Cluster,
);
/// Which webhooks change objects.
pub const MUTATING_WEBHOOKS: Resource = Resource::fixed(
    ADMISSION_GROUP,
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    Scope::Cluster,
);
/// What objects must be like.
pub const VALIDATING_POLICIES: Resource = Resource::fixed(
    ADMISSION_GROUP,
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    Scope::Cluster,
);
/// Which objects must be like that.
pub const VALIDATING_POLICY_BINDINGS: Resource = Resource::fixed(
    ADMISSION_GROUP,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    Scope::Cluster,
);
/// The question who a credential is. Created, answered, and never stored.
pub const SELF_SUBJECT_REVIEWS: Resource =
    Resource::fixed("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", Scope::Cluster);
/// The question what a credential may do. Created, answered, and never stored.
pub const SELF_SUBJECT_ACCESS_REVIEWS: Resource = Resource::fixed(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    Scope::Cluster,
);
/// Definitions of custom resources.
pub const CRDS: Resource = Resource::fixed(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    Scope::Cluster,
);
/// Nodes.
pub const NODES: Resource = Resource::fixed("", "v1", "Node", "nodes", Scope::Cluster);
/// Ranges of addresses of Services; since Kubernetes 1.33.
pub const SERVICE_CIDRS: Resource =
    Resource::fixed("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", Scope::Cluster);
/// What a cluster says of itself (KEP-2149), in both versions that are published, the newer one first.
pub const CLUSTER_PROPERTIES: [Resource; 2] = [
    Resource::fixed("about.k8s.io", "v1beta1", "ClusterProperty", "clusterproperties", Scope::Cluster),
    Resource::fixed("about.k8s.io", "v1alpha1", "ClusterProperty", "clusterproperties", Scope::Cluster),
];
/// The inventory of clusters that other tools read (KEP-4322).
pub const CLUSTER_PROFILES: Resource =
    Resource::fixed(WORK_GROUP, "v1alpha1", "ClusterProfile", "clusterprofiles", Scope::Namespaced);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_both_scopes_and_of_the_core_group() {
        assert_eq!(CLUSTERS.path(Some("ignored"), None), "/apis/multicluster.coreos.com/v1/clusters");
        assert_eq!(NAMESPACES.path(None, Some("kube-system")), "/api/v1/namespaces/kube-system");
        assert_eq!(
            LEASES.path(Some("muster-cluster-east"), Some("east")),
            "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east"
        );
        assert_eq!(CLUSTERS.full_name(), "clusters.multicluster.coreos.com");
        assert_eq!(SECRETS.api_version(), "v1");
    }
}
