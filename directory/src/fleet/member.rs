//! One cluster of the fleet: its entry, and what is under way for it.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_api::clock::backoff;
use muster_api::cluster::ClusterStatus;
use muster_api::conditions::cluster::Enrolled;

use super::definition::Doubt;
use super::entry::Entry;
use super::fight::Fight;
use super::part::Part;
use super::plan::{Failure, FailureKind, Step, Work};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a cluster that leaves still has in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Its Works that bear Muster's finalizer.
    pub(super) held: Vec<Work>,
    /// Whether there are any Works.
    pub(super) any: bool,
}

/// One cluster.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) entry: Entry,
    /// The plan under way.
    pub(super) doing: Option<(u64, Step)>,
    /// UIDs of what was shown to go while a part of its kind is being made: the answer to that may come later.
    pub(super) gone: Vec<String>,
    failures: u32,
    /// Nothing is done before, but that the status is written.
    pub(super) due: Duration,
    /// The status is not written before.
    pub(super) tell_due: Duration,
    /// When the last write began that its agent caused.
    pub(super) told: Option<Duration>,
    /// When what its agent says may be written again.
    rests_until: Duration,
    /// What was put right again and again.
    pub(super) fights: BTreeMap<Part, Fight>,
    /// When a step last succeeded that was no write to the entry.
    pub(super) stepped: Duration,
    /// When the namespace that is being deleted was last looked at, and what keeps it.
    pub(super) inspected: Option<Duration>,
    pub(super) stuck: Option<String>,
    /// What cannot be made.
    pub(super) trouble: Option<(Enrolled, String)>,
    /// The identity that it is bound to: the one of the status, also while that is being written.
    pub(super) bound: Option<String>,
    /// Since when the entry is seen to go.
    pub(super) leaving: Option<Duration>,
    /// Why the entry is not believed to leave, although it is being deleted.
    pub(super) doubt: Option<Doubt>,
    /// What is left of a cluster that leaves; none while it is not known.
    pub(super) left: Option<Left>,
}

impl Member {
    pub(super) fn new(entry: Entry, now: Duration) -> Self {
        let (bound, leaving) = (entry.status.id.clone(), entry.deleting.then_some(now));
        Self {
            entry,
            doing: None,
            gone: Vec::new(),
            failures: 0,
            due: Duration::ZERO,
            tell_due: Duration::ZERO,
            told: None,
            rests_until: Duration::ZERO,
            fights: BTreeMap::new(),
            stepped: now,
            inspected: None,
            stuck: None,
            trouble: None,
            bound,
            leaving,
            doubt: None,
            left: None,
        }
    }

    /// The entry is seen again. An older state of it is not taken.
    pub(super) fn see(&mut self, entry: Entry, now: Duration) {
        if entry.uid != self.entry.uid {
            *self = Self::new(entry, now);
            return;
        }
        if entry.version < self.entry.version {
            return;
        }
        let writing = matches!(&self.doing, Some((_, Step::Status { .. })));
        if !writing {
            self.bound.clone_from(&entry.status.id);
        }
        if entry.approval != self.entry.approval {
            self.fights.clear(); // what people say now is carried out at once
        }
        if entry.deleting && self.leaving.is_none() {
            self.leaving = Some(now);
        }
        self.entry = entry;
    }

    /// The finalizers of the entry become these.
    pub(super) fn finalize(&self, finalizers: Vec<String>) -> Step {
        Step::Finalize {
            uid: self.entry.uid.clone(),
            resource_version: self.entry.resource_version.clone(),
            finalizers,
        }
    }

    /// The status of the entry becomes this.
    pub(super) fn tell(&self, status: ClusterStatus) -> Step {
        Step::Status { resource_version: self.entry.resource_version.clone(), status: Box::new(status) }
    }

    /// A step succeeded.
    pub(super) fn succeeded(&mut self, step: &Step, now: Duration) {
        self.failures = 0;
        match step {
            Step::Status { .. } => self.tell_due = Duration::ZERO,
            Step::Inspect => {}
            _ => (self.due, self.trouble, self.stepped) = (Duration::ZERO, None, now),
        }
    }

    /// Whether what its agent says may be written now: not within `rest` of the last time.
    pub(super) fn may_tell(&mut self, now: Duration, rest: Duration) -> bool {
        let until = self.told.map_or(Duration::ZERO, |told| told + rest);
        let over = until <= now;
        self.rests_until = if over { Duration::ZERO } else { until };
        over
    }

    /// A number by which entries differ.
    pub(super) fn salt(&self) -> u64 {
        u64::from_str_radix(self.entry.uid.get(..8).unwrap_or_default(), 16).unwrap_or_default()
    }

    /// A step failed: the next comes later.
    pub(super) fn failed(&mut self, step: &Step, failure: Failure, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        let due = now + backoff(self.failures, FIRST_WAIT, LONGEST_WAIT, self.salt());
        if matches!(step, Step::Status { .. }) {
            self.tell_due = due;
            return;
        }
        self.due = due;
        let reason = match failure.kind {
            FailureKind::Refused => Enrolled::Failed,
            FailureKind::Exists => Enrolled::NameTaken,
            FailureKind::Outdated | FailureKind::Unavailable => return,
        };
        if matches!(step, Step::Make { .. } | Step::Finalize { .. } | Step::Remove { .. }) {
            self.trouble = Some((reason, failure.message));
        }
    }

    /// When something is to be done that waits.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let over = |due: Duration| due > Duration::ZERO && due <= now;
        over(self.due) || over(self.tell_due) || over(self.rests_until)
    }
}
