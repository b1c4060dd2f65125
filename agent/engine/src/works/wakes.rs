//! What was refused is tried again when something changes that it waits for. Servers act on such a change a moment after
//! they show it, each by a cache of its own: so what still fails is tried again a few times within seconds of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::resource::NAMESPACES;

use super::Works;
use crate::event::Change;
use crate::failure::Failure;
use crate::refusal::{Awaited, Refusal};
use crate::target::Target;

/// How long after a change, and after each attempt, the next attempt is made.
const ATTEMPTS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(450),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
];
/// Least time between two attempts, for each object that waits: where changes are frequent and do not concern it, no more
/// than fifty writes a second fail for them.
const SHARE: Duration = Duration::from_millis(20);

/// Changes that something may wait for.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    /// How many objects of which Work wait for what.
    waiting: BTreeMap<Awaited, BTreeMap<String, usize>>,
    rounds: BTreeMap<Awaited, Round>,
}

/// What is tried after a change.
#[derive(Debug, Default)]
struct Round {
    next: Option<Duration>,
    made: usize,
    last: Duration,
    within: Within,
}

/// Where something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Within {
    Namespaces(BTreeSet<String>),
    All,
}

impl Default for Within {
    fn default() -> Self {
        Self::Namespaces(BTreeSet::new())
    }
}

impl Works {
    /// A change of what refused steps may wait for. A listing is one: what changed before it is in none other.
    pub fn awaited_changed(&mut self, awaited: Awaited, change: &Change, now: Duration) {
        match change {
            Change::ListComplete => self.wakes.changed(awaited, None, now),
            Change::Applied(object) | Change::Gone(object) => {
                self.wakes.changed(awaited, object.meta.namespace.as_deref(), now);
            }
            Change::ListBegan | Change::Listed(_) | Change::Alive | Change::Failed(..) => {}
        }
    }

    /// A namespace is there, or was changed: what failed for want of it, or by what its labels ask for, is tried again at
    /// once.
    pub fn namespace_shown(&mut self, namespace: &Object) {
        if namespace.meta.deletion_timestamp.is_some() {
            return; // nothing is made in it any more
        }
        let concerned = |(failure, message): &(Failure, String)| {
            let refusal = Refusal::of(*failure, message);
            matches!(refusal, Refusal::NoNamespace | Refusal::Terminating | Refusal::Policy)
        };
        for (target, slot) in &mut self.slots {
            let within = target.namespace.as_ref() == Some(&namespace.meta.name);
            if within && slot.failure.as_ref().is_some_and(concerned) {
                slot.pace.hurry();
                slot.failure = None;
                self.claims.get(target).into_iter().flatten().for_each(|uid| self.turns.push(uid));
            }
        }
    }

    /// What is waited for, and is to be watched for that.
    pub fn awaited(&self) -> impl Iterator<Item = Awaited> {
        self.wakes.waiting.keys().copied()
    }

    /// What waited for a change of a moment ago is tried again.
    pub(super) fn wake_up(&mut self, now: Duration) {
        for (awaited, within) in self.wakes.due(now) {
            let waits = |target: &Target, failure: &Option<_>| {
                failure.as_ref().is_some_and(|(failure, message): &(_, String)| {
                    let refusal = Refusal::of(*failure, message);
                    refusal.awaits() == Some(awaited) && within.concerns(target, message)
                })
            };
            for (target, slot) in self.slots.iter_mut().filter(|(target, slot)| waits(target, &slot.failure))
            {
                slot.pace.hurry();
                slot.clearing.hurry();
                self.claims.get(target).into_iter().flatten().for_each(|uid| self.turns.push(uid));
            }
        }
    }

    /// Remembers what the objects of a Work wait for. While one is tried again, it waits still.
    pub(super) fn note_awaited(&mut self, uid: &str) {
        let mut waiting: BTreeMap<Awaited, usize> = BTreeMap::new();
        let brief = self.bundles.get(uid).filter(|bundle| !bundle.is_suspended()).and_then(|it| it.ledger());
        for target in brief.into_iter().flat_map(|brief| brief.targets()) {
            let failure = self.slots.get(target).and_then(|slot| slot.failure.as_ref());
            let awaited = failure.and_then(|(failure, message)| Refusal::of(*failure, message).awaits());
            if let Some(awaited) = awaited {
                *waiting.entry(awaited).or_default() += 1;
            }
        }
        self.wakes.note(uid, &waiting);
    }
}

impl Wakes {
    /// When something is to be tried.
    pub(super) fn next(&self) -> Option<Duration> {
        self.rounds.values().filter_map(|round| round.next).min()
    }

    fn note(&mut self, uid: &str, waiting: &BTreeMap<Awaited, usize>) {
        for awaited in Awaited::ALL {
            if let Some(number) = waiting.get(&awaited) {
                self.waiting.entry(awaited).or_default().insert(uid.to_owned(), *number);
            } else if let Some(works) = self.waiting.get_mut(&awaited) {
                works.remove(uid);
                if works.is_empty() {
                    self.waiting.remove(&awaited);
                }
            }
        }
    }

    /// `namespace`: where alone the change can matter.
    fn changed(&mut self, awaited: Awaited, namespace: Option<&str>, now: Duration) {
        let spacing = self.spacing(awaited);
        let round = self.rounds.entry(awaited).or_default();
        if round.next.is_none() {
            round.within = Within::default();
        }
        match (namespace, &mut round.within) {
            (Some(namespace), Within::Namespaces(names)) => drop(names.insert(namespace.to_owned())),
            (None, within) => *within = Within::All,
            (Some(_), Within::All) => {}
        }
        let next = (now + ATTEMPTS[0]).max(round.last + spacing);
        round.next = Some(round.next.map_or(next, |before| before.min(next)));
        round.made = 0;
    }

    /// What is to be tried now.
    fn due(&mut self, now: Duration) -> Vec<(Awaited, Within)> {
        let spacings: BTreeMap<Awaited, Duration> =
            self.rounds.keys().map(|awaited| (*awaited, self.spacing(*awaited))).collect();
        let due = self.rounds.iter_mut().filter(|(_, round)| round.next.is_some_and(|next| next <= now));
        due.map(|(awaited, round)| {
            round.made += 1;
            round.last = now;
            let spacing = spacings.get(awaited).copied().unwrap_or_default();
            round.next = ATTEMPTS.get(round.made).map(|pause| now + (*pause).max(spacing));
            (*awaited, round.within.clone())
        })
        .collect()
    }

    fn spacing(&self, awaited: Awaited) -> Duration {
        let waiting: usize = self.waiting.get(&awaited).into_iter().flat_map(BTreeMap::values).sum();
        SHARE * u32::try_from(waiting).unwrap_or(u32::MAX)
    }
}

impl Within {
    /// Whether a change here can matter to an object. Roles of another namespace say who may act as an account.
    fn concerns(&self, target: &Target, message: &str) -> bool {
        let Self::Namespaces(names) = self else { return true };
        let own =
            target.namespace.as_ref().or_else(|| (target.resource == NAMESPACES).then_some(&target.name));
        own.is_some_and(|own| names.contains(own)) || message.contains("cannot impersonate")
    }
}
