//! Every message names the object, the cause and the next command. Each situation is provoked on a real server.

mod files;
mod joining;

use std::path::{Path, PathBuf};

use muster_tests::ControlPlane;
use muster_tests::kubeconfig::readdress;
use muster_tests::plane::{Output, TokenOptions};
use muster_tests::pool;
use serde_json::json;

use super::{kubeconfig_file, muster_as};

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
    let content = plane.service_account_kubeconfig("default", name, &TokenOptions::default()).unwrap();
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
