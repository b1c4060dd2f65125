//! The clusters and the people of the situations.

use std::path::PathBuf;

use muster_tests::ControlPlane;
use muster_tests::kubeconfig::readdress;
use muster_tests::plane::TokenOptions;
use serde_json::json;

use crate::cli::kubeconfig_file;
use crate::fleet::{DIRECTORY, ENROL, install};

const CLUSTERS: &str = "clusters.multicluster.coreos.com";

/// Makes of a plane in the stage before it one in this stage.
pub(super) fn enter(plane: &ControlPlane, stage: &str) {
    let ok = |args: &[&str]| drop(plane.kubectl_ok(args).unwrap());
    match stage {
        "nothing" => {}
        "kinds" => {
            install(plane);
            documents(plane);
        }
        "directory" => {
            ok(&["delete", "mcl", "--all"]);
            plane.apply(DIRECTORY).unwrap();
            plane.apply(&ENROL.replace("CLUSTER_NAME", "east")).unwrap();
            for name in ["east", "west"] {
                plane.apply(&entry(name, &json!({}), "https://example.com")).unwrap();
            }
        }
        "denied" => ok(&["annotate", "mcl", "west", "multicluster.coreos.com/approval=denied"]),
        "http" => drop(plane.apply(&own("home", "http://home.example.com")).unwrap()),
        "loopback" => drop(plane.apply(&own("home", "https://localhost:6443")).unwrap()),
        "twice" => drop(plane.apply(&own("second", "https://second.example.com")).unwrap()),
        "leaving" => {
            let held = r#"{"metadata":{"finalizers":["example.com/waits"]}}"#;
            ok(&["patch", "mcl", "west", "--type=merge", "-p", held]);
            ok(&["delete", "mcl", "west", "--wait=false"]);
        }
        other => panic!("no stage {other}"),
    }
}

fn entry(name: &str, annotations: &serde_json::Value, address: &str) -> String {
    json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": address}]}}})
    .to_string()
}

fn own(name: &str, address: &str) -> String {
    entry(name, &json!({"multicluster.coreos.com/directory": "true"}), address)
}

/// What people have in files.
fn documents(plane: &ControlPlane) {
    let ours = "apiVersion: multicluster.coreos.com/v1\n";
    for (name, content) in [
        ("broken.yaml", "a: [b"),
        ("empty.yaml", "# nothing\n"),
        ("kind.yaml", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: thing}\n"),
        (
            "policy.yaml",
            &format!(
                "{ours}kind: ClusterPolicy\nmetadata: {{name: p}}\nspec: {{selector: {{}}, namespace: []}}\n"
            ),
        ),
        (
            "value.yaml",
            &format!("{ours}kind: Cluster\nmetadata: {{name: a}}\nspec: {{deregistration: Sometimes}}\n"),
        ),
        (
            "theirs.yaml",
            &format!("{ours}kind: Cluster\nmetadata: {{name: theirs, labels: {{stage: mine}}}}\n"),
        ),
        ("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n"),
        ("no-ca.pem", "hunter2"),
    ] {
        std::fs::write(plane.folder().join(name), content).unwrap();
    }
    let theirs = format!("{ours}kind: Cluster\nmetadata: {{name: theirs, labels: {{stage: theirs}}}}\n");
    plane.apply(&theirs).unwrap();
}

/// The kubeconfig of one of the people, or one with one of the faults.
pub(super) fn kubeconfig(plane: &ControlPlane, who: &str) -> PathBuf {
    let admin = plane.admin_kubeconfig();
    let good = std::fs::read_to_string(&admin).unwrap();
    let file = |content: &str| kubeconfig_file(plane, who, content);
    let plugin = |command: &str| {
        let mut config: serde_json::Value = serde_saphyr::from_str(&good).unwrap();
        config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
            "command": command, "interactiveMode": "Never", "args": ["-c", "echo hunter2; exit 3"]}});
        file(&config.to_string())
    };
    let agents = Some("muster-agents");
    let entries = ("get,list,create", CLUSTERS, None);
    let account = ("get", "serviceaccounts", agents);
    match who {
        "admin" => admin,
        "missing" => plane.folder().join("missing.kubeconfig"),
        "broken" => file("clusters: ["),
        "empty" => file("{}"),
        "unreachable" => file(&readdress(&good, "https://127.0.0.1:1", &plane.ca_pem()).unwrap()),
        "distrusted" => {
            let other = muster_tests::pki::Authority::new("other").unwrap();
            file(&readdress(&good, &plane.url(), other.pem()).unwrap())
        }
        "rejected" => file(&plane.token_kubeconfig("no-such-token")),
        "no-plugin" => plugin("/no/such/plugin"),
        "failing" => plugin("sh"),
        "nobody" => user(plane, who, &[]),
        "reader" => user(plane, who, &[("get,list", CLUSTERS, None)]),
        "creator" => user(plane, who, &[entries]),
        "watcher" => user(plane, who, &[entries, account]),
        "binder" => user(plane, who, &[entries, account, ("get,create", "secrets", agents)]),
        other => panic!("nobody is called {other}"),
    }
}

/// A user who may do what is listed, each as verbs, resources and a namespace or none.
fn user(plane: &ControlPlane, name: &str, rights: &[(&str, &str, Option<&str>)]) -> PathBuf {
    plane.kubectl_ok(&["create", "serviceaccount", name]).unwrap();
    for (number, (verbs, resources, namespace)) in rights.iter().enumerate() {
        let role = format!("{name}-{number}");
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        let named = format!("--clusterrole={role}");
        plane.kubectl_ok(&["create", "clusterrole", &role, &verbs, &resources]).unwrap();
        let account = format!("--serviceaccount=default:{name}");
        match namespace {
            None => plane.kubectl_ok(&["create", "clusterrolebinding", &role, &named, &account]).unwrap(),
            Some(namespace) => plane
                .kubectl_ok(&["-n", namespace, "create", "rolebinding", &role, &named, &account])
                .unwrap(),
        };
    }
    let content = plane.service_account_kubeconfig("default", name, &TokenOptions::default()).unwrap();
    kubeconfig_file(plane, name, &content)
}
