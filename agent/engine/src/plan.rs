//! What the engine asks the agent to do.

use crate::evidence::{Deletion, Examination};
use crate::pin::Pin;
use crate::target::Target;

/// Number of a plan. Outcomes are matched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(pub u64);

/// Whose wish a plan carries out. Says under which field manager it writes, and labels metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The copies of Cluster entries.
    Mirror,
    /// The engine's own upkeep: live reads and what is to be remembered.
    Engine,
}

impl Source {
    /// Stable name, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
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

/// One thing to do.
#[derive(Debug)]
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
    /// Delete an object. Only evidence makes a [`Deletion`].
    Delete(Deletion),
    /// Read the directory, live.
    Examine(Examination),
    /// Keep the pin durably.
    Remember(Pin),
    /// Ask the session to probe the directory anew, and to close if it is not as it was recorded.
    Probe,
}
