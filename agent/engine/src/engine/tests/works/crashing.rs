//! The process ends at each write of a story, and another one goes on.

use super::world::Crash;
use super::*;

const STORIES: [(&str, Act); 12] = [
    ("a Work is made", |world| {
        world.work("new", &[widget("web", "two"), config("n"), namespace("team"), role()]);
    }),
    ("content changes", |world| world.work("app", &[config_of("a", "2"), config("b"), orphan()])),
    ("one is added and one dropped", |world| world.work("app", &[config("a"), config("z"), orphan()])),
    ("what is to be orphaned is dropped", |world| world.work("app", &[config("a"), config("b")])),
    ("a Work is deleted", |world| world.delete_work("app")),
    ("a Work with its kind is deleted", |world| world.delete_work("kinds")),
    ("an object is handed over by a Work that drops it", |world| world.work("one", &[config("o")])),
    ("an object is handed over by a Work that is deleted", |world| world.delete_work("one")),
    ("a Work with a Secret is made", |world| world.work("new", &[secret("n", "1"), config("n")])),
    ("a value changes", |world| world.work("secrets", &[secret("s", "2"), config("t")])),
    ("a Secret is dropped", |world| world.work("secrets", &[config("t")])),
    ("a Work with a Secret is deleted", |world| world.delete_work("secrets")),
];

fn orphan() -> Value {
    with(config("stays"), "deletion", "orphan")
}

fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "web"}, "stringData": {"a": value}})
}

fn world() -> WorkWorld {
    let mut world = WorkWorld::new();
    world.make(&world::config_named("theirs"), &json!({"data": {"a": "theirs"}}));
    world.work("app", &[config("a"), config("b"), orphan()]);
    world.work("kinds", &[with(definition(), "allow-deletion", "true"), widget("web", "one")]);
    world.work("one", &[config("shared"), config("o")]);
    world.work("secrets", &[secret("s", "1"), config("t")]);
    world.start(true);
    world.work("two", &[config_of("shared", "2"), config("theirs")]);
    world.tick(20);
    world.forget();
    world
}

/// What there is, without what is another one each time.
fn state(world: &WorkWorld) -> Vec<String> {
    let mut state = Vec::new();
    for (target, object) in &world.objects {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        // The mark of a new Work has its UID, which is another one each time.
        let maker = world::maker(&Value::Object(
            [("metadata".into(), Value::Object(metadata.clone()))].into_iter().collect(),
        ));
        let maker = maker.map(|uid| {
            world
                .ledgers
                .values()
                .find(|kept| kept.ledger.maker.uid == uid)
                .map(|kept| kept.ledger.maker.name.clone())
        });
        metadata.retain(|key, _| ["labels", "managedFields"].contains(&key.as_str()));
        state.push(format!("{} {object} {maker:?}", world::say(target)));
    }
    for (name, kept) in &world.ledgers {
        let crate::ledger::Ledger { phase, items, applied, .. } = &kept.ledger;
        let applied = applied.as_ref().map(|applied| applied.keys().collect::<Vec<_>>());
        let vault = world.vaults.get(&kept.ledger.maker.uid);
        let opened = |item: &std::sync::Arc<crate::item::Item>| match vault {
            Some(vault) => crate::values::open(item, &vault.values).unwrap().manifest().to_string(),
            None => item.manifest().to_string(),
        };
        let items: Vec<_> = items.iter().map(opened).collect();
        let vault = vault.map(|vault| vault.values.digests().count());
        state.push(format!("{name} {phase:?} {items:?} {applied:?} {vault:?}"));
    }
    for (name, work) in &world.works {
        state.push(format!("{name} {} {}", work["spec"], work["metadata"]["finalizers"]));
    }
    state
}

/// What was made and taken away.
fn ends(log: &[String]) -> Vec<String> {
    let counts = |line: &&String| ["create", "delete", "forget"].iter().any(|verb| line.starts_with(verb));
    let mut ends: Vec<String> = log.iter().filter(counts).cloned().collect();
    ends.sort();
    ends
}

#[test]
fn whatever_write_a_process_ends_at_the_next_one_ends_the_story() {
    let mut crashes = 0;
    for (story, act) in STORIES {
        let mut whole = world();
        act(&mut whole);
        whole.tick(30);
        let (state_of_whole, ends_of_whole) = (state(&whole), ends(&whole.log));
        assert!(!whole.log.is_empty(), "{story}");
        for crash in [Crash::Undone, Crash::Unheard] {
            for restarted_online in [true, false] {
                for step in 1.. {
                    let mut world = world();
                    world.crash = Some((step, crash));
                    act(&mut world);
                    world.tick(30);
                    if !world.dead {
                        break; // the story has no more writes
                    }
                    crashes += 1;
                    world.crash = None;
                    let case =
                        format!("{story}: {crash:?} {step}, online: {restarted_online}: {:#?}", world.log);
                    world.start(restarted_online);
                    world.tick(5);
                    if !restarted_online {
                        world.connect();
                    }
                    world.tick(30);
                    assert_eq!(state(&world), state_of_whole, "{case}\nthen {:#?}", world.log);
                    assert_eq!(ends(&world.log), ends_of_whole, "{case}\nthen {:#?}", world.log);
                    world.check_rest();
                    world.forget();
                    world.tick(30);
                    let writes: Vec<_> =
                        world.written().into_iter().filter(|line| !line.starts_with("refused")).collect();
                    assert_eq!(writes, [""; 0], "{case}: at rest");
                }
            }
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 100, "{crashes} crashes");
}
