use muster_api::resource::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, LIMIT_RANGES, NAMESPACES, RESOURCE_QUOTAS, ROLE_BINDINGS, ROLES,
};
use serde_json::json;

use super::*;

mod documented;
mod hostile;
mod refused;

/// A policy as a server sends it, from its spec.
fn object(spec: &Value) -> Object {
    let metadata = json!({"name": "web-api", "uid": "p", "resourceVersion": "7", "generation": 3});
    parse(&json!({"metadata": metadata, "spec": spec}))
}

fn parse(object: &Value) -> Object {
    Object::parse(RawValue::from_string(object.to_string()).unwrap()).unwrap()
}

/// The objects that a spec asks for, without the selector, which is `{}`.
fn items(spec: Value) -> Vec<Value> {
    let mut spec = spec;
    spec["selector"] = json!({});
    let policy = Policy::read(&object(&spec)).unwrap();
    policy.items.iter().map(|item| manifest(item)).collect()
}

fn manifest(item: &Item) -> Value {
    serde_json::from_str(item.manifest().get()).unwrap()
}

/// Why a spec, with the selector `{}`, is refused.
fn refusal(spec: &Value) -> String {
    let mut spec = spec.clone();
    spec["selector"] = json!({});
    Policy::read(&object(&spec)).expect_err(&spec.to_string()).to_string()
}

fn bindings(bindings: &Value) -> Value {
    json!({"namespaces": [{"name": "api-prod", "authorization": {"bindings": bindings}}]})
}

#[test]
fn a_policy_knows_itself_and_the_clusters_that_it_selects() {
    let policy = Policy::read(&object(&json!({"selector": {"cloud": "aws"}}))).unwrap();
    assert_eq!((policy.name.as_str(), policy.uid.as_str()), ("web-api", "p"));
    assert_eq!((policy.generation, policy.resource_version.as_str(), policy.version), (3, "7", 7));
    assert!(!policy.deleting && !policy.delete_namespaces && policy.items.is_empty());
    let labels = |cloud: &str| BTreeMap::from([("cloud".to_owned(), cloud.to_owned())]);
    assert!(policy.matches(&labels("aws")));
    assert!(!policy.matches(&labels("gcp")) && !policy.matches(&BTreeMap::new()));
    let all = Policy::read(&object(&json!({"selector": {}, "authorization": null}))).unwrap();
    assert!(all.matches(&BTreeMap::new()));
}

#[test]
fn deletion_and_the_fate_of_namespaces_are_read_from_the_metadata() {
    let read = |value: &str| {
        Policy::read(&parse(&json!({
            "metadata": {
                "name": "web-api", "uid": "p", "resourceVersion": "7",
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"multicluster.coreos.com/namespace-deletion": value},
            },
            "spec": {"selector": {}},
        })))
    };
    assert!(read("delete").unwrap().delete_namespaces);
    assert!(read("delete").unwrap().deleting);
    assert!(!read("retain").unwrap().delete_namespaces);
    for unknown in ["", "Delete", "true"] {
        let error = read(unknown).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "unable to follow policy web-api: metadata.annotations[multicluster.coreos.com/namespace-deletion]: {unknown:?} is unknown: write delete or retain"
            )
        );
    }
}

#[test]
fn a_namespace_gets_labels_annotations_quota_and_limits() {
    let items = items(json!({"namespaces": [{
        "name": "api-prod",
        "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        "annotations": {"example.com/contact": "team web, ☎ 12"},
        "resourceQuota": {"hard": {"pods": 20, "limits.memory": "8Gi"}, "scopes": ["NotTerminating"]},
        "limitRange": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]},
    }]}));
    assert_eq!(items.len(), 3);
    assert_eq!(
        items[0],
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "api-prod",
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            "annotations": {"example.com/contact": "team web, ☎ 12"},
        }})
    );
    let (range, quota) = (&items[1], &items[2]);
    assert_eq!((&range["kind"], &quota["kind"]), (&json!("LimitRange"), &json!("ResourceQuota")));
    for item in [range, quota] {
        assert_eq!(item["apiVersion"], "v1");
        assert_eq!(item["metadata"]["namespace"], "api-prod");
        let name = item["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("web-api-") && name.len() == "web-api-".len() + 8, "{name}");
    }
    assert_eq!(range["spec"], json!({"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}}]}));
    let hard = json!({"pods": 20, "limits.memory": "8Gi"});
    assert_eq!(quota["spec"], json!({"hard": hard, "scopes": ["NotTerminating"]}));
}

#[test]
fn roles_keep_their_names_and_are_made_before_what_grants_them() {
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}]);
    let urls = json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]);
    let policy = Policy::read(&object(&json!({
        "selector": {},
        "authorization": {
            "clusterBindings": [{"clusterRole": "team:look", "users": ["u"]}],
            "clusterRoles": [{"name": "team:look", "rules": urls}, {"name": "team:look", "rules": urls}],
        },
        "namespaces": [{"name": "a", "authorization": {
            "bindings": [{"role": "reader", "users": ["u"]}],
            "roles": [{"name": "reader", "rules": rules}],
        }}],
    })))
    .unwrap();
    let resources: Vec<_> = policy.items.iter().map(|item| &item.target.resource).collect();
    assert_eq!(resources, [&NAMESPACES, &CLUSTER_ROLES, &ROLES, &CLUSTER_ROLE_BINDINGS, &ROLE_BINDINGS]);
    let (cluster_role, role) = (manifest(&policy.items[1]), manifest(&policy.items[2]));
    assert_eq!(cluster_role["metadata"], json!({"name": "team:look"}));
    assert_eq!(cluster_role["rules"], urls);
    assert_eq!(role["metadata"], json!({"name": "reader", "namespace": "a"}));
    assert_eq!(role["rules"], rules);
    let binding = manifest(&policy.items[4]);
    let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"});
    assert_eq!(binding["roleRef"], role_ref);
}

#[test]
fn one_role_at_one_level_is_one_binding_with_each_subject_once() {
    let items = items(bindings(&json!([
        {"clusterRole": "view", "users": ["b", "a"], "groups": ["b"]},
        {"role": "view", "users": ["x"]},
        {"clusterRole": "view", "users": ["a", "c"], "serviceAccounts": ["ci/deployer", "ci/deployer"]},
    ])));
    assert_eq!(items.len(), 3, "a Namespace and two bindings: {items:?}");
    let of = |kind: &str| items.iter().find(|item| item["roleRef"]["kind"] == kind).unwrap();
    let named =
        |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    assert_eq!(
        of("ClusterRole")["subjects"],
        json!([
            named("User", "b"),
            named("User", "a"),
            named("Group", "b"),
            named("User", "c"),
            {"kind": "ServiceAccount", "namespace": "ci", "name": "deployer"},
        ])
    );
    assert_eq!(of("Role")["subjects"], json!([named("User", "x")]));
}

#[test]
fn a_name_changes_with_the_role_and_not_with_the_subjects() {
    let name = |entry: Value| items(bindings(&json!([entry])))[1]["metadata"]["name"].clone();
    let first = name(json!({"clusterRole": "view", "users": ["a"]}));
    assert_eq!(first, name(json!({"clusterRole": "view", "groups": ["b", "c"]})));
    assert_ne!(first, name(json!({"clusterRole": "edit", "users": ["a"]})));
    assert_ne!(first, name(json!({"role": "view", "users": ["a"]})));
}

#[test]
fn the_order_of_a_spec_does_not_matter() {
    let (one, two) =
        (json!({"clusterRole": "view", "users": ["a"]}), json!({"clusterRole": "edit", "users": ["b"]}));
    assert_eq!(items(bindings(&json!([one, two]))), items(bindings(&json!([two, one]))));
}

#[test]
fn namespaces_of_kubernetes_may_be_named_and_musters_own_may_not() {
    for name in ["kube-system", "kube-public", "kube-node-lease", "default"] {
        assert_eq!(items(json!({"namespaces": [{"name": name}]})).len(), 1);
    }
    for name in ["muster-system", "muster-appliers", "muster-agents", "muster-cluster-east"] {
        assert_eq!(
            refusal(&json!({"namespaces": [{"name": "a"}, {"name": name}]})),
            format!(
                "unable to follow policy web-api: spec.namespaces[1].name: {name:?} is a namespace of Muster itself, where no policy reaches: name another"
            )
        );
    }
}

#[test]
fn quotas_and_limits_are_known_by_their_targets() {
    let spec = json!({"selector": {}, "namespaces": [{"name": "a", "resourceQuota": {}, "limitRange": {"limits": []}}]});
    let policy = Policy::read(&object(&spec)).unwrap();
    let resources: Vec<_> = policy.items.iter().map(|item| &item.target.resource).collect();
    assert_eq!(resources, [&NAMESPACES, &LIMIT_RANGES, &RESOURCE_QUOTAS]);
}
