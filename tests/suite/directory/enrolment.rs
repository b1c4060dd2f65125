//! What an entry leads to.

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, throughout};
use serde_json::{Value, json};
use std::time::Duration;

use super::{controller, directory, enter, entry, leases, reason, until};
use crate::fleet::{CLUSTERS, ENROL, condition_of};

/// All that there is to be for a cluster, by path.
pub(super) fn parts(name: &str) -> Vec<String> {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    vec![
        format!("/api/v1/namespaces/muster-cluster-{name}"),
        leases(name),
        format!("/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-{name}/clusterreports/{name}"),
        format!("/api/v1/namespaces/muster-agents/serviceaccounts/{name}"),
        format!("{rbac}/namespaces/muster-cluster-{name}/rolebindings/muster-agent"),
        format!("{rbac}/namespaces/muster-agents/roles/muster-token-{name}"),
        format!("{rbac}/namespaces/muster-agents/rolebindings/muster-token-{name}"),
        format!("{rbac}/clusterrolebindings/muster-view-clusters-{name}"),
    ]
}

/// What of an object people wrote.
pub(super) fn content(object: &Value) -> Value {
    let mut labels = object["metadata"]["labels"].clone();
    labels.as_object_mut().map(|labels| labels.remove("kubernetes.io/metadata.name"));
    let mut spec = object["spec"].clone();
    spec.as_object_mut().map(|spec| spec.remove("finalizers")); // of a namespace
    json!({
        "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"], "labels": labels,
        "owners": object["metadata"]["ownerReferences"], "spec": spec,
        "roleRef": object["roleRef"], "subjects": object["subjects"], "rules": object["rules"],
        "automount": object["automountServiceAccountToken"],
    })
}

#[test]
fn an_entry_is_enrolled_just_as_by_hand() {
    let directory = directory();
    let api = directory.api();
    directory.apply(&ENROL.replace("CLUSTER_NAME", "byhand")).unwrap();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    let (_, took) = reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    assert!(took < Duration::from_secs(10), "{took:?}");
    for (ours, by_hand) in parts("east").iter().zip(parts("byhand")) {
        let (ours, by_hand) = (api.get(ours).unwrap(), api.get(&by_hand).unwrap());
        let by_hand = content(&by_hand).to_string().replace("byhand", "east");
        assert_eq!(content(&ours).to_string(), by_hand);
    }
    let entry = entry(&directory, "east").unwrap();
    assert_eq!(entry["status"]["executionNamespace"], "muster-cluster-east");
    assert_eq!(condition_of(&entry, "Ready").unwrap().0, "NeverReported");
    assert_eq!(entry["metadata"]["finalizers"], json!(["multicluster.coreos.com/deregistration"]));
}

#[test]
fn what_was_enrolled_by_hand_is_left_as_it_is() {
    let directory = directory();
    let api = directory.api();
    directory.apply(&ENROL.replace("CLUSTER_NAME", "east")).unwrap();
    enter(&directory, "east");
    let versions = || -> Vec<Value> {
        parts("east")
            .iter()
            .map(|path| api.get(path).unwrap()["metadata"]["resourceVersion"].clone())
            .collect()
    };
    let before = versions();
    let controller = controller(&directory, &[]);
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    assert_eq!(versions(), before);
}

#[test]
fn what_is_removed_or_changed_by_hand_is_restored() {
    let directory = directory();
    let api = directory.api();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    for path in parts("east").iter().skip(1) {
        let before = api.get(path).unwrap();
        api.delete(path).unwrap();
        until(&controller, &format!("{path} again"), DEADLINE, || {
            let now = api.get(path).map_err(|error| error.to_string())?;
            if now["metadata"]["uid"] == before["metadata"]["uid"] {
                return Err("the old one".to_owned());
            }
            assert_eq!(content(&now), content(&before));
            Ok(())
        });
    }
    for (path, change) in [
        (
            &parts("east")[4],
            json!({"subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]}),
        ),
        (
            &parts("east")[5],
            json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
        ),
        (&parts("east")[3], json!({"automountServiceAccountToken": true})),
        (&parts("east")[1], json!({"metadata": {"labels": {"app.kubernetes.io/part-of": null}}})),
    ] {
        let before = api.get(path).unwrap();
        api.patch(path, MERGE_PATCH, &change).unwrap();
        until(&controller, &format!("{path} put right"), DEADLINE, || {
            let now = api.get(path).map_err(|error| error.to_string())?;
            if content(&now) == content(&before) { Ok(()) } else { Err(content(&now).to_string()) }
        });
    }
}

#[test]
fn a_namespace_that_is_not_musters_is_refused_until_it_is() {
    let directory = directory();
    let api = directory.api();
    let foreign =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "muster-cluster-east"}});
    api.create("/api/v1/namespaces", &foreign).unwrap();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    let (message, _) = reason(&directory, &controller, "east", "Enrolled", "NamespaceTaken");
    assert!(message.contains("muster-cluster-east lacks the label"), "{message}");
    assert_eq!(entry(&directory, "east").unwrap()["status"]["executionNamespace"], Value::Null);
    for path in parts("east").iter().skip(1) {
        assert!(api.get(path).is_err(), "{path} was made");
    }
    until(&controller, "an Event", DEADLINE, || {
        let events =
            api.get("/apis/events.k8s.io/v1/namespaces/default/events").map_err(|e| e.to_string())?;
        let told =
            |event: &&Value| event["reason"] == "EnrolmentRefused" && event["regarding"]["name"] == "east";
        events["items"].as_array().unwrap().iter().find(told).map(drop).ok_or_else(|| events.to_string())
    });
    let label = json!({"metadata": {"labels": {"multicluster.coreos.com/execution-namespace": "true"}}});
    api.patch(&parts("east")[0], MERGE_PATCH, &label).unwrap();
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
}

#[test]
fn a_copy_of_another_directory_is_none_of_its_business() {
    let directory = directory();
    let api = directory.api();
    let copy = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": "copied", "labels": {"applyset.kubernetes.io/part-of": "muster-mirror"}},
    });
    let before = api.create(CLUSTERS, &copy).unwrap();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    assert_eq!(entry(&directory, "copied").unwrap(), before);
    assert!(api.get(&parts("copied")[0]).is_err());
}

#[test]
fn a_restart_writes_nothing_where_all_is_right() {
    let directory = directory();
    let mut first = controller(&directory, &[]);
    for name in ["east", "a.b", &"x".repeat(60)] {
        enter(&directory, name);
        reason(&directory, &first, name, "Enrolled", "Enrolled");
    }
    crate::fleet::stop(&mut first);
    let mark = directory.audit_mark().unwrap();
    let second = controller(&directory, &[]);
    until(&second, "the second to act", DEADLINE, || {
        let metrics = second.admin("/metrics").map_err(|error| error.to_string())?.1;
        let known = metrics.contains(
            r#"muster_controller_clusters{condition="Enrolled",reason="Enrolled",status="True"} 3"#,
        );
        if known { Ok(()) } else { Err(metrics) }
    });
    throughout("no write", Duration::from_secs(2), || {
        let events = directory.audit_since(mark).map_err(|error| error.to_string())?;
        let ours = |user: &str| user.ends_with(":muster-directory");
        let writes: Vec<_> = events
            .iter()
            .filter(|event| event.writes() && ours(&event.user))
            .filter(|event| event.name != "muster-directory")
            .collect();
        if writes.is_empty() { Ok(()) } else { Err(format!("{writes:#?}")) }
    })
    .unwrap();
}
