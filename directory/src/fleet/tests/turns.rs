//! What agents cause is bounded, and told in the end.

use std::time::Duration;

use super::world::{ID, World};

/// So many clusters that never reported.
fn entered(count: usize) -> (World, Vec<String>) {
    let mut world = World::new();
    let names: Vec<String> = (0..count).map(|n| format!("c{n:03}")).collect();
    for name in &names {
        world.enter(name);
    }
    world.pass(2);
    world.written.clear();
    (world, names)
}

fn id(name: &str) -> String {
    format!("{name}-0000-4000-8000-000000000000")
}

fn ready(world: &World, names: &[String]) -> usize {
    names.iter().filter(|name| world.reason(name, "Ready") == "Reporting").count()
}

#[test]
fn an_agent_that_changes_its_mind_costs_a_write_in_ten_seconds_and_its_last_word_is_told() {
    let (mut world, _) = entered(1);
    for n in 0..600 {
        let id = if n % 2 == 0 { ID } else { "other" };
        world.mono += Duration::from_millis(100);
        world.report("c000", id);
        world.beat("c000", id);
        world.settle();
    }
    let writes = world.written.len();
    assert!((3..=8).contains(&writes), "{writes} writes in a minute: {:?}", world.written);
    let last = if world.status("c000")["id"] == ID { "OtherCluster" } else { "Reporting" };
    world.pass(15);
    assert_eq!(world.reason("c000", "Ready"), last);
    let settled = world.written.len();
    world.pass(15);
    assert_eq!(world.written.len(), settled);
}

#[test]
fn the_first_word_is_told_at_once() {
    let (mut world, names) = entered(1);
    world.report("c000", ID);
    world.beat("c000", ID);
    world.settle();
    assert_eq!(ready(&world, &names), 1);
}

#[test]
fn many_that_change_at_once_are_told_ten_a_second() {
    let (mut world, names) = entered(200);
    for name in &names {
        world.report(name, &id(name));
        world.beat(name, &id(name));
    }
    world.settle();
    let mut before = ready(&world, &names);
    assert!(before <= 20, "{before}");
    for _ in 0..18 {
        world.pass(1);
        let now = ready(&world, &names);
        assert!(now - before <= 10, "{before} and then {now}");
        before = now;
    }
    assert_eq!(before, 200);
}

#[test]
fn what_people_ask_for_waits_for_no_turn() {
    let (mut world, names) = entered(200);
    for name in &names {
        world.report(name, &id(name));
        world.beat(name, &id(name));
    }
    world.enter("another");
    world.settle();
    assert_eq!(world.reason("another", "Enrolled"), "Enrolled");
}

#[test]
fn those_who_were_silent_longest_turn_first() {
    let (mut world, names) = entered(40);
    for name in &names {
        world.report(name, &id(name));
        world.beat(name, &id(name));
    }
    world.pass(5);
    assert_eq!(ready(&world, &names), 40);
    // The last one is silent first, and whoever is named first comes and goes.
    for _ in 0..3 {
        for name in &names[..39] {
            world.beat(name, &id(name));
        }
        world.pass(10);
    }
    world.refuse = Some("look");
    world.pass(20);
    world.refuse = None;
    world.pass(31);
    assert_eq!(world.reason("c039", "Ready"), "HeartbeatLost");
}
