//! What came of the steps about Works.

use std::time::Duration;

use muster_api::Resource;

use super::Works;
use super::brief::{Brief, Wanted};
use super::bundle::Demand;
use super::catalog::GroupVersion;
use super::due::Task;
use crate::event::StepOutcome;
use crate::evidence::{Findings, WorkVerdict};
use crate::failure::Failure;
use crate::ledger::{Kept, Phase};
use crate::pin::{Pin, Reading};
use crate::target::Target;
use crate::time::salt;

/// How long a kind must have been neither served nor defined, before its objects count as gone with it.
const CERTAIN: Duration = Duration::from_secs(10);

impl Works {
    /// A plan ended. Returns whether it put right what somebody else had changed.
    pub fn done(&mut self, task: Task, outcome: StepOutcome, now: Duration) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.count_ended(&task, &outcome);
        if let (
            Task::Write { work, target, .. } | Task::Rehearse { work, target },
            StepOutcome::Failed(failure, message),
        ) = (&task, &outcome)
        {
            self.note_refused(work, target, *failure, message);
        }
        let mut corrected = false;
        match task {
            Task::Write { work, target, cause, mark, before } => {
                self.ended(&work, &target);
                corrected = self.written(&work, &target, (cause, before.as_deref()), &mark, outcome, now);
                self.stir(&work);
                self.stir_claimants(&target);
            }
            Task::Look { work, target } => {
                self.ended(&work, &target);
                self.looked(&work, &target, outcome, now);
                self.stir(&work);
                self.stir_claimants(&target);
            }
            Task::Rehearse { work, target } => {
                self.ended(&work, &target);
                self.rehearsed(&work, &target, outcome, now);
                self.turns.push(&work);
            }
            Task::Clear { work, target } => {
                self.ended(&work, &target);
                if matches!(outcome, StepOutcome::Deleted) {
                    self.made_room(&target);
                }
                self.cleared(&work, &target, outcome, now);
                self.turns.push(&work);
                self.stir_claimants(&target);
            }
            Task::See { work, target } => {
                self.ended(&work, &target);
                self.seen_live(&work, &target, &outcome, now);
            }
            Task::Ledger { work } => self.ledger_done(&work, outcome, now),
            Task::Recall { work } => self.recalled(&work, outcome, now),
            Task::Values { work } => self.values_done(&work, outcome, now),
            Task::Finalize { work } => self.written_upstream(&work, true, outcome, now),
            Task::Report { work } => self.written_upstream(&work, false, outcome, now),
            Task::Discover(version) => self.discovered(&version, outcome, now),
        }
        corrected
    }

    fn ended(&mut self, work: &str, target: &Target) {
        self.under_way.remove(target);
        if !self.claims.contains_key(target) {
            self.slots.remove(target);
        }
        if let Some(bundle) = self.bundles.get_mut(work) {
            bundle.states.remove(target);
            bundle.under_way = bundle.under_way.saturating_sub(1);
        }
    }

    fn cleared(&mut self, work: &str, target: &Target, outcome: StepOutcome, now: Duration) {
        let read = match &outcome {
            StepOutcome::Present(object) => Some(self.read(target, object)),
            _ => None,
        };
        let unserved = self.confirm_unserved(target, &outcome, now);
        let elsewhere =
            matches!(&outcome, StepOutcome::Served(Some(served)) if self.seek_elsewhere(target, served));
        // Its definition is there, and it is served in no version, as while the definition ends.
        let own = |other: &Resource| other.version == target.resource.version;
        let ends =
            matches!(&outcome, StepOutcome::Served(Some(served)) if !elsewhere && !served.iter().any(own));
        let nonces = &self.nonces;
        let failed = ends || matches!(outcome, StepOutcome::Failed(..));
        let slot = self.slots.entry(target.clone()).or_default();
        // Whether it says anything new to who waits for the name to be free.
        let news = slot.observed.is_some() || slot.foreign || slot.clearing.failures() > 0;
        if !failed {
            slot.clearing.succeeded();
        }
        match outcome {
            StepOutcome::Deleted => {
                // Where finalizers keep it, a look finds it.
                slot.observed = None;
                slot.known = None;
                slot.absent = false;
                slot.pace.hurry();
                slot.failure = None;
            }
            StepOutcome::Missing => {
                (slot.observed, slot.absent) = (None, true);
                if news {
                    slot.pace.hurry();
                    slot.failure = None;
                }
            }
            StepOutcome::Present(_) => {
                if let Some(observed) = read {
                    if slot.knows(&observed, nonces) {
                        slot.observe(observed);
                    } else {
                        (slot.observed, slot.foreign) = (None, true); // no watch shows when it goes
                    }
                }
            }
            StepOutcome::Unmarked => {
                (slot.observed, slot.known, slot.foreign) = (None, None, true);
            }
            // Another object has taken its place: look who.
            StepOutcome::Failed(Failure::Conflict, message) => {
                slot.observed = None;
                slot.clearing.failed(now, salt(target));
                slot.failure = Some((Failure::Conflict, message));
            }
            StepOutcome::Failed(failure, message) => {
                slot.clearing.failed(now, salt(target));
                slot.failure = Some((failure, message));
            }
            // With the definition of a kind all objects of it go.
            StepOutcome::Served(None) => match unserved {
                Ok(()) => (slot.observed, slot.failure, slot.absent) = (None, None, true),
                Err(due) => slot.clearing.wait(due),
            },
            StepOutcome::Served(Some(_)) if elsewhere => slot.failure = None,
            StepOutcome::Served(Some(_)) if ends => slot.clearing.failed(now, salt(target)),
            StepOutcome::Served(Some(_)) => {
                slot.failure = None;
                slot.clearing.failed(now, salt(target));
            }
            _ => {}
        }
        self.wait_elsewhere(target, now);
        let due = self.slots.get(target).map(|slot| slot.clearing.due(false, salt(target)));
        if let Some(due) = due.filter(|due| *due > now) {
            self.later(due, work);
        }
    }

    /// Whether it is certain that a kind is neither served nor defined: a server that just began, or one in front of
    /// another, may answer so for a moment. `Err`: it is to be asked again, then.
    fn confirm_unserved(
        &mut self,
        target: &Target,
        outcome: &StepOutcome,
        now: Duration,
    ) -> Result<(), Duration> {
        match outcome {
            StepOutcome::Served(None) if self.claims.contains_key(target) => {
                let due = *self.unserved.entry(target.clone()).or_insert(now) + CERTAIN;
                if due > now {
                    return Err(due);
                }
                self.unserved.remove(target);
            }
            // Nobody answered.
            StepOutcome::Failed(failure, _) if failure.may_pass() => {}
            _ => drop(self.unserved.remove(target)),
        }
        Ok(())
    }

    fn ledger_done(&mut self, work: &str, outcome: StepOutcome, now: Duration) {
        let before = self.bundles.get(work).and_then(|bundle| self.predecessor(bundle));
        if let Some(before) = before.map(|before| before.work.uid.clone()) {
            self.turns.push(&before);
        }
        let Some(bundle) = self.bundles.get_mut(work) else { return };
        bundle.keeper.ended();
        self.turns.push(work);
        match outcome {
            StepOutcome::Recorded(kept) => {
                let Some(brief) = Brief::of(&kept.ledger).map(std::sync::Arc::new) else { return };
                // What was recorded may be asked for no more by now.
                let same = |demand: &Demand| {
                    let Brief { generation, resource_version, options, wanted, .. } = demand.brief.as_ref();
                    (*generation, resource_version) == (brief.generation, &brief.resource_version)
                        && options == &brief.options
                        && wanted == &brief.wanted
                };
                if let Some(demand) = bundle.demand.take_if(|demand| same(demand)) {
                    bundle.hollow = false;
                    bundle.take_bodies(demand.items);
                } else if brief.wanted.is_empty() {
                    bundle.hollow = brief.phase == Phase::Applying && !brief.left.is_empty();
                    bundle.take_bodies(Vec::new());
                }
                bundle.waits_since = None;
                let before = bundle.believed().cloned();
                bundle.keeper.written(std::sync::Arc::clone(&brief));
                for (target, applied) in brief.applied.iter().flatten() {
                    if let Some(slot) = self.slots.get_mut(target)
                        && slot.known.as_ref().is_some_and(|known| known.uid == applied.uid)
                    {
                        slot.reassured = false;
                    }
                }
                self.keep(Kept { ledger: brief, uid: kept.uid, version: kept.version });
                let now = self.bundles.get(work).and_then(|bundle| bundle.believed()).cloned();
                self.claim(work, before.as_ref(), now.as_ref());
            }
            StepOutcome::Deleted => {
                let before = bundle.believed().cloned();
                bundle.keeper.forgotten();
                bundle.ending = None;
                self.unnamed(work, before.as_ref());
            }
            StepOutcome::Failed(failure, message) => bundle.keeper.failed(failure, message, now, salt(work)),
            _ => {}
        }
    }

    /// The ledger was read for bodies.
    fn recalled(&mut self, work: &str, outcome: StepOutcome, now: Duration) {
        let Some(bundle) = self.bundles.get_mut(work) else { return };
        bundle.reading = false;
        self.turns.push(work);
        match outcome {
            StepOutcome::Recorded(kept) => {
                bundle.take_bodies(kept.ledger.items);
                let has = |wanted: &Wanted| {
                    bundle.bodies.get(&wanted.target).is_some_and(|item| item.digest() == wanted.digest)
                };
                if bundle.believed().is_some_and(|brief| brief.wanted.iter().all(has)) {
                    bundle.reading_pace.succeeded();
                } else {
                    bundle.reading_pace.failed(now, salt(work)); // it is not what it was taken for
                }
            }
            StepOutcome::Failed(failure, message) => {
                bundle.reading_pace.failed(now, salt(work));
                bundle.keeper.failed(failure, message, now, salt(work));
            }
            _ => bundle.reading_pace.failed(now, salt(work)), // the watch tells that it is gone
        }
    }

    fn discovered(&mut self, version: &GroupVersion, outcome: StepOutcome, now: Duration) {
        match outcome {
            StepOutcome::Served(served) => self.catalog.answered(version, served, now),
            StepOutcome::Failed(failure, message) => {
                self.catalog.failed(version, failure, message, now, salt(version));
            }
            _ => self.catalog.failed(version, Failure::Malformed, String::new(), now, salt(version)),
        }
        self.stir_users(&version.0);
    }

    // === evidence ===

    /// An examination of these Works began.
    pub fn examined(&mut self, questions: &[(String, String)], now: Duration) {
        let uids: Vec<String> = questions.iter().map(|(uid, _)| uid.clone()).collect();
        self.removals.end(&uids, now);
        for uid in &uids {
            self.turns.push(uid);
        }
    }

    /// Live reads proved nothing about these Works.
    pub fn doubted(&mut self, questions: &[(String, String)], why: &str) {
        for (uid, _) in questions {
            if let Some(bundle) = self.bundles.get_mut(uid) {
                bundle.doubt = Some(why.to_owned());
            }
        }
    }

    /// Live reads show how it stands with these Works.
    pub fn found(&mut self, findings: &Findings, pin: &Pin, questions: &[(String, String)], now: Duration) {
        for (_, reading) in &findings.works {
            if let Reading::Found(object) = reading
                && !self.has_tombstone(&object.meta.uid)
            {
                self.show(object); // live, from the pinned directory: as good as an event
                if let Some(bundle) = self.bundles.get_mut(&object.meta.uid) {
                    bundle.read_again(object);
                }
            }
        }
        for (uid, _) in questions {
            let tombstone = self.has_tombstone(uid);
            let Some(bundle) = self.bundles.get_mut(uid) else { continue };
            let name = bundle.work.name.clone();
            bundle.missing = findings.works.iter().any(|(read, reading)| {
                let missing = match reading {
                    Reading::Absent => true,
                    Reading::Found(object) => object.meta.uid != *uid,
                    Reading::Unreadable(_) => false,
                };
                missing && *read == name
            });
            let brief = bundle.ledger().filter(|_| !bundle.is_altered()).cloned();
            self.turns.push(uid);
            let Some(brief) = brief else { continue };
            let read = findings.works.iter().find(|(read, _)| *read == name);
            if let Some((_, Reading::Found(object))) = read
                && bundle.is_older(object)
            {
                continue; // it was read before what the watch has shown since
            }
            let verdict = findings.judge_work(pin, &brief, tombstone);
            self.holds.sight.examined(uid, matches!(verdict, WorkVerdict::Ended(_)));
            match verdict {
                WorkVerdict::Ended(ending) => (bundle.ending, bundle.doubt) = (Some((ending, now)), None),
                WorkVerdict::Stands => bundle.doubt = None,
                WorkVerdict::Unproven(why) => bundle.doubt = Some(why),
            }
        }
    }
}
