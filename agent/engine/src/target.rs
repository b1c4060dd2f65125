//! Which object of the replica is meant.

use muster_api::Resource;

/// An object in the replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its resource.
    pub resource: Resource,
    /// Its namespace, where the resource has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}
