//! What came of plans.

use std::collections::BTreeMap;

use super::{Doing, Engine};
use crate::event::{Session, StepOutcome};
use crate::evidence::{Doubt, Findings, Verdict};
use crate::failure::Failure;
use crate::pin::{Pin, Reading};
use crate::plan::{Plan, PlanId, Source, Step};
use crate::time::Now;

/// UIDs and names.
type Questions<'a> = &'a [(String, String)];

/// What live reads show that is in an earlier generation than was recorded before.
fn shows_earlier(findings: &Findings, recorded: &BTreeMap<String, i64>) -> Option<String> {
    let kinds = [("policy", &findings.policies), ("Work", &findings.works)];
    let mut read = kinds.into_iter().flat_map(|(kind, read)| read.iter().map(move |read| (kind, read)));
    read.find_map(|(kind, (name, reading))| {
        let Reading::Found(object) = reading else { return None };
        let recorded = recorded.get(&object.meta.uid)?;
        let shown = object.meta.generation;
        (shown < *recorded).then(|| {
            format!("{kind} {name} is in generation {shown}, and {recorded} is recorded in this cluster")
        })
    })
}

impl Engine {
    pub(super) fn done(&mut self, plan: PlanId, outcomes: Vec<StepOutcome>, now: Now, plans: &mut Vec<Plan>) {
        let Some(doing) = self.plans.remove(&plan) else { return };
        // One step a plan: without an outcome it was not tried.
        let outcome = outcomes.into_iter().next();
        let outcome =
            outcome.unwrap_or_else(|| StepOutcome::Failed(Failure::Unavailable, "not tried".into()));
        // What was begun while the replica was away may fail only when it is back.
        let in_vain = matches!(&outcome, StepOutcome::Failed(failure, _) if failure.may_pass());
        let belated = in_vain && plan <= self.resumed;
        match doing {
            Doing::Mirror(work) => {
                let corrected = self.mirror.done(work, outcome, self.directory.as_deref(), now.mono);
                self.state.corrected += u64::from(corrected);
            }
            Doing::Policies(work) => {
                let corrected = self.policies.done(work, outcome, now.mono);
                self.state.corrected += u64::from(corrected);
            }
            Doing::Works(task) => {
                let corrected = self.works.done(task, outcome, now.mono);
                self.state.corrected += u64::from(corrected);
            }
            Doing::Examine { entries, policies, works, earlier, pin } => {
                if !entries.is_empty() {
                    self.mirror.removals.end(&entries, now.mono);
                }
                if !policies.is_empty() {
                    self.policies.examined(&policies, now.mono);
                }
                if !works.is_empty() {
                    self.works.examined(&works, now.mono);
                }
                if let StepOutcome::Found(findings) = outcome
                    && self.is_pinned(&pin)
                    && !self.is_set_back()
                {
                    let earlier = shows_earlier(&findings, &earlier);
                    self.found(&findings, &entries, (&policies, &works, earlier), now, plans);
                }
                self.mirror.touch(entries);
            }
            Doing::ExamineOwn { pin } => {
                self.own.unconfirmed(now.mono, self.salt());
                if let StepOutcome::Found(findings) = outcome
                    && self.is_pinned(&pin)
                    && !self.is_set_back()
                {
                    self.own_found(&findings, &pin, now, plans);
                }
            }
            Doing::ExamineLeaving { works, pin } => self.leaving_done(&works, &pin, &outcome, now, plans),
            Doing::Remember(memory) => {
                if matches!(outcome, StepOutcome::Remembered) {
                    self.remembering.succeeded();
                    self.remember(memory);
                    self.hurry();
                } else {
                    // The record is not what this process takes it for: the session looks at it anew.
                    self.remembering.failed(now.mono, 0);
                    self.probe(now, plans);
                }
            }
            Doing::Probe => {}
        }
        if belated {
            self.retry();
        }
    }

    /// Whether the session is the one that something was asked in, and the answer is for this process.
    pub(super) fn is_pinned(&self, pin: &Pin) -> bool {
        self.spoken().is_some_and(|session| session.pin == *pin)
    }

    fn found(
        &mut self,
        findings: &Findings,
        entries: &[String],
        (policies, works, earlier): (Questions<'_>, Questions<'_>, Option<String>),
        now: Now,
        plans: &mut Vec<Plan>,
    ) {
        let Some(Session { pin, .. }) = self.session.clone() else { return };
        let standing = findings.standing(&pin).map(|_| ());
        self.state.doubt = standing.as_ref().err().map(ToString::to_string);
        for removals in [&mut self.mirror.removals, &mut self.policies.removals, &mut self.works.removals] {
            if standing.is_ok() { removals.trust() } else { removals.pause(now.mono) }
        }
        if let Some(doubt) = &self.state.doubt {
            self.policies.doubted(policies, doubt);
            self.works.doubted(works, doubt);
        }
        match standing {
            Err(Doubt::Directory(_)) => return self.probe(now, plans),
            Err(Doubt::SetBack(why)) => return self.turn_back(why, now),
            _ => {}
        }
        if let Reading::Found(own) = &findings.own_entry {
            self.own_shown(own, now); // live, from the pinned directory: as good as an event
        }
        if standing.is_err() {
            return;
        }
        if let Some(why) = earlier {
            return self.turn_back(why, now);
        }
        self.works.hear(now, false); // before its watch may be back
        self.policies.found(findings, &pin, policies, now.mono);
        self.works.found(findings, &pin, works, now.mono);
        for name in entries {
            let Some(uid) = self.mirror.in_question(name, &pin.directory).map(str::to_owned) else {
                continue;
            };
            match findings.judge(&pin, self.mirror.scope(), name, &uid) {
                Verdict::Delete(confirmed) => {
                    if let Some((work, step)) = self.mirror.remove(name, confirmed) {
                        plans.push(self.plan(Source::Mirror, step, Doing::Mirror(work)));
                    }
                }
                Verdict::Present => {
                    let read = findings.entries.iter().find(|(read, _)| read == name);
                    if let Some((_, Reading::Found(object))) = read {
                        self.mirror.show(object);
                    }
                }
                Verdict::Unproven(_) => {}
            }
        }
    }

    /// Live reads say whether the own entry was deleted, and the directory whole.
    fn own_found(&mut self, findings: &Findings, pin: &Pin, now: Now, plans: &mut Vec<Plan>) {
        // It may be out of sight of its watch, and no older than what that showed.
        if let Some(own) = findings.going(pin).filter(|_| pin.check(&findings.landmarks).is_ok()) {
            self.own.goes(own, now.mono);
        }
        match findings.judge_departure(pin, self.own.said(pin.entry.as_deref())) {
            Ok(departed) => {
                let Some(mut memory) = self.memory.clone().filter(|_| !self.is_remembering()) else { return };
                memory.departed = Some(departed);
                memory.holds = self.works.holds().to_vec();
                plans.push(self.plan(
                    Source::Engine,
                    Step::Remember(memory.clone()),
                    Doing::Remember(memory),
                ));
            }
            Err(Doubt::SetBack(why)) => self.turn_back(why, now),
            Err(doubt) => {
                self.state.doubt = Some(doubt.to_string());
                if let Reading::Found(own) = &findings.own_entry {
                    self.own_shown(own, now);
                }
                if matches!(doubt, Doubt::Directory(_)) {
                    self.probe(now, plans);
                }
            }
        }
    }
}
