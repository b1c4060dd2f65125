//! The figures that the documents quote, measured with the shipped binary: run by `make bench`. Nothing is asserted here
//! but that things come to pass; the suites assert them with deadlines of ten times the figure.

mod policies;
mod works;

use std::time::{Duration, Instant};

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::fleet::{CLUSTERS, Fleet, OWN};

/// Samples of each figure that a test can repeat.
const SAMPLES: usize = 20;

fn joined() -> (Fleet, AgentProcess) {
    let fleet = Fleet::new();
    fleet.offer(&fleet.kubeconfig());
    let agent = fleet.shipped_agent(&[]);
    fleet.in_step(&agent);
    (fleet, agent)
}

/// As many entries as there are samples, and their copies. Further changes of one entry are spaced, so that each sample
/// needs one of its own.
fn with_entries() -> (Fleet, AgentProcess, Vec<String>) {
    let (fleet, agent) = joined();
    let names: Vec<String> = (0..SAMPLES).map(|number| format!("cluster-{number}")).collect();
    for name in &names {
        fleet.entry(name, &json!({}));
    }
    fleet.in_step(&agent);
    (fleet, agent, names)
}

/// Looks as often as the server answers: the figures are smaller than the pause of other tests.
fn time(what: &str, mut look: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < DEADLINE, "{what} did not come to pass");
    }
    began.elapsed()
}

fn print(what: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let at = |percent: usize| samples[(samples.len() - 1) * percent / 100].as_millis();
    println!(
        "figure: {what}: min {} ms, median {} ms, max {} ms ({} samples)",
        at(0),
        at(50),
        at(100),
        samples.len()
    );
}

fn label(object: &Value, key: &str) -> String {
    object["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_label_change_reaches_the_mirror() {
    let (fleet, _agent, names) = with_entries();
    let samples = names.iter().map(|name| {
        let patch = json!({"metadata": {"labels": {"figure": "new"}}});
        fleet.directory.api().patch(&format!("{CLUSTERS}/{name}"), MERGE_PATCH, &patch).unwrap();
        time("the label on the mirror", || label(&fleet.copy(name).unwrap(), "figure") == "new")
    });
    print("label change seen on the mirror", samples.collect());
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_hand_edit_is_undone() {
    let (fleet, _agent, names) = with_entries();
    let samples = names.iter().map(|name| {
        let patch = json!({"metadata": {"labels": {"figure": "mine"}}});
        fleet.replica.api().patch(&format!("{CLUSTERS}/{name}"), MERGE_PATCH, &patch).unwrap();
        time("the copy as it was", || label(&fleet.copy(name).unwrap(), "figure").is_empty())
    });
    print("hand edit undone", samples.collect());
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_deleted_entry_leaves_the_mirror() {
    let (fleet, agent) = joined();
    let samples = (0..3).map(|number| {
        let name = format!("cluster-{number}");
        fleet.entry(&name, &json!({}));
        fleet.in_step(&agent);
        fleet.directory.api().delete(&format!("{CLUSTERS}/{name}")).unwrap();
        time("the copy gone", || fleet.copy(&name).is_err())
    });
    print("deleted entry gone from the mirror, with the quiet window of 2 s", samples.collect());
}

#[test]
#[ignore = "measures: run by make bench"]
fn the_directory_is_back() {
    let (fleet, agent) = joined();
    let samples = (0..5).map(|number| {
        fleet.directory.kill().unwrap();
        fleet.reason(&agent, "DirectoryReachable", "Unreachable");
        fleet.directory.restart().unwrap();
        // Another entry each time: further changes of the same one are spaced.
        let name = format!("cluster-{number}");
        fleet.entry(&name, &json!({}));
        time("the mirror in step", || fleet.copy(&name).is_ok())
    });
    print("in step after the directory is back and serves", samples.collect());
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_new_secret_heals_a_revoked_account() {
    let (fleet, agent) = joined();
    let samples = (0..3).map(|_| {
        let account = format!("/api/v1/namespaces/muster-agents/serviceaccounts/{OWN}");
        fleet.directory.api().delete(&account).unwrap();
        fleet.reason(&agent, "DirectoryReachable", "CredentialsRejected");
        fleet.enrol(OWN);
        let kubeconfig = eventually("a token", DEADLINE, || {
            fleet.directory.service_account_kubeconfig("muster-agents", OWN, &TokenOptions::default())
        })
        .unwrap();
        fleet.offer(&kubeconfig);
        time("the directory reachable", || {
            let metrics = agent.metrics().unwrap();
            metrics.get("muster_directory_reachable", &[]) == Some(1.0)
        })
    });
    print("a new Secret heals a revoked account", samples.collect());
}
