//! The admin server: liveness, readiness, metrics.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use muster_api::metrics::{Described, Metric, MetricType};
use muster_tests::agent::{AgentProcess, Metrics};
use muster_tests::api::MERGE_PATCH;
use serde_json::json;

use crate::fleet::{CLUSTERS, Fleet, REPORT, until};
use crate::rotation::{LONGEST_PAUSE, beats};
use crate::works::bench::Bench;
use crate::works::{config_map, put_work, until_told};

#[test]
fn it_lives_at_once_and_is_ready_with_its_replica() {
    let fleet = Fleet::new();
    let kubeconfig = fleet.replica_kubeconfig();
    fleet.replica.kill_apiserver().unwrap();
    let agent = fleet.agent_over(&kubeconfig, &[]);
    let status = |path: &str| agent.admin(path).map(|(status, _)| status).unwrap_or_default();
    let is = |path: &'static str, wanted: u16| {
        let status = &status;
        move || match status(path) {
            seen if seen == wanted => Ok(()),
            seen => Err(format!("{path}: {seen}")),
        }
    };
    until(&agent, "liveness without a replica", is("/livez", 200));
    assert_eq!((status("/readyz"), status("/metrics"), status("/nothing")), (503, 200, 404));
    fleet.replica.restart().unwrap();
    until(&agent, "readiness with it", is("/readyz", 200));
    // A directory is not needed for that: an agent that is cut off works on.
    fleet.reason(&agent, "DirectoryReachable", "SecretMissing");
    assert_eq!((status("/livez"), status("/readyz")), (200, 200));
}

/// Waits until a metric has a value that will do.
fn waits(agent: &AgentProcess, metric: Metric, labels: &[(&str, &str)], wanted: impl Fn(f64) -> bool) -> f64 {
    let mut last = 0.0;
    until(agent, &format!("{} {labels:?}", metric.name()), || {
        last = agent.metrics().map_err(|error| error.to_string())?.get(metric.name(), labels).unwrap_or(-1.0);
        if wanted(last) { Ok(()) } else { Err(last.to_string()) }
    });
    last
}

#[test]
fn every_metric_of_the_list_moves_and_names_no_object() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&["--renew-token-after=5"]);
    let one = |value: f64| value.to_string() == "1";
    let two = |value: f64| value.to_string() == "2";
    waits(&agent, Metric::DirectoryReachable, &[], one);
    waits(&agent, Metric::Leader, &[], one);
    waits(&agent, Metric::BuildInfo, &[("version", env!("CARGO_PKG_VERSION"))], one);
    waits(&agent, Metric::Objects, &[("source", "entries")], two);
    waits(&agent, Metric::Objects, &[("source", "copies")], two);
    waits(&agent, Metric::Writes, &[("verb", "create"), ("result", "ok")], two);
    waits(&agent, Metric::Rotations, &[("result", "ok")], one);
    waits(&agent, Metric::Renewals, &[("result", "ok")], |renewals| renewals >= 1.0);
    waits(&agent, Metric::Heartbeats, &[("result", "ok")], |beats| beats >= 1.0);
    waits(&agent, Metric::Requests, &[("side", "directory"), ("verb", "watch"), ("result", "ok")], |n| {
        n >= 1.0
    });

    let theirs = config_map("default", "theirs", "somebody's");
    fleet.replica.api().create("/api/v1/namespaces/default/configmaps", &theirs).unwrap();
    put_work(&fleet, "mixed", &json!([config_map("default", "ours", "one"), theirs]));
    waits(&agent, Metric::Works, &[("state", "failing")], one);
    waits(&agent, Metric::WorkSteps, &[("step", "write"), ("result", "ok")], one);
    // No watch shows when what is somebody else's goes.
    waits(&agent, Metric::RetryTimers, &[("category", "conflict")], |retries| retries >= 1.0);

    fleet.reason(&agent, "CredentialsValid", "Valid");
    let report = fleet.replica.api().get(REPORT).unwrap();
    let ends: jiff::Timestamp = report["status"]["credential"]["expires"].as_str().unwrap().parse().unwrap();
    let expiry = waits(&agent, Metric::CredentialExpiry, &[], |at| at > 0.0);
    assert_eq!(expiry.to_string(), ends.as_second().to_string());

    let by_hand = json!({"metadata": {"labels": {"edited": "by-hand"}}});
    fleet.replica.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &by_hand).unwrap();
    waits(&agent, Metric::DriftCorrected, &[], one);
    waits(&agent, Metric::Writes, &[("verb", "update"), ("result", "ok")], one);
    fleet.directory.api().delete(&format!("{CLUSTERS}/west")).unwrap();
    waits(&agent, Metric::Writes, &[("verb", "delete"), ("result", "ok")], one);
    waits(&agent, Metric::Objects, &[("source", "copies")], one);

    // The directory goes and comes back.
    fleet.directory.kill_apiserver().unwrap();
    waits(&agent, Metric::DirectoryReachable, &[], |value| value.to_string() == "0");
    waits(&agent, Metric::WatchErrors, &[("source", "entries")], |errors| errors >= 1.0);
    waits(&agent, Metric::DirectoryLastRead, &[], |seconds| seconds >= 1.0);
    fleet.directory.restart().unwrap();
    waits(&agent, Metric::DirectoryReachable, &[], one);
    let metrics = agent.metrics().unwrap();
    complete(&metrics);
    agent.kill().unwrap();
}

/// Every metric of the list is there as the list has it, none beside them, and no label names an object.
fn complete(metrics: &Metrics) {
    let text = metrics.text();
    for metric in Metric::ALL {
        let (name, kind) =
            (metric.name(), if metric.metric_type() == MetricType::Counter { "counter" } else { "gauge" });
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "no {name}:\n{text}");
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help())), "{name}:\n{text}");
    }
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    for series in metrics.samples().keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        assert!(known.contains(name), "{series}");
        for object in ["east", "west", "muster-", "directory-sync", "127.0.0.1"] {
            assert!(!labels.contains(object), "{series} names {object}");
        }
    }
}

/// Connections that are open at a time, and say one byte in a second.
const SLOW: usize = 200;
/// Works that come meanwhile.
const LOAD: usize = 30;
/// What a probe waits for an answer.
const PROBE: Duration = Duration::from_secs(5);

/// Keeps connections open that never come to the end of a request, and opens another one for each that is closed.
fn drip(address: &str, stop: &AtomicBool) -> usize {
    let (mut open, mut closed) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        open.retain_mut(|stream: &mut TcpStream| stream.write_all(b"G").is_ok());
        while open.len() < SLOW {
            match TcpStream::connect(address) {
                Ok(stream) => open.push(stream),
                Err(_) => break,
            }
            closed += 1;
        }
        std::thread::sleep(Duration::from_secs(1)); // the pace of the attack
    }
    closed - SLOW
}

#[test]
fn many_slow_connections_hold_up_neither_probes_nor_works_nor_heartbeats() {
    let bench = Bench::new();
    let (stop, began, address) = (AtomicBool::new(false), Instant::now(), bench.agent.listen());
    let (closed, slowest) = std::thread::scope(|scope| {
        let attack = scope.spawn(|| drip(&address, &stop));
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for number in 0..LOAD {
                let name = format!("w{number}");
                put_work(&bench.fleet, &name, &json!([config_map("default", &name, "one")]));
            }
            let mut slowest = Duration::ZERO;
            while began.elapsed() < Duration::from_secs(15) {
                for path in ["/livez", "/readyz", "/metrics"] {
                    let asked = Instant::now();
                    assert_eq!(bench.agent.admin(path).unwrap().0, 200, "{path}");
                    slowest = slowest.max(asked.elapsed());
                }
            }
            for number in 0..LOAD {
                until_told(&bench.fleet, &bench.agent, &format!("w{number}"), "Applied", "Applied");
            }
            slowest
        }));
        stop.store(true, Ordering::Relaxed);
        let slowest = outcome.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked));
        (attack.join().unwrap(), slowest)
    });
    let beats = beats(&bench.directory.requests(), &[began, Instant::now()]);
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("{closed} were shown out; probes took {slowest:?} at most, {longest:?} between two heartbeats");
    assert!(slowest < PROBE, "{slowest:?}");
    assert!(longest <= LONGEST_PAUSE, "{longest:?}");
}
