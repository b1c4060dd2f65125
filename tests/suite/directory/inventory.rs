//! `ClusterProfile`s for other tools.

use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::directory::DirectoryProcess;
use muster_tests::plane::AuditEvent;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::{Value, json};

use super::{beat, controller, directory, enter, entry, reason, report, until};
use crate::fleet::{CLUSTERS, version};

const DEFINITION: &str = include_str!("../../../manifests/clusterprofiles.yaml");
pub(super) const PROFILES: &str =
    "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-inventory/clusterprofiles";
/// The user that the controller is.
const CONTROLLER: &str = "system:serviceaccount:muster-system:muster-directory";
const ONE: &str = "11111111-0000-4000-8000-000000000000";

pub(super) fn define(directory: &Leased) {
    directory.apply(DEFINITION).unwrap();
    let name = "crd/clusterprofiles.multicluster.x-k8s.io";
    directory.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=30s", name]).unwrap();
}

/// Waits until the profile of a cluster is so.
fn profile(
    directory: &Leased,
    controller: &DirectoryProcess,
    name: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> (Value, Duration) {
    until(controller, what, DEADLINE * 2, || {
        let profile =
            directory.api().get(&format!("{PROFILES}/{name}")).map_err(|error| error.to_string())?;
        if holds(&profile) { Ok(profile) } else { Err(profile.to_string()) }
    })
}

/// Status and reason of a condition.
fn condition(profile: &Value, kind: &str) -> Option<(String, String)> {
    let conditions = profile["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    Some((found["status"].as_str()?.to_owned(), found["reason"].as_str()?.to_owned()))
}

fn is(profile: &Value, kind: &str, status: &str, reason: &str) -> bool {
    condition(profile, kind) == Some((status.to_owned(), reason.to_owned()))
}

#[test]
fn every_enrolled_cluster_has_a_profile_until_it_leaves() {
    let directory = directory();
    let controller = controller(&directory, &["--heartbeat-lease=60"]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    // The kind comes later.
    define(&directory);
    let (made, _) = profile(&directory, &controller, "east", "a profile", |profile| {
        is(profile, "Joined", "False", "NotReported")
            && is(profile, "ControlPlaneHealthy", "Unknown", "Unknown")
    });
    assert_eq!(made["metadata"]["labels"]["x-k8s.io/cluster-manager"], "muster");
    assert_eq!(made["spec"], json!({"displayName": "east", "clusterManager": {"name": "muster"}}));

    report(&directory, "east", ONE, &json!([]));
    let path = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east/status";
    let properties = json!([
        {"name": "cluster.clusterset.k8s.io", "value": "east"}, {"name": "clusterset.k8s.io", "value": "production"},
    ]);
    let told = json!({"status": {"replica": {"properties": properties}}});
    directory.api().patch(path, MERGE_PATCH, &told).unwrap();
    beat(&directory, "east", ONE);
    reason(&directory, &controller, "east", "Ready", "Reporting");
    let (known, _) = profile(&directory, &controller, "east", "it joined", |profile| {
        is(profile, "Joined", "True", "Joined") && is(profile, "ControlPlaneHealthy", "True", "Ready")
    });
    assert_eq!(known["status"]["version"], json!({"kubernetes": "v1.36.3"}));
    let shown = known["status"]["properties"].as_array().unwrap();
    let shown: Vec<_> =
        shown.iter().map(|shown| json!({"name": shown["name"], "value": shown["value"]})).collect();
    assert_eq!(json!(shown), properties);
    assert_eq!(known["metadata"]["uid"], made["metadata"]["uid"]);
    println!("{}", directory.kubectl_ok(&["get", "clusterprofiles", "-A"]).unwrap());

    directory.api().delete(&format!("{CLUSTERS}/east")).unwrap();
    until(&controller, "the profile gone", DEADLINE * 4, || {
        match directory.api().get(&format!("{PROFILES}/east")) {
            Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(entry(&directory, "east").is_err(), "it goes after the entry");
}

#[test]
fn a_profile_that_is_not_musters_is_left_alone_and_said_so() {
    let directory = directory();
    define(&directory);
    let theirs = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ClusterProfile", "metadata": {"name": "east"},
        "spec": {"displayName": "East", "clusterManager": {"name": "other"}},
    });
    let before = directory.api().create(PROFILES, &theirs).unwrap();
    let controller = controller(&directory, &[]);
    for name in ["east", "west"] {
        enter(&directory, name);
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
    }
    profile(&directory, &controller, "west", "the other's profile", |profile| profile["status"].is_object());
    until(&controller, "an Event", DEADLINE, || {
        let events = directory.api().get("/apis/events.k8s.io/v1/namespaces/default/events");
        let events = events.map_err(|error| error.to_string())?;
        let told = |event: &&Value| event["reason"] == "ProfileTaken" && event["regarding"]["name"] == "east";
        events["items"].as_array().unwrap().iter().find(told).map(drop).ok_or_else(|| events.to_string())
    });
    let same = || directory.api().get(&format!("{PROFILES}/east")).map(|now| version(&now));
    assert_eq!(same().unwrap(), version(&before));
    directory.api().delete(&format!("{CLUSTERS}/east")).unwrap();
    until(&controller, "the entry gone", DEADLINE * 2, || match entry(&directory, "east") {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    throughout("it stays", Duration::from_secs(3), || match same() {
        Ok(now) if now == version(&before) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
}

#[test]
fn where_the_kind_is_not_defined_nothing_is_written_or_said() {
    let directory = directory();
    let mark = directory.audit_mark().unwrap();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    throughout("silence", Duration::from_secs(5), || {
        let events = directory.audit_since(mark).map_err(|error| error.to_string())?;
        // The garbage collector of Kubernetes asks for what an earlier test defined here, too.
        let asks = |event: &&AuditEvent| event.user == CONTROLLER && event.uri.contains("clusterprofiles");
        let asked: Vec<_> = events.iter().filter(asks).collect();
        let quiet = asked.len() < 8 && !asked.iter().any(|event| event.writes());
        if quiet { Ok(()) } else { Err(format!("{asked:#?}")) }
    })
    .unwrap();
    assert!(!controller.log().contains("clusterprofiles"), "{}", controller.log());
}
