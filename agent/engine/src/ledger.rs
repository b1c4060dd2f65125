//! The ledger of a policy or a Work: the durable record, in the replica, of what was made for it. How it is laid out as
//! an `AppliedWork` is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::era::{Era, Recorded};
use crate::item::Item;
use crate::mark::Maker;
use crate::target::Target;
use crate::work::Options;

/// What one policy or Work made, or is about to make, in this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Of what kind that is.
    pub of: Of,
    /// The policy or the Work.
    pub maker: Maker,
    /// Its generation that this records.
    pub generation: i64,
    /// The number of the era of the directory in which that was recorded.
    pub era: u32,
    /// Its resourceVersion at that time.
    pub resource_version: String,
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce in the marks of the objects.
    pub nonce: String,
    /// Whether the objects are wanted.
    pub phase: Phase,
    /// What is to be there, in the order of targets, none of them twice. Empty once it is to go.
    pub items: Vec<Arc<Item>>,
    /// All that may be there: the items, and what earlier states asked for and is not confirmed gone.
    pub resources: BTreeSet<Target>,
    /// What is there; written after the objects. `None` where it was never written, or was lost.
    pub applied: Option<BTreeMap<Target, Applied>>,
}

/// Of what a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Of a policy.
    Policy {
        /// Whether namespaces go with the last policy that names them.
        delete_namespaces: bool,
    },
    /// Of a Work.
    Work(Box<WorkPart>),
}

/// What a ledger of a Work records beside that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkPart {
    /// The Work's namespace in the directory.
    pub namespace: String,
    /// The options of the Work.
    pub options: Arc<Options>,
    /// What holds for each object that is wanted.
    pub places: BTreeMap<Target, Place>,
    /// What may be there and is not wanted, with the options that held for it last.
    pub left: BTreeMap<Target, Arc<Options>>,
    /// The UID of the replica's own entry with which it ends, where it is [`Phase::Leaving`].
    pub departure: Option<Arc<str>>,
}

/// Where an item of a Work comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The manifest's place in the Work's list, from 0.
    pub ordinal: usize,
    /// The options that hold for it.
    pub options: Arc<Options>,
}

/// Where ledgers belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce of new ledgers.
    pub nonce: String,
    /// The era of the directory.
    pub era: Era,
}

/// Whether the objects of a ledger are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are.
    Applying,
    /// They are to go. It is recorded before the first of them goes, on evidence that then holds for good.
    Deleting,
    /// They are to go with the replica's own entry. It is recorded before the first of them goes, and holds as long as that
    /// departure does, and no other: else they are to be applied again.
    Leaving,
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
pub struct Kept<R = Ledger> {
    /// What it says.
    pub ledger: R,
    /// UID of the object that keeps it.
    pub uid: String,
    /// resourceVersion of that object.
    pub version: String,
}

impl Ledger {
    /// What of its source it records.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        Recorded { era: self.era, generation: self.generation }
    }

    /// Whether namespaces go with the last policy that names them.
    #[must_use]
    pub fn deletes_namespaces(&self) -> bool {
        matches!(self.of, Of::Policy { delete_namespaces: true })
    }

    /// Whether the part that is written before the objects is the same.
    #[must_use]
    pub fn same_record(&self, other: &Self) -> bool {
        let Self {
            of,
            maker,
            generation,
            era,
            resource_version,
            directory,
            replica,
            nonce,
            phase,
            items,
            resources,
            applied: _,
        } = self;
        (of, maker) == (&other.of, &other.maker)
            && (generation, era, resource_version) == (&other.generation, &other.era, &other.resource_version)
            && (directory, replica, nonce) == (&other.directory, &other.replica, &other.nonce)
            && phase == &other.phase
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
