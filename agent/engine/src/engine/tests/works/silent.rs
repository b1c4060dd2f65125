//! Another one speaks for this cluster in the directory: what is here is held, and nothing that is said there is followed.

use super::*;
use crate::engine::tests::works::world::config_named;
use crate::event::DirectoryWatch;
use crate::{Change, Event, Failure};

/// What is said to the one that speaks.
const SAID: [(&str, Act); 4] = [
    ("deleted", |world| world.delete_work("app")),
    ("gone", |world| world.drop_work("app")),
    ("dropped", |world| world.work("app", &[config("b")])),
    ("anew", |world| world.work("new", &[config("n")])),
];

fn in_step() -> WorkWorld {
    WorkWorld::in_step(&[("app", &[config("a"), config("b")]), ("other", &[config("c")])])
}

#[test]
fn who_is_silent_holds_what_it_holds_and_begins_tells_and_deletes_nothing() {
    for (what, act) in SAID {
        for begun in [false, true] {
            let mut world = in_step();
            // Of what was shown before, what is under way comes to its end.
            world.deferring = begun;
            if begun {
                act(&mut world);
            }
            world.fall_silent();
            if !begun {
                act(&mut world);
            }
            world.deferring = false;
            world.run();
            world.forget();
            world.remove(&config_named("c"));
            world.tick(600);
            assert_eq!(world.gone(), [""; 0], "{what}, {begun}");
            // What was recorded before, with the finalizer set, is held.
            let held = if what == "anew" && begun { 4 } else { 3 };
            assert_eq!(world.there().len(), held, "{what}, {begun}");
            let writes = world.written();
            let told = writes.iter().filter(|line| line.contains("report") || line.contains("finalize"));
            assert_eq!(told.count(), 0, "{what}, {begun}: {writes:#?}");
        }
    }
}

#[test]
fn who_speaks_again_follows_what_was_said_meanwhile() {
    for (what, act) in SAID {
        let mut world = in_step();
        world.fall_silent();
        act(&mut world);
        world.tick(100);
        world.beat();
        world.tick(100);
        let there = world.there().len();
        // One that is gone for good is merely missing.
        let expected = match what {
            "deleted" => 1,
            "dropped" => 2,
            "anew" => 4,
            _ => 3,
        };
        assert_eq!(there, expected, "{what}: {:#?}", world.log);
    }
}

/// Nothing is read any more, so nothing that failed before is said to fail still.
#[test]
fn what_a_watch_last_said_is_no_news_to_who_is_silent() {
    for silent in [false, true] {
        let mut world = in_step();
        let change = Change::Failed(Failure::Forbidden, "no right to list them".into());
        world.send(Event::Directory { era: world.era, watch: DirectoryWatch::Entries, change });
        if silent {
            world.fall_silent();
        }
        world.tick(5);
        assert_eq!(world.condition("DirectoryReachable").0 == "Forbidden", !silent, "{silent}");
    }
}

#[test]
fn what_failed_otherwise_takes_nobodys_voice() {
    let mut world = in_step();
    world.beat();
    world.disconnect();
    world.connect();
    world.delete_work("app");
    world.tick(100);
    assert_eq!(world.there().len(), 1, "{:#?}", world.log);
}
