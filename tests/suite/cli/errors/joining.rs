//! Each step of joining, and of what comes after it.

use muster_tests::pool;
use serde_json::json;

use super::{check_all, user};
use crate::fleet::{DIRECTORY, ENROL, install};

#[test]
#[allow(clippy::too_many_lines)] // a table
fn each_step_of_joining_that_fails_says_which_and_what_to_do() {
    let plane = pool::plane().unwrap();
    let admin = plane.admin_kubeconfig();
    let url = format!("--server={}", plane.url());
    install(&plane);
    check_all(&[(
        "no directory",
        &admin,
        &["join", "early", &url],
        1,
        &["serviceaccounts muster-agents/early", "no namespace muster-agents", "directory.yaml"],
    )]);
    plane.apply(DIRECTORY).unwrap();
    plane.apply(&ENROL.replace("CLUSTER_NAME", "east")).unwrap();
    plane.kubectl_ok(&["delete", "mcl", "early"]).unwrap();

    let all = "clusters.multicluster.coreos.com";
    let reader = [("get,list", all, None)];
    let agents = Some("muster-agents");
    let creator = [("get,list,create", all, None)];
    let watcher = [("get,list,create", all, None), ("get", "serviceaccounts", agents)];
    let binder = [
        ("get,list,create", all, None),
        ("get", "serviceaccounts", agents),
        ("get,create", "secrets", agents),
    ];
    let nobody = user(&plane, "nobody", &[]);
    let (reader, creator) = (user(&plane, "reader", &reader), user(&plane, "creator", &creator));
    let (watcher, binder) = (user(&plane, "watcher", &watcher), user(&plane, "binder", &binder));
    let join = ["join", "east", url.as_str()];
    let ca = plane.folder().join("no-ca.pem");
    std::fs::write(&ca, "hunter2").unwrap();
    let ca_flag = format!("--certificate-authority={}", ca.display());
    let absent_ca = "--certificate-authority=/no/such/ca.pem";
    let long = "x".repeat(64);
    let label = format!("--labels=a={long}");
    check_all(&[
        (
            "may not list entries",
            &nobody,
            &["join", "east"],
            1,
            &["list clusters.multicluster.coreos.com", "default:nobody", "auth can-i list"],
        ),
        (
            "may not read the entry",
            &nobody,
            &join,
            1,
            &[
                "get clusters.multicluster.coreos.com east",
                "forbidden",
                "auth can-i get clusters.multicluster.coreos.com/east",
            ],
        ),
        (
            "may not make the entry",
            &reader,
            &join,
            1,
            &["create clusters.multicluster.coreos.com east", "forbidden", "auth can-i create"],
        ),
        (
            "the caller's loopback",
            &admin,
            &["join", "west"],
            1,
            &[
                "address of the directory",
                "from your kubeconfig, means the machine itself",
                "--server https://HOST:PORT",
            ],
        ),
        (
            "an illegal label",
            &admin,
            &["join", "west", &url, &label],
            1,
            &["create clusters.multicluster.coreos.com west", "correct --labels"],
        ),
        (
            "no controller",
            &admin,
            &["join", "west", &url, "--timeout=1"],
            1,
            &["serviceaccounts muster-agents/west", "within 1 s", "enrol-by-hand.yaml | kubectl"],
        ),
        (
            "may not read the account",
            &creator,
            &join,
            1,
            &[
                "get serviceaccounts muster-agents/east",
                "forbidden",
                "auth can-i get serviceaccounts/east -n muster-agents",
            ],
        ),
        (
            "may not make the Secret",
            &watcher,
            &join,
            1,
            &[
                "create secrets muster-agents/east-joining",
                "forbidden",
                "auth can-i create secrets/east-joining -n muster-agents",
            ],
        ),
        (
            "may not ask for a token",
            &binder,
            &join,
            1,
            &["a token of serviceaccounts muster-agents/east", "forbidden", "--subresource=token"],
        ),
        (
            "no CA in the file",
            &admin,
            &["token", "east", &url, &ca_flag],
            1,
            &["no-ca.pem", "no certificate", "--certificate-authority FILE"],
        ),
        (
            "no CA file",
            &admin,
            &["token", "east", &url, absent_ca],
            1,
            &["/no/such/ca.pem", "--certificate-authority FILE"],
        ),
        (
            "no such entry",
            &admin,
            &["status", "north"],
            1,
            &["clusters.multicluster.coreos.com north", "no entry of this name", "kubectl muster join north"],
        ),
        (
            "no such entry to draw",
            &admin,
            &["tree", "north"],
            1,
            &["clusters.multicluster.coreos.com north", "get mcl"],
        ),
        (
            "no such entry to unregister",
            &admin,
            &["unregister", "north"],
            1,
            &["clusters.multicluster.coreos.com north", "get mcl"],
        ),
        (
            "may not delete the entry",
            &creator,
            &["unregister", "west"],
            1,
            &["delete clusters.multicluster.coreos.com west", "forbidden", "auth can-i delete"],
        ),
        (
            "nobody to take the place",
            &admin,
            &["rebind", "east"],
            1,
            &["rebind clusters.multicluster.coreos.com east", "no cluster reports", "--identity"],
        ),
        (
            "a credential for nobody",
            &admin,
            &["token", "north", &url],
            1,
            &["clusters.multicluster.coreos.com north", "no entry of this name", "kubectl muster join north"],
        ),
        (
            "no such account",
            &admin,
            &["revoke", "north"],
            1,
            &["revoke serviceaccounts muster-agents/north", "does not exist", "kubectl muster tokens"],
        ),
        (
            "may not read accounts",
            &nobody,
            &["tokens"],
            1,
            &[
                "list serviceaccounts in muster-agents",
                "forbidden",
                "auth can-i list serviceaccounts -n muster-agents",
            ],
        ),
        (
            "may not delete the account",
            &watcher,
            &["revoke", "east"],
            1,
            &["delete serviceaccounts muster-agents/east", "forbidden", "auth can-i delete"],
        ),
        (
            "may not read Works",
            &creator,
            &["tree", "west"],
            1,
            &["list works.multicluster.x-k8s.io in muster-cluster-west", "forbidden", "auth can-i list"],
        ),
        (
            "no agent ran here",
            &admin,
            &["pause"],
            1,
            &[
                "clusterreports.multicluster.coreos.com muster-system/directory-sync",
                "no agent has run",
                "get pods",
            ],
        ),
        (
            "another namespace",
            &admin,
            &["leave", "-n", "elsewhere"],
            1,
            &["elsewhere/directory-sync", "--context"],
        ),
        (
            "may not speak for the owner",
            &nobody,
            &["resume"],
            1,
            &["patch clusterreports", "forbidden", "auth can-i patch"],
        ),
        (
            "may not repin",
            &nobody,
            &["repin"],
            1,
            &["get configmaps muster-system/muster-agent-state", "forbidden", "can-i"],
        ),
    ]);

    let mark = |name: &str, address: &str| {
        json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "annotations": {"multicluster.coreos.com/directory": "true"}},
            "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": address}]}}})
        .to_string()
    };
    plane.apply(&mark("home", "http://home.example.com")).unwrap();
    check_all(&[(
        "an entry with plain http",
        &admin,
        &["token", "east"],
        1,
        &[
            "address of the directory in clusters.multicluster.coreos.com home",
            "https alone",
            "edit mcl home",
        ],
    )]);
    plane.apply(&mark("home", "https://localhost:6443")).unwrap();
    check_all(&[(
        "an entry with a loopback",
        &admin,
        &["token", "east"],
        1,
        &["from the entry home", "machine itself", "--server"],
    )]);
    plane.apply(&mark("second", "https://second.example.com")).unwrap();
    check_all(&[(
        "two directories",
        &admin,
        &["token", "east"],
        1,
        &["several entries", "multicluster.coreos.com/directory", "--server"],
    )]);

    plane
        .kubectl_ok(&[
            "patch",
            "mcl",
            "west",
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":["example.com/waits"]}}"#,
        ])
        .unwrap();
    plane.kubectl_ok(&["delete", "mcl", "west", "--wait=false"]).unwrap();
    check_all(&[(
        "an entry that goes",
        &admin,
        &["join", "west", &url],
        1,
        &["clusters.multicluster.coreos.com west", "being deleted", "wait --for=delete"],
    )]);
    plane
        .kubectl_ok(&["patch", "mcl", "west", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#])
        .unwrap();
}
