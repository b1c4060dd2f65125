//! The same as the random stories, with all options: whatever is asked for in whatever way, and changes its mind.

use std::collections::BTreeSet;

use super::random::{Dice, WORKS, by_hand, fault, rest};
use super::*;
use crate::failure::Failure;
use crate::target::Target;
use crate::work::{Apply, OnDrift};

/// Options of manifests, each with the values that are rolled. The first is the default.
const OPTIONS: [(&str, &[&str]); 5] = [
    ("apply", &["apply", "apply", "apply", "create", "replace", "replace", "observe"]),
    ("on-drift", &["correct", "correct", "report"]),
    ("deletion", &["delete", "delete", "delete", "orphan"]),
    ("on-conflict", &["report", "adopt", "force"]),
    ("ignore", &["", "", "metadata.annotations.note"]),
];

fn rolled(dice: &mut Dice, mut manifest: Value) -> Value {
    for (option, values) in OPTIONS {
        let value = dice.pick(values).unwrap();
        if value != values[0] {
            manifest = with(manifest, option, value);
        }
    }
    manifest
}

fn manifests(dice: &mut Dice, work: &str) -> Vec<Value> {
    let mut manifests = Vec::new();
    for name in ["a", "b", "c", "d"] {
        if dice.roll(2) == 0 {
            let mut config = config_of(name, &dice.roll(3).to_string());
            config["metadata"]["annotations"]["note"] = dice.roll(2).to_string().into();
            manifests.push(rolled(dice, config));
        }
    }
    // Of what cannot be changed each has its own: who takes it over from another one cannot make it anew.
    if dice.roll(2) == 0 {
        let mut binding = binding();
        binding["metadata"]["namespace"] = "web".into();
        binding["metadata"]["name"] = work.into();
        binding["roleRef"]["name"] = dice.roll(2).to_string().into();
        manifests.push(rolled(dice, binding));
    }
    for name in ["one", "two"] {
        if dice.roll(3) == 0 {
            manifests.push(rolled(dice, widget("web", name)));
        }
    }
    if dice.roll(6) == 0 {
        manifests.push(with(definition(), "allow-deletion", "true"));
    }
    manifests
}

fn in_the_directory(world: &mut WorkWorld, dice: &mut Dice) {
    let name = dice.pick(&WORKS).unwrap();
    let deleting = world.works.get(name).is_some_and(|work| !work["metadata"]["deletionTimestamp"].is_null());
    match dice.roll(10) {
        0 if world.works.contains_key(name) && !deleting => world.delete_work(name),
        1 if world.works.contains_key(name) => {
            world.drop_work(name);
            world.work(name, &manifests(dice, name));
        }
        2 | 3 if world.works.contains_key(name) => {
            let option = dice.pick(&["suspend", "plan-only"]).unwrap();
            let value = if dice.roll(2) == 0 { Value::Null } else { "true".into() };
            world.annotate(name, option, &value);
        }
        // An object moves from one to the other, in whatever order.
        4 | 5 if world.works.contains_key(name) && !deleting => {
            let mut own =
                world.works[name]["spec"]["workload"]["manifests"].as_array().cloned().unwrap_or_default();
            let other = dice.pick(&WORKS).unwrap();
            if other == name || own.is_empty() || world.works.contains_key(other) && other_goes(world, other)
            {
                return;
            }
            let moved = own.remove(usize::try_from(dice.roll(own.len() as u64)).unwrap());
            if moved["kind"] == "RoleBinding" {
                return;
            }
            let theirs = world.works.get(other).map(|work| work["spec"]["workload"]["manifests"].clone());
            let mut theirs = theirs.and_then(|all| all.as_array().cloned()).unwrap_or_default();
            let same = |manifest: &Value| {
                let of = |it: &Value| (it["kind"].clone(), it["metadata"]["name"].clone());
                of(manifest) == of(&moved)
            };
            theirs.retain(|manifest| !same(manifest));
            theirs.push(moved);
            if dice.roll(2) == 0 {
                world.work(other, &theirs);
                world.work(name, &own);
            } else {
                world.work(name, &own);
                world.tick(dice.roll(4));
                world.work(other, &theirs);
            }
        }
        _ if !deleting => world.work(name, &manifests(dice, name)),
        _ => {}
    }
}

fn other_goes(world: &WorkWorld, name: &str) -> bool {
    !world.works[name]["metadata"]["deletionTimestamp"].is_null()
}

/// What somebody did to objects by hand.
#[derive(Default)]
struct Hands {
    removed: BTreeSet<Target>,
    edited: BTreeSet<Target>,
}

impl Hands {
    fn act(&mut self, world: &mut WorkWorld, dice: &mut Dice) {
        let before = world.objects.clone();
        let logged = world.log.len();
        by_hand(world, dice);
        let wrote =
            |target: &Target| world.log[logged..].iter().any(|line| line.ends_with(&world::say(target)));
        for (target, object) in before {
            match world.objects.get(&target) {
                None => drop(self.removed.insert(target)),
                // It may have been put right, or made anew, within the same moment.
                Some(now) if now["metadata"]["uid"] != object["metadata"]["uid"] || wrote(&target) => {
                    self.edited.insert(target);
                }
                Some(now) if *now != object => drop(self.edited.insert(target)),
                _ => {}
            }
        }
    }
}

/// What is there is what is asked for, as far as it is.
fn check(world: &WorkWorld, hands: &Hands, unmarked: &BTreeSet<String>) {
    world.check_rest();
    let names: BTreeSet<_> = world.ledgers.keys().collect();
    assert_eq!(names, world.works.keys().collect());
    for (name, work) in &world.works {
        if !work["metadata"]["deletionTimestamp"].is_null() {
            // Who is to take it over leaves fields to others, and these changed them: somebody has to decide.
            let conflict = |work: &Value| work["status"].to_string().contains("others own fields of it");
            let waits = work["status"].to_string().contains("which has not taken it over");
            assert!(waits && world.works.values().any(conflict), "{name} is still there: {work:#}");
            continue;
        }
        assert!(world.is_held(name), "{name}");
        let kept = &world.ledgers[name];
        let crate::ledger::Of::Work(part) = &kept.ledger.of else { panic!("no Work's") };
        for item in &kept.ledger.items {
            let options = &part.places[&item.target].options;
            let Some(object) = world.objects.get(&item.target) else {
                let left = options.on_drift == OnDrift::Report && hands.removed.contains(&item.target);
                let unserved = !world.served.contains(&item.target.resource);
                let missing = !(left || unserved || options.apply == Apply::Observe);
                assert!(!missing, "{} is missing for {name}", world::say(&item.target));
                continue;
            };
            let own = world::maker(object).as_deref() == Some(&*kept.ledger.maker.uid);
            let left = options.apply == Apply::Create
                || options.apply == Apply::Observe
                || options.on_drift == OnDrift::Report && hands.edited.contains(&item.target)
                || world.stripped.contains(&item.target);
            if !own || left {
                continue;
            }
            for field in ["data", "roleRef"] {
                if field == "roleRef" && options.apply != Apply::Replace {
                    continue;
                }
                let asked =
                    item.content.field(field).map(|text| serde_json::from_str::<Value>(text).unwrap());
                assert_eq!(
                    object.get(field),
                    asked.as_ref(),
                    "{} of {name}: {options:?}",
                    world::say(&item.target)
                );
            }
        }
    }
    for (target, object) in &world.objects {
        let name = world::say(target);
        match world::maker(object) {
            Some(uid) => {
                let ledger = &world.ledger_for(object, &uid).unwrap().ledger;
                let asked = ledger.items.iter().any(|item| item.target.is_same_object(target));
                // It waits for who is to take it over, or its turn comes after what does.
                let told = world.works.get(&ledger.maker.name).map(|work| work["status"].to_string());
                let waits = ledger.phase == crate::ledger::Phase::Deleting
                    || told.is_some_and(|told| told.contains("which has not taken it over"));
                assert!(asked || waits || ledger.maker.uid != uid, "{name} is not asked for any more");
            }
            None => assert!(
                target.resource.kind == "Namespace"
                    || unmarked.contains(&name)
                    || world.stripped.contains(target),
                "{name} bears no mark"
            ),
        }
    }
}

fn faulty(world: &mut WorkWorld, dice: &mut Dice) {
    match dice.roll(6) {
        0 if !world.dead => world.serve_as("Widget", dice.pick(&["v1", "v2", "v3"]).unwrap()),
        1 => drop(world.refused.insert("answers".into(), Failure::Unavailable)),
        2 => drop(world.refused.insert("deletions".into(), Failure::Unavailable)),
        3 => world.refused.clear(),
        _ => fault(world, dice),
    }
}

fn story(seed: u64) {
    let mut dice = Dice(seed ^ 0x0f71_0e5e);
    let mut world = WorkWorld::new();
    let mut hands = Hands::default();
    world.done_first = dice.roll(2) == 0;
    world.start(dice.roll(4) > 0);
    let tells = std::env::var("MUSTER_SEED").is_ok();
    let mut told = 0;
    for round in 0..60 {
        if tells {
            println!("{round} at {:?}: {:#?}", world.now, &world.log[told..]);
            told = world.log.len();
        }
        match dice.roll(10) {
            0..=3 => in_the_directory(&mut world, &mut dice),
            4 | 5 => hands.act(&mut world, &mut dice),
            6 => faulty(&mut world, &mut dice),
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
    world.serve_as("Widget", "v1");
    rest(&mut world);
    if tells {
        println!("rest: {:#?}", &world.log[told..]);
        for (name, work) in &world.works {
            println!("{name}: {work:#}");
        }
    }
    let unmarked =
        world.log.iter().filter_map(|line| line.strip_prefix("unmark ")).map(str::to_owned).collect();
    check(&world, &hands, &unmarked);
    // The record may say of an older manifest which fields are Muster's: the next process finds that out once.
    for restarts in 0..3 {
        let quiet = |line: &String| {
            let tried = ["refused", "failed", "immutable"].iter().any(|verb| line.starts_with(verb));
            // What somebody took the label off, it finds again.
            let by_hand = || hands.edited.iter().any(|target| line.ends_with(&world::say(target)));
            let reassured = line.starts_with("noop") || line.starts_with("settle") || by_hand();
            !(tried || restarts == 1 && reassured)
        };
        world.tick(120);
        let writes: Vec<_> = world.written().into_iter().filter(quiet).collect();
        if restarts > 0 {
            assert_eq!(writes, [""; 0], "at rest, after {restarts} restarts");
        }
        world.restart(true);
    }
}

#[test]
fn whatever_options_are_rolled_nothing_goes_without_proof_and_all_comes_to_rest_as_asked_for() {
    let seeds: Vec<u64> = match std::env::var("MUSTER_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..40).collect(),
    };
    for seed in seeds {
        if let Err(cause) = std::panic::catch_unwind(|| story(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(cause);
        }
    }
}
