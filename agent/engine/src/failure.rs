//! Why calls do not succeed, in the terms of decisions.

/// Why a call did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No answer, or none that can be used now: try again.
    Unavailable,
    /// The credential is not accepted (401).
    Unauthorized,
    /// The right is missing (403).
    Forbidden,
    /// This one object does not exist: the answer names it.
    Absent,
    /// 404 that names no object: the resource is not served. Says nothing of any object.
    NotServed,
    /// Somebody else changed or made the object first (409).
    Conflict,
    /// The server refuses the object as it is (400, 422).
    Invalid,
    /// What is to be written, or what was read, is larger than can be taken (413, and limits of Muster's own).
    TooLarge,
    /// The answer is not what was asked for.
    Malformed,
    /// Not tried: the agent may not act any more.
    Fenced,
}

impl Failure {
    /// Whether it says nothing of what was to be done: nobody answered, or it was not tried.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Unavailable | Self::Fenced)
    }
}
