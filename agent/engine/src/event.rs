//! What the engine is told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_api::conditions::{CredentialsValid, DirectoryReachable, HeartbeatAccepted, LedgerUsable};
use muster_api::{Object, Resource};

use crate::era::{Beat, SetBack};
use crate::evidence::Findings;
use crate::failure::Failure;
use crate::hold::{Hold, Passed};
use crate::kind::Kind;
use crate::ledger::Kept;
use crate::memory::{Departed, Memory};
use crate::pin::Pin;
use crate::plan::PlanId;
use crate::refusal::Awaited;
use crate::values::{Digest, Vault};

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What is kept of an earlier life, read before anything else: the replica is kept right also without a session.
    Recalled {
        /// What is kept.
        memory: Memory,
        /// `kube-system` UID of the replica.
        replica: String,
        /// The nonce of new ledgers: it is another one after each joining anew.
        nonce: String,
        /// When the directory was last heard, by this machine's clock or another's; `None` where that is not known.
        heard: Option<Timestamp>,
        /// The Works that an earlier process let go of late.
        passed: Passed,
    },
    /// The last heartbeat that a directory acknowledged, as an earlier process wrote that down.
    Acknowledged(Beat),
    /// A session with the directory began or changed. The directory was probed and is the pinned one.
    Opened(Session),
    /// There is no session, and why.
    Closed(Problem<DirectoryReachable>),
    /// What is to be said of the credential at hand; `None` where nothing is wrong with it.
    Credential {
        /// What is wrong: with the credential in use, or with one that was offered and refused.
        problem: Option<Problem<CredentialsValid>>,
        /// When the credential in use ends, by its own account.
        expires: Option<jiff::Timestamp>,
    },
    /// A change of what the directory holds, from a session.
    Directory {
        /// In which era of the directory that was read: what was on its way when another one began says nothing of it.
        era: u32,
        /// Which watch it came from.
        watch: DirectoryWatch,
        /// What changed.
        change: Change,
    },
    /// A change of what the replica holds.
    Replica {
        /// Which watch it came from.
        watch: ReplicaWatch,
        /// What changed.
        change: Change,
    },
    /// A change of the objects of a kind that Works made. A failure [`Forbidden`](Failure::Forbidden) says that no account
    /// may see them there.
    Objects {
        /// Their resource.
        resource: Resource,
        /// The one namespace that is watched; `None` where all are, and for a resource that has none.
        namespace: Option<String>,
        /// What changed.
        change: Change,
    },
    /// The objects of a kind that Works made are listed now and then from here on, and not watched.
    Paced {
        /// Their resource.
        resource: Resource,
        /// As with [`Objects`](Self::Objects).
        namespace: Option<String>,
    },
    /// The objects of a kind that Works made are neither watched nor listed there any more.
    Unwatched {
        /// Their resource.
        resource: Resource,
        /// As with [`Objects`](Self::Objects).
        namespace: Option<String>,
    },
    /// A change of the ledgers that the replica keeps.
    Ledgers(Change<Kept>),
    /// Whether ledgers come back as they are written; `Ok` where they do.
    LedgerTried(Result<(), Problem<LedgerUsable>>),
    /// Whether one that says that a Work ends with the replica's own entry comes back so; else why not.
    LeavingTried(Result<(), String>),
    /// A plan was carried out, as far as it went.
    Done {
        /// Which one.
        plan: PlanId,
        /// One outcome for each step; a step that was not tried has none.
        outcomes: Vec<StepOutcome>,
    },
    /// What became of the last heartbeat.
    Heartbeat(Heartbeat),
    /// The API server of the replica did not answer for so long that nobody can tell who may write there.
    Adrift,
    /// This process may write again, after a time when it might not.
    Admitted,
    /// Time passed.
    Tick,
}

/// A session with the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The directory, as it was recorded when the replica joined.
    pub pin: Pin,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce of new ledgers.
    pub nonce: String,
    /// That the replica left this directory.
    pub departed: Option<Departed>,
    /// The deletions that wait for somebody's word, as they were kept.
    pub holds: Vec<Hold>,
    /// That the directory was set back to an earlier state, as it was kept.
    pub set_back: Option<SetBack>,
}

impl Session {
    /// Whether directory and replica are one cluster: then there is nothing to mirror.
    #[must_use]
    pub fn same_cluster(&self) -> bool {
        self.pin.directory == self.replica
    }
}

/// The watches on the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirectoryWatch {
    /// The replica's own entry, by name.
    OwnEntry,
    /// The entries to mirror.
    Entries,
    /// The policies.
    Policies,
    /// The Works in the replica's execution namespace.
    Works,
}

/// The watches on the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaWatch {
    /// All Clusters.
    Copies,
    /// The agent's own report, by name: its annotations are the owner's word.
    Report,
    /// All objects of a kind that policies make: namespaces; of the other kinds those that bear Muster's label.
    Applied(Kind),
    /// The definitions of custom resources.
    Definitions,
    /// What something that was refused waits for: all objects of one of its kinds.
    Awaited(Awaited),
}

/// A change that a watch saw.
#[derive(Debug)]
pub enum Change<T = Object> {
    /// A listing begins: what follows is a part of it, until it is complete or has failed.
    ListBegan,
    /// An object of the listing.
    Listed(T),
    /// The listing is complete.
    ListComplete,
    /// An object was created or changed.
    Applied(T),
    /// An object was deleted, or left what the watch selects.
    Gone(T),
    /// Nothing changed, and the server said so.
    Alive,
    /// The watch failed; it goes on by itself.
    Failed(Failure, String),
}

/// What became of a step.
#[derive(Debug)]
pub enum StepOutcome {
    /// Created or changed: the object as the server now holds it.
    Written(Object),
    /// An object that was looked for, or stood in the way, as a live read found it.
    Present(Object),
    /// An object that was looked for is not there.
    Missing,
    /// Deleted, or gone before.
    Deleted,
    /// The kinds of a version of an API group; `None` where the replica does not serve the version.
    Served(Option<Vec<Resource>>),
    /// A part of a ledger was written: the ledger as it is now kept.
    Recorded(Box<Kept>),
    /// What lies beside a ledger.
    Unlocked(Vault),
    /// Values were written: the digests of all that lie there now.
    Sealed(BTreeSet<Digest>),
    /// Muster's label and mark are off.
    Unmarked,
    /// What is in a namespace: nothing, or what there is in a few words.
    Inspected(Result<(), String>),
    /// What live reads found.
    Found(Box<Findings>),
    /// The memory is kept.
    Remembered,
    /// The probe was asked for; what comes of it is an event of its own.
    Asked,
    /// Not done.
    Failed(Failure, String),
}

/// Something that people must know: its reason in the list of conditions, and the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<R> {
    /// The reason.
    pub reason: R,
    /// The details. Never a part of a Secret or of an answer's body.
    pub message: String,
}

/// What became of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The Lease was renewed, so.
    Renewed(Beat),
    /// It was not, since it was renewed later than it says: the directory was set back. It is renewed once that is recorded.
    SetBack {
        /// What it says.
        shown: Beat,
        /// The last renewal that was acknowledged.
        acknowledged: Beat,
    },
    /// It was not.
    Failed {
        /// What the call met.
        failure: Failure,
        /// What people are told.
        problem: Problem<HeartbeatAccepted>,
    },
}
