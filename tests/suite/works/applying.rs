//! A Work becomes objects, in whatever order its manifests stand, and says what is so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    APPLIER, LEDGERS, config_map, manifest, namespace, of_manifest, put_work, put_work_with, until_told,
    widgets, works,
};
use crate::fleet::{Fleet, MULTICLUSTER, until};
use crate::trail;

/// A Work in which nothing stands before what needs it.
fn worst_order() -> Vec<Value> {
    let widget = |name: &str| manifest("example.com/v1", "Widget", "web", name, json!({"spec": {"size": 1}}));
    let subject = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": "web"}]);
    let role =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let rbac = "rbac.authorization.k8s.io/v1";
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let pod = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"serviceAccountName": "runner", "containers": [{"name": "web", "image": "example.com/web:1"}]},
    });
    let apps = json!({"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": pod, "replicas": 1}});
    let mut manifests = vec![
        widget("first"),
        widget("second"),
        manifest(
            rbac,
            "RoleBinding",
            "web",
            "reads",
            json!({"subjects": subject, "roleRef": role("Role", "reader")}),
        ),
        manifest(
            rbac,
            "ClusterRoleBinding",
            "",
            "web-reads",
            json!({"subjects": subject, "roleRef": role("ClusterRole", "web-reader")}),
        ),
        manifest("apps/v1", "Deployment", "web", "web", apps),
        manifest(
            "v1",
            "Service",
            "web",
            "web",
            json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
        ),
        manifest(
            "batch/v1",
            "CronJob",
            "web",
            "nightly",
            json!({"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "example.com/job:1"}]}}}}}}),
        ),
        manifest("v1", "ResourceQuota", "web", "web", json!({"spec": {"hard": {"pods": "50"}}})),
        manifest(
            "v1",
            "LimitRange",
            "web",
            "web",
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}),
        ),
        manifest(
            "policy/v1",
            "PodDisruptionBudget",
            "web",
            "web",
            json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        ),
        manifest("networking.k8s.io/v1", "NetworkPolicy", "web", "web", json!({"spec": {"podSelector": {}}})),
        manifest("scheduling.k8s.io/v1", "PriorityClass", "", "web", json!({"value": 7})),
    ];
    manifests.extend((0..11).map(|number| config_map("web", &format!("config-{number}"), "one")));
    manifests.extend([
        manifest(rbac, "Role", "web", "reader", json!({"rules": rules})),
        manifest(rbac, "ClusterRole", "", "web-reader", json!({"rules": rules})),
        manifest("v1", "ServiceAccount", "web", "runner", json!({})),
        manifest("storage.k8s.io/v1", "StorageClass", "", "web", json!({"provisioner": "example.com/none"})),
        widgets("example.com"),
        namespace("web"),
        manifest("v1", "PersistentVolumeClaim", "web", "data", json!({"spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "web", "resources": {"requests": {"storage": "1Gi"}}}})),
    ]);
    manifests
}

#[test]
fn thirty_manifests_in_the_worst_order_are_each_written_once() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let manifests = worst_order();
    assert_eq!(manifests.len(), 30);
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "web", &json!(manifests));
    let told = until_told(&fleet, &agent, "web", "Applied", "Applied");
    for ordinal in 0..manifests.len() {
        assert_eq!(of_manifest(&told, ordinal, "Applied").0, "Applied", "{ordinal}");
    }
    // The pods of the Deployment are not there: no controller makes them here.
    let ready = |ordinal| of_manifest(&told, ordinal, "Available").0;
    assert_eq!([ready(0), ready(4), ready(12)], ["Available", "Progressing", "Available"]);

    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for event in trail::writes(&fleet.replica, mark, trail::REPLICA_USER) {
        if event.impersonated.as_deref() == Some(APPLIER) {
            assert_eq!(event.code, 201, "{}", trail::lines(std::slice::from_ref(&event)));
            *written.entry(format!("{} {}/{}", event.resource, event.namespace, event.name)).or_default() +=
                1;
        }
    }
    assert_eq!(written.len(), manifests.len(), "{written:#?}");
    assert!(written.values().all(|times| *times == 1), "{written:#?}");

    // Each step was made since something had changed, and none for the time alone.
    let metrics = agent.metrics().unwrap();
    assert_eq!(metrics.get("muster_retry_timers_fired_total", &[]), None, "{}", metrics.text());
    assert_eq!(metrics.get("muster_works", &[("state", "applied")]), Some(1.0), "{}", metrics.text());

    // The ledger is the parent of the set, as the standard has it.
    let ledger = fleet.replica.api().get(&format!("{LEDGERS}/web")).unwrap();
    let set = ledger["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().unwrap();
    let selector = format!("applyset.kubernetes.io/part-of={set}");
    let listed =
        fleet.replica.kubectl_ok(&["-n", "web", "get", "configmaps", "-l", &selector, "-o", "name"]).unwrap();
    assert_eq!(listed.lines().count(), 11, "{listed}");
    let applied = ledger["status"]["appliedResources"].as_array().unwrap();
    let ordinals: Vec<_> = applied.iter().filter_map(|entry| entry["ordinal"].as_u64()).collect();
    assert_eq!((applied.len(), ordinals.len()), (30, 30), "{ledger:#}");
}

#[test]
fn a_bad_manifest_fails_alone_and_heals_when_its_cause_is_mended() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let theirs = config_map("default", "theirs", "somebody's");
    replica.create("/api/v1/namespaces/default/configmaps", &theirs).unwrap();
    let mut owned = config_map("default", "owned", "one");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "0a1b"}]);
    let mut generated = config_map("default", "x", "one");
    generated["metadata"] = json!({"generateName": "x-", "namespace": "default"});
    let manifests = json!([
        config_map("default", "good", "one"),
        manifest("late.example.com/v1", "Widget", "default", "late", json!({"spec": {}})),
        manifest("v1", "ConfigMap", "default", "mistyped", json!({"data": {"number": 1}})),
        generated,
        config_map("default", "good", "two"),
        owned,
        theirs,
        config_map("nowhere", "homeless", "one"),
        manifest("v1", "Service", "default", "invalid", json!({"spec": {"ports": [{"port": 99999}]}})),
    ]);
    put_work(&fleet, "mixed", &manifests);
    let told = until_told(&fleet, &agent, "mixed", "Applied", "Incomplete");
    let expected = [
        "Applied",
        "UnknownKind",
        "Rejected",
        "GenerateName",
        "Duplicate",
        "ForeignOwner",
        "Conflict",
        "Waiting",
        "Rejected",
    ];
    for (ordinal, reason) in expected.iter().enumerate() {
        let (seen, message) = of_manifest(&told, ordinal, "Applied");
        println!("{ordinal} {seen}: {message}");
        assert_eq!(seen, *reason, "{ordinal}: {message}");
        assert!(message.is_empty() == (*reason == "Applied"), "{ordinal}: {message}");
    }
    let kept = replica.get("/api/v1/namespaces/default/configmaps/theirs").unwrap();
    assert_eq!((&kept["data"]["key"], &kept["metadata"]["labels"]), (&json!("somebody's"), &Value::Null));

    // Nobody touches the Work.
    fleet.replica.apply(&widgets("late.example.com").to_string()).unwrap();
    fleet.replica.apply(&namespace("nowhere").to_string()).unwrap();
    replica.delete("/api/v1/namespaces/default/configmaps/theirs").unwrap();
    for path in [
        "/apis/late.example.com/v1/namespaces/default/widgets/late",
        "/api/v1/namespaces/nowhere/configmaps/homeless",
    ] {
        until(&agent, &format!("{path} there"), || {
            replica.get(path).map(drop).map_err(|error| error.to_string())
        });
    }
    until(&agent, "what was somebody else's made for the Work", || {
        let seen =
            replica.get("/api/v1/namespaces/default/configmaps/theirs").map_err(|error| error.to_string())?;
        if seen["metadata"]["labels"].is_null() { Err(seen.to_string()) } else { Ok(()) }
    });
}

#[test]
fn a_work_with_muster_itself_in_it_touches_nothing_of_that() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let shown = ["create", "--dry-run=client", "--output=json", "--filename=-"];
    let shown = fleet.replica.kubectl_with(&shown, MULTICLUSTER).unwrap().stdout;
    let own: Vec<Value> =
        serde_json::Deserializer::from_str(&shown).into_iter().collect::<Result<_, _>>().unwrap();
    assert!(own.len() > 15, "{shown}");
    let mark = trail::mark(&fleet.replica);
    // As somebody would who means it.
    let options = json!({"multicluster.coreos.com/on-conflict": "force", "multicluster.coreos.com/allow-deletion": "true"});
    put_work_with(&fleet, "muster", &options, &json!(own));
    let told = until_told(&fleet, &agent, "muster", "Applied", "Incomplete");
    for ordinal in 0..own.len() {
        let (reason, message) = of_manifest(&told, ordinal, "Applied");
        assert!(reason == "Unsupported" && message.contains("Muster's own"), "{ordinal}: {reason} {message}");
    }
    fleet.directory.api().delete(&format!("{}/muster", works())).unwrap();
    until(&agent, "the Work gone", || match fleet.directory.api().get(&format!("{}/muster", works())) {
        Err(error) if error.status().is_some_and(|status| status == 404) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let mut touched = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    touched.retain(|event| event.impersonated.is_some());
    assert!(touched.is_empty(), "{}", trail::lines(&touched));
}
