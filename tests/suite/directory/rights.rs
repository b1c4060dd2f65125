//! What the controller may, in full, and what is refused to it although RBAC cannot say so.

mod matrix;

use http::StatusCode;
use muster_api::names::execution_namespace;
use muster_tests::api::{Api, JSON_PATCH, MERGE_PATCH};
use muster_tests::plane::TokenOptions;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{controller, directory, enter, reason};
use crate::fleet::CLUSTERS;
use crate::manifests::rights::{ANYONE, rights, sorted};

/// Wherever it looks.
const ANYWHERE: [&str; 9] = [
    "bind clusterroles.rbac.authorization.k8s.io muster-agent",
    "bind clusterroles.rbac.authorization.k8s.io view-clusters",
    "create,delete,get,list,patch,watch leases.coordination.k8s.io",
    "create,delete,list,patch,watch clusterreports.multicluster.coreos.com",
    "create,delete,list,patch,watch clusterrolebindings.rbac.authorization.k8s.io",
    "create,delete,get,list,patch,watch namespaces",
    "create,delete,list,patch,watch rolebindings.rbac.authorization.k8s.io",
    "get customresourcedefinitions.apiextensions.k8s.io clusters.multicluster.coreos.com",
    "list,patch works.multicluster.x-k8s.io",
];
const ENTRIES: [&str; 2] =
    ["list,patch,watch clusters.multicluster.coreos.com", "update clusters.multicluster.coreos.com/status"];
const AGENTS: [&str; 4] = [
    "create serviceaccounts/token",
    "create,delete,list,patch,watch roles.rbac.authorization.k8s.io",
    "create,delete,list,patch,watch serviceaccounts",
    "delete secrets",
];
const INVENTORY: [&str; 2] = [
    "create,delete,list,patch,watch clusterprofiles.multicluster.x-k8s.io",
    "patch clusterprofiles.multicluster.x-k8s.io/status",
];
const EVENTS: [&str; 1] = ["create,patch events.events.k8s.io"];
const LEADER: [&str; 1] = ["update leases.coordination.k8s.io muster-directory"];

/// A client with the controller's token.
fn account(directory: &Leased) -> Api {
    let options = TokenOptions::default();
    let token = directory.service_account_token("muster-system", "muster-directory", &options).unwrap();
    directory.api_with(&token).unwrap()
}

#[test]
fn the_controller_may_do_this_and_no_more() {
    let directory = directory();
    let api = account(&directory);
    for (namespace, more) in [
        ("muster-agents", vec![&AGENTS[..]]),
        ("muster-system", vec![&EVENTS[..], &LEADER[..]]),
        ("default", vec![&EVENTS[..]]),
        ("muster-inventory", vec![&INVENTORY[..]]),
        ("kube-system", vec![]),
        ("muster-appliers", vec![]),
    ] {
        let mut parts = vec![&ANYONE[..], &ANYWHERE[..], &ENTRIES[..]];
        parts.extend(more);
        assert_eq!(rights(&api, namespace), sorted(&parts), "{namespace}");
    }
}

/// Asks whether the account may do something.
fn may(api: &Api, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            "namespace": namespace, "name": name,
        }},
    });
    let answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).unwrap();
    answer["status"]["allowed"] == true
}

#[test]
fn what_would_make_it_more_than_it_is_is_refused() {
    let directory = directory();
    let api = account(&directory);
    let rbac = "rbac.authorization.k8s.io";
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let nothing = [
        ("", "secrets"),
        ("", "configmaps"),
        ("", "pods"),
        ("", "pods/exec"),
        ("", "nodes"),
        ("apps", "deployments"),
        (rbac, "clusterroles"),
        ("certificates.k8s.io", "certificatesigningrequests"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("multicluster.coreos.com", "clusterpolicies"),
        ("multicluster.coreos.com", "clusterreports/status"),
        ("multicluster.x-k8s.io", "works/status"),
    ];
    for namespace in ["", "default", "kube-system", "muster-system", "muster-agents", "muster-cluster-east"] {
        for (group, resource) in nothing {
            for verb in verbs {
                let joining = (verb, resource, namespace) == ("delete", "secrets", "muster-agents");
                assert_eq!(
                    may(&api, verb, group, resource, namespace, ""),
                    joining,
                    "{verb} {resource} in {namespace:?}"
                );
            }
        }
        for (verb, group, resource, name) in [
            ("impersonate", "", "users", ""),
            ("impersonate", "", "serviceaccounts", ""),
            ("escalate", rbac, "roles", ""),
            ("escalate", rbac, "clusterroles", ""),
            ("bind", rbac, "roles", ""),
            ("bind", rbac, "clusterroles", "cluster-admin"),
            ("bind", rbac, "clusterroles", ""),
            ("create", "multicluster.x-k8s.io", "works", ""),
            ("delete", "multicluster.x-k8s.io", "works", ""),
            ("create", "multicluster.coreos.com", "clusters", ""),
            ("delete", "multicluster.coreos.com", "clusters", ""),
            ("update", "", "namespaces", ""),
        ] {
            assert!(!may(&api, verb, group, resource, namespace, name), "{verb} {resource} in {namespace:?}");
        }
        if namespace != "muster-agents" {
            for resource in ["serviceaccounts", "serviceaccounts/token"] {
                assert!(!may(&api, "create", "", resource, namespace, ""), "{resource} in {namespace:?}");
            }
            assert!(!may(&api, "create", rbac, "roles", namespace, ""), "roles in {namespace:?}");
        }
    }
}

/// Expects a refusal, and that it says this.
fn refused(what: &str, answer: Result<Value, muster_tests::api::ApiError>, says: &str) {
    let error = answer.expect_err(what);
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN), "{what}: {error}");
    assert!(error.to_string().contains(says), "{what}: {error}");
    println!("{what}: refused");
}

/// Waits until the API server judges by the policies: it takes them up a moment after they are made.
fn in_effect(api: &Api) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let token_path = "/api/v1/namespaces/muster-agents/serviceaccounts/east/token?dryRun=All";
    for (path, body) in [("/api/v1/namespaces?dryRun=All", &namespace), (token_path, &token)] {
        let judged = || match api.create(path, body) {
            Err(error) if error.to_string().contains("ValidatingAdmissionPolicy") => Ok(()),
            other => Err(format!("{other:?}")),
        };
        timed("the policy in effect", DEADLINE, judged).unwrap();
    }
}

#[test]
fn admission_keeps_it_to_its_own() {
    let directory = directory();
    let admin = directory.api();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    let work = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works";
    let manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}});
    let body = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "w"},
        "spec": {"workload": {"manifests": [manifest]}},
    });
    admin.create(work, &body).unwrap();
    let work = format!("{work}/w");
    let api = account(&directory);
    in_effect(&api);
    let namespaces = "execution namespaces alone";
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    refused("a namespace", api.create("/api/v1/namespaces", &namespace("other")), namespaces);
    refused(
        "one without the label",
        api.create("/api/v1/namespaces", &namespace("muster-cluster-x")),
        namespaces,
    );
    for name in ["default", "muster-agents", "muster-system"] {
        let path = format!("/api/v1/namespaces/{name}");
        if name == "muster-system" {
            refused("deleting another", api.delete(&path), namespaces);
        }
        let allow = json!({"metadata": {"annotations": {"multicluster.coreos.com/allow-deletion": "true"}}});
        refused("marking another", api.patch(&path, MERGE_PATCH, &allow), namespaces);
        let label = json!({"metadata": {"labels": {"multicluster.coreos.com/execution-namespace": "true"}}});
        refused("taking another", api.patch(&path, MERGE_PATCH, &label), namespaces);
    }
    let own = "/api/v1/namespaces/muster-cluster-east";
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    refused("a label of its own", api.patch(own, MERGE_PATCH, &label), namespaces);
    refused("deleting one that is not allowed to go", api.delete(own), "Muster protects");

    let finalizer = "nothing of an entry or a Work but Muster's finalizer";
    let east = format!("{CLUSTERS}/east");
    for change in [
        json!({"spec": {"deregistration": "Delete"}}),
        json!({"metadata": {"labels": {"stage": "production"}}}),
        json!({"metadata": {"annotations": {"multicluster.coreos.com/rebind": "x"}}}),
        json!({"metadata": {"finalizers": ["multicluster.coreos.com/deregistration", "example.com/other"]}}),
    ] {
        refused("an entry", api.patch(&east, MERGE_PATCH, &change), finalizer);
    }
    for change in [
        json!({"spec": {"workload": {"manifests": []}}}),
        json!({"metadata": {"annotations": {"multicluster.coreos.com/deletion": "orphan"}}}),
        json!({"metadata": {"finalizers": ["multicluster.x-k8s.io/work-cleanup"]}}),
        json!({"metadata": {"finalizers": ["example.com/other"]}}),
    ] {
        refused("a Work", api.patch(&work, MERGE_PATCH, &change), finalizer);
    }
    let steps = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
    refused("a Work by steps", api.patch(&work, JSON_PATCH, &steps), finalizer);

    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}});
    let secrets = "/api/v1/namespaces/muster-agents/secrets";
    admin.create(secrets, &secret).unwrap();
    refused("a Secret", api.delete(&format!("{secrets}/other")), "deletes Secrets NAME-joining alone");

    hands_on_nothing_more(&api);

    // Names that are cut and hashed lead to a namespace, and bear no witness to it.
    for name in ["a.b", &"x".repeat(70)] {
        enter(&directory, name);
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
        let namespace = execution_namespace(name);
        let rights =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/muster-agent");
        let subjects = |account: &str| json!({"subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "muster-agents"}]});
        let short = namespace.strip_prefix("muster-cluster-").unwrap();
        for other in ["c.d", "east", short, &"y".repeat(70)] {
            let what = format!("the rights of {name} for {other}");
            refused(&what, api.patch(&rights, MERGE_PATCH, &subjects(other)), "to that cluster's own rights");
        }
        api.patch(&rights, MERGE_PATCH, &subjects(name)).unwrap();
    }
}

/// What it may bind and make roles of is for the account of each cluster alone.
fn hands_on_nothing_more(api: &Api) {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let binding = |kind: &str, name: &str, role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "east", "namespace": "muster-agents"}],
        })
    };
    let views = format!("{rbac}/clusterrolebindings");
    let elsewhere = "in execution namespaces alone";
    let agent = "muster-agent";
    refused(
        "the role in the whole cluster",
        api.create(&views, &binding("ClusterRoleBinding", "x", agent)),
        "alone",
    );
    refused("a foreign binding", api.delete(&format!("{views}/cluster-admin")), "alone");
    for namespace in ["default", "muster-system", "muster-agents"] {
        let path = format!("{rbac}/namespaces/{namespace}/rolebindings");
        refused("a binding elsewhere", api.create(&path, &binding("RoleBinding", "x", agent)), elsewhere);
    }
    let inside = format!("{rbac}/namespaces/muster-cluster-east/rolebindings");
    refused(
        "another role",
        api.create(&inside, &binding("RoleBinding", "x", "cluster-admin")),
        "attempting to grant",
    );
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "x"}});
    let foreign = "/apis/coordination.k8s.io/v1/namespaces/muster-system/leases";
    refused("a Lease elsewhere", api.create(foreign, &lease), elsewhere);
    let own_rights = "to that cluster's own rights";
    let mut all = binding("ClusterRoleBinding", "muster-view-clusters-x", "muster-directory");
    all["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "muster"});
    for subject in [
        json!({"kind": "ServiceAccount", "name": "x", "namespace": "muster-agents"}),
        json!({"kind": "ServiceAccount", "name": "x", "namespace": "default"}),
        json!({"kind": "Group", "name": "system:unauthenticated", "apiGroup": "rbac.authorization.k8s.io"}),
    ] {
        all["subjects"] = json!([subject]);
        refused("its own rights for another", api.create(&views, &all), own_rights);
    }
    all["roleRef"]["name"] = "view-clusters".into();
    refused("the list for somebody", api.create(&views, &all), own_rights);
    let works = binding("RoleBinding", "x", agent);
    refused("a second binding", api.create(&inside, &works), own_rights);
    let mut works = binding("RoleBinding", agent, agent);
    works["subjects"][0]["name"] = "west".into();
    let path = format!("{inside}/{agent}");
    refused("another cluster's agent", api.patch(&path, MERGE_PATCH, &works), own_rights);
    let tokens = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "muster-token-x"},
        "rules": [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}],
    });
    let agents = format!("{rbac}/namespaces/muster-agents/roles");
    refused("a role for all tokens", api.create(&agents, &tokens), "the Roles muster-token-NAME alone");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "x"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    });
    let roles = format!("{rbac}/namespaces/muster-agents/roles");
    refused("a role with more than it has", api.create(&roles, &role), "attempting to grant");

    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let tokens = "/api/v1/namespaces/muster-agents/serviceaccounts/east/token";
    refused("a token", api.create(tokens, &request), "asks for no tokens");
}

#[test]
fn an_agent_renews_its_own_token_and_no_other() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    for name in ["east", "west"] {
        enter(&directory, name);
        reason(&directory, &controller, name, "Enrolled", "Enrolled");
    }
    let token = directory.service_account_token("muster-agents", "east", &TokenOptions::default()).unwrap();
    let api = directory.api_with(&token).unwrap();
    let ask = |name: &str, spec: Value| {
        let path = format!("/api/v1/namespaces/muster-agents/serviceaccounts/{name}/token");
        let kind = "TokenRequest";
        api.create(&path, &json!({"apiVersion": "authentication.k8s.io/v1", "kind": kind, "spec": spec}))
    };
    in_effect(&account(&directory));
    let month = 30 * 24 * 3600;
    assert!(ask("east", json!({})).unwrap()["status"]["token"].is_string());
    assert!(ask("east", json!({"expirationSeconds": month})).is_ok());
    refused("a longer life", ask("east", json!({"expirationSeconds": month + 1})), "30 days at most");
    refused("ten years", ask("east", json!({"expirationSeconds": 315_360_000})), "30 days at most");
    refused("another's token", ask("west", json!({})), "forbidden");
}
