//! Entries whose definition is deleted, or made anew, do not leave.

use muster_api::Object;
use muster_api::events::controller::EventReason;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::world::{ID, World};
use crate::fleet::definition::is_older;
use crate::fleet::part::Part;

/// A directory with one cluster that never came, and one that came and says that it left: nobody is waited for.
fn entered() -> World {
    let mut world = World::new();
    world.pass(5);
    for name in ["east", "west"] {
        world.enter(name);
        world.settle();
    }
    world.report("east", ID);
    world.beat("east", ID);
    world.say_left("east");
    world.settle();
    world.told();
    world.written.clear();
    world
}

fn all_is_there(world: &World) {
    let removed: Vec<_> = world.written.iter().filter(|step| *step != "status").collect();
    assert_eq!(removed, [""; 0]);
    for name in ["east", "west"] {
        for part in Part::ALL {
            assert_ne!(world.part(part, name), Value::Null, "{part:?}");
        }
    }
}

#[test]
fn a_definition_that_is_deleted_takes_no_cluster_with_it() {
    let mut world = entered();
    world.undefine();
    world.pass(1000);
    all_is_there(&world);
    for name in ["east", "west"] {
        assert_eq!(world.reason(name, "Deregistering"), "Halted");
    }
    assert_eq!(world.fleet.held_back(), 2);
    assert_eq!(world.told(), [EventReason::DefinitionInDoubt], "once");
    let told = world.status("east");
    world.restart();
    world.pass(1000);
    all_is_there(&world);
    assert_eq!(world.status("east"), told);
}

#[test]
fn entries_that_are_made_again_are_enrolled_again_and_may_leave() {
    for relisted in [false, true] {
        let mut world = entered();
        let before = Part::ALL.map(|part| world.part(part, "west")["metadata"]["uid"].clone());
        world.undefine();
        world.pass(10);
        for name in ["east", "west"] {
            world.free(name);
        }
        world.pass(1);
        world.define();
        if relisted {
            world.begin_lists();
            world.end_lists();
        } else {
            world.pass(61); // as far as clocks may be apart
        }
        world.enter("west");
        world.settle();
        assert_eq!(world.reason("west", "Enrolled"), "Enrolled");
        assert_eq!(before, Part::ALL.map(|part| world.part(part, "west")["metadata"]["uid"].clone()));
        all_is_there_but_finalizers(&world);
        world.delete("west");
        world.pass(30);
        assert_eq!(world.entry("west"), None);
        assert_eq!(world.part(Part::Namespace, "west"), Value::Null);
    }
}

fn all_is_there_but_finalizers(world: &World) {
    assert!(
        world.written.iter().all(|step| ["status", "finalize"].contains(&step.as_str())),
        "{:?}",
        world.written
    );
}

#[test]
fn entries_that_were_deleted_before_their_definition_was_made_anew_stay() {
    for restart in [false, true] {
        let mut world = entered();
        world.undefine();
        world.pass(1);
        world.define();
        if restart {
            world.restart();
        }
        world.pass(1000);
        all_is_there(&world);
        assert_eq!(world.reason("east", "Deregistering"), "Halted");
    }
    // It was replaced unseen.
    let mut world = entered();
    world.define();
    world.delete("west");
    world.pass(1000);
    all_is_there(&world);
    assert_eq!(world.reason("west", "Deregistering"), "Halted");
}

#[test]
fn an_entry_that_is_older_than_its_definition_says_both_times_and_how_a_person_lets_it_go() {
    let mut world = entered();
    let made = world.now().wall + jiff::SignedDuration::from_secs(3600);
    world.change("west", &json!({"metadata": {"finalizers": ["multicluster.coreos.com/deregistration", "example.com/theirs"]}}));
    // The clock of the server that made it was ahead.
    world.define_at(made);
    world.restart();
    world.delete("west");
    let deleted = world.entry("west").unwrap()["metadata"]["deletionTimestamp"].as_str().unwrap().to_owned();
    world.pass(10);
    all_is_there(&world);
    assert_eq!(world.reason("west", "Deregistering"), "Halted");
    let message = world.message("west", "Deregistering");
    for part in [
        &made.to_string(),
        &deleted,
        "namespace muster-cluster-west stay",
        ": kubectl -n muster-agents delete serviceaccount west --ignore-not-found && kubectl patch \
         clusters.multicluster.coreos.com west --type=merge -p '{\"metadata\":{\"finalizers\":[\"example.com/theirs\"]}}'",
    ] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    // No time that passes makes it believed.
    world.pass(7200);
    all_is_there(&world);
}

#[test]
fn a_removal_stops_when_the_definition_goes() {
    let mut world = entered();
    world.refuse = Some("remove AgentBinding");
    world.delete("west");
    world.pass(5);
    assert_eq!(world.reason("west", "Deregistering"), "Removing");
    assert_eq!(world.written, ["status", "remove Account", "status"], "the last says what is refused");
    // Not even a moment after a look that found it sound.
    world.refuse = None;
    world.undefine();
    world.pass(1000);
    assert_eq!(world.reason("west", "Deregistering"), "Halted");
    assert_eq!(world.written.iter().filter(|step| step.starts_with("remove")).count(), 1);
}

#[test]
fn a_definition_that_may_not_be_read_lets_nothing_go() {
    let mut world = entered();
    world.refuse = Some("verify");
    world.restart();
    world.delete("west");
    world.pass(100);
    all_is_there(&world);
    assert_eq!(world.reason("west", "Deregistering"), "Halted");
    assert!(world.refused < 20, "{}", world.refused);
    world.refuse = None;
    world.pass(30);
    assert_eq!(world.entry("west"), None);
}

#[test]
fn nothing_is_asked_while_nobody_leaves() {
    let mut world = entered();
    let before = world.looked;
    world.pass(1000);
    assert_eq!(world.looked, before);
    world.change("west", &json!({"metadata": {"labels": {"a": "b"}}}));
    world.pass(10);
    assert_eq!(world.looked, before);
}

#[test]
fn a_definition_speaks_for_what_was_made_under_it() {
    let definition = |deleting: bool| {
        let mut text = json!({"metadata": {
            "name": "d", "uid": "d", "resourceVersion": "1", "creationTimestamp": "2026-01-02T00:00:00Z",
        }});
        if deleting {
            text["metadata"]["deletionTimestamp"] = "2026-01-03T00:00:00Z".into();
        }
        Object::parse(to_raw_value(&text).unwrap()).unwrap()
    };
    let at = |time: &str| Some(time.parse().unwrap());
    assert!(is_older(&definition(false), at("2026-01-02T00:00:00Z")));
    assert!(!is_older(&definition(false), at("2026-01-01T23:59:59Z")));
    assert!(!is_older(&definition(true), at("2026-01-02T00:00:00Z")));
    assert!(!is_older(&definition(false), None), "in doubt nothing goes");
}
