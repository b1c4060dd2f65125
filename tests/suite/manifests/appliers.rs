//! What policies and Works may do in a replica, by the accounts that apply them: as shipped, with each of the extra grants,
//! and after what the comments of the manifests tell its owner to do.

use http::{Method, StatusCode};
use muster_api::names::{APPLIERS_NAMESPACE, POLICIES_APPLIER, WORKS_APPLIER};
use muster_api::resource::APPLIED_WORKS;
use muster_tests::api::{APPLY_PATCH, Api};
use muster_tests::wait::{DEADLINE, eventually};
use muster_tests::{ControlPlane, pool};
use serde_json::{Value, json};

use super::rights::{ANYONE, account, refused_and_allowed, rights, sorted};
use super::{DEFINITIONS, manifest, plane};
use crate::fleet::install;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// What policies may do, in every namespace.
const POLICIES: [&str; 10] = [
    "bind clusterroles.rbac.authorization.k8s.io admin",
    "bind clusterroles.rbac.authorization.k8s.io edit",
    "bind clusterroles.rbac.authorization.k8s.io view",
    "create,delete,get,list,patch,watch clusterrolebindings.rbac.authorization.k8s.io",
    "create,delete,get,list,patch,watch limitranges",
    "create,delete,get,list,patch,watch resourcequotas",
    "create,delete,get,list,patch,watch rolebindings.rbac.authorization.k8s.io",
    "create,get,list,patch,watch namespaces",
    "get,list,watch clusterroles.rbac.authorization.k8s.io",
    "get,list,watch roles.rbac.authorization.k8s.io",
];

fn policies(plane: &ControlPlane) -> Api {
    account(plane, APPLIERS_NAMESPACE, POLICIES_APPLIER)
}

/// Server-side apply of an object that is not there yet, as the agent creates: `Err` with the server's message.
fn make(api: &Api, collection: &str, object: &Value) -> Result<Value, String> {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = json!("1");
    let name = object["metadata"]["name"].as_str().unwrap();
    let path = format!("{collection}/{name}?fieldManager=muster-policies&force=true");
    api.patch(&path, APPLY_PATCH, &object).map_err(|error| error.to_string())
}

/// The collection of the bindings of a namespace, or of the cluster, and one that grants a role to a user.
fn binding(namespace: Option<&str>, role: (&str, &str)) -> (String, Value) {
    let (kind, collection) = match namespace {
        Some(namespace) => ("RoleBinding", format!("{RBAC}/namespaces/{namespace}/rolebindings")),
        None => ("ClusterRoleBinding", format!("{RBAC}/clusterrolebindings")),
    };
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": format!("test-{}", role.1)},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
    });
    (collection, object)
}

fn grant(api: &Api, namespace: Option<&str>, role: (&str, &str)) -> Result<Value, String> {
    let (collection, object) = binding(namespace, role);
    make(api, &collection, &object)
}

/// A Role, or a `ClusterRole` where there is no namespace, with rights that the account does not have.
fn define(api: &Api, namespace: Option<&str>, name: &str) -> Result<Value, String> {
    let (kind, collection) = match namespace {
        Some(namespace) => ("Role", format!("{RBAC}/namespaces/{namespace}/roles")),
        None => ("ClusterRole", format!("{RBAC}/clusterroles")),
    };
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    });
    make(api, &collection, &role)
}

fn forbidden(answer: &Result<Value, String>, why: &str) {
    let message = answer.as_ref().expect_err("it must be refused");
    println!("{message}");
    assert!(message.contains("403") && message.contains(why), "{message}");
}

/// Waits until the account has these rights: a binding acts a moment after it was written.
fn has(api: &Api, namespace: &str, want: &[String]) {
    eventually("the rights of the account", DEADLINE, || {
        let seen = rights(api, namespace);
        if seen == want { Ok(()) } else { Err(format!("{seen:#?}")) }
    })
    .unwrap();
}

/// The shipped rights with some lines replaced by others.
fn shipped_but(without: &[&str], with: &[&str]) -> Vec<String> {
    let kept: Vec<&str> = POLICIES.into_iter().filter(|line| !without.contains(line)).collect();
    assert_eq!(kept.len() + without.len(), POLICIES.len(), "{without:?}");
    sorted(&[&ANYONE, &kept, with])
}

#[test]
fn policies_may_do_this_and_nothing_else() {
    let api = policies(plane());
    for namespace in ["default", "kube-system", "muster-system", APPLIERS_NAMESPACE] {
        has(&api, namespace, &shipped_but(&[], &[]));
    }
    let ledgers = APPLIED_WORKS.path(None, None);
    refused_and_allowed(
        &api,
        &[
            (Method::GET, "/api/v1/secrets"),
            (Method::GET, "/api/v1/namespaces/muster-system/secrets/directory-sync"),
            (Method::GET, "/api/v1/namespaces/default/pods"),
            (Method::POST, "/api/v1/namespaces/default/pods"),
            (Method::POST, "/api/v1/namespaces/muster-appliers/serviceaccounts/works/token"),
            (Method::DELETE, "/api/v1/namespaces/default"),
            (Method::PATCH, "/api/v1/namespaces/default/finalize"),
            (Method::PATCH, "/api/v1/namespaces/default/status"),
            (Method::POST, &format!("{RBAC}/clusterroles")),
            (Method::PATCH, &format!("{RBAC}/clusterroles/muster-policies")),
            (Method::DELETE, &format!("{RBAC}/clusterroles/view")),
            (Method::POST, &format!("{RBAC}/namespaces/default/roles")),
            (Method::PATCH, &format!("{RBAC}/namespaces/muster-system/roles/directory-sync")),
            (Method::DELETE, &format!("{RBAC}/clusterrolebindings")),
            (Method::GET, &ledgers),
            (Method::POST, &ledgers),
            (Method::DELETE, &format!("{ledgers}/x")),
            (Method::GET, "/apis/multicluster.coreos.com/v1/clusters"),
            (Method::GET, DEFINITIONS),
        ],
        &[
            (Method::GET, "/api/v1/namespaces?watch=true&timeoutSeconds=1"),
            (Method::GET, &format!("{RBAC}/clusterrolebindings?watch=true&timeoutSeconds=1")),
            (Method::GET, &format!("{RBAC}/clusterroles?watch=true&timeoutSeconds=1")),
        ],
    );
}

#[test]
fn policies_grant_view_edit_and_admin_and_no_other_role() {
    let plane = plane();
    let api = policies(plane);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "granted", "labels": {"a": "b"}}});
    make(&api, "/api/v1/namespaces", &namespace).unwrap();
    for role in ["view", "edit", "admin"] {
        for namespace in [Some("granted"), None] {
            grant(&api, namespace, ("ClusterRole", role)).unwrap();
        }
    }
    for namespace in [Some("granted"), None] {
        for role in ["cluster-admin", "system:node", "directory-sync"] {
            let refused = grant(&api, namespace, ("ClusterRole", role));
            forbidden(&refused, "attempting to grant RBAC permissions not currently held");
        }
        // What it holds itself it can hand on, as multicluster.yaml says.
        grant(&api, namespace, ("ClusterRole", "muster-policies")).unwrap();
    }
    // Nor a Role of a namespace, nor by changing who gets a role that the account may not grant.
    plane
        .kubectl_ok(&["--namespace=granted", "create", "role", "pods", "--verb=get", "--resource=pods"])
        .unwrap();
    forbidden(&grant(&api, Some("granted"), ("Role", "pods")), "not currently held");
    let other = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": APPLIERS_NAMESPACE, "name": POLICIES_APPLIER}],
    });
    let path = format!("{RBAC}/clusterrolebindings/cluster-admin?fieldManager=muster-policies&force=true");
    let changed = api.patch(&path, APPLY_PATCH, &other).map_err(|error| error.to_string());
    forbidden(&changed, "not currently held");

    // What multicluster.yaml says of these roles: who has edit or admin acts as the accounts of the namespace.
    for role in ["edit", "admin"] {
        let rules = plane.api().get(&format!("{RBAC}/clusterroles/{role}")).unwrap()["rules"].clone();
        let acts = rules.as_array().unwrap().iter().any(|rule| {
            rule["verbs"] == json!(["impersonate"]) && rule["resources"] == json!(["serviceaccounts"])
        });
        assert!(acts, "{role}: {rules}");
    }
}

#[test]
fn a_file_lets_policies_define_roles_and_its_removal_ends_that() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let api = policies(&plane);
    has(&api, "default", &shipped_but(&[], &[]));
    for namespace in [Some("default"), None] {
        forbidden(&define(&api, namespace, "defined"), "cannot patch resource");
    }
    plane.apply(&manifest("policies-define-roles.yaml")).unwrap();
    let kinds = ["clusterroles.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io"];
    let [cluster, namespaced] =
        kinds.map(|kind| format!("bind,create,delete,escalate,get,list,patch,watch {kind}"));
    let before = kinds.map(|kind| format!("get,list,watch {kind}"));
    has(&api, "default", &shipped_but(&before.each_ref().map(String::as_str), &[&cluster, &namespaced]));
    for (namespace, kind) in [(Some("default"), "Role"), (None, "ClusterRole")] {
        define(&api, namespace, "defined").unwrap();
        grant(&api, namespace, (kind, "defined")).unwrap();
        // As the file says: every role.
        grant(&api, namespace, ("ClusterRole", "cluster-admin")).unwrap();
    }
    api.delete(&format!("{RBAC}/clusterroles/defined")).unwrap();
    api.delete(&format!("{RBAC}/namespaces/default/roles/defined")).unwrap();
    refused_and_allowed(
        &api,
        &[
            (Method::GET, "/api/v1/secrets"),
            (Method::DELETE, "/api/v1/namespaces/default"),
            (Method::DELETE, &format!("{RBAC}/clusterroles")),
            (Method::POST, "/api/v1/namespaces/default/pods"),
        ],
        &[],
    );
    delete(&plane, "policies-define-roles.yaml");
    has(&api, "default", &shipped_but(&[], &[]));
}

#[test]
fn a_file_lets_policies_delete_namespaces_and_its_removal_ends_that() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let api = policies(&plane);
    plane.kubectl_ok(&["create", "namespace", "emptied"]).unwrap();
    let namespace = "/api/v1/namespaces/emptied";
    assert_eq!(api.delete(namespace).unwrap_err().status(), Some(StatusCode::FORBIDDEN));
    plane.apply(&manifest("policies-delete-namespaces.yaml")).unwrap();
    has(
        &api,
        "default",
        &shipped_but(
            &["create,get,list,patch,watch namespaces"],
            &["create,delete,get,list,patch,watch namespaces", "list *.*"],
        ),
    );
    let secrets = "/api/v1/namespaces/emptied/secrets";
    plane
        .kubectl_ok(&["--namespace=emptied", "create", "secret", "generic", "one", "--from-literal=a=b"])
        .unwrap();
    // As the file says: whoever lists Secrets reads them.
    assert_eq!(api.get(secrets).unwrap()["items"][0]["data"], json!({"a": "Yg=="}));
    refused_and_allowed(
        &api,
        &[
            (Method::GET, &format!("{secrets}/one")),
            (Method::GET, &format!("{secrets}?watch=true")),
            (Method::DELETE, &format!("{secrets}/one")),
            (Method::DELETE, secrets),
            (Method::DELETE, "/api/v1/namespaces/default/serviceaccounts/default"),
            (Method::DELETE, &format!("{DEFINITIONS}/{}", APPLIED_WORKS.full_name())),
            (Method::POST, &format!("{RBAC}/clusterroles")),
        ],
        &[(Method::GET, "/apis/apps/v1/deployments"), (Method::GET, &APPLIED_WORKS.path(None, None))],
    );
    api.delete(namespace).unwrap();
    delete(&plane, "policies-delete-namespaces.yaml");
    has(&api, "default", &shipped_but(&[], &[]));
}

fn delete(plane: &ControlPlane, file: &str) {
    let output = plane.kubectl_with(&["delete", "-f", "-"], &manifest(file)).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// The commands in a comment of a manifest, from `after` on, each as the arguments of kubectl.
fn commands(text: &str, after: &str) -> Vec<Vec<String>> {
    let (_, text) = text.split_once(after).unwrap();
    let (text, _) = text.split_once("\napiVersion: ").unwrap();
    let joined = text.replace("\\\n#     ", "");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("#   kubectl "));
    let words = |line: &str| {
        let quoted = line.split('\'').enumerate();
        let split = |(index, part): (usize, &str)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        };
        quoted.flat_map(split).collect()
    };
    lines.map(words).collect()
}

/// Runs a command with words put in place of others.
fn run(plane: &ControlPlane, command: &[String], put: &[(&str, &str)]) {
    let command: Vec<String> = command
        .iter()
        .map(|word| put.iter().fold(word.clone(), |word, (old, new)| word.replace(old, new)))
        .collect();
    println!("kubectl {command:?}");
    plane.kubectl_ok(&command.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
}

#[test]
fn the_owner_widens_and_narrows_what_policies_grant_as_the_comments_say() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let api = policies(&plane);
    let text = manifest("multicluster.yaml");
    let run = |command: &[String], put: &[(&str, &str)]| run(&plane, command, put);
    let commands = commands(&text, "# What policies may do in this cluster");
    let [role, everywhere, in_one, narrow] = &commands[..] else { panic!("{commands:#?}") };
    let line = |name: &str| format!("bind clusterroles.rbac.authorization.k8s.io {name}");

    // One role may be granted everywhere, the other one in one namespace alone.
    for name in ["wide", "local"] {
        plane.kubectl_ok(&["create", "clusterrole", name, "--verb=get,create", "--resource=pods"]).unwrap();
        forbidden(&grant(&api, Some("default"), ("ClusterRole", name)), "not currently held");
        run(role, &[("ROLE", name)]);
    }
    run(everywhere, &[("ROLE", "wide")]);
    run(in_one, &[("ROLE", "local"), ("NAMESPACE", "default")]);
    has(&api, "kube-system", &shipped_but(&[], &[&line("wide")]));
    has(&api, "default", &shipped_but(&[], &[&line("local"), &line("wide")]));
    grant(&api, None, ("ClusterRole", "wide")).unwrap();
    grant(&api, Some("default"), ("ClusterRole", "local")).unwrap();
    for namespace in [Some("kube-system"), None] {
        forbidden(&grant(&api, namespace, ("ClusterRole", "local")), "not currently held");
    }

    run(narrow, &[]);
    has(&api, "kube-system", &shipped_but(&[&line("admin"), &line("edit")], &[&line("wide")]));
    grant(&api, Some("kube-system"), ("ClusterRole", "view")).unwrap();
    forbidden(&grant(&api, Some("kube-system"), ("ClusterRole", "edit")), "not currently held");

    // Applied again, the file puts back its own role and leaves the owner's alone.
    plane.apply(&text).unwrap();
    has(&api, "kube-system", &shipped_but(&[], &[&line("wide")]));
}

#[test]
fn works_may_do_anything_until_the_owner_grants_less_as_the_comments_say() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let text = manifest("multicluster.yaml");
    let commands = commands(&text, "# TO BE DELETED OR POINTED ELSEWHERE");
    let [delete, in_one, everywhere, another] = &commands[..] else { panic!("{commands:#?}") };
    let works = account(&plane, APPLIERS_NAMESPACE, WORKS_APPLIER);
    let anything = sorted(&[&ANYONE, &["* *.*"]]);
    has(&works, "default", &anything);
    let binding = format!("{RBAC}/clusterrolebindings/muster-works-default");
    let description =
        &plane.api().get(&binding).unwrap()["metadata"]["annotations"]["kubernetes.io/description"];
    assert!(description.as_str().unwrap().contains("Delete this binding"), "{description}");

    run(&plane, delete, &[]);
    for namespace in ["default", "kube-system", APPLIERS_NAMESPACE] {
        has(&works, namespace, &sorted(&[&ANYONE]));
    }
    plane.kubectl_ok(&["create", "clusterrole", "one", "--verb=get", "--resource=pods"]).unwrap();
    run(&plane, another, &[("ACCOUNT", "other")]);
    let other = account(&plane, APPLIERS_NAMESPACE, "other");
    run(&plane, in_one, &[("ROLE", "one"), ("NAMESPACE", "default")]);
    has(&works, "default", &sorted(&[&ANYONE, &["get pods"]]));
    has(&works, "kube-system", &sorted(&[&ANYONE]));
    run(&plane, everywhere, &[("ROLE", "one")]);
    has(&works, "kube-system", &sorted(&[&ANYONE, &["get pods"]]));
    has(&other, "default", &sorted(&[&ANYONE]));

    plane.apply(&text).unwrap();
    has(&works, "default", &sorted(&[&ANYONE, &["* *.*", "get pods"]]));
    has(&other, "default", &sorted(&[&ANYONE]));
}
