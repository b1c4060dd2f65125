//! One name of the mirror: what becomes of the copy of its entry. The first change of an entry is copied at once, further ones
//! of the same entry within [`SPACING`], since each of them reaches every replica. Hand edits are undone at once,
//! with a brake for fights.

use std::time::Duration;

use crate::entry::{Digest, Entry, Held};
use crate::failure::Failure;
use crate::pace::Pace;
use crate::plan::{Cause, PlanId};

/// Least time between two updates of one copy that its entry's changes cause.
pub const SPACING: Duration = Duration::from_secs(30);
/// All that is known of one name.
#[derive(Debug, Default)]
pub struct Slot {
    /// The entry as the directory last had it. It stays while it is in question.
    pub wanted: Option<Entry>,
    /// The directory does not show the entry any more. That alone changes nothing.
    pub lost: bool,
    /// What the replica holds under the name.
    pub held: Option<Held>,
    /// The plan under way.
    pub plan: Option<PlanId>,
    /// Why the last write failed.
    pub failure: Option<(Failure, String)>,
    /// UID of the copy that this process knows as its own, also when somebody takes the mark off.
    own: Option<String>,
    /// What the replica was last seen to hold in step with the directory.
    synced: Option<Digest>,
    updated: Option<Duration>,
    pace: Pace,
}

/// What is to be done about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something changes.
    Nothing,
    /// A write, when the time has come.
    Later(Duration),
    /// A write, now.
    Write(Cause),
}

impl Slot {
    /// What is to be done now. `directory` is the identity of the directory; `salt` spreads waits.
    #[must_use]
    pub fn next(&self, directory: &str, now: Duration, salt: u64) -> Next {
        let Some(wanted) = &self.wanted else { return Next::Nothing };
        if self.plan.is_some() || self.is_foreign() {
            return Next::Nothing;
        }
        let was_right = self.synced == Some(wanted.digest());
        let cause = match &self.held {
            None if was_right => Cause::Drift,
            None => Cause::Missing,
            Some(held) if held.deleting || held.is_copy_of(wanted, directory) => return Next::Nothing,
            Some(_) if was_right => Cause::Drift,
            // Another state than the last right one: by hand, though a change of the entry waits as well.
            Some(held) if self.synced.is_some_and(|synced| synced != held.digest) => Cause::Drift,
            Some(_) => Cause::Changed,
        };
        let due = match cause {
            Cause::Changed => self.updated.map_or(Duration::ZERO, |updated| updated + SPACING),
            Cause::Missing | Cause::Drift => Duration::ZERO,
        };
        let due = due.max(self.pace.due(cause == Cause::Drift, salt));
        if due > now { Next::Later(due) } else { Next::Write(cause) }
    }

    /// Whether a Cluster that Muster did not make stands under the name.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.origin.is_none() && self.own.as_ref() != Some(&held.uid))
    }

    /// Whether a copy of another directory's entry stands under the name.
    #[must_use]
    pub fn is_stranger(&self, directory: &str) -> bool {
        let origin = self.held.as_ref().and_then(|held| held.origin.as_ref());
        origin.is_some_and(|origin| origin.directory != directory)
    }

    /// Whether the replica holds what is wanted.
    #[must_use]
    pub fn in_step(&self, directory: &str) -> bool {
        match (&self.wanted, &self.held) {
            (Some(wanted), Some(held)) => held.is_copy_of(wanted, directory),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Whether the copy, or what would be copied anew, waits for evidence that it has to go: the UID that the entry
    /// had.
    #[must_use]
    pub fn in_question(&self, directory: &str) -> Option<&str> {
        match (&self.wanted, &self.held) {
            (Some(wanted), _) => self.lost.then_some(wanted.uid.as_str()),
            (None, Some(held)) => {
                let origin = held.origin.as_ref().filter(|origin| origin.directory == directory)?;
                Some(&origin.entry)
            }
            (None, None) => None,
        }
    }

    /// The directory was set back: whatever it shows of the entry is taken.
    pub fn forget_version(&mut self) {
        if let Some(wanted) = &mut self.wanted {
            wanted.version = 0;
        }
    }

    /// The directory shows the entry. An older state of the same entry than one seen before is not taken.
    pub fn show(&mut self, entry: Entry) {
        self.lost = false;
        let older = |seen: &Entry| seen.uid == entry.uid && seen.version > entry.version;
        if !self.wanted.as_ref().is_some_and(older) {
            self.wanted = Some(entry);
        }
    }

    /// The replica shows an object under the name. Of a watch an older state than one known from a write is not taken;
    /// a listing is right, also after the replica was restored to an older state.
    pub fn hold(&mut self, held: Held, listed: bool) {
        let number = |held: &Held| held.resource_version.parse::<u64>().unwrap_or(0);
        if !listed
            && self.held.as_ref().is_some_and(|known| known.uid == held.uid && number(known) > number(&held))
        {
            return;
        }
        if held.origin.is_some() {
            self.own = Some(held.uid.clone());
        }
        self.held = Some(held);
    }

    /// Takes note where the replica holds what is wanted, whichever of the two was seen first: what differs from it
    /// afterwards, while the same is wanted, was done by somebody else.
    pub fn compare(&mut self, directory: &str) {
        if let (Some(wanted), Some(held)) = (&self.wanted, &self.held)
            && held.is_copy_of(wanted, directory)
        {
            self.synced = Some(wanted.digest());
            self.pace.succeeded();
            self.failure = None; // whatever failed: it is as it should be
        }
        if self.wanted.is_none() {
            self.failure = None;
        }
    }

    /// The replica does not hold the object of this UID any more.
    pub fn miss(&mut self, uid: &str) {
        if self.held.as_ref().is_some_and(|held| held.uid == uid) {
            self.held = None;
        }
    }

    /// A write succeeded.
    pub fn written(&mut self, cause: Cause, now: Duration) {
        self.pace.succeeded();
        self.failure = None;
        match cause {
            Cause::Missing => {}
            Cause::Changed => self.updated = Some(now),
            Cause::Drift => self.pace.corrected(now),
        }
    }

    /// A step failed.
    pub fn failed(&mut self, failure: Failure, message: String, now: Duration, salt: u64) {
        self.pace.failed(now, salt);
        self.failure = Some((failure, message));
    }

    /// What failed may be tried again at once.
    pub fn hurry(&mut self) {
        self.pace.hurry();
    }

    /// When what failed may be tried again.
    #[must_use]
    pub fn retry(&self, salt: u64) -> Duration {
        self.pace.due(false, salt)
    }

    /// Nothing is known of the name any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_none() && self.held.is_none() && self.plan.is_none()
    }
}
