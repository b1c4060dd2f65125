//! Heartbeats that count longer in a larger fleet, and agents that follow.

use std::time::Duration;

use muster_tests::directory::DirectoryProcess;
use muster_tests::wait::{DEADLINE, saw};
use serde_json::Value;

use super::{enter, leases, until};
use crate::fleet::{CLUSTERS, Fleet, condition_of};

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

/// How long the agent waits between two heartbeats.
fn rhythm(fleet: &Fleet, controller: &DirectoryProcess) -> Duration {
    let next = |after: &Value| {
        let look = || {
            let now = lease(fleet, "east")?["renewTime"].clone();
            if now == *after { Err(now.to_string()) } else { Ok(now) }
        };
        until(controller, "a heartbeat", DEADLINE, look).0
    };
    let first = next(&lease(fleet, "east").unwrap()["renewTime"]);
    let begun = std::time::Instant::now();
    next(&first);
    begun.elapsed()
}

#[test]
fn agents_renew_less_often_in_a_larger_fleet() {
    let fleet = Fleet::bare();
    // Two clusters with a Lease of eight seconds each write one heartbeat a second.
    let args = ["--heartbeat-lease=8", "--heartbeat-rate=1"];
    let controller = DirectoryProcess::start(&fleet.directory, &args).unwrap();
    fleet.entries();
    all_have(&fleet, &controller, &["east", "west"], 8);
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.agent(&[]);
    let ready = || {
        let entry =
            fleet.directory.api().get(&format!("{CLUSTERS}/east")).map_err(|error| error.to_string())?;
        let seen = condition_of(&entry, "Ready").unwrap_or_default().0;
        if seen == "Reporting" { Ok(()) } else { Err(format!("{seen}\n{}", agent.log())) }
    };
    until(&controller, "ready", DEADLINE, ready);
    let fast = rhythm(&fleet, &controller);
    saw("a heartbeat every", fast);
    enter(&fleet.directory, "north");
    all_have(&fleet, &controller, &["east", "west", "north"], 16);
    rhythm(&fleet, &controller); // the one that was under way
    let slow = rhythm(&fleet, &controller);
    saw("a heartbeat every", slow);
    assert!(fast < Duration::from_millis(3500) && slow > Duration::from_millis(3500), "{fast:?}, {slow:?}");
    assert_eq!(lease(&fleet, "east").unwrap()["leaseDurationSeconds"], 16, "agents leave it as it is");

    // One entry is all that is left: the Lease is as short as it was, and nobody is taken for lost meanwhile.
    for name in ["north", "west"] {
        fleet.directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
    }
    all_have(&fleet, &controller, &["east"], 8);
    let again = rhythm(&fleet, &controller).min(rhythm(&fleet, &controller));
    saw("a heartbeat every", again);
    assert!(again < Duration::from_millis(3500), "{again:?}");
    ready().unwrap();
}
