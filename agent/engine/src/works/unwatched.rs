//! Objects that no watch shows, since no account may list them where they are: they are looked at now and then, one by
//! one, as the account that applies them.

use std::time::Duration;

use muster_api::Resource;

use super::Works;
use super::due::{Steps, Task};
use super::objects::State;
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::plan::Step;
use crate::target::Target;
use crate::time::salt;

/// Time from one look at an object to the next; up to a fifth more or less.
const EVERY: Duration = Duration::from_secs(60);
/// The same for an object that is about to change: it goes, or becomes ready.
const SOON: Duration = Duration::from_secs(10);
/// Where many objects are looked at, the time for each of them: so they are no more than ten a second.
const EACH: Duration = Duration::from_millis(100);

impl Works {
    /// The looks at unwatched objects that are due for one Work.
    pub(super) fn unwatched_due(&mut self, uid: &str, now: Duration, steps: &mut Steps) {
        if self.blind == 0 {
            return;
        }
        let blind = u32::try_from(self.blind).unwrap_or(u32::MAX);
        let Some(brief) = self.bundles.get(uid).and_then(|bundle| bundle.ledger()).cloned() else { return };
        let mut next: Option<Duration> = None;
        for target in brief.targets() {
            if !self.is_blind(target) || self.under_way.contains(target) {
                continue;
            }
            let Some(slot) = self.slots.get_mut(target) else { continue };
            let due = match &slot.observed {
                None if slot.known.is_some() && slot.unserved => {
                    *slot.looked.get_or_insert(now) + spread(every(true, blind), target)
                }
                Some(observed) => {
                    let soon = observed.deleting || self.readiness.contains_key(target);
                    slot.seen = true;
                    *slot.looked.get_or_insert(now) + spread(every(soon, blind), target)
                }
                // What a ledger records, and this process never saw.
                None if slot.known.is_some() && !slot.seen => slot.pace.due(false, salt(target)),
                None => continue,
            };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
            } else if self.has_room(uid) {
                let task = Task::See { work: uid.to_owned(), target: target.clone() };
                self.act(task, Step::Look(target.clone()), steps);
            }
        }
        if let Some(next) = next {
            self.later(together(next), uid);
        }
    }

    /// A look ended. Nearly always it shows what was known: then it waits for others to be looked through with.
    pub(super) fn seen_live(&mut self, work: &str, target: &Target, outcome: &StepOutcome, now: Duration) {
        let known = |works: &Self| {
            let slot = works.slots.get(target);
            slot.map(|slot| (slot.seen, slot.observed.clone(), slot.failure.is_some(), slot.unserved))
        };
        let before = known(self);
        let first = self.is_unread(target);
        match outcome {
            StepOutcome::Present(object) => self.observe(target, object, false),
            StepOutcome::Missing => {
                if let Some(slot) = self.slots.get_mut(target) {
                    (slot.observed, slot.absent) = (None, true);
                }
            }
            // With its definition it is gone, or nobody can tell: it is looked at until the kind is served.
            StepOutcome::Failed(Failure::NotServed, _) => {
                if let Some(slot) = self.slots.get_mut(target) {
                    slot.observed = None;
                }
            }
            _ => {} // it is looked at again
        }
        if let Some(slot) = self.slots.get_mut(target) {
            slot.looked = Some(now);
            slot.unserved = match outcome {
                StepOutcome::Present(_) | StepOutcome::Missing => false,
                StepOutcome::Failed(Failure::NotServed, _) => true,
                _ => slot.unserved,
            };
            match outcome {
                // Nobody told how it stands: it is asked again, in its time, and nothing is written before.
                StepOutcome::Failed(failure, message) if *failure != Failure::NotServed => {
                    if first {
                        slot.failed(*failure, message.clone(), now, salt(target));
                    }
                }
                _ if first => {
                    slot.seen = true;
                    slot.pace.succeeded();
                    slot.failure = None;
                }
                _ => slot.seen = true,
            }
        }
        if before == known(self) {
            self.later(together(now), work);
        } else {
            self.turns.push(work);
            self.stir_claimants(target);
        }
    }

    /// Whether an object is still to be looked at for the first time.
    pub(super) fn is_unread(&self, target: &Target) -> bool {
        self.is_blind(target) && self.slots.get(target).is_some_and(|slot| !slot.seen)
    }

    /// How it stands with an object that is still to be looked at for the first time.
    pub(super) fn unread_state(&self, target: &Target, now: Duration) -> State {
        let Some(slot) = self.slots.get(target) else { return State::Unseen };
        let due = slot.pace.due(false, salt(target));
        match &slot.failure {
            Some((failure, message)) if due > now => State::Failed(*failure, message.clone(), due),
            _ => State::Unseen,
        }
    }

    /// What people are told of how an object that is right is seen: nothing, where that is as it should be.
    pub(super) fn sight(&self, target: &Target) -> Option<String> {
        let plural = target.resource.full_name();
        let place = target.namespace.as_ref().map(|namespace| format!(" in namespace {namespace}"));
        let place = place.unwrap_or_default();
        if self.is_blind(target) {
            let why = format!("no account that applies it may list and watch {plural}{place}");
            return Some(format!("{why}: changes by others are noticed within minutes"));
        }
        let why = "more is to be watched than can be at once";
        self.is_paced(target)
            .then(|| format!("{why}, so {plural}{place} are listed now and then: changes by others are noticed within minutes"))
    }

    /// A view may show less than before, or more. `before`: whether it showed nothing.
    pub(super) fn view_changed(&mut self, resource: &Resource, namespace: Option<&str>, before: bool) {
        let after = self.shows_nothing(resource, namespace);
        if before != after {
            let there = self.kinds.count(resource, namespace);
            self.blind = if after { self.blind + there } else { self.blind.saturating_sub(there) };
        }
    }

    /// A Work has an object more.
    pub(super) fn add_object(&mut self, target: &Target, account: Option<&str>) {
        self.kinds.add(target, account);
        self.blind += self.blind_views(target);
    }

    /// A Work has an object less.
    pub(super) fn remove_object(&mut self, target: &Target, account: Option<&str>) {
        if self.kinds.remove(target, account) {
            self.blind = self.blind.saturating_sub(self.blind_views(target));
        }
    }

    /// Whether it is known right how many objects no watch shows.
    #[cfg(test)]
    pub(crate) fn counts_right(&self) -> bool {
        let blind = |(resource, views): (&Resource, &super::views::Views)| -> usize {
            views.blind().map(|namespace| self.kinds.count(resource, namespace)).sum()
        };
        self.blind == self.views.iter().map(blind).sum::<usize>()
    }
}

/// Time from one look to the next, where there are so many objects to be looked at.
fn every(soon: bool, blind: u32) -> Duration {
    (if soon { SOON } else { EVERY }).max(EACH * blind)
}

/// The next whole second: to look through a large Work for each of its objects would take long.
fn together(at: Duration) -> Duration {
    Duration::from_secs(at.as_secs() + 1)
}

/// A time, and up to a fifth more or less: always the same for this object.
fn spread(time: Duration, target: &Target) -> Duration {
    let permille = u32::try_from(salt(target) % 401).unwrap_or_default();
    time * (800 + permille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_objects_are_looked_at_less_often() {
        let looks = |soon, blind| (blind, every(soon, blind).as_secs());
        assert_eq!([looks(false, 1), looks(false, 600), looks(false, 900)], [(1, 60), (600, 60), (900, 90)]);
        assert_eq!([looks(true, 1), looks(true, 100), looks(true, 900)], [(1, 10), (100, 10), (900, 90)]);
    }
}
