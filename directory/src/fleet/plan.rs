//! What is decided, and what came of it.

use muster_api::Object;
use muster_api::cluster::ClusterStatus;
use muster_api::events::controller::EventReason;
use muster_api::marks::WORK_FINALIZER;
use serde_json::Value;

use super::part::Part;

/// One write or read for one cluster. There is one at a time for each.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the cluster; empty where it is about none.
    pub cluster: String,
    /// Which plan this is.
    pub id: u64,
    /// What is to be done.
    pub step: Step,
    /// It is done only where the definition of entries has this UID right before, and is not being deleted.
    pub under: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The finalizers of the entry become these. Where Muster's is none of them, the entry ends with that, and before it the
    /// Secret to which a credential to join with is bound.
    Finalize {
        /// UID of the entry.
        uid: String,
        /// The entry must still have this resourceVersion.
        resource_version: String,
        /// All of its finalizers.
        finalizers: Vec<String>,
    },
    /// The status of the entry becomes this.
    Status {
        /// The entry must still have this resourceVersion.
        resource_version: String,
        /// The status.
        status: Box<ClusterStatus>,
    },
    /// A part is made, or made right.
    Make {
        /// Which.
        part: Part,
        /// As it is to be.
        body: Value,
        /// Whether one that is there is made right; else that is an error.
        over: bool,
    },
    /// A part goes.
    Remove {
        /// Which.
        part: Part,
        /// It must still have this UID.
        uid: String,
    },
    /// The Secret goes to which the credential to join with is bound. It is not read: it may not be there.
    Retire,
    /// The definition of entries is read.
    Verify,
    /// The namespace that is being deleted is read, since it does not go.
    Inspect,
    /// The Lease is read anew.
    Look,
    /// The Works of the execution namespace are listed.
    List,
    /// A Work is let go: Muster's finalizer is taken off it.
    Release(Work),
    /// The execution namespace is marked as one that may go.
    Allow {
        /// It must still have this UID.
        uid: String,
    },
}

impl Step {
    /// Whether it takes something away that the directory keeps for a cluster.
    pub(super) fn removes(&self) -> bool {
        match self {
            Self::Finalize { .. } | Self::Remove { .. } | Self::Release(_) | Self::Allow { .. } => true,
            Self::Status { .. }
            | Self::Make { .. }
            | Self::Retire
            | Self::Verify
            | Self::Inspect
            | Self::Look
            | Self::List => false,
        }
    }

    /// The word for it in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Finalize { .. } => "finalize",
            Self::Status { .. } => "status",
            Self::Make { .. } => "make",
            Self::Remove { .. } => "remove",
            Self::Retire => "retire",
            Self::Verify => "verify",
            Self::Inspect => "inspect",
            Self::Look => "look",
            Self::List => "list",
            Self::Release(_) => "release",
            Self::Allow { .. } => "allow",
        }
    }
}

/// A Work of a cluster that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its name.
    pub name: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its finalizers.
    pub finalizers: Vec<String>,
}

impl Work {
    /// Whether Muster's finalizer is on it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == WORK_FINALIZER)
    }
}

/// What came of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// It was written or read, and looks like this now.
    Object(Object),
    /// Its removal began.
    Removed,
    /// It is not there.
    Absent,
    /// All Works of the execution namespace.
    Works(Vec<Work>),
    /// It was not done, since the definition of entries is not what it is to be: this one, or none.
    Doubtful(Option<Object>),
    /// It failed.
    Failed(Failure),
}

impl Outcome {
    /// The word for it in metrics. That somebody else was faster is no failure: the step is decided anew.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Failed(Failure { kind: FailureKind::Outdated, .. }) => "conflict",
            Self::Failed(_) => "failed",
            Self::Object(_) | Self::Removed | Self::Absent | Self::Works(_) | Self::Doubtful(_) => "ok",
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Of what kind.
    pub kind: FailureKind,
    /// What people are told.
    pub message: String,
}

/// Kinds of failures, by what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Something changed meanwhile: what is there decides anew.
    Outdated,
    /// There is an object already.
    Exists,
    /// The server refuses it as long as nobody changes something.
    Refused,
    /// The server cannot be asked, or fails.
    Unavailable,
}

/// Something that people are told, by an Event about the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Name and UID of the entry; none where it is about the directory itself.
    pub entry: Option<(String, String)>,
    /// What happened.
    pub reason: EventReason,
    /// The details.
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_did_not_fail() {
        let failed = |kind| Outcome::Failed(Failure { kind, message: String::new() }).label();
        assert_eq!(failed(FailureKind::Outdated), "conflict");
        for kind in [FailureKind::Exists, FailureKind::Refused, FailureKind::Unavailable] {
            assert_eq!(failed(kind), "failed", "{kind:?}");
        }
        assert_eq!(Outcome::Absent.label(), "ok");
    }
}
