//! Heartbeats that count longer in a larger fleet, and agents that follow.

use std::time::Duration;

use jiff::Timestamp;
use muster_tests::directory::DirectoryProcess;
use muster_tests::wait::{DEADLINE, saw};
use serde_json::Value;

use super::{enter, leases, reason, until};
use crate::fleet::{CLUSTERS, Fleet, condition_of};

/// A Lease of eight seconds is renewed every two, one of sixteen every four.
const LIMIT: Duration = Duration::from_millis(3500);

/// What a Lease says.
fn lease(fleet: &Fleet, name: &str) -> Result<Value, String> {
    fleet
        .directory
        .api()
        .get(&leases(name))
        .map(|lease| lease["spec"].clone())
        .map_err(|error| error.to_string())
}

/// Waits until the Leases of these clusters have this duration.
fn all_have(fleet: &Fleet, controller: &DirectoryProcess, names: &[&str], seconds: u64) {
    until(controller, &format!("{seconds} s"), DEADLINE, || {
        let all: Result<Vec<_>, _> = names.iter().map(|name| lease(fleet, name)).collect();
        let all = all?;
        let right = all.iter().all(|spec| spec["leaseDurationSeconds"] == seconds);
        if right { Ok(()) } else { Err(format!("{all:?}")) }
    });
}

/// How long the agent waited between two heartbeats, as it wrote them. A busy machine makes it longer, and never shorter.
fn rhythm(fleet: &Fleet, controller: &DirectoryProcess) -> Duration {
    let next = |after: Timestamp| {
        let look = || {
            let now: Timestamp = lease(fleet, "east")?["renewTime"].as_str().unwrap().parse().unwrap();
            if now == after { Err(now.to_string()) } else { Ok(now) }
        };
        until(controller, "a heartbeat", DEADLINE, look).0
    };
    let first = next(Timestamp::UNIX_EPOCH);
    next(first).duration_since(first).unsigned_abs()
}

/// Waits until two heartbeats follow each other as fast as with a Lease of eight seconds.
fn is_fast(fleet: &Fleet, controller: &DirectoryProcess) {
    let fast = || {
        let seen = rhythm(fleet, controller);
        if seen < LIMIT { Ok(seen) } else { Err(format!("{seen:?}")) }
    };
    let (seen, _) = until(controller, "two heartbeats soon after each other", DEADLINE * 2, fast);
    saw("a heartbeat every", seen);
}

#[test]
fn agents_renew_less_often_in_a_larger_fleet() {
    let fleet = Fleet::bare();
    // Two clusters with a Lease of eight seconds each write one heartbeat a second.
    let args = ["--heartbeat-lease=8", "--heartbeat-rate=1"];
    let controller = DirectoryProcess::start(&fleet.directory, &args).unwrap();
    fleet.entries();
    all_have(&fleet, &controller, &["east", "west"], 8);
    reason(&fleet.directory, &controller, "east", "Enrolled", "Enrolled");
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.agent(&[]);
    let ready = || {
        let entry =
            fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
        let seen = condition_of(&entry, "Ready").unwrap_or_default().0;
        if seen == "Reporting" { Ok(()) } else { Err(format!("{seen}\n{}", agent.log())) }
    };
    until(&controller, "ready", DEADLINE, ready);
    is_fast(&fleet, &controller);
    enter(&fleet.directory, "north");
    all_have(&fleet, &controller, &["east", "west", "north"], 16);
    rhythm(&fleet, &controller); // the one that was under way
    let slow = rhythm(&fleet, &controller);
    saw("a heartbeat every", slow);
    assert!(slow > LIMIT, "{slow:?}");
    assert_eq!(lease(&fleet, "east").unwrap()["leaseDurationSeconds"], 16, "agents leave it as it is");

    // One entry is all that is left: the Lease is as short as it was, and nobody is taken for lost meanwhile.
    for name in ["north", "west"] {
        fleet.directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
    }
    all_have(&fleet, &controller, &["east"], 8);
    is_fast(&fleet, &controller);
    ready().unwrap();
}
