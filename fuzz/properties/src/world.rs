//! An engine that is told what watches say, and a replica that takes whatever it writes. What people are told meanwhile is
//! bounded, harmless to a terminal, and has no value of a Secret.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, CRDS, LIMIT_RANGES, NAMESPACES, RESOURCE_QUOTAS,
    ROLE_BINDINGS, ROLES, SECRETS, SERVICE_ACCOUNTS,
};
use muster_api::{Object, Resource};
use muster_engine::event::{Change, DirectoryWatch, Event, ReplicaWatch, Session};
use muster_engine::hold::Passed;
use muster_engine::ledger::{Kept, Ledger};
use muster_engine::values::{Key, Values, Vault};
use muster_engine::{Engine, Failure, Memory, Now, Pin, Plan, Scope, Step, StepOutcome};
use serde_json::{Value, json};

use crate::planted;
use crate::said::message;

/// Most bytes of the message of a condition: the definitions take no more.
const LONGEST: usize = 32_768;
/// Most bytes of a Work's status, and of all that is said of what is held.
const LARGEST: usize = 32 * 1024;
/// How many plans are carried out at most.
const MOST: usize = 500;

/// What the replica serves.
const SERVED: [Resource; 11] = [
    NAMESPACES,
    SECRETS,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
    ROLE_BINDINGS,
    RESOURCE_QUOTAS,
    LIMIT_RANGES,
    CRDS,
];

/// An engine and the replica of which it takes care.
pub(crate) struct World {
    engine: Engine,
    now: Duration,
    version: u64,
    left: usize,
    vaults: BTreeMap<String, Vault>,
    ledgers: BTreeMap<String, Kept>,
}

impl World {
    /// An engine with a session, of which all lists are complete but those that the directory is still to give.
    pub(crate) fn new() -> Self {
        let text = |text: &str| Some(text.to_owned());
        let pin = Pin {
            directory: "d".into(),
            clusters_crd: "c".into(),
            policies_crd: text("p"),
            works_crd: text("w"),
            execution_namespace: text("x"),
            cluster: "own".into(),
            entry: text("own-uid"),
            era: 0,
        };
        let mut world = Self {
            engine: Engine::new(Scope::All, "agent-system".into()),
            now: Duration::from_secs(1),
            version: 1_000,
            left: MOST,
            vaults: BTreeMap::new(),
            ledgers: BTreeMap::new(),
        };
        let memory = Memory { pin: pin.clone(), ..Memory::default() };
        let (replica, nonce) = ("r".to_owned(), "n".to_owned());
        world.tell(Event::Recalled {
            memory,
            replica: replica.clone(),
            nonce: nonce.clone(),
            heard: None,
            passed: Passed::default(),
        });
        world.tell(Event::LedgerTried(Ok(())));
        world.tell(Event::LeavingTried(Ok(())));
        let kinds = muster_engine::Kind::ALL.map(ReplicaWatch::Applied);
        for watch in
            [ReplicaWatch::Report, ReplicaWatch::Copies, ReplicaWatch::Definitions].into_iter().chain(kinds)
        {
            world.tell(Event::Replica { watch, change: Change::ListBegan });
            world.tell(Event::Replica { watch, change: Change::ListComplete });
        }
        world.tell(Event::Ledgers(Change::ListBegan));
        world.tell(Event::Ledgers(Change::ListComplete));
        world.tell(Event::Opened(Session {
            pin,
            replica,
            nonce,
            departed: None,
            holds: Vec::new(),
            set_back: None,
        }));
        let own = json!({"metadata": {"name": "own", "uid": "own-uid", "resourceVersion": "5"}, "spec": {}});
        let own = object(&own).map(Change::Listed);
        for change in [Some(Change::ListBegan), own, Some(Change::ListComplete)].into_iter().flatten() {
            world.directory(DirectoryWatch::Entries, change);
        }
        world
    }

    /// A watch of the directory saw a change.
    pub(crate) fn directory(&mut self, watch: DirectoryWatch, change: Change) {
        let era = self.engine.era_number();
        self.tell(Event::Directory { era, watch, change });
    }

    /// Something happened. What follows from it is done.
    pub(crate) fn tell(&mut self, event: Event) {
        planted::is_not_told(&format!("{event:?}"));
        let mut plans = self.on(event);
        while let Some(plan) = plans.pop() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let Plan { id, steps, .. } = plan;
            let outcomes = steps.into_iter().map(|step| self.carry_out(step)).collect();
            plans.extend(self.on(Event::Done { plan: id, outcomes }));
        }
    }

    fn on(&mut self, event: Event) -> Vec<Plan> {
        let now = self.now();
        let plans = self.engine.on(event, now);
        planted::is_not_told(&format!("{plans:?}"));
        plans
    }

    fn now(&self) -> Now {
        Now { mono: self.now, wall: Timestamp::UNIX_EPOCH + self.now }
    }

    /// Time passes, and what is told to people is looked at.
    pub(crate) fn look(&mut self) {
        for seconds in [1, 10, 60] {
            self.now += Duration::from_secs(seconds);
            self.tell(Event::Tick);
        }
        for condition in self.engine.conditions(self.now()) {
            message(&condition.message, LONGEST);
            planted::is_not_told(&condition.message);
        }
        let holds = serde_json::to_string(&self.engine.holds()).expect("holds are JSON");
        assert!(holds.len() <= LARGEST, "{} bytes of holds", holds.len());
        planted::is_not_told(&holds);
    }

    fn carry_out(&mut self, step: Step) -> StepOutcome {
        match step {
            Step::Apply { body, .. } | Step::Create { body, .. } | Step::Replace { body, .. } => {
                self.written(&body)
            }
            Step::Rehearse { target, .. } | Step::Look(target) => {
                if SERVED.contains(&target.resource) {
                    StepOutcome::Missing
                } else {
                    failed(Failure::NotServed)
                }
            }
            Step::Record { ledger, .. } => self.keep(*ledger),
            Step::Settle { kept, applied } => self.keep(Ledger { applied: Some(applied), ..kept.ledger }),
            Step::Recall { uid, .. } => match self.ledgers.get(&uid) {
                Some(kept) => StepOutcome::Recorded(Box::new(kept.clone())),
                None => StepOutcome::Missing,
            },
            Step::Unlock { work } => {
                let none = || Vault { key: Key::new([7; 32]), values: Values::default(), there: false };
                StepOutcome::Unlocked(self.vaults.get(&work).cloned().unwrap_or_else(none))
            }
            Step::Seal { work, key, keep, add } => {
                let none = Vault { key: key.clone(), values: Values::default(), there: false };
                let after = self.vaults.get(&work).unwrap_or(&none).with(&key, &keep, &add);
                let digests = after.values.digests().cloned().collect();
                self.vaults.insert(work, after);
                StepOutcome::Sealed(digests)
            }
            Step::Discover { group, version } => {
                let of = |resource: &Resource| resource.group == group && resource.version == version;
                let served: Vec<_> = SERVED.into_iter().filter(of).collect();
                StepOutcome::Served((!served.is_empty()).then_some(served))
            }
            Step::Seek(_) => StepOutcome::Served(None),
            Step::Report { status, .. } => {
                assert!(status.len() <= LARGEST, "a status of {} bytes", status.len());
                planted::is_not_told(&status);
                let status: Value = serde_json::from_str(&status).expect("a status is JSON");
                messages(&status);
                failed(Failure::Unavailable)
            }
            Step::Remember(_) => StepOutcome::Remembered,
            Step::Probe => StepOutcome::Asked,
            Step::Inspect { .. } => StepOutcome::Inspected(Ok(())),
            Step::Unmark { .. } => StepOutcome::Unmarked,
            Step::Forget { .. } | Step::Discard { .. } => StepOutcome::Deleted,
            // Nothing goes without evidence, and no live read gives any.
            Step::Delete(_) => panic!("a deletion without evidence"),
            Step::Finalize { .. } | Step::Examine(_) => failed(Failure::Unavailable),
        }
    }

    /// An object as the server holds it once it was written.
    fn written(&mut self, body: &str) -> StepOutcome {
        self.version += 1;
        let mut value: Value = serde_json::from_str(body).expect("a body is JSON");
        let metadata = &mut value["metadata"];
        metadata["resourceVersion"] = self.version.to_string().into();
        if metadata["uid"].is_null() {
            metadata["uid"] = format!("uid-{}", self.version).into();
        }
        object(&value).map_or_else(|| failed(Failure::Invalid), StepOutcome::Written)
    }

    fn keep(&mut self, ledger: Ledger) -> StepOutcome {
        self.version += 1;
        let kept =
            Kept { uid: format!("ledger-{}", ledger.maker.uid), version: self.version.to_string(), ledger };
        self.ledgers.insert(kept.ledger.maker.uid.clone(), kept.clone());
        StepOutcome::Recorded(Box::new(kept))
    }
}

fn failed(failure: Failure) -> StepOutcome {
    StepOutcome::Failed(failure, "the replica says no".into())
}

/// An object, where it is one.
pub(crate) fn object(value: &Value) -> Option<Object> {
    Object::parse(serde_json::value::to_raw_value(value).ok()?).ok()
}

/// The messages in a status.
fn messages(status: &Value) {
    match status {
        Value::Array(list) => list.iter().for_each(messages),
        Value::Object(object) => object.iter().for_each(|(field, value)| match value {
            Value::String(text) if field == "message" => message(text, LONGEST),
            other => messages(other),
        }),
        _ => {}
    }
}

/// The resource of what Works made that a watch is about, by its plural name.
pub(crate) fn resource(plural: &str) -> Option<Resource> {
    SERVED.into_iter().find(|resource| resource.plural == plural)
}
