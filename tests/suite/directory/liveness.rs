//! Whether a cluster is alive, by its Lease and its report; and whose they are.

use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::directory::DirectoryProcess;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, saw, throughout};
use serde_json::{Value, json};

use super::{beat, controller, directory, enter, entry, leases, reason, report, until};
use crate::fleet::{CLUSTERS, condition_of, quietly, version};

const ONE: &str = "11111111-0000-4000-8000-000000000000";
const OTHER: &str = "22222222-0000-4000-8000-000000000000";

/// A directory with a controller, and the entry east, enrolled.
fn enrolled(args: &[&str]) -> (Leased, DirectoryProcess) {
    let directory = directory();
    let controller = controller(&directory, args);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    (directory, controller)
}

fn ready(directory: &Leased, controller: &DirectoryProcess, name: &str, id: &str) {
    report(directory, name, id, &json!([]));
    beat(directory, name, id);
    reason(directory, controller, name, "Ready", "Reporting");
}

#[test]
fn heartbeats_make_it_ready_and_their_end_unknown() {
    let (directory, controller) = enrolled(&["--heartbeat-lease=4"]);
    assert_eq!(directory.api().get(&leases("east")).unwrap()["spec"]["leaseDurationSeconds"], 4);
    ready(&directory, &controller, "east", ONE);
    let status = entry(&directory, "east").unwrap()["status"].clone();
    let facts = json!([status["id"], status["version"], status["mode"], status["agentVersion"]]);
    assert_eq!(facts, json!([ONE, "v1.36.3", "Pull", "0.1.0"]));
    let (message, took) = reason(&directory, &controller, "east", "Ready", "HeartbeatLost");
    assert_eq!(message, "the Lease did not move for 4 s");
    assert!(took > Duration::from_millis(2500) && took < Duration::from_secs(14), "{took:?}");
    let status = entry(&directory, "east").unwrap()["status"].clone();
    assert_eq!(status["version"], "v1.36.3", "what was known of it stays");
    beat(&directory, "east", ONE);
    reason(&directory, &controller, "east", "Ready", "Reporting");
}

#[test]
fn a_thousand_heartbeats_write_nothing() {
    let (directory, controller) = enrolled(&[]);
    ready(&directory, &controller, "east", ONE);
    let before = entry(&directory, "east").unwrap();
    for _ in 0..1000 {
        beat(&directory, "east", ONE);
    }
    // What comes after them is seen after them.
    report(
        &directory,
        "east",
        ONE,
        &json!([{
            "type": "ReplicaReachable", "status": "False", "reason": "Unreachable", "message": "",
            "lastTransitionTime": "2026-11-20T10:00:00Z",
        }]),
    );
    let versions = std::cell::RefCell::new(vec![version(&before)]);
    until(&controller, "the report's word", DEADLINE, || {
        let now = entry(&directory, "east").map_err(|error| error.to_string())?;
        let (mut versions, seen) = (versions.borrow_mut(), version(&now));
        if versions.last() != Some(&seen) {
            versions.push(seen);
        }
        let reason = condition_of(&now, "Ready").unwrap_or_default().0;
        if reason == "ReplicaUnreachable" { Ok(()) } else { Err(reason) }
    });
    assert_eq!(versions.borrow().len(), 2, "one write for one transition");
}

#[test]
fn times_of_the_agents_clock_do_not_matter() {
    let (directory, controller) = enrolled(&["--heartbeat-lease=6"]);
    report(&directory, "east", ONE, &json!([]));
    let begun = Instant::now();
    for (second, hours) in (0..24).zip([-1_i64, 1].into_iter().cycle()) {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours * (1 + second % 3));
        let renewal =
            json!({"spec": {"holderIdentity": format!("{ONE}/i"), "renewTime": format!("{at:.6}")}});
        directory.api().patch(&leases("east"), MERGE_PATCH, &renewal).unwrap();
        if second == 0 {
            reason(&directory, &controller, "east", "Ready", "Reporting");
        }
        throughout("ready", Duration::from_millis(500), || {
            let now = entry(&directory, "east").map_err(|error| error.to_string())?;
            let reason = condition_of(&now, "Ready").unwrap_or_default().0;
            if reason == "Reporting" { Ok(()) } else { Err(reason) }
        })
        .unwrap();
    }
    saw("twelve seconds of wrong clocks", begun.elapsed());
}

#[test]
fn a_controller_that_starts_grants_a_full_duration() {
    let (directory, mut first) = enrolled(&["--heartbeat-lease=8"]);
    ready(&directory, &first, "east", ONE);
    crate::fleet::stop(&mut first);
    // Longer than the Lease: nobody looked.
    throughout("no controller", Duration::from_secs(9), || {
        let now = entry(&directory, "east").map_err(|error| error.to_string())?;
        let reason = condition_of(&now, "Ready").unwrap_or_default().0;
        if reason == "Reporting" { Ok(()) } else { Err(reason) }
    })
    .unwrap();
    let begun = Instant::now();
    let second = controller(&directory, &["--heartbeat-lease=8"]);
    reason(&directory, &second, "east", "Ready", "HeartbeatLost");
    assert!(begun.elapsed() > Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn many_that_fall_silent_at_once_are_put_down_to_the_directory() {
    let directory = directory();
    let controller = controller(&directory, &["--heartbeat-lease=6"]);
    let names: Vec<String> = (0..12).map(|n| format!("c{n:02}")).collect();
    let id = |n: usize| format!("{n:08}-0000-4000-8000-000000000000");
    for name in &names {
        enter(&directory, name);
    }
    for (n, name) in names.iter().enumerate() {
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
        report(&directory, name, &id(n), &json!([]));
    }
    for _ in 0..3 {
        for (n, name) in names.iter().enumerate() {
            beat(&directory, name, &id(n));
        }
    }
    let begun = Instant::now();
    for name in &names {
        reason(&directory, &controller, name, "Ready", "Reporting");
    }
    until(&controller, "the suspicion", DEADLINE, || {
        let metrics = controller.admin("/metrics").map_err(|error| error.to_string())?.1;
        if metrics.contains("\nmuster_controller_blind 1\n") { Ok(()) } else { Err(metrics) }
    });
    let all = || -> Vec<String> {
        let list = directory.api().get(CLUSTERS).unwrap();
        let reasons = list["items"].as_array().unwrap().iter();
        reasons.map(|entry| condition_of(entry, "Ready").unwrap_or_default().0).collect()
    };
    assert!(all().iter().all(|reason| reason == "Reporting"), "{:?}", all());
    until(&controller, "an Event", DEADLINE, || {
        let events = "/apis/events.k8s.io/v1/namespaces/muster-system/events";
        let events = directory.api().get(events).map_err(|error| error.to_string())?;
        let told = |event: &&Value| event["reason"] == "DirectoryBlind";
        events["items"].as_array().unwrap().iter().find(told).map(drop).ok_or_else(|| events.to_string())
    });
    until(&controller, "all of them lost", DEADLINE, || {
        let all = all();
        if all.iter().all(|reason| reason == "HeartbeatLost") { Ok(()) } else { Err(format!("{all:?}")) }
    });
    assert!(begun.elapsed() > Duration::from_secs(11), "two times 6 s: {:?}", begun.elapsed());
}

#[test]
fn an_entry_stands_for_one_cluster() {
    let (directory, controller) = enrolled(&["--heartbeat-lease=8"]);
    ready(&directory, &controller, "east", ONE);
    let before = entry(&directory, "east").unwrap()["status"]["id"].clone();
    // Another cluster under the same name.
    report(&directory, "east", OTHER, &json!([]));
    beat(&directory, "east", OTHER);
    let (message, _) = reason(&directory, &controller, "east", "Ready", "OtherCluster");
    assert!(message.contains(ONE) && message.contains(OTHER), "{message}");
    assert_eq!(entry(&directory, "east").unwrap()["status"]["id"], before);
    // The same cluster under another name.
    enter(&directory, "twin");
    reason(&directory, &controller, "twin", "Enrolled", "Enrolled");
    report(&directory, "twin", ONE, &json!([]));
    beat(&directory, "twin", ONE);
    let (message, _) = reason(&directory, &controller, "twin", "Ready", "SameCluster");
    assert_eq!(message, format!("cluster {ONE} is entered as east"));
    assert_eq!(entry(&directory, "twin").unwrap()["status"]["id"], Value::Null);
    // What the message says to do.
    let rebind = json!({"metadata": {"annotations": {"multicluster.coreos.com/rebind": OTHER}}});
    directory.api().patch(&format!("{CLUSTERS}/east"), MERGE_PATCH, &rebind).unwrap();
    beat(&directory, "east", OTHER);
    reason(&directory, &controller, "east", "Ready", "Reporting");
    assert_eq!(entry(&directory, "east").unwrap()["status"]["id"], OTHER);
    // The name is free for the other.
    beat(&directory, "twin", ONE);
    reason(&directory, &controller, "twin", "Ready", "Reporting");
    assert_eq!(entry(&directory, "twin").unwrap()["status"]["id"], ONE);
}

/// Clusters that beat as agents do, until told to stop: whoever is refused or not heard tries again.
fn beating<T>(directory: &Leased, names: &[String], ids: &[String], meanwhile: impl FnOnce() -> T) -> T {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for (name, id) in names.iter().zip(ids) {
                    let now = jiff::Timestamp::now();
                    let spec = json!({"holderIdentity": format!("{id}/i"), "renewTime": format!("{now:.6}")});
                    let _ = directory.api().patch(&leases(name), MERGE_PATCH, &json!({ "spec": spec }));
                }
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

#[test]
fn an_api_server_that_is_away_makes_no_cluster_unknown() {
    let directory = directory();
    let controller = controller(&directory, &["--heartbeat-lease=6"]);
    let names: Vec<String> = (0..15).map(|n| format!("c{n:02}")).collect();
    let ids: Vec<String> = (0..15).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect();
    for (name, id) in names.iter().zip(&ids) {
        enter(&directory, name);
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
        report(&directory, name, id, &json!([]));
    }
    beating(&directory, &names, &ids, || {
        for name in &names {
            reason(&directory, &controller, name, "Ready", "Reporting");
        }
        let transitions = || -> Vec<Value> {
            // A server that began anew refuses reads until it has read what there is.
            let list =
                quietly("the entries", || directory.api().get(CLUSTERS).map_err(|error| error.to_string()));
            let entries = list["items"].as_array().unwrap().iter();
            entries.map(|entry| entry["status"]["conditions"].clone()).collect()
        };
        let before = transitions();
        directory.kill_apiserver().unwrap();
        // Longer than the Lease.
        throughout("the outage", Duration::from_secs(8), || match directory.api().get(CLUSTERS) {
            Ok(_) => Err("it answers"),
            Err(_) => Ok(()),
        })
        .unwrap();
        directory.restart().unwrap();
        throughout("no transition", Duration::from_secs(20), || {
            let now = transitions();
            if now == before { Ok(()) } else { Err(format!("{now:?}\n{}", controller.log())) }
        })
        .unwrap();
    });
}
