//! Steps are carried out.

use std::collections::BTreeMap;

use muster_api::names::POLICY_LEDGER;
use serde_json::Value;

use super::{Crash, PolicyWorld, object, say};
use crate::event::{Change, Event, ReplicaWatch, StepOutcome};
use crate::evidence::{Examination, Findings, Tide};
use crate::failure::Failure;
use crate::ledger::{Applied, Kept, Ledger, Phase};
use crate::pin::Reading;
use crate::plan::{Plan, Step};
use crate::target::Target;

impl PolicyWorld {
    /// A plan that waits is carried out.
    pub(in super::super) fn carry(&mut self, plan: Plan) {
        self.carry_out(plan);
        self.run();
    }

    /// The oldest plan that waits is carried out.
    pub(in super::super) fn carry_next(&mut self) {
        let plan = self.plans.pop_front().expect("nothing waits");
        self.carry(plan);
    }

    /// All plans that wait are carried out, the newest first, and not what comes of them.
    pub(in super::super) fn carry_all(&mut self) {
        for plan in std::mem::take(&mut self.plans).into_iter().rev() {
            self.carry(plan);
        }
    }

    /// A plan is carried out, and what came of it is not heard of yet.
    pub(in super::super) fn hold_outcome(&mut self, plan: Plan) {
        assert!(self.events.is_empty());
        self.carry_out(plan);
        self.held = std::mem::take(&mut self.events);
    }

    /// What was held back is heard.
    pub(in super::super) fn hear(&mut self) {
        self.events.append(&mut self.held);
        self.run();
    }

    /// All is carried out, and each time the write that is named waits until nothing else is left to do.
    pub(in super::super) fn carry_slowly(&mut self, last: &str) {
        let name = last.split_once(' ').unwrap().1;
        let is_last =
            |plan: &Plan| matches!(&plan.steps[0], Step::Record { ledger, .. } if ledger.maker.name == name);
        for _ in 0..1000 {
            let place = self.plans.iter().position(|plan| !is_last(plan)).unwrap_or(0);
            let Some(plan) = self.plans.remove(place) else { break };
            self.carry(plan);
        }
        self.deferring = false;
        self.run();
        assert!(self.log.iter().any(|line| line == last), "{:?}", self.log);
    }

    pub(super) fn carry_out(&mut self, plan: Plan) {
        let Plan { id, steps, .. } = plan;
        let step = steps.into_iter().next().unwrap();
        let writes = !matches!(step, Step::Look(_) | Step::Inspect { .. } | Step::Examine(_) | Step::Probe);
        let ends = match &mut self.crash {
            Some((left, crash)) if writes => {
                *left -= 1;
                (*left == 0).then_some(*crash)
            }
            _ => None,
        };
        if ends == Some(Crash::Undone) {
            self.dead = true;
            return;
        }
        let shown = self.events.len();
        let logged = self.log.len();
        let outcome = self.step(step);
        if ends.is_some() {
            self.dead = true;
            return;
        }
        let lost =
            self.lose_outcome_of.filter(|verb| self.log[logged..].iter().any(|line| line.starts_with(verb)));
        let outcome = if lost.is_some() {
            self.lose_outcome_of = None;
            StepOutcome::Failed(Failure::Unavailable, "the connection broke".into())
        } else {
            outcome
        };
        let done = Event::Done { plan: id, outcomes: vec![outcome] };
        if self.done_first {
            self.events.insert(shown, done);
        } else {
            self.events.push_back(done);
        }
    }

    fn step(&mut self, step: Step) -> StepOutcome {
        match step {
            Step::Apply { target, body, .. } => {
                let recorded = |kept: &Kept| {
                    kept.ledger.phase == Phase::Applying
                        && kept.ledger.items.iter().any(|item| item.target == target)
                };
                assert!(self.ledgers.values().any(recorded), "no ledger records {}", say(&target));
                match self.refused.get(&*target.resource.kind).cloned() {
                    Some((failure, message)) => {
                        self.note(format!("failed {}", say(&target)));
                        StepOutcome::Failed(failure, message)
                    }
                    None => self.apply(&target, &body),
                }
            }
            Step::Delete(deletion) if deletion.target().resource == muster_api::resource::CLUSTERS => {
                let name = &deletion.target().name;
                self.note(format!("delete copy {name}"));
                let gone = self.copies.remove(name).unwrap();
                let change = Change::Gone(object(&gone));
                self.show(Event::Replica { watch: ReplicaWatch::Copies, change });
                StepOutcome::Deleted
            }
            Step::Delete(deletion) => self.delete(deletion.target(), deletion.uid()),
            Step::Unmark { target, uid } => self.unmark(&target, &uid),
            Step::Look(target) => {
                self.reads.push(format!("look {}", say(&target)));
                self.objects
                    .get(&target)
                    .map_or(StepOutcome::Missing, |value| StepOutcome::Present(object(value)))
            }
            Step::Inspect { namespace } => {
                self.reads.push(format!("inspect {namespace}"));
                let content = self.content.get(&namespace).cloned();
                StepOutcome::Inspected(content.map_or(Ok(()), Err))
            }
            Step::Record { ledger, before } => self.record(*ledger, before),
            Step::Settle { kept, applied } => self.settle(&kept, applied),
            Step::Forget { ledger, uid, version } => {
                let policy = ledger.strip_prefix(POLICY_LEDGER).unwrap();
                let Some(kept) = self.ledgers.get(policy) else { return StepOutcome::Deleted };
                assert_eq!(kept.uid, uid);
                if kept.version != version {
                    let name = kept.ledger.maker.name.clone();
                    self.note(format!("refused forget {name}"));
                    return StepOutcome::Failed(Failure::Conflict, "no".into());
                }
                self.note(format!("forget {}", kept.ledger.maker.name));
                let kept = self.ledgers.remove(policy).unwrap();
                self.show(Event::Ledgers(Change::Gone(kept)));
                StepOutcome::Deleted
            }
            Step::Examine(examination) => self.examine(&examination),
            Step::Rehearse { .. }
            | Step::Recall { .. }
            | Step::Unlock { .. }
            | Step::Seal { .. }
            | Step::Discard { .. }
            | Step::Finalize { .. }
            | Step::Report { .. }
            | Step::Seek(_)
            | Step::Discover { .. } => {
                unreachable!("no Works here")
            }
            Step::Remember(memory) => {
                self.note("remember".into());
                self.memory = Some(memory);
                StepOutcome::Remembered
            }
            Step::Probe => {
                self.probed += 1;
                StepOutcome::Asked
            }
            Step::Create { target, body, .. } | Step::Replace { target, body, .. } => {
                self.copy(target.name, &body)
            }
        }
    }

    fn delete(&mut self, target: &Target, uid: &str) -> StepOutcome {
        if let Some((failure, message)) = self.refused.get(&format!("delete {}", target.resource.kind)) {
            return StepOutcome::Failed(*failure, message.clone());
        }
        match self.objects.get(target) {
            None => StepOutcome::Deleted,
            Some(value) if value["metadata"]["uid"] != uid => {
                self.note(format!("refused delete {}", say(target)));
                StepOutcome::Failed(Failure::Conflict, "another UID".into())
            }
            Some(_) => {
                self.note(format!("delete {}", say(target)));
                self.take(target);
                StepOutcome::Deleted
            }
        }
    }

    fn unmark(&mut self, target: &Target, uid: &str) -> StepOutcome {
        self.note(format!("unmark {}", say(target)));
        assert_eq!(self.objects[target]["metadata"]["uid"], uid);
        self.change(target, |value| {
            for (map, key) in
                [("labels", muster_api::marks::PART_OF), ("annotations", muster_api::marks::MADE_FOR)]
            {
                value["metadata"][map].as_object_mut().map(|map| map.remove(key));
            }
        });
        StepOutcome::Unmarked
    }

    fn record(&mut self, ledger: Ledger, before: Option<(String, String)>) -> StepOutcome {
        let name = ledger.maker.name.clone();
        if let Some((failure, message)) = self.refused.get("AppliedWork").cloned() {
            self.note(format!("failed record {name}"));
            return StepOutcome::Failed(failure, message);
        }
        if ledger.items.len() > self.largest {
            return StepOutcome::Failed(Failure::TooLarge, format!("ledger of {name} is too large"));
        }
        let kept = self.ledgers.get(&ledger.maker.uid);
        if kept.map(|kept| (kept.uid.clone(), kept.version.clone())) != before {
            self.note(format!("refused record {name}"));
            return StepOutcome::Failed(Failure::Conflict, "it is another".into());
        }
        // What is written after the objects stays as it is.
        let applied = kept.and_then(|kept| kept.ledger.applied.clone());
        let version = self.next_version();
        let uid = before.map_or_else(|| format!("l{version}"), |(uid, _)| uid);
        self.note(format!("record {name}"));
        let kept = Kept { ledger: Ledger { applied, ..ledger }, uid, version };
        self.keep(kept.clone());
        StepOutcome::Recorded(Box::new(kept))
    }

    fn settle(&mut self, kept: &Kept, applied: BTreeMap<Target, Applied>) -> StepOutcome {
        let name = &kept.ledger.maker.name;
        let there = self.ledgers.get(&kept.ledger.maker.uid).cloned();
        if there.as_ref().is_none_or(|there| there.version != kept.version) {
            self.note(format!("refused settle {name}"));
            return StepOutcome::Failed(Failure::Conflict, "it is another".into());
        }
        self.note(format!("settle {name}"));
        let mut kept = there.unwrap();
        kept.ledger.applied = Some(applied);
        kept.version = self.next_version();
        self.keep(kept.clone());
        StepOutcome::Recorded(Box::new(kept))
    }

    fn examine(&mut self, examination: &Examination) -> StepOutcome {
        self.reads.push("examine".into());
        if !self.online {
            return StepOutcome::Failed(Failure::Unavailable, "there is no session".into());
        }
        let read =
            |objects: &std::collections::BTreeMap<String, Value>, name: &String| match objects.get(name) {
                _ if self.unreadable => Reading::Unreadable("timeout".into()),
                Some(value) => Reading::Found(Box::new(object(value))),
                None => Reading::Absent,
            };
        let mut findings = Findings {
            landmarks: self.landmarks.clone(),
            own_entry: read(&self.entries, &examination.pin.cluster),
            entries: Vec::new(),
            policies: Vec::new(),
            works: Vec::new(),
            tide: Tide { acknowledged: examination.beat.clone(), shown: Some(self.lease.clone()) },
        };
        if findings.standing(&examination.pin).is_ok() {
            let by_name = |objects, names: &[String]| {
                names.iter().map(|name| (name.clone(), read(objects, name))).collect::<Vec<_>>()
            };
            findings.entries = by_name(&self.entries, &examination.entries);
            findings.policies = by_name(&self.policies, &examination.policies);
        }
        StepOutcome::Found(Box::new(findings))
    }

    fn copy(&mut self, name: String, body: &str) -> StepOutcome {
        let mut value: Value = serde_json::from_str(body).unwrap();
        value["metadata"]["resourceVersion"] = self.next_version().into();
        if value["metadata"]["uid"].is_null() {
            value["metadata"]["uid"] = format!("copy-{}", self.version).into();
        }
        self.note(format!("copy {name}"));
        self.copies.insert(name, value.clone());
        let change = Change::Applied(object(&value));
        self.show(Event::Replica { watch: ReplicaWatch::Copies, change });
        StepOutcome::Written(object(&value))
    }
}
