//! What is made anew where a field of it cannot be changed, and its Work says so. First the server is asked whether it
//! would take the object as a new one: what cannot come back does not go.

use super::Works;
use super::brief::{Brief, Wanted};
use super::bundle::Bundle;
use super::due::{Steps, Task};
use super::objects::{State, mark};
use crate::event::StepOutcome;
use crate::evidence::{Refused, Replacement};
use crate::failure::Failure;
use crate::item::{Guard, Item};
use crate::mark::Mark;
use crate::observed::Observed;
use crate::plan::Step;
use crate::protected;
use crate::refusal::Refusal;
use crate::target::Target;
use crate::time::salt;
use crate::work::Apply;

impl Works {
    /// A write failed. Where that is since a field cannot be changed, what is there may have to make room.
    pub(super) fn note_refusal(
        &mut self,
        work: &str,
        target: &Target,
        mark: &Mark,
        failure: Failure,
        why: &str,
    ) {
        let brief = self.bundles.get(work).and_then(Bundle::ledger);
        let wanted = brief.and_then(|brief| brief.wants(target));
        let replaced = wanted.is_some_and(|wanted| wanted.options.apply == Apply::Replace);
        let slot = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let Some(observed) = slot.filter(|_| replaced && Refusal::of(failure, why) == Refusal::Immutable)
        else {
            return;
        };
        let refused = Refused { mark: mark.clone(), uid: observed.uid.clone() };
        self.refused.insert(target.clone(), refused);
    }

    /// Whether an own object is to make room for itself.
    pub(super) fn replaced_state(
        &mut self,
        brief: &Brief,
        wanted: &Wanted,
        observed: &Observed,
        now: std::time::Duration,
    ) -> Option<State> {
        let target = &wanted.target;
        let refused = self.refused.get(target)?;
        let meant = refused.uid == observed.uid && refused.mark == mark(brief, wanted);
        if !meant || wanted.options.apply != Apply::Replace || observed.mark.as_ref() == Some(&refused.mark) {
            self.refused.remove(target);
            self.replacements.remove(target);
            return None;
        }
        if protected::is_protected(&target.resource) {
            return None;
        }
        // It could not be deleted: the next attempt comes after a pause.
        let slot = self.slots.get(target)?;
        let due = slot.clearing.due(false, salt(target));
        match &slot.failure {
            Some((failure, message)) if due > now => Some(State::Failed(*failure, message.clone(), due)),
            _ => Some(State::Replaced),
        }
    }

    /// The next step of making an object anew.
    pub(super) fn replace(
        &mut self,
        uid: &str,
        brief: &Brief,
        wanted: &Wanted,
        item: &Item,
        steps: &mut Steps,
    ) {
        let target = &wanted.target;
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let seen = observed.map(|observed| (observed.uid.as_str(), observed.version.as_str()));
        let replacement = self.replacements.remove(target);
        if let Some(replacement) = replacement.filter(|replacement| seen == Some(replacement.object())) {
            let task = Task::Clear { work: uid.to_owned(), target: target.clone() };
            return self.act(task, Step::Delete(replacement.permits()), steps);
        }
        let Some(bundle) = self.bundles.get(uid) else { return };
        let (set, mark) = (bundle.set.clone(), mark(brief, wanted));
        let body = self.text(wanted, item, &set, &mark, Guard::New);
        let task = Task::Rehearse { work: uid.to_owned(), target: target.clone() };
        self.act(task, Step::Rehearse { target: target.clone(), body }, steps);
    }

    /// The server said whether it would take an object as a new one, and what is there.
    pub(super) fn rehearsed(
        &mut self,
        work: &str,
        target: &Target,
        outcome: StepOutcome,
        now: std::time::Duration,
    ) {
        let read = match &outcome {
            StepOutcome::Present(object) => Some(self.read(target, object)),
            _ => None,
        };
        let slot = self.slots.entry(target.clone()).or_default();
        match outcome {
            StepOutcome::Failed(failure, message) => {
                self.refused.remove(target); // it is tried again, in its time
                let message = format!("what is there stays, since it could not be made anew: {message}");
                slot.failed(failure, message, now, salt(target));
            }
            StepOutcome::Missing => slot.observed = None,
            _ => {
                let Some(read) = read else { return };
                slot.observe(read.clone());
                let brief = self.bundles.get(work).and_then(Bundle::ledger);
                let judged = brief
                    .zip(self.refused.get(target))
                    .and_then(|(brief, refused)| Replacement::judge(brief, target, refused, &read));
                match judged {
                    Some(replacement) => drop(self.replacements.insert(target.clone(), replacement)),
                    None => drop(self.refused.remove(target)),
                }
            }
        }
    }

    /// What was deleted to make room is made anew at once.
    pub(super) fn made_room(&mut self, target: &Target) {
        if self.refused.remove(target).is_some()
            && let Some(slot) = self.slots.get_mut(target)
        {
            slot.failure = None;
            slot.pace.succeeded();
        }
    }
}
