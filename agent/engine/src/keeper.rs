//! The ledger of one policy or Work: as the replica keeps it, as this process last had it recorded, and what is under
//! way about it. It is put back where somebody else changed or removed it.

use std::time::Duration;

use crate::failure::Failure;
use crate::ledger::{Kept, Ledger};
use crate::pace::Pace;

/// What a ledger records before the objects, or as much of it as is worth remembering.
pub trait Record {
    /// Whether another one records the same.
    fn same(&self, other: &Self) -> bool;
}

impl Record for Ledger {
    fn same(&self, other: &Self) -> bool {
        self.same_record(other)
    }
}

/// All that is known of one ledger.
#[derive(Debug)]
pub struct Keeper<R = Ledger> {
    kept: Option<Kept<R>>,
    recorded: Option<R>,
    trying: Option<Trying<R>>,
    busy: bool,
    failure: Option<(Failure, String)>,
    pace: Pace,
}

/// What was to be done about a ledger. The outcome may be lost on the way back: then it shows in what the replica keeps.
#[derive(Debug)]
pub enum Trying<R = Ledger> {
    /// It was to say this.
    Record(Box<R>),
    /// It was to go.
    Forget,
}

// === impl Keeper ===

impl<R> Default for Keeper<R> {
    fn default() -> Self {
        Self { kept: None, recorded: None, trying: None, busy: false, failure: None, pace: Pace::default() }
    }
}

impl<R: Record + Clone> Keeper<R> {
    /// The ledger, as the replica keeps it.
    #[must_use]
    pub fn kept(&self) -> Option<&Kept<R>> {
        self.kept.as_ref()
    }

    /// What it says, as the replica keeps it.
    #[must_use]
    pub fn ledger(&self) -> Option<&R> {
        self.kept.as_ref().map(|kept| &kept.ledger)
    }

    /// What this process last had recorded.
    #[must_use]
    pub fn recorded(&self) -> Option<&R> {
        self.recorded.as_ref()
    }

    /// What it says, or said before it was lost.
    #[must_use]
    pub fn latest(&self) -> Option<&R> {
        self.ledger().or(self.recorded.as_ref())
    }

    /// Whether nothing is known of a ledger, and nothing under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_none() && self.recorded.is_none() && !self.busy
    }

    /// Whether a step about the ledger is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Why the last step about it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&(Failure, String)> {
        self.failure.as_ref()
    }

    /// When the next step may be taken.
    #[must_use]
    pub fn due(&self, salt: u64) -> Duration {
        self.pace.due(false, salt)
    }

    /// What this process had recorded, where somebody else changed it, with UID and resourceVersion of what is there.
    #[must_use]
    pub fn altered(&self) -> Option<(&R, (String, String))> {
        let (kept, recorded) = (self.kept.as_ref()?, self.recorded.as_ref()?);
        (!recorded.same(&kept.ledger)).then(|| (recorded, (kept.uid.clone(), kept.version.clone())))
    }

    // === what the replica shows ===

    /// The replica shows the ledger. `None`: this is older than what was written here. Else, whether what is recorded
    /// is something else than before.
    pub fn keep(&mut self, kept: Kept<R>) -> Option<bool> {
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        if let Some(old) = &self.kept
            && old.uid == kept.uid
            && number(&kept.version) < number(&old.version)
        {
            return None;
        }
        let changed = self.kept.as_ref().is_none_or(|old| !old.ledger.same(&kept.ledger));
        if let Some(Trying::Record(tried)) = &self.trying
            && tried.same(&kept.ledger)
        {
            (self.recorded, self.trying) = (Some(kept.ledger.clone()), None);
        }
        self.kept = Some(kept);
        Some(changed)
    }

    /// The replica does not show the object of this UID any more. Returns whether that was the ledger. What this process
    /// has seen recorded, it knows without the record.
    pub fn unkeep(&mut self, object: &str) -> bool {
        let Some(kept) = self.kept.take_if(|kept| kept.uid == object) else { return false };
        if matches!(self.trying, Some(Trying::Forget)) {
            (self.recorded, self.trying) = (None, None);
        } else if self.recorded.is_none() {
            self.recorded = Some(kept.ledger);
        }
        true
    }

    // === what is done ===

    /// A step is under way.
    pub fn begin(&mut self, trying: Option<Trying<R>>) {
        self.busy = true;
        self.trying = trying;
    }

    /// The step ended, whatever came of it.
    pub fn ended(&mut self) {
        self.busy = false;
    }

    /// The ledger was written, and this is it now.
    pub fn written(&mut self, ledger: R) {
        self.well();
        self.pace.succeeded();
        (self.recorded, self.trying) = (Some(ledger), None);
    }

    /// The ledger is gone, as it was to be.
    pub fn forgotten(&mut self) {
        *self = Self { pace: std::mem::take(&mut self.pace), ..Self::default() };
        self.pace.succeeded();
    }

    /// The step failed. `salt` spreads waits.
    pub fn failed(&mut self, failure: Failure, message: String, now: Duration, salt: u64) {
        self.pace.failed(now, salt);
        self.failure = Some((failure, message));
    }

    /// What failed is not wanted any more, or is so by now.
    pub fn well(&mut self) {
        self.failure = None;
    }

    /// What failed may be tried again at once, if it failed so. Returns whether it did.
    pub fn hurry(&mut self, concerned: impl Fn(Failure) -> bool) -> bool {
        let hurried = self.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure));
        if hurried {
            self.pace.hurry();
        }
        hurried
    }

    /// Whether the next attempt is made for the time alone.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.pace.is_retry()
    }

    /// What failed may be tried again at once: there is something else to record.
    pub fn renew(&mut self) {
        self.pace.hurry();
    }
}
