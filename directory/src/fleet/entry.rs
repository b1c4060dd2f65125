//! A Cluster entry, as far as decisions read it.

use super::approval::Approval;
use super::definition::created;
use jiff::Timestamp;
use muster_api::Object;
use muster_api::cluster::{Cluster, ClusterStatus, Deregistration};
use muster_api::marks::{ENTRY_FINALIZER, MIRROR_SET, PART_OF, REBIND};

/// A Cluster entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) version: u64,
    pub(super) deleting: bool,
    /// When it was made.
    pub(super) created: Option<Timestamp>,
    /// When deletion was asked for.
    pub(super) deleted: Option<Timestamp>,
    pub(super) finalizers: Vec<String>,
    /// Whether another directory's agent copied it here.
    pub(super) is_copy: bool,
    /// The identity of the cluster that may take its place.
    pub(super) rebind: Option<String>,
    /// Whether the cluster may come in.
    pub(super) approval: Approval,
    /// Whether the Works go with it.
    pub(super) deletes_works: bool,
    pub(super) status: ClusterStatus,
}

impl Entry {
    pub(super) fn of(object: &Object) -> Self {
        let meta = &object.meta;
        let cluster: Cluster = serde_json::from_str(object.raw.get()).unwrap_or_default();
        let spec = cluster.spec.unwrap_or_default();
        Self {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            version: meta.resource_version.parse().unwrap_or(0),
            deleting: meta.deletion_timestamp.is_some(),
            created: created(object),
            deleted: meta.deletion_timestamp.as_deref().and_then(|time| time.parse().ok()),
            finalizers: meta.finalizers.clone(),
            is_copy: meta.labels.get(PART_OF).is_some_and(|set| set == MIRROR_SET),
            rebind: meta.annotations.get(REBIND).cloned(),
            approval: Approval::of(meta),
            deletes_works: spec.deregistration == Some(Deregistration::Delete),
            status: cluster.status.unwrap_or_default(),
        }
    }

    /// Whether Muster's finalizer is on it.
    pub(super) fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == ENTRY_FINALIZER)
    }

    /// Whether there is anything to do about it: copies are another directory's, and an entry that goes and is not held
    /// was never taken in.
    pub(super) fn concerns(&self) -> bool {
        self.is_held() || !self.is_copy && !self.deleting
    }
}
