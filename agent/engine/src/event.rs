//! What the engine is told.

use muster_api::Object;
use muster_api::conditions::{CredentialsValid, DirectoryReachable, HeartbeatAccepted};

use crate::evidence::Findings;
use crate::failure::Failure;
use crate::pin::Pin;
use crate::plan::PlanId;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
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
        /// Which watch it came from.
        watch: DirectoryWatch,
        /// What changed.
        change: Change,
    },
    /// A change of the Clusters that the replica holds.
    Replica(Change),
    /// A plan was carried out, as far as it went.
    Done {
        /// Which one.
        plan: PlanId,
        /// One outcome for each step; a step that was not tried has none.
        outcomes: Vec<StepOutcome>,
    },
    /// What became of the last heartbeat.
    Heartbeat(Heartbeat),
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
}

/// A change that a watch saw.
#[derive(Debug)]
pub enum Change {
    /// A listing begins: what follows is a part of it, until it is complete or has failed.
    ListBegan,
    /// An object of the listing.
    Listed(Object),
    /// The listing is complete.
    ListComplete,
    /// An object was created or changed.
    Applied(Object),
    /// An object was deleted, or left what the watch selects.
    Gone(Object),
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
    /// Deleted, or gone before.
    Deleted,
    /// What live reads found.
    Found(Findings),
    /// The pin is kept.
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
    /// The Lease was renewed.
    Renewed,
    /// It was not.
    Failed {
        /// What the call met.
        failure: Failure,
        /// What people are told.
        problem: Problem<HeartbeatAccepted>,
    },
}
