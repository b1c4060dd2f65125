//! What deleting an entry leads to.

use std::time::Duration;

use muster_tests::api::{ApiError, MERGE_PATCH};
use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::TokenOptions;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::{Value, json};

use super::enrolment::parts;
use super::{beat, controller, directory, enter, entry, reason, report, until};
use crate::fleet::{CLUSTERS, condition_of};

const ID: &str = "11111111-0000-4000-8000-000000000000";
const WORKS: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";

fn is_absent(outcome: Result<Value, ApiError>) -> Result<(), String> {
    match outcome {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(object) => Err(format!("there: {}", object["metadata"])),
    }
}

/// A directory with a controller, and the entry east, ready.
fn ready(args: &[&str]) -> (Leased, DirectoryProcess) {
    let directory = directory();
    let controller = controller(&directory, args);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    report(&directory, "east", ID, &json!([]));
    beat(&directory, "east", ID);
    reason(&directory, &controller, "east", "Ready", "Reporting");
    (directory, controller)
}

fn delete(directory: &Leased) {
    directory.api().delete(&format!("{CLUSTERS}/east")).unwrap();
}

/// The agent's word that it left.
fn say_left(directory: &Leased) {
    report(
        directory,
        "east",
        ID,
        &json!([{
            "type": "Deregistered", "status": "True", "reason": "EntryDeleted", "message": "",
            "lastTransitionTime": "2026-11-20T10:00:00Z",
        }]),
    );
}

/// A Work as an agent has it: with its finalizer.
fn work(directory: &Leased) -> String {
    let manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}});
    let finalizers = ["multicluster.x-k8s.io/work-cleanup", "example.com/theirs"];
    let work = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
        "metadata": {"name": "w", "finalizers": finalizers},
        "spec": {"workload": {"manifests": [manifest]}},
    });
    directory.api().create(WORKS, &work).unwrap();
    format!("{WORKS}/w")
}

/// Waits until the entry is gone, and then nothing is left of the cluster but `left`.
fn gone(directory: &Leased, controller: &DirectoryProcess, left: &[String]) -> Duration {
    let ((), took) =
        until(controller, "the entry gone", DEADLINE * 3, || is_absent(entry(directory, "east")));
    for path in parts("east").iter().filter(|path| !left.contains(path)) {
        is_absent(directory.api().get(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    took
}

#[test]
fn one_that_never_joined_goes_at_once() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    let token = directory.service_account_token("muster-agents", "east", &TokenOptions::default()).unwrap();
    let agent = directory.api_with(&token).unwrap();
    assert!(agent.get(CLUSTERS).is_ok());
    delete(&directory);
    let took = gone(&directory, &controller, &[]);
    assert!(took < Duration::from_secs(60), "{took:?}");
    until(&controller, "the token refused", DEADLINE, || match agent.get(CLUSTERS) {
        Err(error) if error.status().is_some_and(|status| status == 401) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    // Entered anew, it is a new one.
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
}

#[test]
fn a_live_one_is_waited_for_until_it_says_that_it_left() {
    let (directory, controller) = ready(&[]);
    delete(&directory);
    reason(&directory, &controller, "east", "Deregistering", "Waiting");
    throughout("all there", Duration::from_secs(3), || {
        parts("east")
            .iter()
            .try_for_each(|path| directory.api().get(path).map(drop))
            .map_err(|e| e.to_string())
    })
    .unwrap();
    say_left(&directory);
    gone(&directory, &controller, &[]);
}

#[test]
fn a_dead_one_is_waited_for_a_minute() {
    let (directory, controller) = ready(&["--heartbeat-lease=4"]);
    reason(&directory, &controller, "east", "Ready", "HeartbeatLost");
    delete(&directory);
    reason(&directory, &controller, "east", "Deregistering", "Waiting");
    let took = gone(&directory, &controller, &[]);
    assert!(took > Duration::from_secs(50) && took < Duration::from_secs(75), "{took:?}");
}

#[test]
fn works_keep_the_namespace_unless_the_entry_says_delete() {
    let (directory, controller) = ready(&[]);
    let work = work(&directory);
    delete(&directory);
    say_left(&directory);
    gone(&directory, &controller, &parts("east")[..1]);
    let kept = directory.api().get(&work).unwrap();
    assert_eq!(kept["metadata"]["finalizers"], json!(["example.com/theirs"]), "Muster's own is taken off");
    assert_eq!(kept["metadata"]["deletionTimestamp"], Value::Null);
    let namespace = directory.api().get(&parts("east")[0]).unwrap();
    assert_eq!(namespace["metadata"]["annotations"]["multicluster.coreos.com/allow-deletion"], Value::Null);
    until(&controller, "an Event", DEADLINE, || {
        let events = "/apis/events.k8s.io/v1/namespaces/default/events";
        let events = directory.api().get(events).map_err(|error| error.to_string())?;
        let told = |event: &&Value| event["reason"] == "NamespaceRetained";
        events["items"].as_array().unwrap().iter().find(told).map(drop).ok_or_else(|| events.to_string())
    });
    // An entry of the same name finds it again; this time it goes.
    let again = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": "east"},
        "spec": {"deregistration": "Delete"},
    });
    directory.api().create(CLUSTERS, &again).unwrap();
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    assert!(directory.api().get(&work).is_ok());
    delete(&directory);
    until(&controller, "the Work goes", DEADLINE, || {
        let work = directory.api().get(&work).map_err(|error| error.to_string())?;
        if work["metadata"]["deletionTimestamp"].is_null() { Err("it stays".to_owned()) } else { Ok(()) }
    });
    let free = json!({"metadata": {"finalizers": null}});
    directory.api().patch(&work, MERGE_PATCH, &free).unwrap();
    gone(&directory, &controller, &[]);
}

#[test]
fn an_entry_that_is_deleted_in_the_foreground_goes_as_well() {
    let (directory, controller) = ready(&[]);
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"});
    let path = format!("{CLUSTERS}/east");
    directory.api().call(http::Method::DELETE, &path, "application/json", &options).unwrap();
    reason(&directory, &controller, "east", "Deregistering", "Waiting");
    let condition = condition_of(&entry(&directory, "east").unwrap(), "Deregistering");
    assert_eq!(condition.unwrap().0, "Waiting");
    say_left(&directory);
    gone(&directory, &controller, &[]);
}
