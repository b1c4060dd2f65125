//! Every message names the object, the cause and the next command. Each situation is provoked on a real server.

use std::path::{Path, PathBuf};

use muster_tests::ControlPlane;
use muster_tests::kubeconfig::readdress;
use muster_tests::plane::Output;
use muster_tests::pool;
use serde_json::json;

use super::{kubeconfig_file, muster_as};
use crate::fleet::{DIRECTORY, ENROL, install};

/// What is run with which kubeconfig, the exit code, and what stderr has to hold.
type Situation<'a> = (&'a str, &'a Path, &'a [&'a str], i32, &'a [&'a str]);

/// The code, and on failure (1) an object, a cause and a next command; on a wrong command line (2) clap's own words.
fn check((what, kubeconfig, args, code, told): &Situation<'_>) -> Result<(), String> {
    let Output { code: ended, stdout, stderr } = muster_as(kubeconfig, args);
    let lacks: Vec<_> = told.iter().filter(|text| !stderr.contains(**text)).collect();
    let formed = *code != 1 || (stderr.contains("error: unable to ") && stderr.contains("\nnext:  "));
    if ended == Some(*code) && lacks.is_empty() && formed && stdout.is_empty() {
        return Ok(());
    }
    Err(format!("{what}: {args:?} ended with {ended:?}, lacks {lacks:?}:\n{stderr}{stdout}\n"))
}

fn check_all(situations: &[Situation<'_>]) {
    let wrong: Vec<String> = situations.iter().filter_map(|situation| check(situation).err()).collect();
    assert!(wrong.is_empty(), "{} of {} situations:\n{}", wrong.len(), situations.len(), wrong.join("\n"));
    println!("{} situations", situations.len());
}

/// A user of the directory who may do what is listed, each as VERB, RESOURCES and a namespace or none.
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
    let content = plane.service_account_kubeconfig("default", name, &Default::default()).unwrap();
    kubeconfig_file(plane, name, &content)
}

#[test]
fn a_kubeconfig_that_does_not_lead_anywhere_is_named_with_the_remedy() {
    let plane = pool::plane().unwrap();
    let admin = plane.admin_kubeconfig();
    let good = std::fs::read_to_string(&admin).unwrap();
    let missing = plane.folder().join("missing.kubeconfig");
    let broken = kubeconfig_file(&plane, "broken", "clusters: [");
    let empty = kubeconfig_file(&plane, "empty", "{}");
    let unreachable = kubeconfig_file(
        &plane,
        "unreachable",
        &readdress(&good, "https://127.0.0.1:1", &plane.ca_pem()).unwrap(),
    );
    let other_ca = muster_tests::pki::Authority::new("other").unwrap();
    let distrusted =
        kubeconfig_file(&plane, "distrusted", &readdress(&good, &plane.url(), other_ca.pem()).unwrap());
    let rejected = kubeconfig_file(&plane, "rejected", &plane.token_kubeconfig("no-such-token"));
    let plugin = |name: &str, command: &str| {
        let mut config: serde_json::Value = serde_saphyr::from_str(&good).unwrap();
        config["users"][0]["user"] = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
            "command": command, "interactiveMode": "Never", "args": ["-c", "echo hunter2; exit 3"]}});
        kubeconfig_file(&plane, name, &config.to_string())
    };
    let (no_plugin, failing) = (plugin("no-plugin", "/no/such/plugin"), plugin("failing", "sh"));
    check_all(&[
        (
            "no kubeconfig",
            &missing,
            &["status"],
            1,
            &["unable to find a kubeconfig", "missing.kubeconfig", "--kubeconfig"],
        ),
        (
            "no such file",
            &admin,
            &["status", "--kubeconfig", "/no/such/file"],
            1,
            &["/no/such/file does not exist"],
        ),
        ("no YAML", &broken, &["status"], 1, &["broken.kubeconfig", "no YAML", "config view"]),
        (
            "no current context",
            &empty,
            &["status"],
            1,
            &["no current context", "config get-contexts", "--context"],
        ),
        (
            "unknown context",
            &admin,
            &["status", "--context", "nowhere"],
            1,
            &["context nowhere", "no such context", "get-contexts"],
        ),
        (
            "server away",
            &unreachable,
            &["status"],
            1,
            &["list clusters.multicluster.coreos.com", "refused", "get --raw /readyz"],
        ),
        (
            "another CA",
            &distrusted,
            &["status"],
            1,
            &["list clusters.multicluster.coreos.com", "certificate", "readyz"],
        ),
        ("401", &rejected, &["status"], 1, &["does not know your credential", "auth whoami"]),
        ("plugin missing", &no_plugin, &["status"], 1, &["log in", "does not start", "auth whoami"]),
        ("plugin fails", &failing, &["status"], 1, &["log in", "plugin", "exit status: 3"]),
        (
            "nothing installed, join",
            &admin,
            &["join", "east", "--server=https://d"],
            1,
            &["does not serve clusters.multicluster.coreos.com", "apply -f multicluster.yaml"],
        ),
        (
            "nothing installed, status",
            &admin,
            &["status"],
            1,
            &["does not serve", "apply -f multicluster.yaml"],
        ),
        (
            "nothing installed, pause",
            &admin,
            &["pause"],
            1,
            &["does not serve clusterreports", "apply -f multicluster.yaml"],
        ),
    ]);
    let output = muster_as(&failing, &["status"]);
    assert!(!output.stderr.contains("hunter2"), "what a plugin prints may be a token: {}", output.stderr);
}

#[test]
fn a_wrong_command_line_ends_with_two_and_says_what_is_right() {
    let nowhere = Path::new("/no/such/kubeconfig");
    let server = |value: &'static str| vec!["join", "east", "--server", value];
    let (plain, bare, login) = (server("http://d"), server("d.example.com"), server("https://u:hunter2@d"));
    check_all(&[
        ("no such verb", nowhere, &["enrol"], 2, &["enrol", "Usage"]),
        ("no name", nowhere, &["join"], 2, &["<NAME>"]),
        ("capital letters", nowhere, &["join", "East"], 2, &["lower-case letters"]),
        ("a slash", nowhere, &["status", "a/b"], 2, &["lower-case letters"]),
        ("plain http", nowhere, &plain, 2, &["https alone", "https://HOST:PORT"]),
        ("no scheme", nowhere, &bare, 2, &["no https://", "https://HOST:PORT"]),
        ("a login", nowhere, &login, 2, &["a login"]),
        (
            "no label",
            nowhere,
            &["join", "east", "--labels", "cloud"],
            2,
            &["no KEY=VALUE", "stage=production"],
        ),
        ("no number", nowhere, &["join", "east", "--timeout", "soon"], 2, &["whole number of seconds"]),
        ("no format", nowhere, &["pause", "-o", "json"], 2, &["yaml"]),
        ("no shell", nowhere, &["completion", "csh"], 2, &["bash", "zsh", "fish"]),
    ]);
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_place_in_it() {
    let plane = pool::plane().unwrap();
    let admin = plane.admin_kubeconfig();
    install(&plane);
    let file = |name: &str, content: &str| {
        let path = plane.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (broken, empty) = (file("broken.yaml", "a: [b"), file("empty.yaml", "# nothing\n"));
    let kind = file("kind.yaml", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: thing}\n");
    let policy = file(
        "policy.yaml",
        "apiVersion: multicluster.coreos.com/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: {selector: {}, namespace: []}\n",
    );
    let address = file(
        "address.yaml",
        "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: a}\nspec: {deregistration: Sometimes}\n",
    );
    let config =
        file("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n");
    let nobody = user(&plane, "nobody", &[]);
    check_all(&[
        (
            "no such file",
            &admin,
            &["lint", "-f", "/no/such/file.yaml"],
            1,
            &["/no/such/file.yaml", "No such file", "-f FILE"],
        ),
        (
            "no YAML",
            &admin,
            &["apply", "-f", &broken],
            1,
            &["broken.yaml", "line 1", "kubectl muster lint -f"],
        ),
        ("no document", &admin, &["lint", "-f", &empty], 1, &["empty.yaml", "no document", "-f FILE"]),
        (
            "a kind that is not served",
            &admin,
            &["apply", "-f", &kind],
            1,
            &["Nothing thing", "does not serve Nothing of example.com/v1", "api-resources"],
        ),
        (
            "a field that no policy has",
            &admin,
            &["lint", "-f", &policy],
            1,
            &["document 1, ClusterPolicy p", "unknown field `namespace`", "docs/policies.md"],
        ),
        (
            "a value that the server refuses",
            &admin,
            &["apply", "-f", &address],
            1,
            &["Cluster a", "deregistration", "correct it"],
        ),
        (
            "may not write it",
            &nobody,
            &["apply", "-f", &config],
            1,
            &["patch configmaps default/a", "forbidden", "auth can-i patch configmaps/a -n default"],
        ),
    ]);
}

#[test]
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
