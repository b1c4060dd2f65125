//! What the shipped binary costs: memory, connections, and what it asks of the servers while nothing happens.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditEvent;
use muster_tests::wait::{DEADLINE, eventually, throughout};
use serde_json::json;

use crate::fleet::{CLUSTERS, Fleet};
use crate::works::Kept;

/// Most memory (`VmRSS`) with a mirror of twenty clusters, in KiB: ten million bytes.
const LARGEST_KIB: u64 = 10_000_000 / 1024;
/// Samples of memory.
const SAMPLES: usize = 10;

/// Twenty clusters, joined, with the shipped binary; the Secret rotated once and the list read anew once.
fn worn(fleet: &Fleet) -> AgentProcess {
    for number in 0..18 {
        fleet.entry(
            &format!("cluster-{number}"),
            &json!({"stage": "production", "number": number.to_string()}),
        );
    }
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.shipped_agent(&[]);
    fleet.in_step(&agent);
    let rotations = |agent: &AgentProcess| {
        agent
            .metrics()
            .ok()
            .and_then(|metrics| metrics.get("muster_rotations_total", &[("result", "ok")]))
            .unwrap_or(0.0)
    };
    let before = rotations(&agent);
    fleet.offer(&fleet.kubeconfig());
    eventually("the rotation", DEADLINE, || if rotations(&agent) > before { Ok(()) } else { Err("not yet") })
        .unwrap();
    // A server that starts anew has no history before its start: the watch begins with a list again.
    fleet.directory.kill_apiserver().unwrap();
    fleet.directory.restart().unwrap();
    let patch = json!({"metadata": {"labels": {"after": "restart"}}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &patch).unwrap();
    fleet.in_step(&agent);
    agent
}

#[test]
fn the_shipped_binary_is_as_small_as_promised() {
    let fleet = Fleet::new();
    let agent = worn(&fleet);
    let mut samples = Vec::new();
    throughout("ten samples", Duration::from_secs(5), || {
        if samples.len() < SAMPLES {
            samples.push(agent.rss_kib().ok_or("no VmRSS")?);
        }
        Ok::<_, &str>(())
    })
    .unwrap();
    let highest = samples.iter().max().copied().unwrap_or(u64::MAX);
    println!(
        "VmRSS with 20 clusters, after a rotation and a relist: {highest} KiB, the highest of {samples:?}"
    );
    assert!(highest <= LARGEST_KIB, "{highest} KiB, more than {LARGEST_KIB}");
}

#[test]
fn there_is_one_connection_to_the_replica_and_there_are_two_to_the_directory() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet.offer(&fleet.kubeconfig());
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    let port =
        |plane: &ControlPlane| plane.url().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
    let (directory, replica) = (port(&fleet.directory), port(&fleet.replica));
    eventually("two connections to the directory and one to the replica", DEADLINE, || {
        match (agent.connections_to(directory), agent.connections_to(replica)) {
            (2, 1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .unwrap();

    // Beside these there is one that listens, for the probes, also while Works are applied; nobody else is called.
    Kept::put(&fleet, &agent);
    let own: u16 = agent.listen().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap();
    let sockets = agent.open_sockets();
    let (to_own, to_others): (Vec<_>, Vec<_>) = sockets.iter().partition(|socket| socket.local_port == own);
    assert!(to_own.iter().any(|socket| socket.remote_port == 0), "{sockets:?}");
    assert!(to_others.iter().all(|socket| [directory, replica].contains(&socket.remote_port)), "{sockets:?}");
    assert_eq!(agent.datagrams(), 0, "it asks nobody over UDP");
}

/// Ten idle minutes: every request, by side, verb and object. Measured by `make bench`.
#[test]
#[ignore = "takes ten minutes: run by make bench"]
fn ten_idle_minutes() {
    let fleet = Fleet::new();
    let agent = worn(&fleet);
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    throughout("half a minute to settle", Duration::from_secs(30), || Ok::<_, &str>(())).unwrap();
    let marks = (fleet.directory.audit_mark().unwrap(), fleet.replica.audit_mark().unwrap());
    let mut highest = 0;
    throughout("ten idle minutes", Duration::from_secs(600), || {
        highest = highest.max(agent.rss_kib().unwrap_or(u64::MAX));
        Ok::<_, &str>(())
    })
    .unwrap();
    println!("VmRSS, highest: {highest} KiB");
    let mut unexpected = Vec::new();
    for (side, plane, mark) in
        [("directory", &fleet.directory, marks.0), ("replica", &fleet.replica, marks.1)]
    {
        let events = plane.audit_since(mark).unwrap();
        let ours: Vec<AuditEvent> =
            events.into_iter().filter(|event| event.user_agent.starts_with("muster-agent")).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for event in &ours {
            *counts.entry(format!("{} {}", event.verb, event.resource)).or_default() += 1;
        }
        println!("{side}: {} requests in ten minutes", ours.len());
        for (request, count) in counts {
            println!("  {count:5} {request}");
            // A watch of the directory begins with the question who answers.
            let expected =
                ["update leases", "watch clusters", "get namespaces", "watch secrets", "watch leases"];
            if !expected.contains(&request.as_str()) {
                unexpected.push(format!("{side}: {count} {request}"));
            }
        }
    }
    assert_eq!(unexpected, [""; 0], "requests that are no heartbeat, no lease and no restart of a watch");
}
