//! Decisions in memory: a directory that does what plans ask for, and tells the fleet as watches do.

mod approval;
mod claims;
mod crashes;
mod definition;
mod fights;
mod heartbeats;
mod obstacles;
mod paces;
mod turns;
mod world;

use muster_api::events::controller::EventReason;
use serde_json::json;

use self::world::{ID, World};
use super::part::Part;

#[test]
fn nothing_is_decided_before_all_was_listed() {
    let mut world = World::new();
    world.enter("east");
    world.fleet = super::Fleet::new(world.pace, world.mono);
    world.begin_lists();
    assert!(world.decide().is_empty());
    world.end_lists();
    assert_eq!(world.decide().len(), 2, "the definition of entries is looked at, too");
}

#[test]
fn an_entry_is_held_before_anything_is_made_for_it() {
    let mut world = World::new();
    world.enter("east");
    world.settle();
    let steps: Vec<_> = world.written.iter().map(String::as_str).collect();
    let parts: Vec<_> = Part::ALL.iter().map(|part| format!("make {part:?}")).collect();
    let mut expected = vec!["finalize"];
    expected.extend(parts.iter().map(String::as_str));
    expected.push("status");
    assert_eq!(steps, expected);
    assert_eq!(world.told(), [EventReason::ClusterEnrolled]);
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    assert_eq!(world.reason("east", "Ready"), "NeverReported");
    world.written.clear();
    world.restart();
    world.settle();
    assert_eq!(world.written, [""; 0], "all is right");
}

#[test]
fn a_name_outside_musters_namespaces_is_not_taken_over() {
    let mut world = World::new();
    let mut foreign = Part::ViewBinding.body("east", world::LEASE);
    foreign["metadata"]["labels"] = json!({});
    foreign["subjects"] = json!([]);
    world.put(&Part::ViewBinding.resource(), foreign.clone());
    world.enter("east");
    world.settle();
    assert_eq!(world.reason("east", "Enrolled"), "NameTaken");
    let found = world.get(&Part::ViewBinding.resource(), None, "muster-view-clusters-east").unwrap();
    assert_eq!(found["subjects"], json!([]));
    // An account that was made before the entry is Muster's to keep, in Muster's own namespace.
    assert_eq!(world.part(Part::Account, "east")["automountServiceAccountToken"], false);
}

#[test]
fn what_cannot_be_made_is_told_and_tried_again() {
    let mut world = World::new();
    world.refuse = Some("make Account");
    world.enter("east");
    world.settle();
    assert_eq!(world.reason("east", "Enrolled"), "Failed");
    let before = world.status("east");
    for _ in 0..100 {
        world.pass(1);
        world.settle();
    }
    assert_eq!(world.status("east"), before, "no write for each attempt");
    assert!((4..20).contains(&world.refused), "{} attempts", world.refused);
    world.refuse = None;
    world.pass(31);
    world.settle();
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    assert_eq!(world.told(), [EventReason::EnrolmentRefused, EventReason::ClusterEnrolled]);
}

#[test]
fn a_cluster_is_bound_to_the_first_that_reports() {
    let mut world = World::new();
    for name in ["east", "twin"] {
        world.enter(name);
        world.settle();
        world.report(name, ID);
        world.beat(name, ID);
        world.settle();
    }
    assert_eq!(world.status("east")["id"], ID);
    assert_eq!(world.reason("twin", "Ready"), "SameCluster");
    world.report("east", "other");
    world.beat("east", "other");
    world.pass(11); // what agents cause has its turns
    assert_eq!(world.reason("east", "Ready"), "OtherCluster");
    assert_eq!(world.status("east")["id"], ID);
    // An identity that is none is not repeated.
    world.beat("east", "a b$(c)");
    world.settle();
    assert!(!world.status("east").to_string().contains("$(c)"));
    // The first is back.
    world.report("east", ID);
    world.beat("east", ID);
    world.pass(11);
    assert_eq!(world.reason("east", "Ready"), "Reporting");
    // When its entry is gone, the other may stand for it.
    world.delete("east");
    world.say_left("east");
    world.pass(11);
    assert_eq!(world.reason("twin", "Ready"), "Reporting");
}

#[test]
fn a_report_counts_that_is_of_the_cluster_that_beats() {
    let mut world = World::new();
    world.enter("east");
    world.settle();
    world.report("east", "other");
    world.beat("east", ID);
    world.settle();
    assert_eq!(world.reason("east", "Ready"), "NeverReported");
    world.report("east", ID);
    world.settle();
    assert_eq!(world.reason("east", "Ready"), "Reporting");
}

#[test]
fn a_status_that_is_refused_is_not_written_again_and_again() {
    let mut world = World::new();
    world.refuse = Some("status");
    world.enter("east");
    world.settle();
    world.pass(100);
    assert!((4..20).contains(&world.refused), "{} attempts", world.refused);
}
