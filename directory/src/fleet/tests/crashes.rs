//! A controller that is ended after each of its writes comes to the same end.

use muster_api::resource::NAMESPACES;
use serde_json::{Value, json};

use super::world::{ID, World};
use crate::fleet::part::Part;

/// A directory whose controller crashes, and a cluster that reported.
fn joined(crash: bool) -> World {
    let mut world = World::new();
    world.crash = crash;
    world.enter("east");
    world.settle();
    world.report("east", ID);
    world.beat("east", ID);
    world.settle();
    // A controller that began since waits for the next beat.
    world.beat("east", ID);
    world.settle();
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    assert_eq!(world.reason("east", "Ready"), "Reporting");
    world
}

fn is_gone(world: &World, but: &[Part]) {
    assert_eq!(world.entry("east"), None);
    for part in Part::ALL.into_iter().filter(|part| !but.contains(part)) {
        assert_eq!(world.part(part, "east"), Value::Null, "{part:?}");
    }
}

#[test]
fn whoever_says_that_it_left_is_not_waited_for() {
    for crash in [false, true] {
        let mut world = joined(crash);
        world.delete("east");
        world.settle();
        assert_eq!(world.reason("east", "Deregistering"), "Waiting");
        world.say_left("east");
        world.pass(2);
        is_gone(&world, &[]);
    }
}

#[test]
fn the_account_goes_first_and_the_entry_last() {
    let mut world = joined(false);
    world.written.clear();
    world.delete("east");
    world.say_left("east");
    world.pass(2);
    let expected = [
        "status",
        "remove Account",
        "remove AgentBinding",
        "remove ViewBinding",
        "remove TokenBinding",
        "remove TokenRole",
        "remove Lease",
        "remove Report",
        "allow",
        "remove Namespace",
        "finalize",
    ];
    assert_eq!(world.written, expected);
}

#[test]
fn what_lies_in_a_namespace_that_is_not_musters_stays() {
    let mut world = joined(false);
    let foreign = json!({"metadata": {"labels": {"multicluster.coreos.com/execution-namespace": "false"}}});
    world.patch(&NAMESPACES, None, "muster-cluster-east", &foreign).unwrap();
    world.settle();
    world.written.clear();
    world.delete("east");
    world.say_left("east");
    world.pass(5);
    let removed: Vec<_> = world.written.iter().filter(|step| step.starts_with("remove")).collect();
    assert_eq!(removed, ["remove Account", "remove ViewBinding", "remove TokenBinding", "remove TokenRole"]);
    assert_eq!(world.written.last().unwrap(), "finalize");
}

#[test]
fn a_live_one_is_waited_for_five_minutes_and_a_silent_one_for_one() {
    let mut world = joined(false);
    world.delete("east");
    for _ in 0..29 {
        world.beat("east", ID);
        world.pass(10);
        assert_eq!(world.reason("east", "Deregistering"), "Waiting");
    }
    world.pass(12);
    is_gone(&world, &[]);

    let mut world = joined(false);
    world.pass(45);
    assert_eq!(world.reason("east", "Ready"), "HeartbeatLost");
    world.delete("east");
    world.pass(59);
    assert_eq!(world.reason("east", "Deregistering"), "Waiting");
    world.pass(2);
    is_gone(&world, &[]);
}

#[test]
fn the_wait_goes_on_through_restarts() {
    let mut world = joined(false);
    world.pass(45);
    world.delete("east");
    for _ in 0..5 {
        world.pass(10);
        assert_eq!(world.reason("east", "Deregistering"), "Waiting");
        world.restart();
    }
    // A Lease that a new controller has just seen may be alive.
    world.pass(61);
    is_gone(&world, &[]);
}

#[test]
fn a_clock_that_jumps_ends_no_wait_at_once() {
    for restarts in [false, true] {
        let mut world = joined(false);
        world.delete("east");
        world.pass(5);
        world.ahead = std::time::Duration::from_secs(3600);
        if restarts {
            world.restart();
        }
        for _ in 0..5 {
            world.beat("east", ID);
            world.pass(10);
            assert_eq!(world.reason("east", "Deregistering"), "Waiting");
        }
    }
}

#[test]
fn one_that_never_came_is_not_waited_for() {
    for crash in [false, true] {
        let mut world = World::new();
        world.crash = crash;
        world.enter("east");
        world.settle();
        world.delete("east");
        world.pass(2);
        is_gone(&world, &[]);
    }
}

#[test]
fn works_stay_with_their_namespace_unless_they_are_to_go() {
    for crash in [false, true] {
        for deletes in [false, true] {
            let mut world = joined(crash);
            let mode = if deletes { "Delete" } else { "Keep" };
            world.change("east", &json!({"spec": {"deregistration": mode}}));
            world.work("east", "one");
            world.work("east", "two");
            world.delete("east");
            world.say_left("east");
            world.pass(2);
            is_gone(&world, &[Part::Namespace]);
            let namespace = world.part(Part::Namespace, "east");
            assert_eq!(namespace.is_null(), deletes, "{crash} {mode}");
            let works = muster_api::resource::WORKS;
            for name in ["one", "two"] {
                let work = world.get(&works, Some("muster-cluster-east"), name);
                assert_eq!(work.is_none(), deletes);
                assert!(work.is_none_or(|work| work["metadata"]["finalizers"] == json!([])));
            }
            let allowed = &namespace["metadata"]["annotations"]["multicluster.coreos.com/allow-deletion"];
            assert_eq!(*allowed, Value::Null);
        }
    }
}

#[test]
fn the_next_entry_of_a_name_inherits_nothing() {
    let mut world = joined(false);
    world.work("east", "one");
    world.delete("east");
    world.say_left("east");
    world.pass(2);
    is_gone(&world, &[Part::Namespace]);
    world.enter("east");
    world.settle();
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    assert_eq!(world.status("east")["id"], Value::Null);
    assert_eq!(world.reason("east", "Ready"), "NeverReported");
    world.delete("east");
    world.pass(2);
    is_gone(&world, &[Part::Namespace]);
}

#[test]
fn the_word_of_another_cluster_ends_no_wait() {
    let mut world = joined(false);
    world.delete("east");
    world.report("east", "other");
    world.say_left("east");
    world.pass(5);
    assert_eq!(world.reason("east", "Deregistering"), "Waiting");
}

#[test]
fn a_work_that_comes_late_keeps_the_namespace() {
    let mut world = joined(false);
    world.late_work = true;
    world.delete("east");
    world.say_left("east");
    world.pass(2);
    is_gone(&world, &[Part::Namespace]);
    assert!(!world.part(Part::Namespace, "east").is_null());
}
