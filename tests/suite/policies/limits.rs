//! What a namespace may use, and what is written on it.

use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::AuditEvent;
use serde_json::{Value, json};

use super::{made, one, put_policy, until_made, versions};
use crate::fleet::{Fleet, quietly, stop, until, version};
use crate::trail::{self, REPLICA_USER, lines};

const SHOP: &str = "/api/v1/namespaces/shop";

/// Quantities, a scope and defaults that no API server keeps as they are written.
fn shop() -> Value {
    json!({"selector": {"cloud": "aws"}, "namespaces": [{
        "name": "shop",
        "labels": {"team": "a", "pod-security.kubernetes.io/enforce": "baseline"},
        "annotations": {"example.com/contact": "the \"shop\" team\n<shop@example.com>"},
        "resourceQuota": {
            "hard": {"requests.cpu": "4000m", "limits.memory": "4096Mi", "pods": 10, "count/secrets": "0.5k"},
            "scopes": [],
        },
        "limitRange": {"limits": [
            {"type": "Container", "max": {"cpu": "2000m", "memory": "1024Mi"}, "default": {"cpu": "1000m"},
                "maxLimitRequestRatio": {"cpu": "4.0"}},
            {"type": "PersistentVolumeClaim", "min": {"storage": "1e9"}},
        ]},
    }]})
}

/// The same as the API server keeps it.
fn kept() -> (Value, Value) {
    let quota = json!({"hard":
        {"requests.cpu": "4", "limits.memory": "4Gi", "pods": "10", "count/secrets": "500"}});
    let range = json!({"limits": [
        {"type": "Container", "max": {"cpu": "2", "memory": "1Gi"}, "default": {"cpu": "1", "memory": "1Gi"},
            "defaultRequest": {"cpu": "1", "memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "4"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1e9"}},
    ]});
    (quota, range)
}

/// What the agent wrote in the replica for policies, beside their ledgers.
fn applied(fleet: &Fleet, mark: muster_tests::plane::AuditMark) -> Vec<AuditEvent> {
    let kinds = ["namespaces", "resourcequotas", "limitranges"];
    let mut writes = trail::writes(&fleet.replica, mark, REPLICA_USER);
    writes.retain(|write| kinds.contains(&write.resource.as_str()));
    writes
}

/// A pod, tried and not made.
fn try_pod(fleet: &Fleet, spec: &Value) -> Result<(), String> {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec});
    pod["spec"]["containers"][0]["name"] = json!("a");
    pod["spec"]["containers"][0]["image"] = json!("example.com/a");
    let created = fleet.replica.api().create(&format!("{SHOP}/pods?dryRun=All"), &pod);
    created.map(drop).map_err(|error| error.to_string())
}

#[test]
fn quotas_limits_labels_and_annotations_are_as_asked_for_and_written_once() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    put_policy(&fleet, "shop", &shop());
    until_made(&fleet, &agent, 3);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let objects = made(&fleet.replica);
    let metadata = &one(&objects, "Namespace shop").1["metadata"];
    for (key, value) in [("team", "a"), ("pod-security.kubernetes.io/enforce", "baseline")] {
        assert_eq!(metadata["labels"][key], value, "{metadata:#}");
    }
    let contact = "the \"shop\" team\n<shop@example.com>";
    assert_eq!(metadata["annotations"]["example.com/contact"], contact, "{metadata:#}");
    let (quota, range) = kept();
    assert_eq!(one(&objects, "ResourceQuota shop/shop-").1["spec"], quota);
    assert_eq!(one(&objects, "LimitRange shop/shop-").1["spec"], range);

    // They hold.
    for (refusal, spec) in [
        (
            "maximum cpu usage per Container is 2",
            json!({"containers": [{"resources": {"limits": {"cpu": "3"}}}]}),
        ),
        ("violates PodSecurity \"baseline", json!({"hostNetwork": true, "containers": [{}]})),
        (
            "exceeded quota: shop-",
            json!({"containers": (0..5).map(|n| json!({"name": format!("c{n}"),
            "image": "example.com/a"})).collect::<Vec<_>>()}),
        ),
    ] {
        quietly(refusal, || match try_pod(&fleet, &spec) {
            Err(why) if why.contains(refusal) => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
    }
    quietly("a pod that is let in", || try_pod(&fleet, &json!({"containers": [{}]})));

    // The API server wrote all quantities in its own way, and the controllers wrote what is used: neither is a change.
    until(&agent, "what is used of the quota", || {
        let quota = one(&made(&fleet.replica), "ResourceQuota shop/shop-").1.clone();
        if quota["status"]["hard"] == quota["spec"]["hard"] {
            Ok(())
        } else {
            Err(quota["status"].to_string())
        }
    });
    let mark = trail::mark(&fleet.replica);
    let before = made(&fleet.replica);
    put_policy(&fleet, "after", &json!({"selector": {}, "namespaces": [{"name": "after"}]}));
    until_made(&fleet, &agent, 4);
    stop(&mut agent);
    agent.restart().unwrap();
    put_policy(&fleet, "again", &json!({"selector": {}, "namespaces": [{"name": "again"}]}));
    until_made(&fleet, &agent, 5);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let writes = applied(&fleet, mark);
    assert_eq!(writes.len(), 2, "{}", lines(&writes));
    let after = made(&fleet.replica);
    for (key, version) in versions(&before) {
        assert_eq!(versions(&after)[key], version, "{key} was written again");
    }

    // A hand edit is one.
    let quota = &one(&after, "ResourceQuota shop/shop-").1["metadata"]["name"];
    let path = format!("{SHOP}/resourcequotas/{}", quota.as_str().unwrap());
    let edited =
        fleet.replica.api().patch(&path, MERGE_PATCH, &json!({"spec": {"hard": {"pods": "1000"}}})).unwrap();
    until(&agent, "the quota as the policy has it", || {
        let quota = fleet.replica.api().get(&path).map_err(|error| error.to_string())?;
        if quota["spec"] == kept().0 { Ok(()) } else { Err(quota["spec"].to_string()) }
    });
    assert_eq!(version(&edited).0, version(&fleet.replica.api().get(&path).unwrap()).0);
}

#[test]
fn what_a_policy_says_no_more_of_a_namespace_goes_and_what_others_say_stays() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    put_policy(&fleet, "shop", &shop());
    until_made(&fleet, &agent, 3);
    let by_hand = json!({"metadata": {"labels": {"by": "hand"}, "annotations": {"example.com/by": "hand"}}});
    let labelled = fleet.replica.api().patch(SHOP, MERGE_PATCH, &by_hand).unwrap();
    let range = version(one(&made(&fleet.replica), "LimitRange shop/shop-").1);

    let mut spec = shop();
    let namespace = &mut spec["namespaces"][0];
    namespace
        .as_object_mut()
        .unwrap()
        .retain(|key, _| ["name", "limitRange", "labels"].contains(&key.as_str()));
    namespace["labels"] = json!({"team": "b"});
    put_policy(&fleet, "shop", &spec);
    until_made(&fleet, &agent, 2);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let objects = made(&fleet.replica);
    assert_eq!(version(one(&objects, "LimitRange shop/shop-").1), range, "what did not change was written");
    let namespace = one(&objects, "Namespace shop").1;
    assert_eq!(version(namespace).0, version(&labelled).0);
    let metadata = &namespace["metadata"];
    let labels = json!({"applyset.kubernetes.io/part-of": "muster-policies", "by": "hand",
        "kubernetes.io/metadata.name": "shop", "team": "b"});
    assert_eq!(metadata["labels"], labels);
    let annotations: Vec<_> = metadata["annotations"].as_object().unwrap().keys().collect();
    assert_eq!(annotations, ["example.com/by", "multicluster.coreos.com/made-for"]);
}
