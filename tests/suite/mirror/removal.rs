//! Entries that go: their copies go with them, on evidence, and nothing else does.

use muster_tests::api::MERGE_PATCH;
use serde_json::json;

use super::{cluster, is_absent, label, stop};
use crate::fleet::{Fleet, OWN, until, version};
use crate::trail::{self, cluster_writes, lines};

#[test]
fn a_deleted_entry_leaves_the_mirror() {
    let fleet = Fleet::new();
    fleet.entry("north", &json!({}));
    let mut agent = fleet.joined(&[]);
    let uids = || ["north", OWN].map(|name| fleet.copy(name).ok().map(|copy| version(&copy).0));
    let before = uids();
    let mark = trail::mark(&fleet.replica);
    fleet.directory.api().delete(&cluster("west")).unwrap();
    let gone = |name: &'static str| {
        let replica = &fleet.replica;
        move || if is_absent(replica, name) { Ok(()) } else { Err("the copy is there".to_owned()) }
    };
    until(&agent, "the copy of a deleted entry gone", gone("west"));
    assert_eq!(uids(), before);
    let writes = cluster_writes(&fleet.replica, mark);
    assert_eq!(writes.len(), 1, "{}", lines(&writes));
    assert_eq!((writes[0].verb.as_str(), writes[0].name.as_str()), ("delete", "west"));

    // An entry that leaves while nobody looks.
    stop(&mut agent);
    fleet.directory.api().delete(&cluster("north")).unwrap();
    agent.restart().unwrap();
    until(&agent, "the copy of an entry gone that was deleted while the agent was down", gone("north"));
    assert_eq!(uids()[1], before[1]);
    fleet.in_step(&agent);
    fleet.reason(&agent, "MirrorInSync", "InSync");
}

#[test]
fn without_the_own_entry_nothing_is_removed() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "EntryPresent", "Present");
    let uids = || ["west", OWN].map(|name| fleet.copy(name).ok().map(|copy| version(&copy).0));
    let before = uids();
    // Seen to go, the own entry would end this replica's membership.
    stop(&mut agent);
    fleet.directory.api().delete(&cluster(OWN)).unwrap();
    fleet.directory.api().delete(&cluster("west")).unwrap();
    agent.restart().unwrap();
    let message = fleet.reason(&agent, "EntryPresent", "Missing");
    assert!(message.contains("east"), "{message}");
    // It says so once live reads have been made and have confirmed nothing.
    let message = fleet.reason(&agent, "MirrorInSync", "Pending");
    assert!(message.starts_with("2 copies have no entry"), "{message}");
    assert_eq!(uids(), before, "{}", agent.log());
    let metrics = agent.metrics().unwrap();
    assert_eq!(metrics.get("muster_frozen_deletions", &[]), Some(2.0));

    // A registration anew settles it: the own copy is kept, the other's entry is gone for good.
    fleet.entry(OWN, &json!({"registered": "anew"}));
    fleet.reason(&agent, "EntryPresent", "Present");
    until(&agent, "the other copy gone", || {
        if is_absent(&fleet.replica, "west") { Ok(()) } else { Err("the copy is there".to_owned()) }
    });
    fleet.in_step(&agent);
    assert_eq!(uids()[1], before[1]);
    fleet.reason(&agent, "MirrorInSync", "InSync");
}

#[test]
fn an_entry_whose_deletion_waits_stays_mirrored() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    fleet.directory.api().patch(&cluster("west"), MERGE_PATCH, &hold).unwrap();
    fleet.directory.api().delete(&cluster("west")).unwrap();
    let uid = version(&fleet.copy("west").unwrap()).0;
    // What follows in the same watch.
    label(&fleet.directory, "west", "after", "deletion");
    fleet.in_step(&agent);
    let copy = fleet.copy("west").unwrap();
    assert_eq!((version(&copy).0, copy["metadata"].get("finalizers")), (uid, None), "{copy}");
    fleet
        .directory
        .api()
        .patch(&cluster("west"), MERGE_PATCH, &json!({"metadata": {"finalizers": null}}))
        .unwrap();
    until(&agent, "the copy gone", || {
        if is_absent(&fleet.replica, "west") { Ok(()) } else { Err("the copy is there".to_owned()) }
    });
}
