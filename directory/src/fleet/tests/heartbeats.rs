//! Whether clusters are alive.

use std::time::Duration;

use muster_api::events::controller::EventReason;

use super::world::World;
use crate::fleet::part::Part;
use crate::fleet::{Change, Source};

fn id(n: usize) -> String {
    format!("{n:08}-0000-4000-8000-000000000000")
}

/// So many clusters, all of them ready.
fn fleet(count: usize) -> (World, Vec<String>) {
    let mut world = World::new();
    let names: Vec<String> = (0..count).map(|n| format!("c{n:03}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.mono += Duration::from_millis(100); // what agents cause has its turns
        world.enter(name);
        world.settle();
        world.report(name, &id(n));
        world.beat(name, &id(n));
        world.settle();
        assert_eq!(world.reason(name, "Ready"), "Reporting");
    }
    world.told();
    (world, names)
}

fn silent(world: &World, names: &[String]) -> usize {
    names.iter().filter(|name| world.reason(name, "Ready") == "HeartbeatLost").count()
}

/// Time goes by, and those from `first` on beat every ten seconds.
fn pass(world: &mut World, names: &[String], first: usize, seconds: u64) {
    for second in 0..seconds {
        if second % 10 == 0 {
            for (n, name) in names.iter().enumerate().skip(first) {
                world.beat(name, &id(n));
            }
        }
        world.pass(1);
    }
}

#[test]
fn a_heartbeat_that_ends_counts_for_its_duration() {
    let (mut world, names) = fleet(1);
    let before = world.status(&names[0]);
    world.pass(39);
    assert_eq!(world.status(&names[0]), before);
    world.pass(2);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
    assert_eq!(world.told(), [EventReason::HeartbeatLost]);
    // Told once, also by the next controller, which saw nothing move.
    let lost = world.status(&names[0]);
    world.restart();
    world.pass(100);
    assert_eq!(world.status(&names[0]), lost);
    world.beat(&names[0], &id(0));
    world.settle();
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting");
}

#[test]
fn a_heartbeat_that_no_watch_showed_is_found_by_the_look() {
    let (mut world, names) = fleet(1);
    world.pass(39);
    // Kept from the watch: the fleet goes on with what it knows.
    let known = std::mem::replace(&mut world.fleet, crate::fleet::Fleet::new(world.pace, world.mono));
    world.beat(&names[0], &id(0));
    world.fleet = known;
    world.pass(10);
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting");
    world.pass(40);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
}

#[test]
fn a_gap_grants_all_a_full_duration() {
    let (mut world, names) = fleet(1);
    world.pass(39);
    world.mono += Duration::from_secs(60); // the machine slept
    world.pass(39);
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting");
    world.watch(Source::Of(Part::Lease), Change::Failed);
    world.watch(Source::Of(Part::Lease), Change::Alive);
    world.pass(39);
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting");
    world.pass(2);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
}

#[test]
fn a_look_at_a_directory_that_is_just_back_makes_nobody_unknown() {
    let (mut world, names) = fleet(1);
    world.watch(Source::Of(Part::Lease), Change::Failed);
    world.pass(100);
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting", "nobody could renew it, either");
    world.watch(Source::Of(Part::Lease), Change::Alive);
    world.pass(39);
    assert_eq!(world.reason(&names[0], "Ready"), "Reporting");
    world.pass(2);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
    // A watch that never comes back hides nobody for ever.
    let (mut world, names) = fleet(1);
    world.watch(Source::Of(Part::Lease), Change::Failed);
    world.pass(200);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
}

#[test]
fn many_that_fall_silent_wait_and_turn_ten_a_second() {
    let (mut world, names) = fleet(100);
    pass(&mut world, &names, 40, 60);
    assert_eq!(silent(&world, &names), 0, "forty of a hundred: the directory is suspected");
    assert!(world.fleet.is_blind());
    assert_eq!(world.told(), [EventReason::DirectoryBlind]);
    let mut before = 0;
    for _ in 0..40 {
        pass(&mut world, &names, 40, 1);
        let now = silent(&world, &names);
        assert!(now - before <= 10, "{before} and then {now}");
        before = now;
    }
    assert_eq!(before, 40);
    assert!(!world.fleet.is_blind());
}

#[test]
fn many_that_come_back_in_time_turn_nothing() {
    let (mut world, names) = fleet(40);
    let before: Vec<_> = names.iter().map(|name| world.status(name)).collect();
    pass(&mut world, &names, 40, 60);
    assert!(world.fleet.is_blind());
    pass(&mut world, &names, 0, 60);
    assert!(!world.fleet.is_blind());
    let after: Vec<_> = names.iter().map(|name| world.status(name)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_lease_that_is_made_anew_is_no_heartbeat() {
    let (mut world, names) = fleet(1);
    world.pass(30);
    world.take(Part::Lease, &names[0]);
    world.settle();
    assert!(world.part(Part::Lease, &names[0])["spec"]["holderIdentity"].is_null(), "made anew");
    world.pass(12);
    assert_eq!(world.reason(&names[0], "Ready"), "HeartbeatLost");
}

#[test]
fn those_that_were_lost_before_do_not_blind_the_next_controller() {
    let (mut world, names) = fleet(40);
    pass(&mut world, &names, 20, 140);
    assert_eq!(silent(&world, &names), 20);
    world.told();
    world.restart();
    pass(&mut world, &names, 20, 100);
    assert!(!world.fleet.is_blind());
    assert_eq!((silent(&world, &names), world.told()), (20, vec![]));
}

#[test]
fn a_credential_to_join_with_goes_once_the_agent_has_one_of_its_own() {
    let retired = |world: &World| world.written.iter().filter(|step| *step == "retire").count();
    let (mut world, names) = fleet(1);
    let east = &names[0];
    assert_eq!(retired(&world), 0, "the agent uses it");
    world.renewed(east, 5);
    world.settle();
    world.beat(east, &id(0));
    world.settle();
    assert_eq!(retired(&world), 1);
    world.renewed(east, 0);
    world.settle();
    assert_eq!(retired(&world), 1, "what is there now may be for another agent");
    world.renewed(east, 3600);
    world.settle();
    world.restart();
    world.settle();
    assert_eq!(
        retired(&world),
        1,
        "what it was given is dead, and what is there now may be for another agent"
    );
}

#[test]
fn a_controller_that_was_away_when_the_credential_was_renewed_ends_it_all_the_same() {
    let retired = |world: &World| world.written.iter().filter(|step| *step == "retire").count();
    let (mut world, names) = fleet(1);
    world.stop();
    world.renewed(&names[0], 600);
    world.restart();
    world.settle();
    assert_eq!(retired(&world), 1);
    world.pass(100);
    assert_eq!(retired(&world), 1, "once");
}
