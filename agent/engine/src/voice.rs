//! Who speaks for the cluster: whoever renews its Lease in the directory. Where another one does, as after the cluster was
//! cloned, or where two run under one name, this one is silent, as if the directory were out of reach: what the directory says
//! to its cluster is said to the other one. Nothing is written there, and nothing there is followed or begins; nothing goes by
//! its word. What is recorded here is enforced on.
//!
//! This only ever holds back. Who renews the Lease speaks; who cannot tell goes on as before.

use muster_api::conditions::HeartbeatAccepted;

use crate::event::{Heartbeat, Problem};

/// Whether this process speaks.
#[derive(Debug, Default)]
pub struct Voice {
    /// Whether a heartbeat was tried in this session.
    tried: bool,
    silent: bool,
    turns: u32,
}

impl Voice {
    /// A session began: who speaks by now is still to be seen.
    pub fn opened(&mut self) {
        self.tried = false;
    }

    /// This became of a heartbeat. Returns whether it speaks now and did not before, or the other way round. Where there is no
    /// Lease, or it may not be renewed from here, nobody can tell who speaks. A heartbeat that failed otherwise says nothing of
    /// that.
    pub fn beaten(&mut self, outcome: &Heartbeat) -> bool {
        self.tried = true;
        let silent = match outcome {
            Heartbeat::Renewed(_) => false,
            Heartbeat::Failed { problem: Problem { reason, .. }, .. } => match reason {
                HeartbeatAccepted::Conflict => true,
                HeartbeatAccepted::Missing | HeartbeatAccepted::Forbidden => false,
                _ => self.silent,
            },
            Heartbeat::SetBack { .. } => self.silent,
        };
        let turned = silent != self.silent;
        self.silent = silent;
        self.turns += u32::from(turned);
        turned
    }

    /// Whether another one speaks for this cluster.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether the directory is to be followed: a heartbeat was tried in this session, and no other one speaks. Who has no
    /// Lease, or may not read it, learns that by the first try.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.tried && !self.silent
    }

    /// How often it fell silent, or spoke again. What was read before that is void after it.
    #[must_use]
    pub fn turns(&self) -> u32 {
        self.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::era::Beat;
    use crate::failure::Failure;

    fn renewed() -> Heartbeat {
        let (directory, name, lease, holder) = ("d".into(), "c".into(), "l".into(), "me".into());
        Heartbeat::Renewed(Beat { directory, name, lease, renewed: None, transitions: 0, holder })
    }

    fn failed(failure: Failure, reason: HeartbeatAccepted) -> Heartbeat {
        Heartbeat::Failed { failure, problem: Problem { reason, message: String::new() } }
    }

    fn conflict() -> Heartbeat {
        failed(Failure::Conflict, HeartbeatAccepted::Conflict)
    }

    #[test]
    fn who_does_not_hold_the_lease_is_silent_until_it_does() {
        let mut voice = Voice::default();
        assert!(!voice.beaten(&renewed()) && !voice.is_silent());
        assert!(voice.beaten(&conflict()) && voice.is_silent() && !voice.follows());
        assert!(!voice.beaten(&conflict()) && voice.is_silent());
        voice.opened();
        assert!(voice.is_silent(), "another session says nothing of who speaks");
        for failure in [Failure::Unavailable, Failure::Unauthorized, Failure::Forbidden, Failure::Absent] {
            assert!(!voice.beaten(&failed(failure, HeartbeatAccepted::Failed)) && voice.is_silent());
        }
        assert!(voice.beaten(&renewed()) && !voice.is_silent() && voice.follows());
        assert_eq!(voice.turns(), 2);
    }

    #[test]
    fn who_cannot_tell_any_more_speaks_again() {
        for (failure, reason) in [
            (Failure::Absent, HeartbeatAccepted::Missing),
            (Failure::Forbidden, HeartbeatAccepted::Forbidden),
        ] {
            let mut voice = Voice::default();
            assert!(voice.beaten(&conflict()));
            assert!(voice.beaten(&failed(failure, reason)) && !voice.is_silent(), "{reason:?}");
        }
    }

    #[test]
    fn who_cannot_tell_speaks_as_before() {
        let outcomes = [
            failed(Failure::Forbidden, HeartbeatAccepted::Forbidden),
            failed(Failure::Absent, HeartbeatAccepted::Missing),
            failed(Failure::Unavailable, HeartbeatAccepted::Failed),
            failed(Failure::Fenced, HeartbeatAccepted::Failed),
            failed(Failure::Conflict, HeartbeatAccepted::Failed), // somebody wrote it twice in a moment: it is tried again
        ];
        for outcome in outcomes {
            let mut voice = Voice::default();
            assert!(!voice.is_silent() && !voice.follows(), "before the first try nothing is followed");
            assert!(!voice.beaten(&outcome) && voice.follows(), "{outcome:?}");
            voice.opened();
            assert!(!voice.is_silent() && !voice.follows());
        }
    }
}
