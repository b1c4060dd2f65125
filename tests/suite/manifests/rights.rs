//! What the accounts may do, in full: a right that is added to a manifest without its line here turns a test red.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use muster_api::names;
use muster_api::resource::{APPLIED_WORKS, POLICIES, REPORTS, WORKS};
use muster_tests::ControlPlane;
use muster_tests::api::{APPLY_PATCH, Api, MERGE_PATCH};
use muster_tests::plane::TokenOptions;
use serde_json::{Value, json};

use super::{DEFINITIONS, JSON, enrol, plane};

/// What every account may do: ask about itself.
pub(crate) const ANYONE: [&str; 3] = [
    "create selfsubjectaccessreviews.authorization.k8s.io",
    "create selfsubjectreviews.authentication.k8s.io",
    "create selfsubjectrulesreviews.authorization.k8s.io",
];

/// The agent in its replica, wherever it looks.
const REPLICA: [&str; 19] = [
    "create,delete,get,list,patch,update,watch appliedworks.multicluster.x-k8s.io",
    "create,delete,get,list,patch,watch clusterpolicies.multicluster.coreos.com",
    "create,delete,get,list,update,watch clusters.multicluster.coreos.com",
    "get namespaces kube-system",
    "get namespaces muster-system",
    "get,list,watch customresourcedefinitions.apiextensions.k8s.io",
    "list clusterproperties.about.k8s.io",
    "list nodes",
    "list servicecidrs.networking.k8s.io",
    "list,watch clusterrolebindings.rbac.authorization.k8s.io",
    "list,watch clusterroles.rbac.authorization.k8s.io",
    "list,watch mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "list,watch resourcequotas",
    "list,watch rolebindings.rbac.authorization.k8s.io",
    "list,watch roles.rbac.authorization.k8s.io",
    "list,watch validatingadmissionpolicies.admissionregistration.k8s.io",
    "list,watch validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "list,watch validatingwebhookconfigurations.admissionregistration.k8s.io",
    "patch,update appliedworks.multicluster.x-k8s.io/status",
];

/// The agent in its replica, in its own namespace, besides.
const REPLICA_OWN: [&str; 10] = [
    "create clusterreports.multicluster.coreos.com",
    "create configmaps",
    "create leases.coordination.k8s.io",
    "create,delete,get,update secrets",
    "create,patch events.events.k8s.io",
    "get,list,update,watch leases.coordination.k8s.io muster-agent",
    "get,list,watch clusterreports.multicluster.coreos.com directory-sync",
    "get,list,watch secrets directory-sync",
    "get,patch configmaps muster-agent-state",
    "update clusterreports.multicluster.coreos.com/status directory-sync",
];

/// The agent in its replica, in the namespace of the accounts that apply, besides.
const REPLICA_APPLIERS: [&str; 1] = ["impersonate serviceaccounts"];

/// The agent in the directory, wherever it looks: what the view roles grant.
const VIEWER: [&str; 6] = [
    "get customresourcedefinitions.apiextensions.k8s.io clusterpolicies.multicluster.coreos.com",
    "get customresourcedefinitions.apiextensions.k8s.io clusters.multicluster.coreos.com",
    "get customresourcedefinitions.apiextensions.k8s.io works.multicluster.x-k8s.io",
    "get namespaces kube-system",
    "get,list,watch clusterpolicies.multicluster.coreos.com",
    "get,list,watch clusters.multicluster.coreos.com",
];

/// The agent in the directory, in its execution namespace, besides.
const EXECUTION: [&str; 6] = [
    "get clusterreports.multicluster.coreos.com",
    "get namespaces",
    "get,list,patch,watch works.multicluster.x-k8s.io",
    "get,update leases.coordination.k8s.io",
    "patch works.multicluster.x-k8s.io/status",
    "update clusterreports.multicluster.coreos.com/status",
];

/// A client with a token of an account.
pub(super) fn account(plane: &ControlPlane, namespace: &str, name: &str) -> Api {
    let token = plane.service_account_token(namespace, name, &TokenOptions::default()).unwrap();
    plane.api_with(&token).unwrap()
}

/// All that the account may do with resources in a namespace and in the cluster: `VERBS RESOURCE[ NAME]`, sorted. The server
/// computes it from the bindings.
pub(crate) fn rights(api: &Api, namespace: &str) -> Vec<String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
    });
    let review = api.create("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).unwrap();
    let words = |rule: &Value, field: &str| -> Vec<String> {
        let list = rule[field].as_array().cloned().unwrap_or_default();
        list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut verbs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in review["status"]["resourceRules"].as_array().unwrap() {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                let full = full_name(&group, &resource);
                let mut named = words(rule, "resourceNames");
                if named.is_empty() {
                    named.push(String::new());
                }
                for name in named {
                    verbs.entry(format!("{full} {name}")).or_default().extend(words(rule, "verbs"));
                }
            }
        }
    }
    let mut lines: Vec<String> = verbs
        .into_iter()
        .map(|(what, verbs)| {
            format!("{} {what}", verbs.into_iter().collect::<Vec<_>>().join(",")).trim_end().to_owned()
        })
        .collect();
    lines.sort();
    lines
}

/// `works.multicluster.x-k8s.io/status` of `works/status`.
pub(crate) fn full_name(group: &str, resource: &str) -> String {
    let (plural, subresource) = resource.split_once('/').map_or((resource, None), |(p, s)| (p, Some(s)));
    let mut full = plural.to_owned();
    full.extend((!group.is_empty()).then(|| format!(".{group}")));
    full.extend(subresource.map(|subresource| format!("/{subresource}")));
    full
}

pub(crate) fn sorted(parts: &[&[&str]]) -> Vec<String> {
    let mut lines: Vec<String> = parts.concat().into_iter().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Sends each request with the account's own token: the first list must be refused with 403, the second not.
pub(crate) fn refused_and_allowed(api: &Api, refused: &[(Method, &str)], allowed: &[(Method, &str)]) {
    for (requests, want_refusal) in [(refused, true), (allowed, false)] {
        for (method, path) in requests {
            let body = if *method == Method::PATCH { "{}" } else { "" };
            let body = if *method == Method::POST { r#"{"metadata":{"name":"x"}}"# } else { body };
            let reply = api
                .send(method.clone(), path, if *method == Method::PATCH { MERGE_PATCH } else { JSON }, body)
                .unwrap();
            println!("{method} {path}: {}", reply.status);
            assert_eq!(
                reply.status == StatusCode::FORBIDDEN,
                want_refusal,
                "{method} {path}: {:?}",
                reply.body
            );
        }
    }
}

#[test]
fn the_agent_may_do_this_in_its_replica_and_nothing_else() {
    let api = account(plane(), names::SYSTEM_NAMESPACE, names::AGENT);
    assert_eq!(rights(&api, names::SYSTEM_NAMESPACE), sorted(&[&ANYONE, &REPLICA, &REPLICA_OWN]));
    for namespace in ["default", "kube-system"] {
        assert_eq!(rights(&api, namespace), sorted(&[&ANYONE, &REPLICA]), "{namespace}");
    }
    assert_eq!(rights(&api, names::APPLIERS_NAMESPACE), sorted(&[&ANYONE, &REPLICA, &REPLICA_APPLIERS]));
    let own = "/api/v1/namespaces/muster-system";
    let reports = REPORTS.path(Some(names::SYSTEM_NAMESPACE), None);
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let works = WORKS.path(Some("default"), None);
    let ledgers = APPLIED_WORKS.path(None, None);
    refused_and_allowed(
        &api,
        &[
            // Secrets of this one namespace, by their names.
            (Method::GET, &format!("{own}/secrets")),
            (Method::GET, &format!("{own}/secrets?watch=true")),
            (Method::DELETE, &format!("{own}/secrets")),
            (Method::PATCH, &format!("{own}/secrets/other")),
            (Method::POST, "/api/v1/namespaces/default/secrets"),
            (Method::GET, "/api/v1/namespaces/muster-appliers/secrets/other"),
            (Method::GET, "/api/v1/secrets?fieldSelector=metadata.name%3Ddirectory-sync"),
            (Method::GET, "/api/v1/namespaces/kube-system/secrets/directory-sync"),
            (Method::PATCH, &format!("{own}/secrets/directory-sync")),
            (Method::GET, &format!("{own}/pods")),
            (Method::POST, &format!("{own}/pods")),
            (Method::POST, &format!("{own}/serviceaccounts/directory-sync/token")),
            (Method::PATCH, &format!("{own}/configmaps/kube-root-ca.crt")),
            (Method::DELETE, "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-agent"),
            (Method::PATCH, "/apis/multicluster.coreos.com/v1/clusters/x/status"),
            (Method::DELETE, "/apis/multicluster.coreos.com/v1/clusters"),
            (Method::DELETE, "/apis/multicluster.coreos.com/v1/clusterpolicies"),
            // One report is its own: by its name, also where it lists and watches.
            (Method::GET, &reports),
            (Method::GET, &format!("{reports}?watch=true")),
            (Method::GET, &format!("{reports}?fieldSelector=metadata.name%3Dother")),
            (Method::GET, &format!("{reports}?fieldSelector=metadata.name!%3Dother")),
            (
                Method::GET,
                &format!("{}?fieldSelector=metadata.name%3Ddirectory-sync", REPORTS.path(None, None)),
            ),
            (Method::PATCH, &format!("{reports}/directory-sync")),
            (Method::DELETE, &format!("{reports}/directory-sync")),
            // Ledgers one by one, Works not at all.
            (Method::DELETE, &ledgers),
            (Method::GET, &works),
            // Definitions are read.
            (Method::DELETE, &format!("{DEFINITIONS}/clusters.multicluster.coreos.com")),
            (Method::PATCH, &format!("{DEFINITIONS}/{}", APPLIED_WORKS.full_name())),
            (Method::POST, DEFINITIONS),
            // What policies do is done by another account.
            (Method::GET, "/api/v1/namespaces"),
            // Facts are read, and never watched.
            (Method::GET, "/api/v1/nodes?watch=true"),
            (Method::GET, "/api/v1/nodes/x"),
            (Method::PATCH, "/api/v1/nodes/x"),
            (Method::POST, "/api/v1/namespaces"),
            (Method::PATCH, "/api/v1/namespaces/default"),
            (Method::DELETE, "/api/v1/namespaces/default"),
            (Method::GET, &format!("{rbac}/clusterroles/admin")),
            (Method::POST, &format!("{rbac}/clusterroles")),
            (Method::POST, &format!("{rbac}/clusterrolebindings")),
            (Method::DELETE, &format!("{rbac}/clusterrolebindings/cluster-admin")),
            (Method::POST, &format!("{rbac}/namespaces/default/rolebindings")),
            (Method::POST, &format!("{rbac}/namespaces/muster-appliers/rolebindings")),
            (Method::POST, "/api/v1/namespaces/default/resourcequotas"),
            (Method::POST, "/api/v1/namespaces/default/limitranges"),
            (Method::POST, "/api/v1/namespaces/muster-appliers/serviceaccounts/policies/token"),
            (Method::POST, "/api/v1/namespaces/muster-appliers/serviceaccounts/works/token"),
            (Method::POST, "/api/v1/namespaces/muster-appliers/serviceaccounts"),
        ],
        &[
            (Method::GET, &format!("{own}/secrets/directory-sync")),
            (Method::GET, &format!("{own}/secrets?fieldSelector=metadata.name%3Ddirectory-sync")),
            (Method::GET, &format!("{own}/secrets/other")),
            (Method::DELETE, &format!("{own}/secrets/other")),
            (Method::GET, "/apis/multicluster.coreos.com/v1/clusters"),
            (Method::GET, "/api/v1/namespaces/kube-system"),
            (Method::GET, "/apis/multicluster.coreos.com/v1/clusterpolicies"),
            (Method::GET, &format!("{reports}?fieldSelector=metadata.name%3Ddirectory-sync")),
            (
                Method::GET,
                &format!(
                    "{reports}?fieldSelector=metadata.name%3Ddirectory-sync&watch=true&timeoutSeconds=1"
                ),
            ),
            (Method::GET, DEFINITIONS),
            (Method::GET, &ledgers),
            (Method::GET, &format!("{rbac}/clusterroles")),
            (Method::GET, "/api/v1/resourcequotas"),
            (Method::GET, "/api/v1/nodes"),
            (Method::GET, "/apis/networking.k8s.io/v1/servicecidrs"),
        ],
    );
}

#[test]
fn the_agent_keeps_its_ledgers_and_copies_of_policies() {
    let plane = plane();
    let api = account(plane, names::SYSTEM_NAMESPACE, names::AGENT);
    let ledger = json!({
        "apiVersion": APPLIED_WORKS.api_version(), "kind": APPLIED_WORKS.kind, "metadata": {"name": "muster-policy-rights"},
        "spec": {"workName": "rights", "workNamespace": ""},
    });
    let policy = json!({
        "apiVersion": POLICIES.api_version(), "kind": POLICIES.kind, "metadata": {"name": "rights"},
        "spec": {"selector": {}, "namespaces": []},
    });
    let path = APPLIED_WORKS.path(None, Some("muster-policy-rights"));
    let made = api.create(&APPLIED_WORKS.path(None, None), &ledger).unwrap();
    api.replace(&path, &made).unwrap();
    api.delete(&path).unwrap();
    // Copies are applied on the server's side.
    let path = POLICIES.path(None, Some("rights"));
    for _ in 0..2 {
        api.patch(&format!("{path}?fieldManager=rights"), APPLY_PATCH, &policy).unwrap();
    }
    api.delete(&path).unwrap();
}

/// One Secret beside each Work that holds Secrets.
#[test]
fn the_agent_keeps_secrets_in_its_namespace() {
    let api = account(plane(), names::SYSTEM_NAMESPACE, names::AGENT);
    let collection = "/api/v1/namespaces/muster-system/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rights"}, "stringData": {"a": "b"}});
    api.create(collection, &secret).unwrap();
    let path = format!("{collection}/rights");
    let mut kept = api.get(&path).unwrap();
    kept["data"]["c"] = json!("ZA==");
    let kept = api.replace(&path, &kept).unwrap();
    assert_eq!(kept["data"], json!({"a": "Yg==", "c": "ZA=="}));
    api.delete(&path).unwrap();
}

#[test]
fn the_agent_may_do_this_in_the_directory_and_nothing_else() {
    let plane = plane();
    let (own, other) = (enrol(plane, "rights"), enrol(plane, "neighbour"));
    let api = account(plane, names::AGENTS_NAMESPACE, "rights");
    assert_eq!(rights(&api, &own), sorted(&[&ANYONE, &VIEWER, &EXECUTION]));
    for namespace in [other.as_str(), "default", "kube-system", names::SYSTEM_NAMESPACE] {
        assert_eq!(rights(&api, namespace), sorted(&[&ANYONE, &VIEWER]), "{namespace}");
    }
    let own_token = ["create serviceaccounts/token rights"];
    assert_eq!(rights(&api, names::AGENTS_NAMESPACE), sorted(&[&ANYONE, &VIEWER, &own_token]));
    let lease = |namespace: &str, name: &str| {
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases{name}")
    };
    let report = |namespace: &str, name: &str| {
        format!("/apis/multicluster.coreos.com/v1/namespaces/{namespace}/clusterreports{name}")
    };
    let works = |namespace: &str, name: &str| format!("{}{name}", WORKS.path(Some(namespace), None));
    let clusters = "/apis/multicluster.coreos.com/v1/clusters";
    refused_and_allowed(
        &api,
        &[
            (Method::GET, &lease(&other, "/neighbour")),
            (Method::PUT, &lease(&other, "/neighbour")),
            (Method::POST, &lease(&own, "")),
            (Method::DELETE, &lease(&own, "/rights")),
            (Method::GET, &report(&other, "/neighbour")),
            (Method::PATCH, &report(&other, "/neighbour/status")),
            (Method::PATCH, &report(&own, "/rights")),
            (Method::POST, &format!("/apis/events.k8s.io/v1/namespaces/{own}/events")),
            (Method::GET, &works(&other, "")),
            (Method::GET, &format!("{}?watch=true", works(&other, ""))),
            (Method::PATCH, &works(&other, "/x")),
            (Method::PATCH, &works(&other, "/x/status")),
            (Method::GET, &WORKS.path(None, None)),
            (Method::POST, &works(&own, "")),
            (Method::PUT, &works(&own, "/x")),
            (Method::PUT, &works(&own, "/x/status")),
            (Method::DELETE, &works(&own, "/x")),
            (Method::DELETE, &works(&own, "")),
            (Method::POST, clusters),
            (Method::PATCH, &format!("{clusters}/rights")),
            (Method::PATCH, &format!("{clusters}/rights/status")),
            (Method::DELETE, &format!("{clusters}/rights")),
            (Method::GET, &format!("/api/v1/namespaces/{own}/secrets")),
            (Method::GET, &format!("/api/v1/namespaces/{own}/pods")),
            (Method::POST, &format!("/api/v1/namespaces/{own}/pods")),
            (
                Method::POST,
                &format!("/api/v1/namespaces/{}/serviceaccounts/neighbour/token", names::AGENTS_NAMESPACE),
            ),
            (Method::GET, &format!("/api/v1/namespaces/{}/secrets", names::AGENTS_NAMESPACE)),
            (Method::GET, &format!("/api/v1/namespaces/{other}")),
            (Method::PATCH, &format!("/api/v1/namespaces/{own}")),
            (Method::POST, &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings")),
            (Method::GET, DEFINITIONS),
        ],
        &[
            (Method::GET, &lease(&own, "/rights")),
            (Method::GET, &report(&own, "/rights")),
            (Method::PUT, &report(&own, "/rights/status")),
            (Method::GET, &format!("/api/v1/namespaces/{own}")),
            (Method::GET, "/api/v1/namespaces/kube-system"),
            (Method::GET, clusters),
            (Method::GET, &format!("{DEFINITIONS}/clusters.multicluster.coreos.com")),
            (Method::GET, &format!("{DEFINITIONS}/works.multicluster.x-k8s.io")),
            (Method::GET, &works(&own, "")),
            (Method::GET, &format!("{}?watch=true&timeoutSeconds=1", works(&own, ""))),
            (Method::PATCH, &works(&own, "/x")),
            (Method::PATCH, &works(&own, "/x/status")),
        ],
    );
    // An apply of what is not there is a create.
    let work = json!({"apiVersion": WORKS.api_version(), "kind": WORKS.kind, "metadata": {"name": "x"}});
    let applied = api.patch(&format!("{}?fieldManager=rights", works(&own, "/x")), APPLY_PATCH, &work);
    assert_eq!(applied.unwrap_err().status(), Some(StatusCode::FORBIDDEN));
    impersonation_is_refused(&api);
}

/// The rules review would show a right to impersonate; this asks for it.
fn impersonation_is_refused(api: &Api) {
    for (resource, name) in [("users", "admin"), ("groups", "system:masters"), ("serviceaccounts", "works")] {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "impersonate", "resource": resource, "name": name, "namespace": names::APPLIERS_NAMESPACE}},
        });
        let answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).unwrap();
        assert_eq!(answer["status"]["allowed"], false, "{resource} {name}");
    }
}

#[test]
fn both_names_of_the_view_role_grant_the_same() {
    let rules = ["view-clusters", "tectonic-view-clusters"]
        .map(|name| plane().api().get(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")).unwrap()["rules"].clone());
    assert_eq!(rules[0], rules[1]);
}
