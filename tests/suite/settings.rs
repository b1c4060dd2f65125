//! Settings as people meet them: the binary, its help, its complaints, and what each place of a setting does.

use std::path::Path;
use std::process::{Command, Output};

use muster_tests::agent::{AgentProcess, agent_binary};
use muster_tests::api::MERGE_PATCH;
use muster_tests::scratch::Scratch;
use muster_tests::wait::DEADLINE;
use serde_json::{Value, json};

use crate::fleet::{ENROL, Fleet, OWN, SECRETS, stop, until};

/// Runs the binary with these settings and nothing else until it ends by itself.
fn call(args: &[&str], envs: &[(&str, &str)]) -> Output {
    let mut command = Command::new(agent_binary().unwrap());
    command.env_clear().args(args).envs(envs.iter().copied());
    command.output().unwrap()
}

/// The settings that others rely on: flag, other name, whether a variable of the same name exists.
const PROMISED: [(&str, Option<&str>, bool); 17] = [
    ("--directory-secret", None, true),
    ("--directory-kubeconfig", Some("--registry-kubeconfig"), true),
    ("--directory-proxy", None, true),
    ("--cluster-name", Some("--local-cluster-name"), true),
    ("--kubeconfig", None, true),
    ("--namespace", None, true),
    ("--listen", None, true),
    ("--mirror", None, true),
    ("--leader-lease", None, true),
    ("--token-life", None, true),
    ("--renew-token-after", None, true),
    ("--facts-interval", None, true),
    ("--log-format", None, true),
    ("--log-level", None, true),
    ("--config", None, true),
    ("--version", None, false),
    ("--help", None, false),
];

#[test]
fn help_lists_every_setting() {
    let output = call(&["--help"], &[]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let mut listed: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--").map(|_| line.trim_start()))
        .filter_map(|line| line.split([' ', ',']).next())
        .collect();
    listed.sort_unstable();
    let mut promised: Vec<&str> = PROMISED.iter().map(|(flag, ..)| *flag).collect();
    promised.sort_unstable();
    assert_eq!(listed, promised, "{help}");
    for (flag, alias, variable) in PROMISED {
        if let Some(alias) = alias {
            assert!(help.contains(alias), "{alias}: {help}");
        }
        let name = flag.trim_start_matches('-').to_uppercase().replace('-', "_");
        assert_eq!(help.contains(&format!("MUSTER_{name}")), variable, "{flag}: {help}");
    }
    let version = call(&["--version"], &[]);
    let wanted = format!("muster-agent {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.status.code(), String::from_utf8(version.stdout).unwrap()), (Some(0), wanted));
}

/// Arguments, a variable, and what the line must name.
type Wrong<'a> = (Vec<&'a str>, Option<(&'a str, &'a str)>, Vec<&'a str>);

#[test]
fn a_wrong_setting_is_one_clear_line_and_64() {
    let folder = Scratch::new("settings").unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (unknown, broken) = (file("unknown", "mirrors = \"all\"\n"), file("broken", "mirror = \n"));
    let (number, long) = (file("number", "mirror = 5\n"), "x".repeat(100_000));
    let wrong: Vec<Wrong<'_>> = vec![
        (vec!["--no-such-flag"], None, vec!["--no-such-flag", "--help"]),
        (vec!["west"], None, vec!["west", "--help"]),
        (vec!["--mirror"], None, vec!["--mirror", "value"]),
        (vec!["--mirror="], None, vec!["--mirror", "value"]),
        (vec!["--mirror", "all", "--mirror", "none"], None, vec!["--mirror", "twice"]),
        (
            vec!["--cluster-name", "a", "--local-cluster-name", "b"],
            None,
            vec!["--local-cluster-name", "twice"],
        ),
        (vec!["--mirror", "a in ("], None, vec!["--mirror", "a in ("]),
        (vec!["--cluster-name", "Not_A_Name"], None, vec!["--cluster-name", "Not_A_Name"]),
        (vec!["--namespace", "a.b"], None, vec!["--namespace", "a.b"]),
        (vec!["--directory-secret", "a/b/c"], None, vec!["--directory-secret", "a/b/c"]),
        (vec!["--listen", "8080"], None, vec!["--listen", "8080"]),
        (vec!["--leader-lease", "1"], None, vec!["--leader-lease", "3"]),
        (vec!["--log-format", "xml"], None, vec!["--log-format", "xml", "text, json"]),
        (vec!["--log-level", "loud"], None, vec!["--log-level", "loud", "trace"]),
        (vec!["--log-level", "in\nfo"], None, vec!["--log-level"]),
        (vec!["--log-level", &long], None, vec!["--log-level"]),
        (vec!["--help=yes"], None, vec!["--help"]),
        (
            vec!["--directory-kubeconfig", "f", "--directory-secret", "other"],
            None,
            vec!["--directory-kubeconfig", "--directory-secret"],
        ),
        (vec![], Some(("MUSTER_LOG_LEVEL", "loud")), vec!["MUSTER_LOG_LEVEL", "loud"]),
        (vec!["--config", "/no/such/file"], None, vec!["--config", "/no/such/file"]),
        (vec![], Some(("MUSTER_CONFIG", "/no/such/file")), vec!["MUSTER_CONFIG", "/no/such/file"]),
        (vec!["--config", &unknown], None, vec!["mirrors", &unknown, "--help"]),
        (vec!["--config", &broken], None, vec![&broken, "TOML"]),
        (vec!["--config", &number], None, vec!["mirror", &number, "quotes"]),
        (vec![], None, vec!["--kubeconfig", "KUBECONFIG"]),
    ];
    for (args, env, names) in wrong {
        let mut args = args;
        // All but the last know their replica.
        if !names.contains(&"KUBECONFIG") {
            args.splice(0..0, ["--kubeconfig", "/dev/null"]);
        }
        let output = call(&args, env.as_slice());
        let line = String::from_utf8(output.stderr).unwrap();
        println!("{}", line.trim_end());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{args:?}: {line}");
        assert!(line.starts_with("muster-agent: unable to ") && line.len() < 400, "{args:?}: {line}");
        assert_eq!((line.matches('\n').count(), line.ends_with('\n')), (1, true), "{args:?}: {line}");
        for name in names {
            assert!(line.contains(name), "{args:?} does not name {name}: {line}");
        }
    }
}

/// The log of an agent that finds its settings right and its kubeconfig missing.
fn log(args: &[&str], envs: &[(&str, &str)]) -> String {
    let mut all = vec!["--kubeconfig", "/no/such/kubeconfig"];
    all.extend(args);
    let mut agent = AgentProcess::start(&all, envs).unwrap();
    assert_eq!(agent.exit(DEADLINE).unwrap().code(), Some(1), "{}", agent.log());
    agent.log()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = Scratch::new("settings").unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, "log-format = \"json\"\n").unwrap();
    let file = file.to_str().unwrap();
    let is_json =
        |log: &str| log.lines().next().is_some_and(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(!is_json(&log(&[], &[])), "the default is text");
    assert!(is_json(&log(&["--config", file], &[])), "the file");
    assert!(is_json(&log(&[], &[("MUSTER_CONFIG", file)])), "the file that the environment names");
    let env = [("MUSTER_LOG_FORMAT", "text")];
    assert!(!is_json(&log(&["--config", file], &env)), "the environment over the file");
    assert!(is_json(&log(&["--config", file, "--log-format", "json"], &env)), "the flag over both");
    let empty = [("MUSTER_LOG_FORMAT", "")];
    assert!(is_json(&log(&["--config", file], &empty)), "an empty variable is none");
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let log = log(&[], &[("MUSTER_MIRORR", "none")]);
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert!(matches!(warnings[..], [line] if line.contains("MUSTER_MIRORR")), "{log}");
    assert!(log.contains("agent started"), "{log}");
}

#[test]
fn the_kubeconfig_may_come_from_a_file() {
    let fleet = Fleet::new();
    let folder = Scratch::new("settings").unwrap();
    let path = folder.path().join("directory.kubeconfig");
    std::fs::write(&path, fleet.kubeconfig()).unwrap();
    let mut agent = fleet.agent(&["--directory-kubeconfig", path.to_str().unwrap()]);
    fleet.in_step(&agent);
    fleet.reason(&agent, "EntryPresent", "Present");
    // A bad one is refused, and the session goes on.
    replace(&path, "no kubeconfig");
    let message = fleet.reason(&agent, "CredentialsValid", "KubeconfigInvalid");
    assert!(message.contains("directory.kubeconfig"), "{message}");
    fleet.entry("north", &json!({}));
    fleet.in_step(&agent);
    let sessions = |agent: &AgentProcess| {
        agent.metrics().unwrap().get("muster_rotations_total", &[("result", "ok")]).unwrap_or_default()
    };
    let before = sessions(&agent);
    replace(&path, &fleet.kubeconfig());
    until(&agent, "the new file taken", || {
        let now = sessions(&agent);
        if now > before { Ok(()) } else { Err(format!("{now} sessions")) }
    });
    fleet.reason(&agent, "CredentialsValid", "ExpiresSoon");
    stop(&mut agent);
    // The registry's name of the flag.
    let agent = fleet.agent(&["--registry-kubeconfig", path.to_str().unwrap()]);
    fleet.entry("south", &json!({}));
    fleet.in_step(&agent);
}

/// Puts a file in the place of another, as a mounted Secret changes.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[test]
fn the_clusters_name_may_differ_from_the_accounts() {
    let fleet = Fleet::new();
    fleet.directory.apply(&ENROL.replace("CLUSTER_NAME", "robot")).unwrap();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "robot", "namespace": "muster-cluster-east"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "muster-agent"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "muster-agents"}],
    });
    fleet.directory.apply(&binding.to_string()).unwrap();
    let options = muster_tests::plane::TokenOptions::default();
    fleet.offer(&fleet.directory.service_account_kubeconfig("muster-agents", "robot", &options).unwrap());
    let name = |data: Value| {
        let change = json!({"data": {"clusterName": data}});
        fleet.replica.api().patch(&format!("{SECRETS}/directory-sync"), MERGE_PATCH, &change).unwrap();
    };

    // By the key in the Secret: a trailing newline is no part of it.
    name(json!("ZWFzdAo="));
    let mut agent = fleet.agent(&[]);
    let message = fleet.reason(&agent, "DirectoryReachable", "Reachable");
    assert!(message.ends_with(&format!("as {OWN}")), "{message}");
    fleet.reason(&agent, "EntryPresent", "Present");
    fleet.reason(&agent, "HeartbeatAccepted", "Accepted");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";
    assert!(fleet.directory.api().get(lease).unwrap()["spec"]["holderIdentity"].is_string());

    // By nothing: the account's name. That is another cluster than the one that joined.
    name(Value::Null);
    let message = fleet.reason(&agent, "CredentialsValid", "IdentityMismatch");
    assert!(message.contains("robot") && message.contains(OWN), "{message}");
    // By a key that is no name.
    name(json!("Li4v"));
    let message = fleet.reason(&agent, "CredentialsValid", "KubeconfigInvalid");
    assert!(message.contains("clusterName"), "{message}");

    // By the flag, by either name, over a key that says otherwise.
    name(json!("cm9ib3Q="));
    stop(&mut agent);
    for flag in ["--cluster-name", "--local-cluster-name"] {
        let mut agent = fleet.agent(&[flag, OWN]);
        fleet.entry("north", &json!({"by": flag.trim_start_matches('-')}));
        fleet.in_step(&agent);
        stop(&mut agent);
    }
}
