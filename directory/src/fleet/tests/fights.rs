//! Somebody else keeps changing or removing a part.

use std::time::Duration;

use muster_api::events::controller::EventReason;
use serde_json::{Value, json};

use super::world::World;
use crate::fleet::part::Part;

fn enrolled() -> World {
    let mut world = World::new();
    world.enter("east");
    world.pass(2);
    world.told();
    world.written.clear();
    world
}

fn made(world: &World) -> usize {
    world.written.iter().filter(|step| step.starts_with("make")).count()
}

/// Somebody removes the binding as soon as it is there, for so many seconds.
fn fight(world: &mut World, seconds: u64) {
    for _ in 0..seconds * 2 {
        world.mono += Duration::from_millis(500);
        if world.part(Part::AgentBinding, "east") != Value::Null {
            world.take(Part::AgentBinding, "east");
        }
        world.settle();
    }
}

#[test]
fn a_part_that_is_fought_over_is_made_ever_more_slowly_and_named() {
    let mut world = enrolled();
    fight(&mut world, 120);
    let first = made(&world);
    assert!((6..=14).contains(&first), "{first} in two minutes");
    fight(&mut world, 1200);
    let later = made(&world) - first;
    assert!((2..=12).contains(&later), "{later} in the next twenty");
    assert_eq!(world.reason("east", "Enrolled"), "Contested");
    let message = world.message("east", "Enrolled");
    assert!(message.contains("rolebinding muster-agent in namespace muster-cluster-east"), "{message}");
    assert_eq!(world.told(), [EventReason::PartContested], "once");
    let statuses = world.written.iter().filter(|step| *step == "status").count();
    assert_eq!(statuses, 1, "the entry is not written each time");
    // Left alone, it is as before.
    world.pass(1000);
    assert_ne!(world.part(Part::AgentBinding, "east"), Value::Null);
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    assert_eq!(world.told(), [EventReason::ClusterEnrolled]);
    world.take(Part::AgentBinding, "east");
    world.settle();
    assert_ne!(world.part(Part::AgentBinding, "east"), Value::Null, "at once again");
}

#[test]
fn another_part_is_made_right_at_once_meanwhile() {
    let mut world = enrolled();
    fight(&mut world, 300);
    world.take(Part::Account, "east");
    world.settle();
    assert_ne!(world.part(Part::Account, "east"), Value::Null);
}

#[test]
fn what_is_removed_now_and_then_is_no_fight() {
    let mut world = enrolled();
    for _ in 0..20 {
        world.take(Part::ViewBinding, "east");
        world.settle();
        assert_ne!(world.part(Part::ViewBinding, "east"), Value::Null);
        world.pass(61);
    }
    assert_eq!(world.told(), []);
}

/// A tool makes the binding of a cluster that is kept out as soon as it is gone, for so many seconds.
fn fight_for(world: &mut World, binding: &Value, seconds: u64) {
    for _ in 0..seconds * 2 {
        world.mono += Duration::from_millis(500);
        if world.part(Part::AgentBinding, "east") == Value::Null {
            world.put(&Part::AgentBinding.resource(), binding.clone());
        }
        world.settle();
    }
}

fn approval(world: &mut World, value: &str) {
    world.change("east", &json!({"metadata": {"annotations": {"multicluster.coreos.com/approval": value}}}));
    world.settle();
}

#[test]
fn what_is_made_again_for_a_cluster_that_is_kept_out_goes_ever_more_slowly() {
    let removed = |world: &World| world.written.iter().filter(|step| *step == "remove AgentBinding").count();
    for value in ["denied", "required"] {
        let mut world = enrolled();
        let binding = world.part(Part::AgentBinding, "east");
        approval(&mut world, value);
        assert_eq!(world.part(Part::AgentBinding, "east"), Value::Null);
        fight_for(&mut world, &binding, 120);
        let first = removed(&world);
        assert!((6..=14).contains(&first), "{first} in two minutes");
        fight_for(&mut world, &binding, 1200);
        let later = removed(&world) - first;
        assert!((2..=12).contains(&later), "{later} in the next twenty");
        assert_eq!(world.reason("east", "Enrolled"), "Contested");
        let message = world.message("east", "Enrolled");
        assert!(message.contains("keeps making rolebinding muster-agent in namespace"), "{message}");
        // Left alone, it is as people say.
        world.pass(1000);
        assert_eq!(world.part(Part::AgentBinding, "east"), Value::Null);
        assert_eq!(world.reason("east", "Enrolled"), if value == "denied" { "Denied" } else { "Pending" });
    }
}

#[test]
fn whoever_is_denied_in_a_fight_loses_all_at_once() {
    let mut world = enrolled();
    let binding = world.part(Part::AgentBinding, "east");
    fight(&mut world, 300);
    if world.part(Part::AgentBinding, "east") == Value::Null {
        world.put(&Part::AgentBinding.resource(), binding);
    }
    approval(&mut world, "denied");
    assert_eq!(world.part(Part::AgentBinding, "east"), Value::Null);
    assert_eq!(world.part(Part::Account, "east"), Value::Null);
}

#[test]
fn what_goes_before_the_answer_to_its_making_comes_is_made_again() {
    let mut world = enrolled();
    for part in [Part::AgentBinding, Part::Account, Part::Lease] {
        world.snatched = Some(part);
        world.take(part, "east");
        world.settle();
        assert_eq!(world.snatched, None, "{part:?}");
        assert_ne!(world.part(part, "east"), Value::Null, "{part:?}");
    }
}
