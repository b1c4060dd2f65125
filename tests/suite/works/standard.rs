//! Tools that know the Work API of SIG-Multicluster and nothing of Muster.

use muster_tests::api::Api;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{config_map, manifest, until_told, works};
use crate::fleet::Fleet;

// What the standard publishes of a Work's status, and nothing else: https://github.com/kubernetes-sigs/work-api,
// pkg/apis/v1alpha1. What a reader does not know it drops; what it needs must be there.

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkStatus {
    conditions: Vec<Condition>,
    #[serde(default)]
    manifest_conditions: Vec<ManifestCondition>,
}

#[derive(Debug, Deserialize)]
struct ManifestCondition {
    #[serde(default)]
    identifier: ResourceIdentifier,
    conditions: Vec<Condition>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
struct ResourceIdentifier {
    ordinal: i32,
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

/// `metav1.Condition`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    observed_generation: i64,
    last_transition_time: jiff::Timestamp,
    reason: String,
    message: String,
}

/// The spec that the record of a Work has in the cluster, and its status.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppliedWork {
    spec: AppliedWorkSpec,
    status: AppliedWorkStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppliedWorkSpec {
    work_name: String,
    work_namespace: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppliedWorkStatus {
    applied_resources: Vec<AppliedResourceMeta>,
}

#[derive(Debug, Deserialize)]
struct AppliedResourceMeta {
    #[serde(flatten)]
    identifier: ResourceIdentifier,
    uid: String,
}

/// Makes or replaces a Work as a tool would that was written for the standard: whole, by PUT, without an annotation.
fn put(api: &Api, name: &str, manifests: &Value) -> i64 {
    let path = format!("{}/{name}", works());
    let mut work = api.get(&path).unwrap_or_else(|_| {
        json!({"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": name}})
    });
    work["spec"] = json!({"workload": {"manifests": manifests}});
    let made = work["metadata"]["uid"].is_null();
    let put = if made { api.create(&works(), &work) } else { api.replace(&path, &work) };
    put.unwrap()["metadata"]["generation"].as_i64().unwrap()
}

/// The status, as such a tool reads it.
fn status(api: &Api, name: &str) -> WorkStatus {
    let work = api.get(&format!("{}/{name}", works())).unwrap();
    serde_json::from_value(work["status"].clone()).unwrap_or_else(|error| panic!("{error}: {work:#}"))
}

fn of<'a>(conditions: &'a [Condition], kind: &str) -> &'a Condition {
    let found = conditions.iter().find(|condition| condition.kind == kind);
    let found = found.unwrap_or_else(|| panic!("no {kind}: {conditions:#?}"));
    assert!(!found.reason.is_empty() && found.last_transition_time.as_second() > 0, "{found:#?}");
    assert!(found.message.len() <= 32_768, "{found:#?}");
    found
}

#[test]
fn a_tool_of_the_plain_standard_can_write_a_work_and_read_what_became_of_it() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let directory = fleet.directory.api();
    let role = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let role = manifest("rbac.authorization.k8s.io/v1", "Role", "default", "reader", role);
    let unknown = manifest("example.com/v1", "Unknown", "default", "x", json!({}));
    let manifests = json!([config_map("default", "a", "one"), role, unknown]);
    let generation = put(&directory, "plain", &manifests);
    until_told(&fleet, &agent, "plain", "Applied", "Incomplete");
    let told = status(&directory, "plain");
    for kind in ["Applied", "Available", "Progressing", "Degraded"] {
        assert_eq!(of(&told.conditions, kind).observed_generation, generation, "{kind}");
    }
    assert_eq!(of(&told.conditions, "Applied").status, "False");
    let ordinals: Vec<i32> = told.manifest_conditions.iter().map(|entry| entry.identifier.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2]);
    let identifier = |ordinal, group: &str, version: &str, kind: &str, resource: &str, name: &str| {
        let [group, version, kind, resource, name] =
            [group, version, kind, resource, name].map(str::to_owned);
        ResourceIdentifier { ordinal, group, version, kind, resource, namespace: "default".to_owned(), name }
    };
    let expected = [
        (identifier(0, "", "v1", "ConfigMap", "configmaps", "a"), "True"),
        (identifier(1, "rbac.authorization.k8s.io", "v1", "Role", "roles", "reader"), "True"),
        (identifier(2, "example.com", "v1", "Unknown", "", "x"), "False"),
    ];
    for (entry, (identifier, status)) in told.manifest_conditions.iter().zip(expected) {
        assert_eq!(entry.identifier, identifier);
        for kind in ["Applied", "Available"] {
            assert_eq!(of(&entry.conditions, kind).status, status, "{entry:#?}");
        }
    }

    // Without what cannot be.
    let manifests = json!([config_map("default", "a", "two"), manifests[1]]);
    let generation = put(&directory, "plain", &manifests);
    until_told(&fleet, &agent, "plain", "Applied", "Applied");
    let told = status(&directory, "plain");
    for kind in ["Applied", "Available"] {
        let condition = of(&told.conditions, kind);
        assert_eq!(
            (condition.status.as_str(), condition.observed_generation),
            ("True", generation),
            "{kind}"
        );
    }
    let record = fleet.replica.api().get(&format!("{}/plain", super::LEDGERS)).unwrap();
    let AppliedWork { spec, status } = serde_json::from_value(record).unwrap();
    assert_eq!((spec.work_name.as_str(), works().contains(&spec.work_namespace)), ("plain", true));
    let uid = &fleet.replica.api().get("/api/v1/namespaces/default/configmaps/a").unwrap()["metadata"]["uid"];
    let config = status.applied_resources.iter().find(|entry| entry.identifier.resource == "configmaps");
    assert_eq!(config.map(|entry| json!(entry.uid)).as_ref(), Some(uid), "{:#?}", status.applied_resources);
}
