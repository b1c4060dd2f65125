//! Whatever happens, in whatever order: nothing goes without a reason that live reads proved, nothing is written twice,
//! and when it stops, all is as it is asked for. The world checks the first at each step.

mod acts;

use std::collections::BTreeSet;

pub(super) use self::acts::{WORKS, by_hand, fault};
use self::acts::{back_up_or_restore, come_or_go, in_the_directory};
use super::super::landmark;
use super::*;
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

/// `leaves`: the replica leaves and comes back, besides. `restores`: the directory is set back to an earlier state.
fn story(seed: u64, leaves: bool, restores: bool) {
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
    let (mut told, mut backup) = (0, None);
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
        if restores && dice.aside().roll(3) == 0 {
            back_up_or_restore(&mut world, &mut backup, &mut dice.aside());
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
        if let Err(cause) = std::panic::catch_unwind(|| story(seed, false, false)) {
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
        if let Err(cause) = std::panic::catch_unwind(|| story(seed, true, false)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}

#[test]
fn whenever_the_directory_is_set_back_nothing_goes_before_a_word() {
    let seeds: Vec<u64> = match std::env::var("MUSTER_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (2_000..2_100).collect(),
    };
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| story(seed, false, true)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}
