//! What a copy says, who writes it, and how rarely.

use std::collections::BTreeMap;

use muster_tests::ControlPlane;
use serde_json::json;
use serde_json::value::RawValue;

use super::{cluster, stop};
use crate::fleet::{CLUSTERS, Fleet, until};
use crate::trail::{self, REPLICA_USER, cluster_writes, directory_user, lines};

/// The spec as the server writes it.
fn spec(plane: &ControlPlane, name: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Served {
        spec: Box<RawValue>,
    }
    let reply = plane.api().send(http::Method::GET, &cluster(name), "application/json", "").unwrap();
    serde_json::from_slice::<Served>(&reply.body).unwrap().spec.get().to_owned()
}

#[test]
fn the_spec_is_the_same_byte_for_byte() {
    // Numbers that a careless reader rounds, texts that a careless writer escapes, and fields that nobody knows.
    let unknown = r#"{"float": 0.13703703673690001, "tiny": 5e-324, "huge": 1.7976931348623157e308, "third": 0.3333333333333333,
        "whole": 9007199254740993, "least": -9223372036854775808, "exponent": 1e21, "one": 1.0, "null": [null],
        "text": "<&> \u2028 é 😀 \\ \" \u0007", "nested": {"z": [{"b": [], "a": {}}], "": false}}"#;
    let casings = [
        (
            "upper",
            r#"{"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": "https://u.example.com"}]}"#,
        ),
        (
            "lower",
            r#"{"kubernetesApiEndpoints": {"serverEndpoints": [{"serverAddress": "https://l.example.com"}]}"#,
        ),
    ];
    let fleet = Fleet::new();
    for (name, endpoints) in casings {
        let entry = format!(
            r#"{{"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {{"name": "{name}"}},
                "spec": {endpoints}, "unknown": {unknown}}}}}"#
        );
        let reply =
            fleet.directory.api().send(http::Method::POST, CLUSTERS, "application/json", entry).unwrap();
        assert!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body));
    }
    let agent = fleet.joined(&[]);
    for (name, _) in casings {
        let (entry, copy) = (spec(&fleet.directory, name), spec(&fleet.replica, name));
        println!("{name}: {entry}");
        assert_eq!(copy, entry, "{name}");
        assert!(entry.contains("0.13703703673690001") && entry.contains("ndpoints"), "{entry}");
    }
    fleet.reason(&agent, "MirrorInSync", "InSync");
    assert_eq!(
        agent.metrics().unwrap().get("muster_drift_corrected_total", &[]),
        Some(0.0),
        "{}",
        agent.log()
    );
}

#[test]
fn what_only_means_something_in_the_directory_is_not_copied() {
    let fleet = Fleet::new();
    let entry = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {
            "name": "burdened", "labels": {"kept": "yes"}, "generateName": "burdened-",
            "annotations": {
                "multicluster.coreos.com/console-url": "https://console.example.com",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            "finalizers": ["example.com/hold"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "default",
                "uid": fleet.directory.api().get("/api/v1/namespaces/default").unwrap()["metadata"]["uid"]}],
        },
        "status": {"version": "v1"},
    });
    let entry = fleet.directory.api().create(CLUSTERS, &entry).unwrap();
    let agent = fleet.joined(&[]);
    let copy = fleet.copy("burdened").unwrap();
    let metadata = copy["metadata"].as_object().unwrap();
    let keys: Vec<_> = metadata.keys().map(String::as_str).collect();
    let usual = [
        "annotations",
        "creationTimestamp",
        "generation",
        "labels",
        "managedFields",
        "name",
        "resourceVersion",
        "uid",
    ];
    assert_eq!(keys, usual, "{copy:#}");
    let directory = fleet.directory.cluster_uid().unwrap();
    let mark = format!("{directory}/{}", entry["metadata"]["uid"].as_str().unwrap());
    let expected = json!({
        "multicluster.coreos.com/console-url": "https://console.example.com", "multicluster.coreos.com/copied-from": mark,
    });
    assert_eq!(metadata["annotations"], expected);
    let expected = json!({"kept": "yes", "applyset.kubernetes.io/part-of": "muster-mirror"});
    assert_eq!(metadata["labels"], expected);
    assert_eq!(copy.get("status"), None);
    let managers = metadata["managedFields"].as_array().unwrap();
    assert!(managers.iter().all(|fields| fields["manager"] == "muster-mirror"), "{managers:#?}");
    fleet.reason(&agent, "MirrorInSync", "InSync");
}

#[test]
fn every_write_is_the_agents_and_a_second_start_writes_nothing() {
    let fleet = Fleet::new();
    for number in 0..8 {
        fleet.entry(&format!("cluster-{number}"), &json!({"number": number.to_string()}));
    }
    let beginning = [trail::mark(&fleet.directory), trail::mark(&fleet.replica)];
    let mut agent = fleet.joined(&[]);
    for (condition, reason) in [("HeartbeatAccepted", "Accepted"), ("MirrorInSync", "InSync")] {
        fleet.reason(&agent, condition, reason);
    }
    let created = cluster_writes(&fleet.replica, beginning[1]);
    assert_eq!(created.len(), 10, "{}", lines(&created));

    let second = trail::mark(&fleet.replica);
    stop(&mut agent);
    agent.restart().unwrap();
    until(&agent, "the second start in step", || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        let of = |source: &str| metrics.get("muster_objects", &[("source", source)]);
        if (of("entries"), of("copies")) == (Some(10.0), Some(10.0)) {
            Ok(())
        } else {
            Err(metrics.text().to_owned())
        }
    });
    // The next change comes through: whatever was to be written at the start has been.
    super::label(&fleet.directory, "west", "after", "start");
    fleet.in_step(&agent);
    let writes = cluster_writes(&fleet.replica, second);
    assert_eq!(writes.len(), 1, "{}", lines(&writes));

    let replica = trail::writes(&fleet.replica, beginning[1], REPLICA_USER);
    let version = env!("CARGO_PKG_VERSION");
    let strange = |user_agent: &str| !user_agent.starts_with(&format!("muster-agent/{version}"));
    assert!(!replica.iter().any(|write| strange(&write.user_agent)), "{}", lines(&replica));
    summary("replica", &replica);
    let allowed = ["clusters", "configmaps", "clusterreports", "clusterreports/status", "events", "leases"];
    assert!(replica.iter().all(|write| allowed.contains(&write.resource.as_str())), "{}", lines(&replica));
    assert!(replica.iter().all(|write| write.code < 300 || write.code == 409), "{}", lines(&replica));

    // All that was ever asked of the directory to change, refused or not.
    let directory = trail::writes(&fleet.directory, beginning[0], &directory_user());
    summary("directory", &directory);
    let own = |write: &muster_tests::plane::AuditEvent| {
        (write.namespace.as_str(), write.name.as_str()) == ("muster-cluster-east", "east")
            && matches!(
                (write.verb.as_str(), write.resource.as_str()),
                ("update", "leases" | "clusterreports/status")
            )
    };
    assert!(!directory.is_empty() && directory.iter().all(own), "{}", lines(&directory));
    assert!(!directory.iter().any(|write| strange(&write.user_agent)), "{}", lines(&directory));
}

/// Prints how often what was written.
fn summary(side: &str, writes: &[muster_tests::plane::AuditEvent]) {
    let mut counts: BTreeMap<(&str, &str, u16), usize> = BTreeMap::new();
    for write in writes {
        *counts.entry((&write.verb, &write.resource, write.code)).or_default() += 1;
    }
    println!("{side}: {counts:?}");
}
