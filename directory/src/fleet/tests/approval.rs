//! Clusters that are to be approved.

use muster_api::events::controller::EventReason;
use muster_api::resource::CLUSTERS;
use serde_json::{Value, json};

use super::world::{ID, World};
use crate::fleet::part::Part;

const GRANTS: [Part; 4] = [Part::AgentBinding, Part::TokenRole, Part::TokenBinding, Part::ViewBinding];

fn say(world: &mut World, value: &str) {
    world.change("east", &json!({"metadata": {"annotations": {"multicluster.coreos.com/approval": value}}}));
    world.pass(2);
}

fn entered(approval: &str, crash: bool) -> World {
    let mut world = World::new();
    world.crash = crash;
    let annotations = json!({"multicluster.coreos.com/approval": approval});
    let entry = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": "east", "annotations": annotations},
    });
    world.put(&CLUSTERS, entry);
    world.pass(2);
    world
}

fn there(world: &World) -> Vec<Part> {
    Part::ALL.into_iter().filter(|part| world.part(*part, "east") != Value::Null).collect()
}

fn but(away: &[Part]) -> Vec<Part> {
    Part::ALL.into_iter().filter(|part| !away.contains(part)).collect()
}

#[test]
fn a_cluster_has_an_account_and_no_rights_until_it_is_approved() {
    for crash in [false, true] {
        let mut world = entered("required", crash);
        assert_eq!(there(&world), but(&GRANTS));
        assert_eq!(world.reason("east", "Enrolled"), "Pending");
        assert_eq!(world.status("east")["executionNamespace"], "muster-cluster-east");
        if !crash {
            assert_eq!(world.told(), [EventReason::ApprovalAwaited]);
        }
        world.pass(100);
        assert_eq!(there(&world), but(&GRANTS));
        say(&mut world, "approved");
        assert_eq!(there(&world), but(&[]));
        assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    }
}

#[test]
fn one_that_is_denied_has_neither_account_nor_rights_and_may_be_let_in_later() {
    let away = [&GRANTS[..], &[Part::Account]].concat();
    for crash in [false, true] {
        for before in ["required", "approved"] {
            let mut world = entered(before, crash);
            world.work("east", "one");
            world.written.clear();
            say(&mut world, "denied");
            assert_eq!(there(&world), but(&away));
            assert_eq!(world.reason("east", "Enrolled"), "Denied");
            assert_eq!(world.written[0], "remove Account", "its tokens die before anything else");
            assert!(world.get(&muster_api::resource::WORKS, Some("muster-cluster-east"), "one").is_some());
            world.pass(100);
            assert_eq!(there(&world), but(&away));
            say(&mut world, "approved");
            assert_eq!(there(&world), but(&[]));
            assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
        }
    }
}

#[test]
fn approval_that_is_taken_back_takes_the_rights() {
    let mut world = entered("approved", false);
    world.report("east", ID);
    world.beat("east", ID);
    world.pass(1);
    assert_eq!(world.reason("east", "Ready"), "Reporting");
    say(&mut world, "required");
    assert_eq!(there(&world), but(&GRANTS));
    assert_eq!(world.reason("east", "Enrolled"), "Pending");
}

#[test]
fn a_word_that_is_not_known_grants_nothing_and_takes_nothing() {
    let mut world = entered("Approved", false);
    assert_eq!(there(&world), but(&GRANTS));
    assert_eq!(world.reason("east", "Enrolled"), "Pending");
    assert!(
        world.status("east").to_string().contains("required, approved, denied"),
        "{}",
        world.status("east")
    );
    say(&mut world, "approved");
    say(&mut world, "denid");
    assert_eq!(there(&world), but(&[]));
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
}

#[test]
fn a_denial_that_cannot_be_carried_out_is_told() {
    let mut world = entered("approved", false);
    world.refuse = Some("remove Account");
    say(&mut world, "denied");
    assert_eq!(world.reason("east", "Enrolled"), "Failed");
    world.refuse = None;
    world.pass(31);
    assert_eq!(world.reason("east", "Enrolled"), "Denied");
}

#[test]
fn whoever_is_not_in_may_be_deleted() {
    for approval in ["required", "denied", "what"] {
        let mut world = entered(approval, false);
        world.delete("east");
        world.pass(3);
        assert_eq!(world.entry("east"), None);
        assert_eq!(there(&world), []);
    }
}

#[test]
fn one_that_is_kept_out_is_not_lost_and_one_that_falls_silent_is() {
    for (value, reason) in [("denied", "KeptOut"), ("required", "KeptOut"), ("approved", "HeartbeatLost")] {
        let mut world = entered("approved", false);
        world.report("east", ID);
        world.beat("east", ID);
        world.pass(1);
        say(&mut world, value);
        world.pass(60);
        assert_eq!(world.reason("east", "Ready"), reason);
        let tally = world.fleet.tally();
        let lost = tally[&["Ready", "Unknown", "HeartbeatLost"]];
        assert_eq!(lost, u64::from(value == "approved"), "{tally:?}");
        assert_eq!(tally[&["Ready", "Unknown", "NeverReported"]], 0);
    }
}

#[test]
fn a_controller_that_begins_anew_tells_why_one_is_silent_that_was_let_in_or_kept_out_meanwhile() {
    let mut world = entered("approved", false);
    world.report("east", ID);
    world.beat("east", ID);
    world.pass(60);
    assert_eq!(world.reason("east", "Ready"), "HeartbeatLost");
    for (value, reason) in [("denied", "KeptOut"), ("approved", "HeartbeatLost")] {
        world.stop();
        say(&mut world, value);
        world.restart();
        world.pass(1);
        assert_eq!(world.reason("east", "Ready"), reason);
    }
}
