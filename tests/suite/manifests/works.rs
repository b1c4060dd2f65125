//! What an agent may change of the Works of its cluster, what no Work may be called, and what the roles for people allow.

use std::fs;
use std::path::Path;

use http::{Method, StatusCode};
use muster_api::marks::WORK_FINALIZER;
use muster_api::names;
use muster_api::resource::{REPORTS, WORKS};
use muster_tests::ControlPlane;
use muster_tests::api::{Api, ApiError, JSON_PATCH, MERGE_PATCH};
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::rights::{ANYONE, account, refused_and_allowed, rights, sorted};
use super::{enrol, plane};

/// A finalizer of somebody else.
const OTHER: &str = "example.com/other";

/// A Work with one manifest.
#[allow(clippy::needless_pass_by_value)] // what callers give is made on the spot, by `json!`
pub(super) fn work(metadata: Value) -> Value {
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    json!({
        "apiVersion": WORKS.api_version(), "kind": WORKS.kind, "metadata": metadata,
        "spec": {"workload": {"manifests": [manifest]}},
    })
}

/// The message of a refusal with this status.
pub(super) fn refusal(answer: Result<Value, ApiError>, status: StatusCode) -> String {
    let error = answer.expect_err("it must be refused");
    println!("{error}");
    assert_eq!(error.status(), Some(status), "{error}");
    error.to_string()
}

/// Refuses each change by the agent, and leaves the Work as it is.
fn all_refused(agent: &Api, path: &str, changes: &[Value]) {
    let before = agent.get(path).unwrap();
    for change in changes {
        let message = refusal(agent.patch(path, MERGE_PATCH, change), StatusCode::FORBIDDEN);
        assert!(message.contains("An agent changes nothing of a Work but its status"), "{change}: {message}");
    }
    assert_eq!(agent.get(path).unwrap(), before);
}

/// The life of a Work, from its creation to its end, with an agent that tries to change it.
fn held_to_the_finalizer(plane: &ControlPlane, namespace: &str, agent: &Api, name: &str) {
    let (admin, path) = (plane.api(), WORKS.path(Some(namespace), Some(name)));
    let owner =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("owner-of-{name}")}});
    let owner = admin.create(&format!("/api/v1/namespaces/{namespace}/configmaps"), &owner).unwrap();
    let made = work(json!({
        "name": name, "labels": {"a": "b"}, "finalizers": [OTHER],
        "annotations": {"multicluster.coreos.com/deletion": "orphan", "note": "n"},
        "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        }],
    }));
    let made = admin.create(&WORKS.path(Some(namespace), None), &made).unwrap();
    let finalizers = |list: &[&str]| json!({"metadata": {"finalizers": list}});
    let changes = [
        json!({"spec": {"workload": {"manifests": []}}}),
        json!({"spec": null}),
        json!({"metadata": {"labels": {"a": "c"}}}),
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"annotations": {"multicluster.coreos.com/deletion": "delete"}}}),
        json!({"metadata": {"annotations": {"note": null}}}),
        json!({"metadata": {"annotations": {"multicluster.coreos.com/release": "h-1"}}}),
        json!({"metadata": {"ownerReferences": null}}),
        finalizers(&[]),
        finalizers(&[WORK_FINALIZER]),
        json!({"metadata": {"finalizers": [OTHER, WORK_FINALIZER], "labels": {"a": "c"}}}),
    ];
    all_refused(agent, &path, &changes);
    all_refused(agent, &path, &[finalizers(&[OTHER, "example.com/more"])]);
    let unlabel = json!([{"op": "remove", "path": "/metadata/labels"}]);
    refusal(agent.patch(&path, JSON_PATCH, &unlabel), StatusCode::FORBIDDEN);

    // As the agent does it: of this Work, in this state.
    let guarded = |object: &Value, list: &[&str]| {
        let meta = &object["metadata"];
        json!({"metadata": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "finalizers": list}})
    };
    let own = agent.patch(&path, MERGE_PATCH, &guarded(&made, &[OTHER, WORK_FINALIZER])).unwrap();
    assert_eq!(own["metadata"]["finalizers"], json!([OTHER, WORK_FINALIZER]));
    all_refused(agent, &path, &changes);
    all_refused(agent, &path, &[finalizers(&[OTHER, WORK_FINALIZER, "example.com/more"])]);
    let message = refusal(agent.patch(&path, MERGE_PATCH, &finalizers(&[OTHER])), StatusCode::FORBIDDEN);
    assert!(message.contains("delete the Work first"), "{message}");

    // The status changes nothing else, whatever is sent with it.
    let mut report = json!({"status": {"conditions": [], "manifestConditions": []}});
    for change in &changes {
        for (field, value) in change.as_object().unwrap() {
            report[field] = value.clone();
        }
        let reported = agent.patch(&format!("{path}/status"), MERGE_PATCH, &report).unwrap();
        assert_eq!(reported["spec"], own["spec"]);
        for field in ["labels", "annotations", "ownerReferences", "finalizers"] {
            assert_eq!(reported["metadata"][field], own["metadata"][field], "{field}: {report}");
        }
        assert_eq!(reported["status"], report["status"]);
    }

    admin.delete(&path).unwrap();
    all_refused(agent, &path, &changes);
    let released = agent.patch(&path, MERGE_PATCH, &finalizers(&[OTHER])).unwrap();
    assert_eq!(released["metadata"]["finalizers"], json!([OTHER]));
    all_refused(agent, &path, &[finalizers(&[])]);
    admin.patch(&path, MERGE_PATCH, &finalizers(&[])).unwrap();
    assert_eq!(admin.get(&path).unwrap_err().status(), Some(StatusCode::NOT_FOUND));
}

#[test]
fn an_agent_changes_of_a_work_its_finalizer_and_the_status_alone() {
    let plane = plane();
    let namespace = enrol(plane, "working");
    let agent = account(plane, names::AGENTS_NAMESPACE, "working");
    held_to_the_finalizer(plane, &namespace, &agent, "held");
}

/// The overlay's accounts lie in another namespace, and may be given the same role.
#[test]
fn so_does_an_agent_with_an_account_of_the_overlay() {
    let plane = plane();
    let namespace = enrol(plane, "overlaid");
    for args in [
        &["create", "namespace", "tectonic-multi-cluster"][..],
        &["-n", "tectonic-multi-cluster", "create", "serviceaccount", "overlaid"],
        &[
            "-n",
            &namespace,
            "create",
            "rolebinding",
            "tectonic",
            "--clusterrole=muster-agent",
            "--serviceaccount=tectonic-multi-cluster:overlaid",
        ],
    ] {
        plane.kubectl_ok(args).unwrap();
    }
    let agent = account(plane, "tectonic-multi-cluster", "overlaid");
    may(&agent, &namespace, "get,list,patch,watch works.multicluster.x-k8s.io");
    held_to_the_finalizer(plane, &namespace, &agent, "held");
}

/// Waits until an account may do this: a binding acts a moment after it was written.
fn may(api: &Api, namespace: &str, line: &str) {
    eventually("the rights of the account", DEADLINE, || {
        let seen = rights(api, namespace);
        if seen.iter().any(|seen| seen == line) { Ok(()) } else { Err(format!("{seen:#?}")) }
    })
    .unwrap();
}

#[test]
fn others_change_what_they_like_the_agents_finalizer_too() {
    let plane = plane();
    let namespace = enrol(plane, "liked");
    let (admin, path) = (plane.api(), WORKS.path(Some(&namespace), Some("liked")));
    admin.create(&WORKS.path(Some(&namespace), None), &work(json!({"name": "liked"}))).unwrap();
    for change in [
        json!({"metadata": {"labels": {"a": "b"}, "finalizers": [WORK_FINALIZER]}}),
        json!({"metadata": {"annotations": {"multicluster.coreos.com/suspend": "true"}}}),
        json!({"spec": {"workload": {"manifests": []}}}),
        json!({"metadata": {"finalizers": null}}),
    ] {
        admin.patch(&path, MERGE_PATCH, &change).unwrap();
    }
}

#[test]
fn no_work_has_the_name_of_a_policys_record() {
    let plane = plane();
    let collection = WORKS.path(Some(&enrol(plane, "named")), None);
    let make = |metadata: Value| plane.api().create(&format!("{collection}?dryRun=All"), &work(metadata));
    for metadata in [
        json!({"name": format!("{}0c5e", names::POLICY_LEDGER)}),
        json!({"name": names::POLICY_LEDGER.to_owned() + "x.y"}),
        json!({"generateName": names::POLICY_LEDGER}),
    ] {
        let message = refusal(make(metadata), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(message.contains("give the Work another name"), "{message}");
    }
    for name in ["muster-policy", "muster-policies-x", "a-muster-policy-x"] {
        make(json!({"name": name})).unwrap();
    }
}

const REPORT: &str = "get,list,watch clusterreports.multicluster.coreos.com";
/// With `muster-work-editor`, in the namespace where it is bound.
const EDITOR: [&str; 2] = ["create,delete,get,list,patch,update,watch works.multicluster.x-k8s.io", REPORT];
/// With `muster-work-viewer`.
const WATCHER: [&str; 2] = ["get,list,watch works.multicluster.x-k8s.io", REPORT];
/// With `muster-policy-admin`, everywhere.
const POLICY_ADMIN: [&str; 2] = [
    "create,delete,get,list,patch,update,watch clusterpolicies.multicluster.coreos.com",
    "get,list,watch clusters.multicluster.coreos.com",
];

/// An account that stands for a person.
fn person(plane: &ControlPlane, name: &str) -> Api {
    plane.kubectl_ok(&["-n", "default", "create", "serviceaccount", name]).unwrap();
    account(plane, "default", name)
}

/// The command by which docs/works.md gives a team its namespace, for another role and an account.
fn give(plane: &ControlPlane, namespace: &str, role: &str, name: &str) {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/works.md")).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("    kubectl ")).unwrap();
    assert!(line.contains("--clusterrole=muster-work-editor"), "{line}");
    let line = line
        .replace("muster-cluster-east", namespace)
        .replace("--group=ShopDevelopers", &format!("--serviceaccount=default:{name}"))
        .replace("create rolebinding shop ", &format!("create rolebinding {name} "))
        .replace("muster-work-editor", role);
    plane.kubectl_ok(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
}

#[test]
fn a_team_gets_the_works_of_one_cluster_and_nothing_else() {
    let plane = plane();
    let (own, other) = (enrol(plane, "teams"), enrol(plane, "not-teams"));
    let (editor, viewer) = (person(plane, "editor"), person(plane, "viewer"));
    give(plane, &own, "muster-work-editor", "editor");
    give(plane, &own, "muster-work-viewer", "viewer");
    for (api, granted) in [(&editor, &EDITOR), (&viewer, &WATCHER)] {
        may(api, &own, granted[0]);
        assert_eq!(rights(api, &own), sorted(&[&ANYONE, granted]));
        for namespace in [other.as_str(), "default", names::AGENTS_NAMESPACE, names::SYSTEM_NAMESPACE] {
            assert_eq!(rights(api, namespace), sorted(&[&ANYONE]), "{namespace}");
        }
    }
    let (collection, elsewhere) = (WORKS.path(Some(&own), None), WORKS.path(Some(&other), None));
    let path = format!("{collection}/shop");
    let mut made = editor.create(&collection, &work(json!({"name": "shop"}))).unwrap();
    made["metadata"]["labels"] = json!({"a": "b"});
    editor.replace(&path, &made).unwrap();
    // What the policy refuses an agent, it allows a team.
    let change = json!({"metadata": {"annotations": {"multicluster.coreos.com/deletion": "orphan"}, "finalizers": [OTHER]}});
    editor.patch(&path, MERGE_PATCH, &change).unwrap();
    editor.patch(&path, MERGE_PATCH, &json!({"metadata": {"finalizers": []}})).unwrap();
    assert_eq!(viewer.get(&path).unwrap()["metadata"]["labels"], json!({"a": "b"}));

    let reports = REPORTS.path(Some(&own), None);
    let common = [
        (Method::GET, elsewhere.as_str()),
        (Method::GET, &WORKS.path(None, None)),
        (Method::POST, &elsewhere),
        (Method::PATCH, &format!("{path}/status")),
        (Method::DELETE, &collection),
        (Method::PATCH, &format!("{reports}/teams")),
        (Method::PATCH, &format!("{reports}/teams/status")),
        (Method::GET, &format!("/apis/coordination.k8s.io/v1/namespaces/{own}/leases/teams")),
        (Method::GET, &format!("/api/v1/namespaces/{own}")),
        (Method::GET, &format!("/api/v1/namespaces/{own}/secrets")),
        (Method::POST, &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings")),
        (Method::GET, "/apis/multicluster.coreos.com/v1/clusters"),
        (Method::GET, "/apis/multicluster.coreos.com/v1/clusterpolicies"),
        (
            Method::POST,
            &format!("/api/v1/namespaces/{}/serviceaccounts/teams/token", names::AGENTS_NAMESPACE),
        ),
    ];
    let read = [
        (Method::GET, collection.as_str()),
        (Method::GET, &path),
        (Method::GET, &format!("{reports}/teams")),
    ];
    refused_and_allowed(&editor, &common, &read);
    let write = [(Method::POST, collection.as_str()), (Method::PATCH, &path), (Method::DELETE, &path)];
    refused_and_allowed(&viewer, &[&common[..], &write].concat(), &read);
    editor.delete(&path).unwrap();
}

#[test]
fn a_policy_admin_writes_policies_and_nothing_else() {
    let plane = plane();
    let api = person(plane, "policy-admin");
    let bind = ["create", "clusterrolebinding", "policy-admin", "--clusterrole=muster-policy-admin"];
    plane.kubectl_ok(&[&bind[..], &["--serviceaccount=default:policy-admin"]].concat()).unwrap();
    may(&api, "default", POLICY_ADMIN[0]);
    let namespace = enrol(plane, "ruled");
    for namespace in [namespace.as_str(), "default", names::SYSTEM_NAMESPACE] {
        assert_eq!(rights(&api, namespace), sorted(&[&ANYONE, &POLICY_ADMIN]), "{namespace}");
    }
    let policies = "/apis/multicluster.coreos.com/v1/clusterpolicies";
    let policy = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy", "metadata": {"name": "ruled"},
        "spec": {"selector": {"never": "matches"}, "namespaces": []},
    });
    api.create(policies, &policy).unwrap();
    api.patch(&format!("{policies}/ruled"), MERGE_PATCH, &json!({"metadata": {"labels": {"a": "b"}}}))
        .unwrap();
    api.delete(&format!("{policies}/ruled")).unwrap();
    let clusters = "/apis/multicluster.coreos.com/v1/clusters";
    refused_and_allowed(
        &api,
        &[
            (Method::DELETE, policies),
            (Method::POST, clusters),
            (Method::PATCH, &format!("{clusters}/ruled")),
            (Method::DELETE, &format!("{clusters}/ruled")),
            (Method::GET, &WORKS.path(Some(&namespace), None)),
            (Method::POST, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
        ],
        &[(Method::GET, clusters), (Method::GET, policies)],
    );
}

/// Kubernetes' own roles reach what others aggregate into them; these are not.
#[test]
fn who_holds_view_edit_or_admin_has_no_right_to_works() {
    let plane = plane();
    let namespace = enrol(plane, "aggregated");
    for role in ["view", "edit", "admin"] {
        let api = person(plane, role);
        give(plane, &namespace, role, role);
        may(&api, &namespace, "get,list,watch pods/log");
        let seen = rights(&api, &namespace);
        assert!(!seen.iter().any(|line| line.contains("multicluster.")), "{role}: {seen:#?}");
    }
}
