//! Steps are carried out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Crash, WorkWorld, object, say};
use crate::event::{Change, Event, StepOutcome};
use crate::failure::Failure;
use crate::ledger::{Applied, Kept, Ledger};
use crate::memory::Memory;
use crate::plan::{Plan, Step};
use crate::target::Target;

fn failed(failure: Failure) -> StepOutcome {
    StepOutcome::Failed(failure, "no".into())
}

impl WorkWorld {
    /// The oldest plan that waits is carried out.
    pub(in super::super) fn carry_next(&mut self) {
        let plan = self.plans.pop_front().expect("nothing waits");
        self.carry_out(plan);
        self.run();
    }

    /// Discovery answers again.
    pub(in super::super) fn answer(&mut self) {
        self.hangs = false;
        self.plans.append(&mut self.hanging);
        self.run();
    }

    /// What waits longest is carried out, and what came of it is not heard yet: it is given, to be sent later.
    pub(in super::super) fn carry_unheard(&mut self) -> Event {
        let plan = self.plans.pop_front().expect("nothing waits");
        self.carry_out(plan);
        self.events.pop_back().expect("nothing came of it")
    }

    pub(super) fn carry_out(&mut self, plan: Plan) {
        if self.hangs && matches!(&plan.steps[..], [Step::Discover { group, .. }] if !group.is_empty()) {
            return self.hanging.push_back(plan);
        }
        let Plan { id, steps, .. } = plan;
        let step = steps.into_iter().next().unwrap();
        let reads = |step: &Step| {
            matches!(
                step,
                Step::Look(_)
                    | Step::Rehearse { .. }
                    | Step::Seek(_)
                    | Step::Recall { .. }
                    | Step::Unlock { .. }
                    | Step::Discover { .. }
                    | Step::Examine(_)
                    | Step::Probe
            )
        };
        let ends = match &mut self.crash {
            Some((left, crash)) if !reads(&step) => {
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
        let outcome = self.step(step);
        if ends.is_some() {
            self.dead = true;
            return;
        }
        let done = Event::Done { plan: id, outcomes: vec![outcome] };
        if self.done_first {
            self.events.insert(shown, done);
        } else {
            self.events.push_back(done);
        }
    }

    fn step(&mut self, step: Step) -> StepOutcome {
        match step {
            Step::Apply { target, body, force, .. } => {
                let body: Value = serde_json::from_str(&body).unwrap();
                self.check_write(&target, &body);
                match self.refused.get(&*target.resource.kind).copied() {
                    Some(failure) => {
                        self.log.push(format!("failed {}", say(&target)));
                        StepOutcome::Failed(failure, self.why.into())
                    }
                    None if self.is_fixed(&target, &body) => {
                        self.log.push(format!("immutable {}", say(&target)));
                        let why = "x is invalid: roleRef: Invalid value: cannot change roleRef";
                        StepOutcome::Failed(Failure::Invalid, why.into())
                    }
                    None if self.refused.contains_key("answers") => {
                        self.apply(&target, &body, force);
                        self.wrote.remove(&target); // nobody heard of it
                        failed(self.refused["answers"])
                    }
                    None => self.apply(&target, &body, force),
                }
            }
            Step::Delete(deletion) => {
                self.check_end(deletion.target(), Some(&deletion));
                self.delete(deletion.target(), deletion.uid(), deletion.version())
            }
            Step::Unmark { target, uid } => {
                self.check_end(&target, None);
                match self.refused.get("unmark").copied() {
                    Some(failure) => failed(failure),
                    None => self.unmark(&target, &uid),
                }
            }
            Step::Rehearse { target, body } => {
                self.reads.push(format!("rehearse {}", say(&target)));
                let body: Value = serde_json::from_str(&body).unwrap();
                assert!(body["metadata"]["uid"].is_null() && body["metadata"]["resourceVersion"].is_null());
                match self.refused.get("new").copied() {
                    Some(failure) => failed(failure),
                    None => self
                        .objects
                        .get(&target)
                        .map_or(StepOutcome::Missing, |value| StepOutcome::Present(object(value))),
                }
            }
            Step::Look(target) => {
                self.reads.push(format!("look {}", say(&target)));
                if let Some(failure) =
                    self.refused.get("look").or_else(|| self.refused.get(&say(&target))).copied()
                {
                    return failed(failure);
                }
                if !self.served.contains(&target.resource) {
                    return failed(Failure::NotServed);
                }
                self.objects
                    .get(&target)
                    .map_or(StepOutcome::Missing, |value| StepOutcome::Present(object(value)))
            }
            Step::Seek(resource) => {
                self.reads.push(format!("seek {}", resource.plural));
                let alike = |other: &&muster_api::Resource| {
                    (&other.group, &other.plural) == (&resource.group, &resource.plural)
                };
                let served: Vec<_> = self.served.iter().filter(alike).cloned().collect();
                let defined = self.defined(&resource.full_name()).is_some();
                StepOutcome::Served((defined || !served.is_empty()).then_some(served))
            }
            Step::Record { ledger, before } => self.record(*ledger, before),
            Step::Settle { kept, applied } => self.settle(&kept, applied),
            Step::Forget { ledger, uid, version } => self.forget_ledger(&ledger, &uid, &version),
            Step::Recall { ledger, uid } => {
                self.reads.push(format!("recall {ledger}"));
                match self.ledgers.get(&ledger).filter(|kept| kept.ledger.maker.uid == uid) {
                    Some(kept) => StepOutcome::Recorded(Box::new(kept.clone())),
                    None => StepOutcome::Missing,
                }
            }
            Step::Unlock { work } => self.unlock(&work),
            Step::Seal { work, key, keep, add } => self.seal(&work, &key, &keep, &add),
            Step::Discard { work } => self.discard(&work),
            Step::Finalize { name, uid, version, finalizers } => {
                self.finalize(&name, &uid, &version, &finalizers)
            }
            Step::Report { name, version, status } => self.report(&name, &version, &status),
            Step::Discover { group, version } => {
                self.reads.push(format!("discover {group}/{version}"));
                let of =
                    |resource: &&muster_api::Resource| resource.group == group && resource.version == version;
                let served: Vec<_> = self.served.iter().filter(of).cloned().collect();
                StepOutcome::Served((!served.is_empty()).then_some(served))
            }
            Step::Examine(examination) => self.examine(&examination),
            Step::Remember(memory) => self.remember_all(memory),
            Step::Probe => StepOutcome::Asked,
            Step::Inspect { .. } | Step::Create { .. } | Step::Replace { .. } => {
                unreachable!("not for Works")
            }
        }
    }

    fn remember_all(&mut self, memory: Memory) -> StepOutcome {
        if let Some(failure) = self.refused.get("state").copied() {
            self.reads.push("state refused".to_owned());
            return failed(failure);
        }
        self.check_memory(&memory);
        self.memory = Some(memory);
        StepOutcome::Remembered
    }

    /// Whether an object is there of which a field differs that cannot be changed.
    fn is_fixed(&self, target: &Target, body: &Value) -> bool {
        let fields = match &*target.resource.kind {
            "RoleBinding" | "ClusterRoleBinding" => "roleRef",
            "StatefulSet" | "PersistentVolumeClaim" => "spec",
            "Secret" if self.objects.get(target).is_some_and(|there| there["immutable"] == true) => "data",
            _ => return false,
        };
        self.objects.get(target).is_some_and(|there| {
            there["metadata"]["uid"] == body["metadata"]["uid"] && there[fields] != body[fields]
        })
    }

    fn delete(&mut self, target: &Target, uid: &str, version: Option<&str>) -> StepOutcome {
        if let Some(failure) = self.undeletable {
            return failed(failure);
        }
        match self.objects.get(target) {
            _ if !self.served.contains(&target.resource) => failed(Failure::NotServed),
            None => StepOutcome::Deleted,
            Some(value)
                if value["metadata"]["uid"] != uid
                    || version.is_some_and(|version| value["metadata"]["resourceVersion"] != version) =>
            {
                self.log.push(format!("refused delete {}", say(target)));
                failed(Failure::Conflict)
            }
            Some(value) => {
                let held = value["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
                self.log.push(format!("delete {}", say(target)));
                if held {
                    self.change(target, |value| {
                        value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                    });
                } else {
                    self.take(target);
                }
                match self.refused.get("deletions").copied() {
                    Some(failure) => failed(failure), // it is done, and nobody hears of it
                    None => StepOutcome::Deleted,
                }
            }
        }
    }

    fn unmark(&mut self, target: &Target, uid: &str) -> StepOutcome {
        if self.objects.get(target).is_none_or(|object| object["metadata"]["uid"] != uid) {
            return failed(Failure::Conflict);
        }
        self.log.push(format!("unmark {}", say(target)));
        self.note_let_go(target);
        self.change(target, super::replica::bare);
        StepOutcome::Unmarked
    }

    /// The status of a Work is written: it is not in the log, since nothing is decided by it.
    fn report(&mut self, name: &str, version: &str, status: &str) -> StepOutcome {
        if let Some(failure) = self.refused.get("reports").copied() {
            self.reads.push("report refused".to_owned());
            return failed(failure);
        }
        let Some(work) = self.works.get(name) else { return StepOutcome::Missing };
        if work["metadata"]["resourceVersion"] != version {
            return failed(Failure::Conflict);
        }
        let next = self.next_version();
        let work = self.works.get_mut(name).unwrap();
        let before = work["status"].clone();
        let status: BTreeMap<String, Value> = serde_json::from_str(status).unwrap();
        // A merge patch leaves what it does not name.
        for (field, value) in status {
            work["status"][field] = value;
        }
        assert_ne!(work["status"], before, "{name} is told what it says already");
        work["metadata"]["resourceVersion"] = next.into();
        let after = object(work);
        if self.online {
            let (era, watch) = (self.era, super::DirectoryWatch::Works);
            self.events.push_back(Event::Directory { era, watch, change: Change::Applied(after.clone()) });
        }
        StepOutcome::Written(after)
    }

    fn finalize(&mut self, name: &str, uid: &str, version: &str, finalizers: &[String]) -> StepOutcome {
        if let Some(failure) = self.fixed.or_else(|| (!self.online).then_some(Failure::Unavailable)) {
            return failed(failure);
        }
        let Some(work) = self.works.get(name) else { return StepOutcome::Missing };
        let meta = &work["metadata"];
        if meta["uid"] != uid || meta["resourceVersion"] != version {
            self.log.push(format!("refused finalize {name}"));
            return failed(Failure::Conflict);
        }
        let verb = if finalizers.iter().any(|it| it == muster_api::marks::WORK_FINALIZER) {
            "finalize"
        } else {
            "release"
        };
        let deleting = !meta["deletionTimestamp"].is_null();
        assert_eq!(deleting, verb == "release", "{name}");
        self.log.push(format!("{verb} {name}"));
        let next = self.next_version();
        let work = self.works.get_mut(name).unwrap();
        work["metadata"]["finalizers"] = finalizers.into();
        work["metadata"]["resourceVersion"] = next.into();
        let after = object(work);
        let change = if deleting && finalizers.is_empty() {
            self.works.remove(name);
            Change::Gone(after.clone())
        } else {
            Change::Applied(after.clone())
        };
        if self.online {
            self.events.push_back(Event::Directory {
                era: self.era,
                watch: super::DirectoryWatch::Works,
                change,
            });
        }
        StepOutcome::Written(after)
    }

    // === ledgers ===

    /// A ledger is changed or made, by whomever.
    pub(in super::super) fn keep(&mut self, kept: Kept) {
        self.ledgers.insert(kept.ledger.maker.name.clone(), kept.clone());
        self.events.push_back(Event::Ledgers(Change::Applied(kept)));
    }

    fn record(&mut self, ledger: Ledger, before: Option<(String, String)>) -> StepOutcome {
        let name = ledger.maker.name.clone();
        if let Some(failure) = self.refused.get("AppliedWork").copied() {
            self.log.push(format!("failed record {name}"));
            return StepOutcome::Failed(failure, format!("no, as of line {}", self.log.len()));
        }
        let kept = self.ledgers.get(&name);
        if kept.map(|kept| (kept.uid.clone(), kept.version.clone())) != before {
            self.log.push(format!("refused record {name}"));
            return failed(Failure::Conflict);
        }
        let all = |target: &Target| ledger.resources.contains(target);
        assert!(ledger.items.iter().all(|item| all(&item.target)), "{name}");
        assert!(ledger.items.windows(2).all(|two| two[0].target < two[1].target), "{name}: not in order");
        // What is written after the objects stays as it is.
        let applied = kept.and_then(|kept| kept.ledger.applied.clone());
        let version = self.next_version();
        let uid = before.map_or_else(|| format!("l{version}"), |(uid, _)| uid);
        let verb = match ledger.phase {
            crate::ledger::Phase::Applying => "record",
            crate::ledger::Phase::Deleting => "record end of",
            crate::ledger::Phase::Leaving => "record leaving of",
        };
        self.log.push(format!("{verb} {name}"));
        let kept = Kept { ledger: Ledger { applied, ..ledger }, uid, version };
        self.keep(kept.clone());
        StepOutcome::Recorded(Box::new(kept))
    }

    fn settle(&mut self, kept: &Kept, applied: BTreeMap<Target, Applied>) -> StepOutcome {
        let name = kept.ledger.maker.name.clone();
        let there = self.ledgers.get(&name).filter(|there| there.version == kept.version).cloned();
        let Some(mut there) = there else {
            self.log.push(format!("refused settle {name}"));
            return failed(Failure::Conflict);
        };
        self.log.push(format!("settle {name}"));
        there.ledger.applied = Some(applied);
        there.version = self.next_version();
        self.keep(there.clone());
        StepOutcome::Recorded(Box::new(there))
    }

    fn forget_ledger(&mut self, name: &str, uid: &str, version: &str) -> StepOutcome {
        let Some(kept) = self.ledgers.get(name) else { return StepOutcome::Deleted };
        if let Some(failure) = self.refused.get(name).copied() {
            self.log.push(format!("failed forget {name}"));
            return failed(failure);
        }
        assert_eq!(kept.uid, uid);
        if kept.version != version {
            self.log.push(format!("refused forget {name}"));
            return failed(Failure::Conflict);
        }
        self.log.push(format!("forget {name}"));
        let kept = self.ledgers.remove(name).unwrap();
        self.events.push_back(Event::Ledgers(Change::Gone(kept)));
        StepOutcome::Deleted
    }

    pub(in super::super) fn edit_ledger(&mut self, name: &str, edit: impl FnOnce(&mut Ledger)) {
        let mut kept = self.ledgers[name].clone();
        edit(&mut kept.ledger);
        kept.version = self.next_version();
        self.keep(kept);
        self.run();
    }

    pub(in super::super) fn lose_ledger(&mut self, name: &str) {
        let kept = self.ledgers.remove(name).unwrap();
        self.send(Event::Ledgers(Change::Gone(kept)));
    }
}
