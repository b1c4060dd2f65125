//! The kinds of objects that policies make in a replica.

use muster_api::Resource;
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LIMIT_RANGES, NAMESPACES, POLICIES, RESOURCE_QUOTAS, ROLE_BINDINGS,
    ROLES,
};

/// The kinds that policies make, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `Namespace`.
    Namespace,
    /// `ClusterRole`.
    ClusterRole,
    /// `Role`.
    Role,
    /// `ClusterRoleBinding`.
    ClusterRoleBinding,
    /// `RoleBinding`.
    RoleBinding,
    /// `ResourceQuota`.
    ResourceQuota,
    /// `LimitRange`.
    LimitRange,
    /// `ClusterPolicy`: the copy of the policy itself, by which people in the replica see what is asked for.
    Copy,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Namespace,
        Self::ClusterRole,
        Self::Role,
        Self::ClusterRoleBinding,
        Self::RoleBinding,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::Copy,
    ];

    /// The resource.
    #[must_use]
    pub fn resource(self) -> Resource {
        match self {
            Self::Namespace => NAMESPACES,
            Self::ClusterRole => CLUSTER_ROLES,
            Self::Role => ROLES,
            Self::ClusterRoleBinding => CLUSTER_ROLE_BINDINGS,
            Self::RoleBinding => ROLE_BINDINGS,
            Self::ResourceQuota => RESOURCE_QUOTAS,
            Self::LimitRange => LIMIT_RANGES,
            Self::Copy => POLICIES,
        }
    }

    /// The kind of a resource; `None` for one that policies do not make.
    #[must_use]
    pub fn of(resource: &Resource) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource() == *resource)
    }

    /// Whether several policies may want the same object: its name is the policy's, and not made from it.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Namespace | Self::ClusterRole | Self::Role)
    }
}
