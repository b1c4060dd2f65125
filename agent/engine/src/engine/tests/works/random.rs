//! Whatever happens, in whatever order: nothing goes without a reason that live reads proved, nothing is written twice,
//! and when it stops, all is as it is asked for. The world checks the first at each step.

use std::collections::BTreeSet;

use muster_api::marks::MADE_FOR;

use super::super::landmark;
use super::world::Crash;
use super::*;
use crate::failure::Failure;
use crate::target::Target;
use crate::values::open;

/// A linear congruential generator (Knuth's MMIX): the same seed gives the same story.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Dice for what is decided beside the story, which goes on as it would have.
    fn aside(&self) -> Self {
        Self(self.0 ^ 0x5ec2_e75a)
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        let sides = u64::try_from(of.len()).unwrap();
        (sides > 0).then(|| of[usize::try_from(self.roll(sides)).unwrap()].clone())
    }
}

const KINDS: [&str; 5] = ["ConfigMap", "Namespace", "Role", "Widget", "AppliedWork"];
const OF_SECRETS: [&str; 2] = ["Secret", "Values"];
pub(super) const WORKS: [&str; 4] = ["one", "two", "three", "four"];

fn manifests(dice: &mut Dice) -> Vec<Value> {
    let mut manifests: Vec<Value> = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        if dice.roll(2) == 0 {
            manifests.push(config_of(name, &dice.roll(3).to_string()));
        }
    }
    let others = [
        with(config("orphan"), "deletion", "orphan"),
        with(namespace("team"), "allow-deletion", "true"),
        role(),
        binding(),
        with(definition(), "allow-deletion", "true"),
        widget("web", "one"),
        widget("web", "two"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong/name"}}),
    ];
    let mut aside = dice.aside();
    for name in ["s", "t"] {
        if aside.roll(3) == 0 {
            let value = aside.roll(3).to_string();
            manifests.push(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "web"},
                "stringData": {"a": value}}),
            );
        }
    }
    manifests.extend(others.into_iter().filter(|_| dice.roll(3) == 0));
    if dice.roll(4) == 0 {
        manifests.reverse();
    }
    manifests
}

/// Objects that Works made, and that a ledger knows by UID beside their mark.
fn known(world: &WorkWorld) -> Vec<Target> {
    let known = |(target, object): &(&Target, &Value)| {
        let uid = world::maker(object);
        let with = |kept: &&crate::ledger::Kept| {
            let applied = kept.ledger.applied.as_ref().and_then(|applied| applied.get(target));
            applied.is_some_and(|applied| object["metadata"]["uid"] == *applied.uid)
        };
        let mut knows = world.ledgers.values().filter(with);
        let first = knows.next().map(|kept| kept.ledger.maker.uid.clone());
        first.is_some() && first == uid && knows.next().is_none()
    };
    world.objects.iter().filter(known).map(|(target, _)| target.clone()).collect()
}

pub(super) fn by_hand(world: &mut WorkWorld, dice: &mut Dice) {
    let Some(target) = dice.pick(&known(world)) else { return };
    match dice.roll(5) {
        0 if target.resource.kind == "ConfigMap" => {
            world.edit(&target, |value| value["data"] = json!({"a": "hand"}));
        }
        0 | 1 => world.strip(&target),
        2 => {
            world.edit(&target, |value| {
                drop(value["metadata"].as_object_mut().unwrap().remove("annotations"));
            });
            world.stripped.insert(target);
        }
        3 => world.edit(&target, |value| value["metadata"]["labels"]["theirs"] = "1".into()),
        _ => world.remove(&target),
    }
    assert_ne!(MADE_FOR, "");
}

fn in_the_directory(world: &mut WorkWorld, dice: &mut Dice) {
    let name = dice.pick(&WORKS).unwrap();
    let deleting = world.works.get(name).is_some_and(|work| !work["metadata"]["deletionTimestamp"].is_null());
    match dice.roll(9) {
        // Somebody takes its finalizers off, and makes another one of the name.
        3 if world.works.contains_key(name) => {
            world.drop_work(name);
            world.work(name, &manifests(dice));
        }
        0 | 1 if world.works.contains_key(name) && !deleting => world.delete_work(name),
        2 if world.works.contains_key(name) => {
            let value = if dice.roll(2) == 0 { Value::Null } else { "true".into() };
            world.annotate(name, "suspend", &value);
        }
        _ if !deleting => world.work(name, &manifests(dice)),
        _ => {}
    }
}

pub(super) fn fault(world: &mut WorkWorld, dice: &mut Dice) {
    match dice.roll(11) {
        0 => world.disconnect(),
        1 if !world.online => world.connect(),
        2 | 3 => world.restart_in_the_midst(dice.roll(2) == 0),
        4 => {
            let failure = [Failure::Unavailable, Failure::Forbidden, Failure::Invalid, Failure::Fenced];
            world.refused.insert(dice.pick(&KINDS).unwrap().into(), dice.pick(&failure).unwrap());
            let mut aside = dice.aside();
            if aside.roll(3) == 0 {
                world.refused.insert(aside.pick(&OF_SECRETS).unwrap().into(), aside.pick(&failure).unwrap());
            }
        }
        5 => world.refused.clear(),
        6 => world.landmarks.works_crd = landmark(dice.pick(&["w", "w", "other"]).unwrap()),
        7 => world.unreadable = dice.roll(2) == 0,
        8 | 9 if !world.dead => {
            let some: [&[&str]; 3] = [&[], &["web"], &["team"]];
            world.may_watch(dice.pick(&[None, Some(some[0]), Some(some[1]), Some(some[2])]).unwrap());
        }
        _ => {
            let crash = if dice.roll(2) == 0 { Crash::Undone } else { Crash::Unheard };
            world.crash = Some((1 + usize::try_from(dice.roll(8)).unwrap(), crash));
        }
    }
}

/// All faults end.
fn faultless(world: &mut WorkWorld) {
    world.refused.clear();
    world.unreadable = false;
    world.landmarks.works_crd = landmark("w");
    world.crash = None;
    world.deferring = false;
    if world.dead {
        world.start(true);
    }
    world.run();
    if !world.online {
        world.connect();
    }
}

/// All faults end, and time passes.
pub(super) fn rest(world: &mut WorkWorld) {
    faultless(world);
    world.tick(200);
    world.release_all();
    for name in WORKS {
        // What nobody saw end waits for somebody's word, and that is a Work of its name.
        if world.ledgers.contains_key(name) && !world.works.contains_key(name) {
            world.work(name, &[]);
        }
        for (option, value) in
            [("suspend", Value::Null), ("plan-only", Value::Null), ("allow-deletion", "true".into())]
        {
            if world.works.contains_key(name) {
                world.annotate(name, option, &value);
            }
        }
    }
    world.tick(200);
    world.release_all();
    world.tick(200);
}

/// Of what stands, and is not held back, nothing is left after the replica left with it.
fn check_left(world: &WorkWorld) {
    if !world.leaves_with_works() {
        return;
    }
    let (reason, message) = world.condition("Deregistered");
    assert_eq!(reason, "EntryDeletedWithWorks", "{message}: {:#?}", world.log);
    for (name, kept) in &world.ledgers {
        let ledger = &kept.ledger;
        let stands = world.works.get(name).filter(|work| work["metadata"]["uid"] == *ledger.maker.uid);
        let Some(work) = stands else { continue };
        let suspended = work["metadata"]["annotations"]["multicluster.coreos.com/suspend"] == "true";
        let wrong = work["spec"].to_string().contains("wrong/name");
        let others = ledger.resources.iter().any(|target| {
            let of = |other: &&crate::ledger::Kept| other.ledger.resources.contains(target);
            world.ledgers.values().filter(of).count() > 1
                || world.works.values().any(|other| {
                    other["metadata"]["name"] != *name && other["spec"].to_string().contains(&target.name)
                })
        });
        assert!(suspended || wrong || others, "{name}: {:#?}", world.log);
    }
}

/// What is there is what is asked for.
fn check(world: &WorkWorld, foreign: &[(Target, Value)]) {
    world.check_rest();
    for (target, object) in foreign {
        assert_eq!(&world.objects[target], object, "somebody else's");
    }
    let served: BTreeSet<_> = world.served.iter().map(|resource| resource.kind.to_string()).collect();
    let mut asked = BTreeSet::new();
    for (name, work) in &world.works {
        assert!(work["metadata"]["deletionTimestamp"].is_null(), "{name} is still there");
        assert!(world.is_held(name) && world.ledgers.contains_key(name), "{name}");
        for manifest in work["spec"]["workload"]["manifests"].as_array().unwrap() {
            let (kind, meta) = (manifest["kind"].as_str().unwrap(), &manifest["metadata"]);
            let (namespace, name) = (meta["namespace"].as_str(), meta["name"].as_str().unwrap());
            let there =
                namespace.is_none_or(|name| world.objects.contains_key(&world::namespace_named(name)));
            if served.contains(kind) && there && !name.contains('/') {
                let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
                asked.insert(format!("{kind} {namespace}{name}"));
            }
        }
    }
    let names: BTreeSet<_> = world.ledgers.keys().collect();
    assert_eq!(names, world.works.keys().collect());
    let uids: BTreeSet<_> = world.works.keys().map(|name| world.uid(name)).collect();
    assert!(
        world.vaults.keys().all(|uid| uids.contains(uid) || world.forlorn.contains(uid)),
        "values of a Work that is gone: {:?}",
        world.vaults
    );
    let there: BTreeSet<_> = world.there().into_iter().collect();
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    for (target, object) in &world.objects {
        let name = world::say(target);
        match world::maker(object) {
            Some(uid) => {
                let ledger = &world.ledger_for(object, &uid).unwrap().ledger;
                let item = ledger.items.iter().find(|item| item.target == *target);
                // What nobody saw end is left by a Work whose record another one took over.
                let Some(item) = item else {
                    assert_ne!(ledger.maker.uid, uid, "{name} is not asked for any more");
                    continue;
                };
                let vault = world.vaults.get(&ledger.maker.uid);
                let item = vault.map_or_else(|| (**item).clone(), |vault| open(item, &vault.values).unwrap());
                let data =
                    item.content.field("data").map(|text| serde_json::from_str::<Value>(text).unwrap());
                assert_eq!(object.get("data"), data.as_ref(), "{name}");
            }
            None => assert!(
                name.ends_with("/orphan")
                    || target.resource.kind == "Namespace"
                    || world.stripped.contains(target)
                    || foreign.iter().any(|(it, _)| it == target),
                "{name} bears no mark"
            ),
        }
    }
}

/// The replica leaves, or an entry of its name is made anew.
fn come_or_go(world: &mut WorkWorld, dice: &mut Dice) {
    match dice.roll(4) {
        0 | 1 if !world.is_leaving() => {
            world.leave(dice.pick(&["Delete", "Delete", "Delete", "Keep"]).unwrap());
        }
        2 if world.is_leaving() => world.drop_entry_if_there(),
        3 if world.is_leaving() => world.enter(),
        _ => {}
    }
}

/// `leaves`: the replica leaves and comes back, besides.
fn story(seed: u64, leaves: bool) {
    let mut dice = Dice(seed);
    let mut world = WorkWorld::new();
    let mut foreign = Vec::new();
    if dice.roll(2) == 0 {
        let target = world::config_named("e");
        world.make(&target, &json!({"data": {"a": "theirs"}}));
        foreign.push((target.clone(), world.objects[&target].clone()));
    }
    world.done_first = dice.roll(2) == 0;
    world.start(dice.roll(4) > 0);
    let tells = std::env::var("MUSTER_SEED").is_ok();
    let mut told = 0;
    for round in 0..60 {
        if tells {
            println!("{round} at {:?}: {:#?}", world.now, &world.log[told..]);
            told = world.log.len();
        }
        if leaves && dice.aside().roll(6) == 0 {
            let mut aside = dice.aside();
            aside.roll(6);
            come_or_go(&mut world, &mut aside);
        }
        match dice.roll(10) {
            0..=3 => in_the_directory(&mut world, &mut dice),
            4 | 5 => by_hand(&mut world, &mut dice),
            6 => fault(&mut world, &mut dice),
            7 if !world.done_first => world.deferring = dice.roll(2) == 0,
            8 if !world.plans.is_empty() && !world.dead => world.carry_next(),
            _ => world.tick(dice.roll(6)),
        }
        if world.dead {
            world.crash = None;
            world.start(dice.roll(3) > 0);
        } else {
            world.run();
        }
    }
    if leaves {
        world.leave_if_there();
        faultless(&mut world);
        world.tick(200);
        check_left(&world);
        world.enter();
    }
    rest(&mut world);
    if tells {
        println!(
            "rest: {:#?} {:#?}",
            &world.log[told..],
            world.engine.watched().map(|(kind, _)| kind).collect::<Vec<_>>()
        );
        for (name, work) in &world.works {
            println!("{name}: {} {}", work["metadata"], work["spec"]);
        }
        for (name, kept) in &world.ledgers {
            let targets = |targets: Vec<&Target>| targets.into_iter().map(world::say).collect::<Vec<_>>();
            let ledger = &kept.ledger;
            let items = targets(ledger.items.iter().map(|item| &item.target).collect());
            let applied = ledger.applied.as_ref().map(|applied| targets(applied.keys().collect()));
            println!(
                "{name} {:?} {items:?} {:?} {applied:?}",
                ledger.phase,
                targets(ledger.resources.iter().collect())
            );
        }
        for (target, object) in &world.objects {
            println!("{} {}", world::say(target), object["metadata"]["annotations"]);
        }
    }
    check(&world, &foreign);
    world.forget();
    world.tick(120);
    world.restart(true);
    world.tick(120);
    let writes = world
        .written()
        .into_iter()
        .filter(|line| !line.starts_with("refused") && !line.starts_with("failed"));
    assert_eq!(writes.collect::<Vec<_>>(), [""; 0], "at rest");
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn whatever_happens_nothing_goes_without_proof_and_all_is_as_asked_for_in_the_end() {
    let seeds: Vec<u64> = match std::env::var("MUSTER_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..120).collect(),
    };
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| story(seed, false)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn whenever_the_replica_leaves_and_comes_back_nothing_goes_without_proof() {
    let seeds: Vec<u64> = match std::env::var("MUSTER_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1_000..1_100).collect(),
    };
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| story(seed, true)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}
