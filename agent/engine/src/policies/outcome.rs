//! What came of the steps about policies.

use std::time::Duration;

use muster_api::marks;
use muster_api::names::POLICIES_MANAGER;

use super::due::Work;
use super::{Policies, Timer};
use crate::event::StepOutcome;
use crate::evidence::{Findings, PolicyVerdict};
use crate::failure::Failure;
use crate::ledger::Kept;
use crate::live::Known;
use crate::mark::Mark;
use crate::observed::Observed;
use crate::pin::{Pin, Reading};
use crate::plan::Cause;
use crate::target::Target;
use crate::time::salt;

impl Policies {
    /// A plan ended. Returns whether it put right what somebody else had changed.
    pub fn done(&mut self, work: Work, outcome: StepOutcome, now: Duration) -> bool {
        match work {
            Work::Write { target, cause, mark, before } => {
                let cause = (cause, before.as_deref());
                self.written(target, cause, &mark, outcome, now)
            }
            Work::Clear { target } => {
                self.cleared(target, outcome, now);
                false
            }
            Work::Ledger { policy } => {
                self.ledger_done(&policy, outcome, now);
                false
            }
        }
    }

    fn written(
        &mut self,
        target: Target,
        cause: (Cause, Option<&str>),
        mark: &Mark,
        outcome: StepOutcome,
        now: Duration,
    ) -> bool {
        self.under_way.remove(&target);
        let slot = self.slots.entry(target.clone()).or_default();
        let mut corrected = false;
        match outcome {
            StepOutcome::Written(object) => {
                let observed = Observed::read(&object, &target, POLICIES_MANAGER, Some(marks::POLICY_SET))
                    .without_works();
                let kept =
                    observed.labelled && observed.mark.as_ref() == Some(mark) && observed.fields.is_some();
                corrected = slot.written(observed, cause, now);
                if !kept {
                    let why = "the replica does not keep what is written: an admission webhook changes it";
                    slot.failed(Failure::Invalid, format!("{target}: {why}"), now, salt(&target));
                }
                if target.rank() == 1 {
                    self.hurry(|_| true); // what grants the role may have waited for it
                }
            }
            StepOutcome::Present(object) => {
                let observed = Observed::read(&object, &target, POLICIES_MANAGER, Some(marks::POLICY_SET))
                    .without_works();
                if slot.observed.as_ref().is_some_and(|before| before.uid != observed.uid) {
                    slot.observed = None; // it is gone, and this has taken its place
                }
                if observed.labelled || slot.knows(&observed, &self.nonces) {
                    slot.observe(observed);
                } else {
                    // No watch will show when it goes.
                    slot.foreign = true;
                    let why = "it is there already, and is not Muster's";
                    slot.failed(Failure::Conflict, format!("{target}: {why}"), now, salt(&target));
                }
            }
            StepOutcome::Failed(failure, message) => {
                if failure == Failure::Conflict {
                    slot.observed = None; // it was looked for, and is not there
                }
                slot.failed(failure, message, now, salt(&target));
            }
            _ => {}
        }
        self.touch(target);
        corrected
    }

    /// What failed so is tried again at once: what it waited for may be there.
    pub fn hurry(&mut self, concerned: impl Fn(Failure) -> bool) {
        for (target, slot) in &mut self.slots {
            if slot.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure)) {
                slot.pace.hurry();
                self.touched.insert(target.clone());
            }
        }
        for (uid, bundle) in &mut self.bundles {
            if bundle.keeper.hurry(&concerned) {
                self.stirred.insert(uid.clone());
            }
        }
    }

    fn cleared(&mut self, target: Target, outcome: StepOutcome, now: Duration) {
        self.under_way.remove(&target);
        let slot = self.slots.entry(target.clone()).or_default();
        match outcome {
            StepOutcome::Deleted => {
                // Where finalizers keep it, the watch goes on to show it.
                slot.observed = None;
                slot.known = None;
                slot.absent = true;
            }
            StepOutcome::Missing => slot.absent = true,
            StepOutcome::Present(object) => {
                slot.observe(
                    Observed::read(&object, &target, POLICIES_MANAGER, Some(marks::POLICY_SET))
                        .without_works(),
                );
            }
            StepOutcome::Unmarked => {
                slot.known = None;
                if let Some(observed) = &mut slot.observed {
                    (observed.labelled, observed.mark) = (false, None);
                }
                self.retained.insert(target.name.clone());
            }
            StepOutcome::Inspected(found) => slot.inspected = Some((found, now)),
            // Another object has taken its place: look who.
            StepOutcome::Failed(Failure::Conflict, message) => {
                slot.observed = None;
                slot.failed(Failure::Conflict, message, now, salt(&target));
            }
            StepOutcome::Failed(failure, message) => slot.failed(failure, message, now, salt(&target)),
            _ => {}
        }
        let slot = self.slots.entry(target.clone()).or_default();
        let due = slot.pace.due(false, salt(&target));
        if due > now {
            self.timers.insert((due, Timer::Slot(target.clone())));
        }
        self.touch(target);
    }

    fn ledger_done(&mut self, policy: &str, outcome: StepOutcome, now: Duration) {
        let Some(bundle) = self.bundles.get_mut(policy) else { return };
        bundle.keeper.ended();
        self.stirred.insert(policy.to_owned());
        match outcome {
            StepOutcome::Recorded(mut kept) => {
                bundle.share(&mut kept.ledger.items);
                bundle.keeper.written(kept.ledger.clone());
                self.settled(&kept);
                self.keep(*kept);
            }
            StepOutcome::Deleted => {
                bundle.keeper.forgotten();
                bundle.revocation = None;
                self.union_is_stale = true;
            }
            StepOutcome::Failed(failure, message) => {
                bundle.keeper.failed(failure, message, now, salt(policy));
            }
            _ => {}
        }
    }

    /// What the ledger records of the objects' fields is what is known of them.
    fn settled(&mut self, kept: &Kept) {
        for (target, applied) in kept.ledger.applied.iter().flatten() {
            if let Some(slot) = self.slots.get_mut(target)
                && slot.known.as_ref().is_some_and(|Known { uid, fields, .. }| {
                    *uid == applied.uid && fields.as_ref() == Some(&applied.fields)
                })
            {
                slot.reassured = false;
            }
        }
    }

    // === evidence ===

    /// An examination of these policies began.
    pub fn examined(&mut self, questions: &[(String, String)], now: Duration) {
        let uids: Vec<String> = questions.iter().map(|(uid, _)| uid.clone()).collect();
        self.removals.end(&uids, now);
        self.stirred.extend(uids);
    }

    /// Live reads proved nothing about these policies.
    pub fn doubted(&mut self, questions: &[(String, String)], why: &str) {
        for (uid, _) in questions {
            if let Some(bundle) = self.bundles.get_mut(uid) {
                bundle.doubt = Some(why.to_owned());
            }
        }
    }

    /// Live reads show how it stands with these policies.
    pub fn found(&mut self, findings: &Findings, pin: &Pin, questions: &[(String, String)], now: Duration) {
        for (_, reading) in &findings.policies {
            if let Reading::Found(object) = reading {
                self.show(object); // live, from the pinned directory: as good as an event
            }
        }
        for (uid, _) in questions {
            let Some(bundle) = self.bundles.get_mut(uid) else { continue };
            let Some(ledger) = bundle.ledger() else { continue };
            match findings.judge_policy(pin, ledger) {
                PolicyVerdict::Revoked(revocation) => bundle.revocation = Some((revocation, now)),
                PolicyVerdict::Stands => bundle.doubt = None,
                PolicyVerdict::Unproven(why) => bundle.doubt = Some(why),
            }
        }
    }
}
