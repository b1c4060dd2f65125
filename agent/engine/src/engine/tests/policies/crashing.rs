//! The process ends at each write of a story, and another one goes on: what is there then, and what was made and taken
//! away on the way, is as if nothing had happened.

use muster_api::marks::{LEAVE, NAMESPACE_DELETION};

use super::super::world::Crash;
use super::*;
use crate::ledger::Ledger;

/// Begins with the record of what was seen: without it, nothing is known of it after a restart.
const UNSEEN: &str = "the entry is deleted";

const STORIES: [(&str, Act); 9] = [
    ("a policy is made", |world| world.policy("s", &grant("third", &["view", "edit"]))),
    ("it names a namespace that another one names", |world| world.policy("s", &grant("web", &["admin"]))),
    ("a role and the subjects change", |world| world.policy("p", &grant_to("web", &["admin"], "joe"))),
    ("a binding is dropped", |world| world.policy("p", &grant("web", &["view"]))),
    ("a policy is deleted", |world| world.delete_policy("p")),
    ("no policy selects the cluster any more", |world| world.enter("own", &json!({"cloud": "gcp"}))),
    ("a policy that takes its namespace with it is deleted", |world| world.delete_policy("r")),
    (UNSEEN, |world| world.leave("own")),
    ("the owner leaves", |world| world.say_as_owner(&json!({LEAVE: "true"}))),
];

fn world() -> PolicyWorld {
    let mut world = PolicyWorld::in_step(&[
        ("p", grant("web", &["view", "edit"])),
        ("q", grant("other", &["view"])),
        ("r", grant("mine", &["view"])),
    ]);
    world.edit_policy("r", |policy| policy["metadata"]["annotations"][NAMESPACE_DELETION] = "delete".into());
    world.forget();
    world
}

/// What there is, without what is another one each time.
fn state(world: &PolicyWorld) -> Vec<String> {
    let mut state = Vec::new();
    for (target, object) in &world.objects {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| ["labels", "annotations", "managedFields"].contains(&key.as_str()));
        state.push(format!("{} {object}", super::super::world::say(target)));
    }
    for kept in world.ledgers.values() {
        let ledger = &kept.ledger;
        let applied = ledger.applied.as_ref().map(|applied| applied.keys().collect::<Vec<_>>());
        let Ledger { maker, phase, items, resources, .. } = ledger;
        state.push(format!("{} {phase:?} {items:?} {resources:?} {applied:?}", maker.name));
    }
    state.push(format!(
        "{:?} {:?}",
        world.copies.keys(),
        world.memory.as_ref().map(|memory| &memory.departed)
    ));
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
        whole.tick(15);
        let (state_of_whole, ends_of_whole) = (state(&whole), ends(&whole.log));
        assert!(!whole.log.is_empty(), "{story}");
        for crash in [Crash::Undone, Crash::Unheard] {
            for restarted_online in [true, false] {
                for step in 1.. {
                    let mut world = world();
                    world.crash = Some((step, crash));
                    act(&mut world);
                    world.tick(15);
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
                    world.tick(15);
                    if story == UNSEEN && (crash, step) == (Crash::Undone, 1) {
                        // Nobody remembers that the entry was seen to go: it is merely missing.
                        assert_eq!(ends(&world.log), [""; 0], "{case}");
                        continue;
                    }
                    assert_eq!(state(&world), state_of_whole, "{case}\nthen {:#?}", world.log);
                    assert_eq!(ends(&world.log), ends_of_whole, "{case}\nthen {:#?}", world.log);
                    world.forget();
                    world.tick(15);
                    assert_eq!(world.written(), [""; 0], "{case}: at rest");
                }
            }
        }
    }
    println!("{crashes} crashes");
    assert!(crashes > 150, "{crashes} crashes");
}
