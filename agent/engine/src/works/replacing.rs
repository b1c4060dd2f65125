//! What is made anew where a field of it cannot be changed, and its Work says so. First the server is asked whether it
//! would take the object as a new one: what cannot come back does not go.

use muster_api::Object;

use super::brief::{Brief, Wanted};
use super::due::{Steps, Task};
use super::objects::{State, mark};
use super::{Context, Works};
use crate::event::StepOutcome;
use crate::evidence::{Refused, Replacement, Risk};
use crate::failure::Failure;
use crate::item::{Guard, Item};
use crate::mark::Mark;
use crate::observed::Observed;
use crate::plan::Step;
use crate::refusal::Refusal;
use crate::target::Target;
use crate::time::salt;
use crate::work::{Apply, OnDrift};

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
        let brief = self.bundles.get(work).and_then(|bundle| bundle.ledger());
        let wanted = brief.and_then(|brief| brief.wants(target));
        let replaced = wanted.is_some_and(|wanted| wanted.options.apply == Apply::Replace);
        let slot = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let Some(observed) = slot.filter(|_| replaced && Refusal::of(failure, why) == Refusal::Immutable)
        else {
            return;
        };
        let refused = Refused { mark: mark.clone(), uid: observed.uid.clone(), why: why.into() };
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
        context: Context,
        steps: &mut Steps,
    ) {
        if self.era().doubted || context.unsure {
            return; // it may ask for that in a backup only
        }
        let target = &wanted.target;
        let observed = self.slots.get(target).and_then(|slot| slot.observed.as_ref());
        let seen = observed.map(|observed| (observed.uid.as_str(), observed.version.as_str()));
        let permitted = |replacement: &Replacement| seen == Some(replacement.object());
        let permitted = self.replacements.get(target).is_some_and(permitted);
        // What is recorded, is absent and is only to be told of counts as deleted by somebody: so it is not recorded.
        let recorded = brief.applied.as_ref().is_some_and(|applied| applied.contains_key(target));
        if permitted && recorded && wanted.options.on_drift == OnDrift::Report {
            return self.disown(uid, target, context, steps);
        }
        if let Some(replacement) = self.replacements.remove(target).filter(|_| permitted) {
            let before = observed.and_then(|observed| observed.mark.clone());
            if let (Some(slot), Some(before)) = (self.slots.get_mut(target), before) {
                slot.outdate(before); // also where nobody hears what came of it
            }
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
                let (Some(read), StepOutcome::Present(object)) = (read, outcome) else { return };
                slot.observe(read.clone());
                match self.judge_replacement(work, target, &read, &object) {
                    Ok(Some(replacement)) => drop(self.replacements.insert(target.clone(), replacement)),
                    Ok(None) => drop(self.refused.remove(target)),
                    Err(risk) => {
                        let refused = self.refused.remove(target); // it is tried again, in its time
                        let why = refused.map_or_else(Box::default, |refused| refused.why);
                        let message = format!("{target} is not made anew: {risk}; {why}");
                        let slot = self.slots.entry(target.clone()).or_default();
                        slot.failed(Failure::Invalid, message, now, salt(target));
                    }
                }
            }
        }
    }

    fn judge_replacement(
        &self,
        work: &str,
        target: &Target,
        read: &Observed,
        object: &Object,
    ) -> Result<Option<Replacement>, Risk> {
        let Some(bundle) = self.bundles.get(work) else { return Ok(None) };
        let (Some(brief), Some(refused)) = (bundle.ledger(), self.refused.get(target)) else {
            return Ok(None);
        };
        let Some(item) = bundle.bodies.get(target) else { return Ok(None) };
        Replacement::judge(brief, item, refused, read, object)
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
