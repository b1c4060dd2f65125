//! How long heartbeats count in fleets of different sizes.

use super::world::World;
use crate::fleet::part::Part;

fn id(n: usize) -> String {
    format!("{n:08}-0000-4000-8000-000000000000")
}

/// A directory that bears the heartbeats of ten clusters, and so many of them.
fn fleet(count: usize) -> World {
    let mut world = World::new();
    world.pace.rate = 1;
    world.restart();
    (0..count).for_each(|n| join(&mut world, n));
    world
}

fn join(world: &mut World, n: usize) {
    let name = format!("c{n:03}");
    world.enter(&name);
    world.settle();
    world.report(&name, &id(n));
    world.beat(&name, &id(n));
    world.settle();
}

fn duration(world: &World, n: usize) -> u64 {
    let lease = world.part(Part::Lease, &format!("c{n:03}"));
    lease["spec"]["leaseDurationSeconds"].as_u64().unwrap()
}

fn ready(world: &World, n: usize) -> String {
    world.reason(&format!("c{n:03}"), "Ready")
}

#[test]
fn all_leases_grow_with_the_fleet_and_each_is_written_once() {
    let mut world = fleet(10);
    assert_eq!((duration(&world, 0), duration(&world, 9)), (40, 40));
    world.written.clear();
    join(&mut world, 10);
    assert!((0..11).all(|n| duration(&world, n) == 80));
    let leases = world.written.iter().filter(|step| **step == "make Lease").count();
    assert_eq!(leases, 11, "{:?}", world.written);
    world.written.clear();
    world.restart();
    world.settle();
    assert_eq!(world.written, [""; 0], "another controller comes to the same");
}

#[test]
fn silence_counts_as_long_as_the_lease_says() {
    let mut world = fleet(11);
    for n in 0..11 {
        world.beat(&format!("c{n:03}"), &id(n));
    }
    world.settle();
    // One falls silent.
    for _ in 0..7 {
        world.pass(10);
        (1..11).for_each(|n| world.beat(&format!("c{n:03}"), &id(n)));
    }
    assert_eq!(ready(&world, 0), "Reporting");
    world.pass(12);
    assert_eq!(ready(&world, 0), "HeartbeatLost");
    assert_eq!(ready(&world, 1), "Reporting");
}

#[test]
fn a_lease_that_gets_shorter_counts_once_its_agent_knows() {
    let mut world = fleet(11);
    for n in 0..11 {
        world.beat(&format!("c{n:03}"), &id(n));
    }
    world.settle();
    // The fleet shrinks while agents renew every twenty seconds still, at worst just before.
    world.pass(39);
    for n in 7..11 {
        let name = format!("c{n:03}");
        world.delete(&name);
        world.say_left(&name);
        world.settle();
    }
    assert_eq!(duration(&world, 0), 40);
    world.pass(20);
    assert_eq!(ready(&world, 0), "Reporting", "it was told of eighty seconds");
    world.beat("c000", &id(0));
    world.settle();
    world.pass(41);
    assert_eq!(ready(&world, 0), "HeartbeatLost", "now it knows");
}
