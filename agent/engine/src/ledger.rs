//! The ledger of a policy: the durable record, in the replica, of what was made for it. How it is laid out as an
//! `AppliedWork` is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::item::Item;
use crate::mark::Maker;
use crate::target::Target;

/// What one policy made, or is about to make, in this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The policy.
    pub policy: Maker,
    /// Generation of the policy that this records.
    pub generation: i64,
    /// resourceVersion of the policy at that time.
    pub resource_version: String,
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce in the marks of the objects.
    pub nonce: String,
    /// Whether the objects are wanted.
    pub phase: Phase,
    /// Whether namespaces go with the last policy that names them.
    pub delete_namespaces: bool,
    /// What is to be there, in the order of targets, none of them twice. Empty once it is to go.
    pub items: Vec<Arc<Item>>,
    /// All that may be there: the items, and what earlier states asked for and is not confirmed gone.
    pub resources: BTreeSet<Target>,
    /// What is there; written after the objects. `None` where it was never written, or was lost.
    pub applied: Option<BTreeMap<Target, Applied>>,
}

/// Whether the objects of a ledger are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are.
    Applying,
    /// They are to go. It is recorded before the first of them goes, on evidence that then holds for good.
    Deleting,
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its UID.
    pub uid: String,
    /// Digest of what Muster owns on it.
    pub fields: String,
}

/// A ledger as the replica keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it says.
    pub ledger: Ledger,
    /// UID of the object that keeps it.
    pub uid: String,
    /// resourceVersion of that object.
    pub version: String,
}

impl Ledger {
    /// Whether the part that is written before the objects is the same.
    #[must_use]
    pub fn same_record(&self, other: &Self) -> bool {
        let Self {
            policy,
            generation,
            resource_version,
            directory,
            replica,
            nonce,
            phase,
            delete_namespaces,
            items,
            resources,
            applied: _,
        } = self;
        (policy, generation, resource_version) == (&other.policy, &other.generation, &other.resource_version)
            && (directory, replica, nonce) == (&other.directory, &other.replica, &other.nonce)
            && (phase, delete_namespaces) == (&other.phase, &other.delete_namespaces)
            && items == &other.items
            && resources == &other.resources
    }

    /// Whether an object is to be there.
    #[must_use]
    pub fn wants(&self, target: &Target) -> bool {
        self.items.binary_search_by(|item| item.target.cmp(target)).is_ok()
    }

    /// The objects that may be there and are not wanted any more.
    pub fn leftovers(&self) -> impl Iterator<Item = &Target> {
        self.resources.iter().filter(|target| !self.wants(target))
    }
}
