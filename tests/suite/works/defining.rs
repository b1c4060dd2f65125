//! What a definition does not allow, and what a right does not: written when the definition or the role changes.

use std::time::Instant;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::waking::{config_path, heals, in_time, verdicts};
use super::{config_map, manifest, namespace, put_work, put_work_with, until_told, widgets};
use crate::fleet::{Fleet, until};

const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.strict.example.com";

/// The definition of a kind with a field of one type.
fn definition(of: &str) -> Value {
    let mut definition = widgets("strict.example.com");
    definition["spec"]["versions"][0]["schema"] = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": of}}}}}});
    definition
}

#[test]
fn what_a_definition_does_not_allow_is_written_when_it_does() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    fleet.replica.apply(&definition("integer").to_string()).unwrap();
    let widget = |name: &str, size: Value| {
        manifest("strict.example.com/v1", "Widget", "default", name, json!({"spec": {"size": size}}))
    };
    let path = |name: &str| format!("/apis/strict.example.com/v1/namespaces/default/widgets/{name}");
    until(&agent, "the kind served", || {
        let list = replica.get("/apis/strict.example.com/v1/widgets");
        list.map(drop).map_err(|error| error.to_string())
    });
    put_work(&fleet, "app", &json!([widget("right", json!(1)), widget("wrong", json!("s3cret-size"))]));
    verdicts(&fleet, &agent, "app", &[("Applied", ""), ("Rejected", "spec.size")]);
    let told = super::work(&fleet, "app")["status"].to_string();
    assert!(!told.contains("s3cret"), "{told}");

    // Both are allowed from now on.
    let mut both = definition("integer");
    let size = json!({"x-kubernetes-preserve-unknown-fields": true});
    both["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"] =
        size;
    let spec = json!({"spec": {"versions": both["spec"]["versions"]}});
    let changed = Instant::now();
    replica.patch(DEFINITION, MERGE_PATCH, &spec).unwrap();
    let there = || replica.get(&path("wrong")).map_err(|error| error.to_string());
    timed("the widget", DEADLINE, there).unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    in_time("a changed definition", changed.elapsed());
    until_told(&fleet, &agent, "app", "Applied", "Applied");
}

#[test]
fn what_a_role_does_not_allow_is_written_when_it_does() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let rbac = "rbac.authorization.k8s.io/v1";
    fleet.replica.apply(&namespace("team").to_string()).unwrap();
    let account = manifest("v1", "ServiceAccount", "muster-appliers", "team", json!({}));
    fleet.replica.apply(&account.to_string()).unwrap();
    let verbs = ["get", "list", "watch", "create", "delete"];
    let rules = |more: &[&str]| {
        let verbs = [&verbs[..], more].concat();
        json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]})
    };
    fleet.replica.apply(&manifest(rbac, "Role", "team", "configures", rules(&[])).to_string()).unwrap();
    let subjects = json!([{"kind": "ServiceAccount", "name": "team", "namespace": "muster-appliers"}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "configures"});
    let binding =
        manifest(rbac, "RoleBinding", "team", "configures", json!({"subjects": subjects, "roleRef": role}));
    fleet.replica.apply(&binding.to_string()).unwrap();

    let options = json!({"multicluster.coreos.com/service-account": "team"});
    put_work_with(&fleet, "app", &options, &json!([config_map("team", "a", "one")]));
    verdicts(&fleet, &agent, "app", &[("Forbidden", "cannot patch resource \"configmaps\"")]);
    let granted = Instant::now();
    let path = "/apis/rbac.authorization.k8s.io/v1/namespaces/team/roles/configures";
    replica.patch(path, MERGE_PATCH, &rules(&["patch"])).unwrap();
    in_time("a verb added to a Role", heals(&fleet, &agent, "a", &config_path("team", "a"), granted));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
}
