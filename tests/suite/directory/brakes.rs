//! What agents and others do again and again is bounded, and what is in the way is told.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditMark;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, saw};
use serde_json::json;

use super::enrolment::parts;
use super::{beat, controller, directory, enter, entry, reason, report, until};
use crate::fleet::{CLUSTERS, condition_of};

const ONE: &str = "11111111-0000-4000-8000-000000000000";
const OTHER: &str = "22222222-0000-4000-8000-000000000000";
const WORKS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";

/// The writes of the controller to a resource since then.
fn writes(directory: &Leased, mark: AuditMark, resource: &str) -> usize {
    let events = directory.audit_since(mark).unwrap();
    let ours = events.iter().filter(|event| event.writes() && event.user.ends_with(":muster-directory"));
    ours.filter(|event| event.resource == resource).count()
}

/// Runs a command as people do.
fn shell(directory: &Leased, command: &str) -> Output {
    let kubectl = &muster_tests::binaries::binaries().unwrap().kubectl;
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).env("KUBECONFIG", directory.admin_kubeconfig());
    shell.output().unwrap()
}

#[test]
fn an_agent_that_changes_its_report_all_the_time_costs_a_write_in_ten_seconds() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    report(&directory, "east", ONE, &json!([]));
    beat(&directory, "east", ONE);
    let (_, took) = reason(&directory, &controller, "east", "Ready", "Reporting");
    assert!(took < Duration::from_secs(3), "the first word is told at once: {took:?}");
    let (mark, began) = (directory.audit_mark().unwrap(), Instant::now());
    let mut changes = 0;
    while began.elapsed() < Duration::from_secs(22) {
        for id in [OTHER, ONE] {
            beat(&directory, "east", id);
            changes += 1;
        }
    }
    beat(&directory, "east", OTHER);
    reason(&directory, &controller, "east", "Ready", "OtherCluster");
    let allowed = usize::try_from(began.elapsed().as_secs() / 10).unwrap() + 1;
    let writes = writes(&directory, mark, "clusters/status");
    saw(&format!("{changes} changes, {writes} writes"), began.elapsed());
    assert!((1..=allowed).contains(&writes), "{writes}");
}

#[test]
fn a_part_that_somebody_keeps_removing_is_made_ever_more_slowly() {
    let directory = directory();
    let api = directory.api();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    let binding = &parts("east")[4];
    let (mark, began) = (directory.audit_mark().unwrap(), Instant::now());
    while began.elapsed() < Duration::from_secs(20) {
        let _ = api.delete(binding); // also where it is not there
    }
    let (message, _) = reason(&directory, &controller, "east", "Enrolled", "Contested");
    assert!(message.contains("rolebinding muster-agent in namespace muster-cluster-east"), "{message}");
    let (made, told) =
        (writes(&directory, mark, "rolebindings"), writes(&directory, mark, "clusters/status"));
    saw(&format!("made {made} times, {told} writes to the entry"), began.elapsed());
    assert!((4..=9).contains(&made) && told == 1, "{made} {told}");
    until(&controller, "an Event", DEADLINE, || {
        let events =
            api.get("/apis/events.k8s.io/v1/namespaces/default/events").map_err(|e| e.to_string())?;
        let all = events["items"].as_array().unwrap();
        let found = all.iter().find(|event| event["reason"] == "PartContested");
        found.map(drop).ok_or_else(|| events.to_string())
    });
    // The waits have doubled up to a minute by then.
    until(&controller, "it is there again", DEADLINE * 3, || {
        api.get(binding).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn what_keeps_a_cluster_that_leaves_is_told_with_what_frees_it() {
    let directory = directory();
    let api = directory.api();
    let controller = controller(&directory, &[]);
    let entered = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": "east"},
        "spec": {"deregistration": "Delete"},
    });
    api.create(CLUSTERS, &entered).unwrap();
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    let held = json!({"metadata": {"finalizers": ["example.com/theirs"]}});
    api.patch(&parts("east")[3], MERGE_PATCH, &held).unwrap();
    let work = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
        "metadata": {"name": "w", "finalizers": ["example.com/theirs"]},
        "spec": {"workload": {"manifests": []}},
    });
    api.create(WORKS, &work).unwrap();
    api.delete(&format!("{CLUSTERS}/east")).unwrap();
    // The command of the message is all that it takes, each time.
    for says in ["serviceaccount east in namespace muster-agents", "works.multicluster.x-k8s.io"] {
        let (message, _) = until(&controller, says, DEADLINE * 2, || {
            let entry = entry(&directory, "east").map_err(|error| error.to_string())?;
            match condition_of(&entry, "Deregistering") {
                Some((_, message)) if message.contains(says) && message.contains("finalizers") => Ok(message),
                other => Err(format!("{other:?}")),
            }
        });
        assert!(message.contains("example.com/theirs"), "{message}");
        let command = message.split("no more: ").nth(1).unwrap();
        println!("{command}");
        let done = shell(&directory, command);
        assert!(done.status.success(), "{command}: {done:?}");
    }
    until(&controller, "the entry gone", DEADLINE * 2, || match entry(&directory, "east") {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
