//! What the engine asks the agent to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use muster_api::Resource;

use crate::evidence::{Deletion, Examination};
use crate::ledger::{Applied, Kept, Ledger};
use crate::memory::Memory;
use crate::target::Target;
use crate::values::{Digest, Key, Values};

/// Number of a plan. Outcomes are matched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(pub u64);

/// Whose wish a plan carries out. Says under which field manager it writes, and labels metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The copies of Cluster entries.
    Mirror,
    /// What policies ask for. Its objects are read and written as the account that applies policies.
    Policies,
    /// What Works ask for. Its objects are read and written as the account that applies Works.
    Works,
    /// The engine's own upkeep: live reads and what is to be remembered.
    Engine,
}

impl Source {
    /// Stable name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::Policies => "policies",
            Self::Works => "works",
            Self::Engine => "engine",
        }
    }
}

/// Steps to carry out in order. The first that fails ends the plan; every outcome up to it is reported.
#[derive(Debug)]
pub struct Plan {
    /// Its number.
    pub id: PlanId,
    /// Whose wish it is.
    pub source: Source,
    /// For Works: name of the account as which it is carried out, where it is not the default one.
    pub account: Option<Box<str>>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// Why an object is written: for the log, the metrics and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is wanted and is not there.
    Missing,
    /// What is wanted changed.
    Changed,
    /// Somebody else changed or removed it.
    Drift,
}

/// One thing to do. Printed, it shows no body.
pub enum Step {
    /// Create an object that must not exist yet: an object that is already there is a conflict, never taken over.
    Create {
        /// Which.
        target: Target,
        /// The whole object, as JSON.
        body: String,
        /// Why.
        cause: Cause,
    },
    /// Put an object in place of the one of the UID and resourceVersion that the body carries.
    Replace {
        /// Which.
        target: Target,
        /// The whole object, as JSON.
        body: String,
        /// Why.
        cause: Cause,
    },
    /// Apply an object on the server's side. The body guards itself: with the resourceVersion of an object that does
    /// not exist yet, or with the UID of the one that is meant. Where an object is there that must not be, it is read
    /// and shown: [`StepOutcome::Present`](crate::StepOutcome::Present).
    Apply {
        /// Which.
        target: Target,
        /// The object as its source wants it, as JSON.
        body: String,
        /// Why.
        cause: Cause,
        /// Whether fields that others set are taken over. Where they are not, they are a conflict.
        force: bool,
    },
    /// Ask whether an object would be taken as a new one, store nothing, and read what is there under its name.
    Rehearse {
        /// Which.
        target: Target,
        /// The whole object, as JSON.
        body: String,
    },
    /// Read one object of the replica, live.
    Look(Target),
    /// Take Muster's label and mark off an object of this UID, and leave it otherwise as it is.
    Unmark {
        /// Which.
        target: Target,
        /// Its UID.
        uid: String,
    },
    /// See whether a namespace holds anything but what Kubernetes itself keeps in each namespace.
    Inspect {
        /// Which.
        namespace: String,
    },
    /// Write the part of a ledger that goes before the objects: anew, or in place of what is kept.
    Record {
        /// What it is to say.
        ledger: Box<Ledger>,
        /// UID and resourceVersion of what is kept; `None` where nothing is.
        before: Option<(String, String)>,
    },
    /// Write the part of a ledger that comes after the objects.
    Settle {
        /// The ledger as it is kept.
        kept: Box<Kept>,
        /// What is there.
        applied: BTreeMap<Target, Applied>,
    },
    /// Remove a ledger whose objects are gone.
    Forget {
        /// Name of the object that keeps the ledger.
        ledger: String,
        /// UID of the object that keeps the ledger.
        uid: String,
        /// The resourceVersion in which it was seen: what somebody changed since does not go.
        version: String,
    },
    /// Read a Work's ledger, live, for the bodies of its manifests.
    Recall {
        /// Name of the object that keeps the ledger.
        ledger: String,
        /// UID of the Work.
        uid: String,
    },
    /// Read the values beside a Work's ledger, live.
    Unlock {
        /// UID of the Work.
        work: String,
    },
    /// Keep values beside a Work's ledger: [`Vault::with`](crate::values::Vault::with) of what is there now.
    Seal {
        /// UID of the Work.
        work: String,
        /// The key of the digests.
        key: Key,
        /// Which of the values that are there stay.
        keep: BTreeSet<Digest>,
        /// Values that are to be there, too.
        add: Values,
    },
    /// Remove what keeps the values beside a Work's ledger, if it is Muster's.
    Discard {
        /// UID of the Work.
        work: String,
    },
    /// Set the finalizers of a Work in the directory: those that it has, with or without Muster's.
    Finalize {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
        /// The resourceVersion in which it has them.
        version: String,
        /// All of them.
        finalizers: Vec<String>,
    },
    /// Write the status of a Work in the directory.
    Report {
        /// Its name.
        name: String,
        /// The resourceVersion in which it was seen.
        version: String,
        /// The status, as JSON.
        status: String,
    },
    /// Ask the replica which kinds of a version of an API group it serves.
    Discover {
        /// The group; empty for the core group.
        group: String,
        /// The version.
        version: String,
    },
    /// Find out, live, whether the replica serves a resource in any version of its API group, or has a definition of it:
    /// [`StepOutcome::Served`](crate::StepOutcome::Served) with none where it has neither.
    Seek(Resource),
    /// Delete an object. Only evidence makes a [`Deletion`].
    Delete(Deletion),
    /// Read the directory, live.
    Examine(Examination),
    /// Keep this durably, in the place of what was kept before.
    Remember(Memory),
    /// Ask the session to probe the directory anew, and to close if it is not as it was recorded.
    Probe,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of = |verb: &str, what: &dyn fmt::Debug| f.debug_tuple(verb).field(what).finish();
        match self {
            Self::Create { target, .. } => of("Create", target),
            Self::Replace { target, .. } => of("Replace", target),
            Self::Apply { target, .. } => of("Apply", target),
            Self::Rehearse { target, .. } => of("Rehearse", target),
            Self::Look(target) => of("Look", target),
            Self::Seek(target) => of("Seek", target),
            Self::Unmark { target, .. } => of("Unmark", target),
            Self::Inspect { namespace } => of("Inspect", namespace),
            Self::Record { ledger, .. } => of("Record", &ledger.maker),
            Self::Settle { kept, .. } => of("Settle", &kept.ledger.maker),
            Self::Forget { ledger, .. } => of("Forget", ledger),
            Self::Recall { ledger, .. } => of("Recall", ledger),
            Self::Unlock { work } => of("Unlock", work),
            Self::Seal { work, .. } => of("Seal", work),
            Self::Discard { work } => of("Discard", work),
            Self::Finalize { name, .. } => of("Finalize", name),
            Self::Report { name, .. } => of("Report", name),
            Self::Discover { group, version } => of("Discover", &(group, version)),
            Self::Delete(deletion) => of("Delete", deletion.target()),
            Self::Examine(examination) => of("Examine", examination),
            Self::Remember(memory) => of("Remember", memory),
            Self::Probe => f.write_str("Probe"),
        }
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::SECRETS;

    use super::*;

    #[test]
    fn a_step_is_printed_without_its_body() {
        let target = || Target { resource: SECRETS, namespace: Some("web".into()), name: "login".into() };
        let (body, cause) = (|| "canary".to_owned(), Cause::Missing);
        for step in [
            Step::Create { target: target(), body: body(), cause },
            Step::Replace { target: target(), body: body(), cause },
            Step::Apply { target: target(), body: body(), cause, force: true },
        ] {
            let printed = format!("{step:?}");
            assert!(printed.contains("login") && !printed.contains("canary"), "{printed}");
        }
    }
}
