//! What is to be done about the values beside the ledger of one Work: they are there before the ledger refers to them,
//! read when one of them is to be written, and gone before the ledger is.

use std::sync::Arc;
use std::time::Duration;

use super::brief::Wanted;
use super::bundle::{Bundle, Demand};
use super::due::{Steps, Task};
use super::objects::State;
use super::seen::Seen;
use super::{Context, Works};
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::item::Item;
use crate::plan::Step;
use crate::time::salt;
use crate::values::{Values, may_have};

/// How long values that nothing refers to any more wait for a write that takes them away by the way. Then they are
/// worth one of their own.
const TIDY: Duration = Duration::from_secs(60 * 60);

/// The body of an object that is to be written, or compared with what is there.
pub(super) enum Body {
    /// This.
    Whole(Arc<Item>),
    /// It is in the ledger.
    Unread,
    /// It is at hand, and its values lie beside the ledger.
    Locked,
    /// It is at hand, and its values are nowhere in the replica.
    Lost,
}

/// The next step about values.
#[allow(clippy::large_enum_variant)] // it is short-lived
enum Next {
    Nothing,
    /// The ledger must wait for something.
    Wait,
    /// Nothing before then.
    Later(Duration),
    /// This; whether the ledger waits for it.
    Act(Step, bool),
}

impl Works {
    /// What is to be done about values before the ledger says anything else. Returns whether the ledger waits for it.
    pub(super) fn values_due(&mut self, uid: &str, context: Context, steps: &mut Steps) -> bool {
        let Some(bundle) = self.bundles.get_mut(uid) else { return false };
        if bundle.safe.is_busy() {
            return true;
        }
        match bundle.values_next(context.now) {
            Next::Nothing => {
                bundle.safe.well();
                false
            }
            Next::Wait => true,
            Next::Later(due) => {
                self.later(due, uid);
                false
            }
            Next::Act(step, waits) => {
                self.values_step(uid, step, context, steps);
                waits
            }
        }
    }

    /// What is needed to look through what a Work says is read, and nothing is written: it asks for nothing any more.
    pub(super) fn key_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let wanted = |bundle: &&Bundle| bundle.safe.wants_key() && bundle.source.is_some();
        if self.bundles.get(uid).map(Box::as_ref).filter(wanted).is_some_and(|bundle| !bundle.safe.is_busy())
        {
            self.values_step(uid, Step::Unlock { work: uid.to_owned() }, context, steps);
        }
    }

    fn values_step(&mut self, uid: &str, step: Step, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let due = bundle.safe.due(salt(uid));
        if due > context.now {
            return self.later(due, uid);
        }
        if self.is_full() {
            return self.turns.push(uid);
        }
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.safe.begin(matches!(step, Step::Seal { .. }));
        }
        self.act(Task::Values { work: uid.to_owned() }, step, steps);
    }

    /// Before the ledger goes, what lies beside it goes: nothing else says that it is there. It is looked for also where
    /// the ledger names no Secret: values may have been put there for a version that was never recorded. Returns whether
    /// that is still to be done.
    pub(super) fn discard_due(&mut self, uid: &str, context: Context, steps: &mut Steps) -> bool {
        if self.bundles.get(uid).is_none_or(|bundle| bundle.safe.is_gone()) {
            return false;
        }
        self.values_step(uid, Step::Discard { work: uid.to_owned() }, context, steps);
        true
    }

    /// What comes of the values of what is to be written is seen to. `unlock`: some are not at hand.
    pub(super) fn unlock_due(&mut self, uid: &str, unlock: bool, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        bundle.safe.wants_values = unlock;
        bundle.trim_values();
        if unlock {
            self.values_due(uid, context, steps);
        }
    }

    /// The body of what a Work wants.
    pub(super) fn body_of(&self, uid: &str, wanted: &Wanted) -> Body {
        self.bundles.get(uid).map_or(Body::Unread, |bundle| bundle.body(wanted))
    }

    /// How it stands with an object, where its values count, too.
    pub(super) fn with_values(&mut self, uid: &str, wanted: &Wanted, state: State) -> State {
        let needed = matches!(state, State::Due(_) | State::Replaced | State::Look);
        if !(needed && may_have(&wanted.target) && matches!(self.body_of(uid, wanted), Body::Lost)) {
            return state;
        }
        let known = self.bundles.get(uid).and_then(|bundle| bundle.states.get(&wanted.target));
        if known != Some(&State::ValuesLost) {
            self.turns.push(uid); // the Work is read anew
        }
        State::ValuesLost
    }

    /// What came of a step about values.
    pub(super) fn values_done(&mut self, uid: &str, outcome: StepOutcome, now: Duration) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        self.turns.push(uid);
        let needed = bundle.needed_secrets();
        let safe = &mut bundle.safe;
        safe.ended();
        match outcome {
            StepOutcome::Unlocked(vault) => safe.unlocked(vault, &needed, now, salt(uid)),
            StepOutcome::Sealed(held) => safe.sealed(held),
            StepOutcome::Deleted => safe.discarded(),
            StepOutcome::Failed(failure, message) => safe.failed(failure, message, now, salt(uid)),
            _ => safe.failed(Failure::Malformed, String::new(), now, salt(uid)),
        }
        self.stir_namesake(uid, false);
    }
}

impl Bundle {
    /// The body of what is wanted: while a plan is made, also of what no ledger records.
    pub(super) fn body(&self, wanted: &Wanted) -> Body {
        let planned = self.demand.iter().filter(|_| self.is_planning()).flat_map(|demand| &demand.items);
        let mut all = self.bodies.get(&wanted.target).into_iter().chain(planned);
        let item = all.find(|item| item.target == wanted.target && item.digest() == wanted.digest);
        let Some(item) = item else { return Body::Unread };
        if !may_have(&wanted.target) {
            return Body::Whole(Arc::clone(item));
        }
        match self.safe.open(item) {
            Some(whole) => Body::Whole(Arc::new(whole)),
            None if self.safe.has_lost(item) => Body::Lost,
            None => Body::Locked,
        }
    }

    fn values_next(&mut self, now: Duration) -> Next {
        if self.safe.wants_key() && self.source.is_some() {
            return Next::Act(Step::Unlock { work: self.work.uid.clone() }, false);
        }
        if self.keeper.is_busy() {
            return Next::Wait;
        }
        // Of what is only planned, nothing is put there: what the values are is known from the directory.
        if self.is_only_planned() && self.lost.is_none() && !self.is_deleting() {
            return Next::Nothing;
        }
        let held = self.seen.as_ref().is_some_and(Seen::is_held);
        let unrecorded = self.keeper.latest().is_none();
        if unrecorded && self.seen.is_some() && !held {
            self.safe.begins();
        }
        if unrecorded && held && !self.safe.is_gone() {
            // Put there for a version that was never recorded. The ledger that is to be made does not name it.
            let names = |demand: &Demand| demand.brief.targets().any(may_have);
            if self.demand.as_ref().is_some_and(|demand| !names(demand)) {
                return Next::Act(Step::Discard { work: self.work.uid.clone() }, true);
            }
        }
        let work = || self.work.uid.clone();
        if self.lost.is_some() || self.is_deleting() {
            // Of a Work that went before anything was recorded of it, nothing else is left.
            let forlorn = self.lost.is_some() && self.keeper.is_empty() && !self.safe.is_empty();
            return if forlorn { Next::Act(Step::Discard { work: work() }, true) } else { Next::Nothing };
        }
        if let Some(demand) =
            self.demand.as_ref().filter(|demand| !self.safe.holds_all(&demand.brief.references))
        {
            // Values without a ledger are found by nobody, unless the Work cannot go unnoticed.
            if unrecorded && !held {
                return Next::Wait;
            }
            let asked = &demand.brief.references;
            let Some(key) = self.safe.key() else { return Next::Wait };
            let add = self.safe.pick(asked);
            let recorded = self.keeper.ledger().into_iter().chain(self.keeper.recorded());
            let recorded = recorded.flat_map(|brief| &brief.references);
            let keep = recorded.chain(asked).cloned().collect();
            return Next::Act(Step::Seal { work: work(), key, keep, add }, true);
        }
        if self.safe.wants_values {
            return Next::Act(Step::Unlock { work: work() }, false);
        }
        let settled = self.demand.is_none() && !self.is_altered() && !(self.source.is_some() && self.stale);
        let Some(brief) = self.keeper.ledger().filter(|_| settled) else { return Next::Nothing };
        if brief.references.is_empty() {
            return if self.safe.may_hold(brief) {
                Next::Act(Step::Discard { work: work() }, false)
            } else {
                Next::Nothing
            };
        }
        let stale = self.safe.holds_more_than(&brief.references);
        let Some(key) = self.safe.key().filter(|_| stale) else { return Next::Nothing };
        let keep = brief.references.clone();
        let due = *self.safe.stale_since.get_or_insert(now) + TIDY;
        if due > now {
            return Next::Later(due);
        }
        Next::Act(Step::Seal { work: self.work.uid.clone(), key, keep, add: Values::default() }, false)
    }
}
