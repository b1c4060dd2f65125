//! Changes of entries come through, and no more often than they must.

use std::time::Instant;

use muster_api::marks;
use serde_json::json;

use super::{cluster, label};
use crate::fleet::{Fleet, until, version};
use crate::trail::{self, REPLICA_USER, cluster_writes, lines};

#[test]
fn a_secret_makes_the_replica_mirror_the_list() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    fleet.reason(&agent, "EntryPresent", "Present");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    fleet.reason(&agent, "MirrorInSync", "InSync");
    println!("{}", fleet.replica.kubectl_ok(&["get", "mcl,mcr", "-A", "-o", "wide"]).unwrap());
    println!("{}", fleet.directory.kubectl_ok(&["get", "mcr", "-A"]).unwrap());
}

#[test]
fn the_first_change_comes_at_once_and_further_ones_together() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let mark = trail::mark(&fleet.replica);
    let shows = |wanted: &str| {
        let copy = fleet.copy("west").map_err(|error| error.to_string())?;
        let seen = copy["metadata"]["labels"]["round"].as_str().unwrap_or_default();
        if seen == wanted { Ok(()) } else { Err(format!("round {seen:?}")) }
    };
    let began = Instant::now();
    label(&fleet.directory, "west", "round", "0");
    until(&agent, "a label change on the copy", || shows("0"));
    for round in 1..=20 {
        label(&fleet.directory, "west", "round", &round.to_string());
    }
    // Another entry does not wait for this one.
    label(&fleet.directory, "east", "round", "0");
    until(&agent, "a change of another entry", || {
        let copy = fleet.copy("east").map_err(|error| error.to_string())?;
        if copy["metadata"]["labels"]["round"] == "0" { Ok(()) } else { Err(copy.to_string()) }
    });
    let early = cluster_writes(&fleet.replica, mark);
    fleet.in_step(&agent);
    println!("all 21 changes were on the copy after {} ms", began.elapsed().as_millis());
    let writes = cluster_writes(&fleet.replica, mark);
    println!("{}", lines(&writes));
    let of = |name: &str| writes.iter().filter(|write| write.name == name).count();
    assert_eq!((of("west"), of("east")), (2, 1), "{}", lines(&writes));
    assert_eq!(early.iter().filter(|write| write.name == "west").count(), 1, "{}", lines(&early));
    shows("20").unwrap();
}

#[test]
fn a_change_of_status_causes_no_write() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    for condition in
        [("HeartbeatAccepted", "Accepted"), ("MirrorInSync", "InSync"), ("EntryPresent", "Present")]
    {
        fleet.reason(&agent, condition.0, condition.1);
    }
    let mark = trail::mark(&fleet.replica);
    for round in 0..10 {
        let status = json!({"status": {"version": format!("v1.36.{round}")}});
        let path = cluster("west") + "/status";
        let written = fleet.directory.api().patch(&path, muster_tests::api::MERGE_PATCH, &status).unwrap();
        assert_eq!(written["status"]["version"], format!("v1.36.{round}"));
    }
    // What comes after the ten in the same watch.
    label(&fleet.directory, "west", "after", "status");
    fleet.in_step(&agent);
    let writes = trail::writes(&fleet.replica, mark, REPLICA_USER);
    let writes: Vec<_> = writes.into_iter().filter(|write| write.resource != "leases").collect();
    assert_eq!(writes.len(), 1, "{}", lines(&writes));
    assert_eq!((writes[0].verb.as_str(), writes[0].name.as_str()), ("update", "west"));
    assert_eq!(fleet.copy("west").unwrap().get("status"), None);
}

#[test]
fn an_entry_that_is_replaced_keeps_its_copy() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    for name in ["west", "east"] {
        let before = version(&fleet.copy(name).unwrap()).0;
        fleet.directory.api().delete(&cluster(name)).unwrap();
        fleet.entry(name, &json!({"made": "anew"}));
        let entry = version(&fleet.directory.api().get(&cluster(name)).unwrap()).0;
        until(&agent, &format!("the copy of the new entry {name}"), || {
            let copy = fleet.copy(name).map_err(|error| error.to_string())?;
            let mark = copy["metadata"]["annotations"][marks::COPIED_FROM].as_str().unwrap_or_default();
            if mark.ends_with(&entry) { Ok(()) } else { Err(format!("{mark}, not {entry}")) }
        });
        fleet.in_step(&agent);
        assert_eq!(version(&fleet.copy(name).unwrap()).0, before, "the copy of {name} was made anew");
    }
    // The own entry's new UID is on record: deletions are judged by it.
    fleet.directory.api().delete(&cluster("west")).unwrap();
    fleet.in_step(&agent);
}
