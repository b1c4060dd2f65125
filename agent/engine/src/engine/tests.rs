//! The engine against a world in memory: what it plans is carried out there, and comes back as events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_api::marks;
use serde_json::{Value, json};

use super::*;
use crate::pin::{Found, Landmarks};
use crate::plan::Target;
use crate::selector::Selector;

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
    remembered: Vec<Pin>,
}

fn landmark(uid: &str) -> Reading {
    Reading::Found(Found { uid: uid.into(), deleting: false })
}

fn pin() -> Pin {
    Pin {
        directory: "d".into(),
        clusters_crd: "c".into(),
        execution_namespace: None,
        cluster: "own".into(),
        entry: Some("uid-own".into()),
    }
}

fn session() -> Session {
    Session { pin: pin(), replica: "r".into() }
}

fn object(value: &Value) -> Object {
    Object::parse(serde_json::value::to_raw_value(value).unwrap()).unwrap()
}

fn none_deleted(world: &World) {
    assert_eq!(world.deleted, [""; 0], "deleted without evidence");
}

impl World {
    fn new(scope: Scope) -> Self {
        let landmarks =
            Landmarks { directory: landmark("d"), clusters_crd: landmark("c"), execution_namespace: None };
        let mut world = Self {
            engine: Engine::new(scope),
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
        };
        world.add("own", &json!({}));
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
        self.send(Event::Directory { watch: DirectoryWatch::Entries, change });
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
        self.send(Event::Replica(Change::ListBegan));
        for value in self.held.clone().values() {
            self.send(Event::Replica(Change::Listed(object(value))));
        }
        self.send(Event::Replica(Change::ListComplete));
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
        let step = plan.steps.into_iter().next().unwrap();
        let outcome = match step {
            Step::Create { target: Target { name, .. }, body, .. } => {
                assert!(!self.held.contains_key(&name), "created over what is there");
                self.put(name, &body)
            }
            Step::Replace { target: Target { name, .. }, body, .. } => self.put(name, &body),
            Step::Delete { target, uid, confirmed } => {
                assert_eq!(self.held[&target.name]["metadata"]["uid"], uid);
                assert!(confirmed.to_string().contains(&target.name));
                self.held.remove(&target.name);
                self.deleted.push(target.name);
                StepOutcome::Deleted
            }
            Step::Examine(examination) => {
                self.examined += 1;
                let read = |name: &String| match self.entries.get(name) {
                    _ if self.unreadable => Reading::Unreadable("timeout".into()),
                    Some(value) => Reading::Found(Box::new(object(value))),
                    None => Reading::Absent,
                };
                StepOutcome::Found(Findings {
                    landmarks: self.landmarks.clone(),
                    own_entry: read(&examination.cluster),
                    entries: examination.entries.iter().map(|name| (name.clone(), read(name))).collect(),
                })
            }
            Step::Remember(pin) => {
                self.remembered.push(pin);
                StepOutcome::Remembered
            }
            Step::Probe => {
                self.probed += 1;
                StepOutcome::Asked
            }
        };
        self.send(Event::Done { plan: plan.id, outcomes: vec![outcome] });
    }

    fn put(&mut self, name: String, body: &str) -> StepOutcome {
        let mut value: Value = serde_json::from_str(body).unwrap();
        value["metadata"]["resourceVersion"] = self.version().into();
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
        self.send(Event::Replica(Change::Applied(changed)));
    }

    fn reason(&self, kind: &str) -> Option<String> {
        let now = Now { mono: self.now, wall: Timestamp::UNIX_EPOCH };
        let conditions = self.engine.conditions(now);
        conditions.into_iter().find(|condition| condition.type_ == kind).map(|condition| condition.reason)
    }
}

// === what is copied, and when ===

#[test]
fn entries_are_copied_once_both_sides_are_known() {
    let mut world = World::new(Scope::All);
    world.add("west", &json!({}));
    world.open();
    world.list();
    assert_eq!(world.written, [""; 0], "wrote before it knew what the replica holds");
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Pending");
    world.list_replica();
    assert_eq!(world.written, ["own", "west"]);
    assert_eq!(world.reason("MirrorInSync").unwrap(), "InSync");
    world.written.clear();
    world.list();
    world.list_replica();
    world.tick(60);
    assert_eq!(world.written, [""; 0], "wrote again what was right");
}

#[test]
fn the_first_change_is_copied_at_once_and_further_ones_together() {
    let mut world = World::in_step();
    for stage in ["a", "b", "c"] {
        let changed = world.add("west", &json!({"stage": stage}));
        world.directory(Change::Applied(changed));
    }
    assert_eq!(world.written, ["west"], "the first change waits for nothing");
    world.tick(28);
    assert_eq!(world.written, ["west"], "further changes come together");
    world.tick(4);
    assert_eq!(world.written, ["west", "west"]);
    assert_eq!(world.held["west"]["metadata"]["labels"]["stage"], "c");
}

#[test]
fn a_change_of_status_writes_nothing() {
    let mut world = World::in_step();
    let changed = world.add("west", &json!({"stage": "production"}));
    world.directory(Change::Applied(changed));
    world.tick(60);
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn hand_edits_and_deletions_are_undone_at_once_with_a_brake() {
    let mut world = World::in_step();
    world.edit("west", |value| value["metadata"]["labels"]["stage"] = "mine".into());
    assert_eq!(world.written, ["west"]);
    world.edit("west", |value| drop(value["metadata"].as_object_mut().unwrap().remove("annotations")));
    assert_eq!(world.written, ["west"; 2], "the mark was taken off, and is put back");
    let gone = object(&world.held.remove("west").unwrap());
    world.send(Event::Replica(Change::Gone(gone)));
    assert_eq!(world.written, ["west"; 3]);
    assert_eq!(world.engine.corrected(), 3);
    for round in 0..100 {
        if world.held["west"]["metadata"]["labels"]["stage"] == "production" {
            world.edit("west", |value| value["metadata"]["labels"]["stage"] = round.to_string().into());
        }
        world.tick(1);
    }
    assert!(world.written.len() < 20, "{} corrections in 100 s of a fight", world.written.len());
    assert_eq!(world.deleted, [""; 0]);
}

#[test]
fn hand_edits_are_undone_while_the_directory_is_away() {
    let mut world = World::in_step();
    world.send(Event::Closed(unreachable()));
    world.edit("west", |value| value["spec"] = json!({"mine": true}));
    assert_eq!(world.written, ["west"]);
}

#[test]
fn a_cluster_that_is_no_copy_is_left_alone_and_reported() {
    let mut world = World::new(Scope::All);
    world.add("west", &json!({}));
    let own = json!({"metadata": {"name": "west", "uid": "x", "resourceVersion": "1"}, "spec": {"mine": 1}});
    let other = json!({"metadata": {"name": "other", "uid": "y", "resourceVersion": "1"}});
    world.held.insert("west".into(), own.clone());
    world.held.insert("other".into(), other);
    world.open();
    world.list_replica();
    world.list();
    world.tick(SETTLE);
    assert_eq!(world.written, ["own"]);
    assert_eq!(world.held["west"], own);
    assert_eq!((world.engine.counts().conflicts, world.engine.counts().others), (1, 1));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Conflict");
    none_deleted(&world);
}

#[test]
fn an_older_state_of_an_entry_is_not_taken() {
    let mut world = World::in_step();
    let old = object(&world.entries["west"].clone());
    let new = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(new));
    world.written.clear();
    world.directory(Change::Applied(old));
    world.tick(60);
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn where_directory_and_replica_are_one_nothing_is_mirrored() {
    let mut world = World::new(Scope::All);
    world.send(Event::Opened(Session { replica: "d".into(), ..session() }));
    world.list();
    world.list_replica();
    world.tick(SETTLE);
    assert_eq!((world.written.len(), world.examined), (0, 0));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "SameCluster");
}

// === what goes, and what must not ===

#[test]
fn an_entry_that_is_deleted_leaves_the_mirror_after_live_reads() {
    let mut world = World::in_step();
    world.remove("west");
    none_deleted(&world);
    assert_eq!(world.examined, 0, "examined before the window was quiet");
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
    world.tick(SETTLE);
    assert_eq!((world.examined, world.written.len()), (1, 0));
}

#[test]
fn an_entry_that_was_deleted_while_the_agent_was_down_leaves_the_mirror() {
    let before = World::in_step();
    let mut world = World::new(Scope::All);
    world.held = before.held;
    world.open();
    world.list();
    world.list_replica();
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
}

#[test]
fn an_entry_that_is_back_under_its_name_keeps_its_copy() {
    let mut world = World::in_step();
    let uid = world.held["west"]["metadata"]["uid"].clone();
    world.remove("west");
    world.tick(1);
    let version = world.version();
    let back =
        json!({"metadata": {"name": "west", "uid": "new", "resourceVersion": version}, "spec": {"a": 1}});
    world.entries.insert("west".into(), back.clone());
    world.directory(Change::Applied(object(&back)));
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.held["west"]["metadata"]["uid"], uid);
    assert_eq!(world.held["west"]["metadata"]["annotations"][marks::COPIED_FROM], "d/new");
}

/// Whatever the directory does not show: while it is in doubt, nothing goes.
#[test]
fn nothing_goes_while_the_directory_is_in_doubt() {
    type Doubt = (&'static str, fn(&mut World));
    let doubts: [Doubt; 8] = [
        ("another directory", |world| world.landmarks.directory = landmark("x")),
        ("identity unreadable", |world| world.landmarks.directory = Reading::Unreadable("403".into())),
        ("CRD replaced", |world| world.landmarks.clusters_crd = landmark("x")),
        ("CRD gone", |world| world.landmarks.clusters_crd = Reading::Absent),
        ("CRD going", |world| {
            world.landmarks.clusters_crd = Reading::Found(Found { uid: "c".into(), deleting: true });
        }),
        ("reads fail", |world| world.unreadable = true),
        ("own entry missing", |world| drop(world.entries.remove("own"))),
        ("own entry being deleted", |world| {
            world.entries.get_mut("own").unwrap()["metadata"]["deletionTimestamp"] =
                "2026-01-01T00:00:00Z".into();
        }),
    ];
    for (doubt, cast) in doubts {
        // A tombstone.
        let mut world = World::in_step();
        cast(&mut world);
        world.remove("west");
        world.tick(SETTLE);
        assert_eq!(world.deleted, [""; 0], "{doubt}");
        assert!(world.examined > 1, "{doubt}: not asked again");
        assert!(world.engine.counts().unconfirmed > 0, "{doubt}: not reported");
        // An empty list.
        let mut world = World::in_step();
        cast(&mut world);
        world.directory(Change::ListBegan);
        world.directory(Change::ListComplete);
        world.tick(SETTLE);
        assert_eq!(world.deleted, [""; 0], "{doubt}, with an empty list");
        assert!(world.held.len() == 2, "{doubt}");
    }
}

#[test]
fn a_lying_list_deletes_nothing_and_is_mended_by_what_live_reads_show() {
    let mut world = World::in_step();
    world.directory(Change::ListBegan);
    world.directory(Change::ListComplete);
    assert_eq!(world.reason("EntryPresent").unwrap(), "Missing");
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.engine.counts().unconfirmed, 0, "the entries were seen again");
    assert_eq!(world.reason("EntryPresent").unwrap(), "Present");
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn a_list_that_breaks_off_shows_nothing() {
    let mut world = World::in_step();
    world.directory(Change::ListBegan);
    world.directory(Change::Failed(Failure::Unavailable, "reset".into()));
    world.directory(Change::Failed(Failure::Forbidden, "403".into()));
    world.tick(SETTLE);
    assert_eq!(world.examined, 0);
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Forbidden");
}

#[test]
fn without_a_session_nothing_is_examined_and_on_return_the_deletion_is_made() {
    let mut world = World::in_step();
    world.remove("west");
    world.send(Event::Closed(unreachable()));
    world.tick(SETTLE);
    assert_eq!(world.examined, 0);
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Unreachable");
    world.open();
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
}

#[test]
fn a_collection_that_is_not_served_asks_for_a_probe_now_and_then() {
    let mut world = World::in_step();
    for _ in 0..100 {
        world.directory(Change::Failed(Failure::NotServed, "404".into()));
        world.tick(1);
    }
    assert!((2..=25).contains(&world.probed), "{} probes in 100 s", world.probed);
    none_deleted(&world);
}

#[test]
fn copies_of_another_directory_are_left_alone() {
    let mut world = World::new(Scope::All);
    let stranger = json!({"metadata": {"name": "far", "uid": "f", "resourceVersion": "1",
        "annotations": {marks::COPIED_FROM: "another/uid"}}});
    world.held.insert("far".into(), stranger);
    world.open();
    world.list();
    world.list_replica();
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.engine.counts().strangers, 1);
}

#[test]
fn an_own_entry_of_a_new_uid_is_recorded_before_anything_is_judged_by_it() {
    let mut world = World::in_step();
    let version = world.version();
    let anew = json!({"metadata": {"name": "own", "uid": "anew", "resourceVersion": version}, "spec": {}});
    world.entries.insert("own".into(), anew.clone());
    world.directory(Change::Applied(object(&anew)));
    assert_eq!(world.remembered.iter().map(|pin| pin.entry.as_deref()).collect::<Vec<_>>(), [Some("anew")]);
    none_deleted(&world);
    world.remove("west");
    world.tick(SETTLE);
    assert_eq!(world.deleted, ["west"]);
}

// === narrower mirrors ===

#[test]
fn a_selected_mirror_holds_what_matches_and_lets_go_of_what_left() {
    let mut world = World::new(Scope::Selected(Selector::parse("stage=production").unwrap()));
    world.add("west", &json!({"stage": "production"}));
    world.open();
    let own = object(&world.entries["own"].clone());
    for change in [Change::ListBegan, Change::Listed(own), Change::ListComplete] {
        world.send(Event::Directory { watch: DirectoryWatch::OwnEntry, change });
    }
    world.list_replica();
    world.list();
    assert_eq!(world.written, ["west"]);
    // A selected watch shows an entry that left as deleted.
    let left = world.add("west", &json!({"stage": "test"}));
    world.directory(Change::Gone(left));
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
    assert_eq!(
        world.reason("EntryPresent").unwrap(),
        "Present",
        "the own entry is not in the selection, and is there"
    );
}

#[test]
fn without_a_mirror_old_copies_go_and_the_own_entry_is_followed() {
    let before = World::in_step();
    let mut world = World::new(Scope::None);
    world.entries = before.entries;
    world.held = before.held;
    world.open();
    let own = object(&world.entries["own"].clone());
    for change in [Change::ListBegan, Change::Listed(own), Change::ListComplete] {
        world.send(Event::Directory { watch: DirectoryWatch::OwnEntry, change });
    }
    world.list_replica();
    world.tick(3);
    assert_eq!(world.deleted, ["own", "west"]);
    assert_eq!(world.reason("MirrorInSync").unwrap(), "NotMirrored");
    assert_eq!(world.reason("EntryPresent").unwrap(), "Present");
}

// === failures ===

#[test]
fn a_write_that_fails_is_tried_again_with_growing_waits() {
    let mut world = World::in_step();
    let changed = world.add("west", &json!({"stage": "new"}));
    let now = |world: &World| Now { mono: world.now, wall: Timestamp::UNIX_EPOCH };
    let event = Event::Directory { watch: DirectoryWatch::Entries, change: Change::Applied(changed) };
    let mut plans = world.engine.on(event, now(&world));
    let mut tries = 0;
    for _ in 0..600 {
        for plan in std::mem::take(&mut plans) {
            tries += 1;
            let outcomes = vec![StepOutcome::Failed(Failure::Forbidden, "no right".into())];
            plans.extend(world.engine.on(Event::Done { plan: plan.id, outcomes }, now(&world)));
        }
        world.now += Duration::from_secs(1);
        plans.extend(world.engine.on(Event::Tick, now(&world)));
    }
    assert!((8..40).contains(&tries), "{tries} tries in ten minutes");
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Forbidden");
}

fn unreachable() -> crate::report::Problem<muster_api::conditions::DirectoryReachable> {
    crate::report::Problem {
        reason: muster_api::conditions::DirectoryReachable::Unreachable,
        message: "no route".into(),
    }
}
