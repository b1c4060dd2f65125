//! What is said where something fails: what it was about, why, and what to do next. None of the three can be left out.

use std::fmt;

/// Something that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: String,
    next: String,
}

impl Failure {
    /// `what`: the action with its object, beginning with "unable to". `why`: the cause, without a value that may be a
    /// secret. `next`: the command to run, or what else to do.
    pub(crate) fn new(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), next: next.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}: {}", self.what, self.why)?;
        for line in self.next.lines() {
            write!(f, "\nnext:  {line}")?;
        }
        Ok(())
    }
}
