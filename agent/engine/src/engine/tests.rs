//! The engine against a world in memory: what it plans is carried out there, and comes back as events.

mod copying;
mod deleting;
mod lease;
mod policies;
mod works;
mod world;

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_api::{Object, marks};
use serde_json::{Value, json};

use self::lease::{heartbeat, never_renewed};
use super::*;
use crate::event::{Change, DirectoryWatch, ReplicaWatch, StepOutcome};
use crate::evidence::Findings;
use crate::failure::Failure;
use crate::pin::{Found, Landmarks, Reading};
use crate::selector::Selector;
use crate::target::Target;

/// The agent's own namespace in the replica.
const OWN: &str = "agent-system";
const SETTLE: u64 = 200;

/// A directory, a replica and an engine between them.
struct World {
    engine: Engine,
    now: Duration,
    version: u64,
    entries: BTreeMap<String, Value>,
    held: BTreeMap<String, Value>,
    /// What live reads of the directory's landmarks find.
    landmarks: Landmarks,
    unreadable: bool,
    written: Vec<String>,
    deleted: Vec<String>,
    examined: usize,
    probed: usize,
    remembered: Vec<Memory>,
    /// Where plans are kept instead of being carried out.
    deferred: Option<Vec<Plan>>,
    /// Whether something in the replica changes what is written.
    meddles: bool,
}

fn landmark(uid: &str) -> Reading {
    Reading::Found(Found { uid: uid.into(), deleting: false })
}

fn pin() -> Pin {
    Pin {
        directory: "d".into(),
        clusters_crd: "c".into(),
        policies_crd: Some("p".into()),
        works_crd: Some("w".into()),
        execution_namespace: None,
        cluster: "own".into(),
        entry: Some("uid-own".into()),
        era: 0,
    }
}

fn session() -> Session {
    Session {
        pin: pin(),
        replica: "r".into(),
        nonce: "n".into(),
        departed: None,
        holds: Vec::new(),
        set_back: None,
    }
}

fn object(value: &Value) -> Object {
    Object::parse(serde_json::value::to_raw_value(value).unwrap()).unwrap()
}

fn none_deleted(world: &World) {
    assert_eq!(world.deleted, [""; 0], "deleted without evidence");
}

impl World {
    fn new(scope: Scope) -> Self {
        let landmarks = Landmarks {
            directory: landmark("d"),
            clusters_crd: landmark("c"),
            policies_crd: landmark("p"),
            works_crd: landmark("w"),
            execution_namespace: None,
        };
        let mut world = Self {
            engine: Engine::new(scope, OWN.into()),
            now: Duration::ZERO,
            version: 100,
            entries: BTreeMap::new(),
            held: BTreeMap::new(),
            landmarks,
            unreadable: false,
            written: Vec::new(),
            deleted: Vec::new(),
            examined: 0,
            probed: 0,
            remembered: Vec::new(),
            deferred: None,
            meddles: false,
        };
        world.add("own", &json!({}));
        // The owner of the replica says nothing.
        world.send(Event::Replica { watch: ReplicaWatch::Report, change: Change::ListComplete });
        world
    }

    /// A world with the entries `own` and `west`, in step.
    fn in_step() -> Self {
        let mut world = Self::new(Scope::All);
        world.add("west", &json!({"stage": "production"}));
        world.open();
        world.list_replica();
        world.list();
        assert_eq!(world.held.len(), 2);
        world.written.clear();
        world
    }

    fn version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn add(&mut self, name: &str, labels: &Value) -> Object {
        let version = self.version();
        let value = json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": version,
            "labels": labels}, "spec": {}});
        self.entries.insert(name.into(), value.clone());
        object(&value)
    }

    fn send(&mut self, event: Event) {
        let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
        let plans = self.engine.on(event, now);
        for plan in plans {
            self.carry_out(plan);
        }
    }

    fn directory(&mut self, change: Change) {
        self.send(Event::Directory { era: 0, watch: DirectoryWatch::Entries, change });
    }

    fn copies(&mut self, change: Change) {
        self.send(Event::Replica { watch: ReplicaWatch::Copies, change });
    }

    fn open(&mut self) {
        self.send(Event::Opened(session()));
    }

    fn list(&mut self) {
        self.directory(Change::ListBegan);
        for value in self.entries.clone().values() {
            self.directory(Change::Listed(object(value)));
        }
        self.directory(Change::ListComplete);
    }

    fn list_replica(&mut self) {
        self.copies(Change::ListBegan);
        for value in self.held.clone().values() {
            self.copies(Change::Listed(object(value)));
        }
        self.copies(Change::ListComplete);
    }

    /// An entry goes, with a true tombstone.
    fn remove(&mut self, name: &str) {
        let value = self.entries.remove(name).unwrap();
        self.directory(Change::Gone(object(&value)));
    }

    fn tick(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now += Duration::from_millis(500);
            self.send(Event::Tick);
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        if let Some(deferred) = &mut self.deferred {
            deferred.push(plan);
            return;
        }
        let step = plan.steps.into_iter().next().unwrap();
        let outcome = match step {
            Step::Create { target: Target { name, .. }, .. } if self.held.contains_key(&name) => {
                StepOutcome::Failed(Failure::Conflict, "it exists already".into())
            }
            Step::Create { target: Target { name, .. }, body, .. }
            | Step::Replace { target: Target { name, .. }, body, .. } => self.put(name, &body),
            Step::Delete(deletion) => {
                let name = deletion.target().name.clone();
                assert_eq!(self.held[&name]["metadata"]["uid"], deletion.uid());
                assert!(deletion.because().contains(&name));
                self.held.remove(&name);
                self.deleted.push(name);
                StepOutcome::Deleted
            }
            Step::Examine(examination) => {
                self.examined += 1;
                let read = |name: &String| match self.entries.get(name) {
                    _ if self.unreadable => Reading::Unreadable("timeout".into()),
                    Some(value) => Reading::Found(Box::new(object(value))),
                    None => Reading::Absent,
                };
                StepOutcome::Found(Box::new(Findings {
                    landmarks: self.landmarks.clone(),
                    own_entry: read(&examination.pin.cluster),
                    entries: examination.entries.iter().map(|name| (name.clone(), read(name))).collect(),
                    policies: Vec::new(),
                    works: Vec::new(),
                    tide: crate::evidence::Tide::default(),
                }))
            }
            Step::Remember(memory) => {
                self.remembered.push(memory);
                StepOutcome::Remembered
            }
            Step::Probe => {
                self.probed += 1;
                StepOutcome::Asked
            }
            other => panic!("not a step of the mirror: {other:?}"),
        };
        self.send(Event::Done { plan: plan.id, outcomes: vec![outcome] });
    }

    fn put(&mut self, name: String, body: &str) -> StepOutcome {
        let mut value: Value = serde_json::from_str(body).unwrap();
        value["metadata"]["resourceVersion"] = self.version().into();
        if self.meddles {
            value["metadata"]["labels"]["webhook"] = "was here".into();
        }
        if value["metadata"]["uid"].is_null() {
            value["metadata"]["uid"] = format!("copy-{}", self.version()).into();
        }
        let written = object(&value);
        self.held.insert(name.clone(), value);
        self.written.push(name);
        StepOutcome::Written(written)
    }

    /// Somebody edits a Cluster of the replica by hand.
    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let version = self.version();
        let value = self.held.get_mut(name).unwrap();
        edit(value);
        value["metadata"]["resourceVersion"] = version.into();
        let changed = object(value);
        self.copies(Change::Applied(changed));
    }

    fn reason(&self, kind: &str) -> Option<String> {
        let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
        let conditions = self.engine.conditions(now);
        conditions.into_iter().find(|condition| condition.type_ == kind).map(|condition| condition.reason)
    }
}

fn unreachable() -> crate::event::Problem<muster_api::conditions::DirectoryReachable> {
    crate::event::Problem {
        reason: muster_api::conditions::DirectoryReachable::Unreachable,
        message: "no route".into(),
    }
}
