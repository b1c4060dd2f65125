//! Who begins lets the directory speak first: what is recorded may be older than what it asks for by now. What a policy, or
//! a Work, dropped meanwhile would be made anew, only to go again.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_api::conditions::HeartbeatAccepted;

use super::Engine;
use crate::event::{DirectoryWatch, Heartbeat};
use crate::failure::Failure;

/// How long a directory is waited for that neither answers nor fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is waited for whether another one speaks for this cluster, as it looks after the replica was set back: a quarter
/// of what the Lease in the directory lasts.
const DISPUTE: Duration = Duration::from_secs(60);

/// The first word of the directory since this process began.
#[derive(Debug, Default)]
pub(super) struct FirstWord {
    /// The watches that are to say something.
    awaited: BTreeSet<DirectoryWatch>,
    /// Until when they are waited for.
    until: Duration,
    /// Another one seemed to speak for this cluster.
    disputed: bool,
}

impl FirstWord {
    /// It is awaited from now on.
    pub(super) fn await_from(&mut self, now: Duration) {
        self.awaited = [DirectoryWatch::Policies, DirectoryWatch::Works].into();
        (self.until, self.disputed) = (now + PATIENCE, false);
    }

    /// Whether it is awaited what a watch will show.
    pub(super) fn is_awaited(&self, watch: DirectoryWatch) -> bool {
        self.awaited.contains(&watch)
    }

    /// Until when anything is awaited.
    pub(super) fn until(&self) -> Option<Duration> {
        (!self.awaited.is_empty()).then_some(self.until)
    }
}

impl Engine {
    /// A watch of the directory failed. What may pass is tried again in a moment.
    pub(super) fn word_failed(&mut self, watch: DirectoryWatch, failure: Failure) {
        if !failure.may_pass() {
            self.is_silent_about(watch);
        }
    }

    /// This became of a heartbeat. Where another one speaks for this cluster, the directory says nothing to this one. Whether it
    /// does is seen by the next one.
    pub(super) fn word_disputed(&mut self, outcome: &Heartbeat, now: Duration) {
        let Heartbeat::Failed { problem, .. } = outcome else { return };
        if problem.reason != HeartbeatAccepted::Conflict {
            return;
        }
        if self.first_word.disputed {
            return self.says_nothing();
        }
        (self.first_word.until, self.first_word.disputed) = (now + DISPUTE, true);
    }

    /// A watch of the directory will not show for now what is asked for: what is recorded holds.
    fn is_silent_about(&mut self, watch: DirectoryWatch) {
        if self.first_word.awaited.remove(&watch) && watch == DirectoryWatch::Works {
            self.works.stir_unheard();
        }
    }

    /// Nor will any other.
    pub(super) fn says_nothing(&mut self) {
        for watch in self.first_word.awaited.clone() {
            self.is_silent_about(watch);
        }
    }
}
