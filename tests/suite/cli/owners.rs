//! What people say: in the directory `revoke` and `unregister`, in a cluster itself `pause`, `resume`, `leave`, `repin`.

use http::StatusCode;
use muster_tests::ControlPlane;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::{done, muster, shell};
use crate::fleet::{CLUSTERS, Fleet, OWN, REPORT, contents, until};

const ACCOUNT: &str = "/api/v1/namespaces/muster-agents/serviceaccounts/east";
const STATE: &str = "/api/v1/namespaces/muster-system/configmaps/muster-agent-state";

fn annotation(fleet: &Fleet, name: &str) -> Option<String> {
    let report = fleet.replica.api().get(REPORT).unwrap();
    let found = report["metadata"]["annotations"].get(format!("multicluster.coreos.com/{name}"));
    found.and_then(Value::as_str).map(str::to_owned)
}

#[test]
fn the_owner_of_a_cluster_pauses_resumes_and_leaves() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "DirectoryReachable", "Reachable"); // there is a report to annotate
    let rehearsed = done(&fleet.replica, &["pause", "--dry-run", "-o", "yaml"]);
    assert!(rehearsed.contains("multicluster.coreos.com/pause: \"true\""), "{rehearsed}");
    assert_eq!(annotation(&fleet, "pause"), None, "it was a rehearsal");

    done(&fleet.replica, &["pause"]);
    fleet.reason(&agent, "MirrorInSync", "Paused");
    let output = muster(&fleet.replica, &["resume"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    fleet.reason(&agent, "MirrorInSync", "InSync");

    let before = fleet.replica.api().get(STATE).unwrap();
    done(&fleet.replica, &["repin"]);
    fleet.revive(&mut agent);
    until(&agent, "the pin recorded anew", || {
        let now = fleet.replica.api().get(STATE).map_err(|error| error.to_string())?;
        if now["metadata"]["uid"] == before["metadata"]["uid"] { Err("the old one".into()) } else { Ok(()) }
    });
    fleet.in_step(&agent);

    done(&fleet.replica, &["leave"]);
    fleet.reason(&agent, "Deregistered", "OwnerLeft");
    assert_eq!(annotation(&fleet, "leave").as_deref(), Some("true"));
}

#[test]
fn what_explain_prints_is_what_a_shell_can_run() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    fleet.reason(&agent, "DirectoryReachable", "Reachable"); // there is a report to annotate
    let (directory, replica) = (&fleet.directory, &fleet.replica);
    let explained = |plane: &ControlPlane, args: &[&str]| {
        let script = done(plane, &[&["--explain"], args].concat());
        shell(plane, plane.folder(), &script)
    };
    for (verb, name, set) in
        [("pause", "pause", Some("true")), ("resume", "pause", None), ("leave", "leave", Some("true"))]
    {
        explained(replica, &[verb]);
        assert_eq!(annotation(&fleet, name).as_deref(), set, "{verb}");
    }
    explained(replica, &["repin"]);
    assert!(replica.api().get(STATE).is_err());
    for args in [&["status"][..], &["status", OWN], &["tree", OWN], &["tokens"], &["check"]] {
        assert_ne!(explained(directory, args), "", "{args:?}");
    }
    for (verb, value) in [("deny", "denied"), ("approve", "approved")] {
        explained(directory, &[verb, OWN]);
        let entry = directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
        assert_eq!(entry["metadata"]["annotations"]["multicluster.coreos.com/approval"], value);
    }
    let file = directory.folder().join("a file.yaml");
    std::fs::write(&file, "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: south}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let south = format!("{CLUSTERS}/south");
    explained(directory, &["lint", "-f", file]);
    assert!(directory.api().get(&south).is_err(), "lint writes nothing");
    explained(directory, &["apply", "-f", file]);
    directory.api().delete(&south).unwrap();
    // What it asks of the replica; the rest was run above.
    let script = done(directory, &["--explain", "check", "--replica", replica.name()]);
    let asked: Vec<&str> = script.lines().filter(|line| line.contains("--context")).collect();
    assert!(shell(replica, replica.folder(), &asked.join("\n")).contains("directory-sync"));
    explained(directory, &["rebind", OWN, "--identity", "another"]);
    let entry = directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    assert_eq!(entry["metadata"]["annotations"]["multicluster.coreos.com/rebind"], "another");
    explained(directory, &["revoke", OWN]);
    assert!(directory.api().get(ACCOUNT).is_err());
    explained(directory, &["unregister", OWN]);
    explained(directory, &["unregister", "west", "--force"]);
    assert_eq!(directory.api().get(CLUSTERS).unwrap()["items"], json!([]));
}

#[test]
fn revoking_ends_every_token_and_says_how_far_it_reaches() {
    let fleet = Fleet::new();
    let token =
        fleet.directory.service_account_token("muster-agents", OWN, &TokenOptions::default()).unwrap();
    let own = fleet.directory.api_with(&token).unwrap();
    own.get(CLUSTERS).unwrap();
    let rehearsed = muster(&fleet.directory, &["revoke", OWN, "--dry-run"]);
    assert!(rehearsed.stderr.contains("(rehearsed)"), "{}", rehearsed.stderr);
    fleet.directory.api().get(ACCOUNT).unwrap();

    let output = muster(&fleet.directory, &["revoke", OWN]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for told in ["serviceaccount/east deleted", "watch", "keeps what it has"] {
        assert!(output.stderr.contains(told), "{told}: {}", output.stderr);
    }
    eventually("the token refused", DEADLINE, || match own.get(CLUSTERS) {
        Err(error) if error.status() == Some(StatusCode::UNAUTHORIZED) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
}

#[test]
fn a_cluster_without_an_account_goes_off_the_list() {
    let fleet = Fleet::new();
    let west = muster(&fleet.directory, &["unregister", "west", "-o", "yaml"]);
    assert_eq!(west.code, Some(0), "{}", west.stderr);
    assert!(
        west.stdout.contains("kind: Cluster") && !west.stderr.contains("account stays"),
        "{}",
        west.stderr
    );
    let account = "/api/v1/namespaces/muster-agents/serviceaccounts/west";
    assert!(fleet.directory.api().get(account).is_err(), "it never had one");
}

#[test]
fn a_rehearsal_says_what_would_be_and_writes_nothing() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    fleet.reason(&agent, "MirrorInSync", "InSync");
    until(&agent, "the pin", || fleet.replica.api().get(STATE).map(drop).map_err(|error| error.to_string()));
    agent.kill().unwrap();
    let before = || (contents(&fleet.directory), contents(&fleet.replica));
    let was = before();
    let file = fleet.directory.folder().join("rehearsed.yaml");
    std::fs::write(&file, "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: north}\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let server = format!("--server={}", fleet.directory.url());
    let (directory, replica) = (&fleet.directory, &fleet.replica);
    for (plane, args) in [
        (replica, &["pause"][..]),
        (replica, &["resume"]),
        (replica, &["leave"]),
        (replica, &["repin"]),
        (directory, &["revoke", OWN]),
        (directory, &["unregister", OWN]),
        (directory, &["unregister", OWN, "--force"]),
        (directory, &["rebind", OWN, "--identity=another"]),
        (directory, &["approve", OWN]),
        (directory, &["deny", OWN]),
        (directory, &["join", "north", &server]),
        (directory, &["apply", "-f", file]),
    ] {
        let output = muster(plane, &[args, &["--dry-run"]].concat());
        assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
        // What is and what is not, beside what would be.
        let facts = ["directory: ", "a rehearsal: "];
        for line in output.stderr.lines().filter(|line| !facts.iter().any(|fact| line.starts_with(fact))) {
            assert!(line.contains("would "), "{args:?}: {line}");
        }
        assert!(output.stderr.contains("would be "), "{args:?}: {}", output.stderr);
    }
    assert!(before() == was, "a rehearsal wrote something");
    assert_eq!((annotation(&fleet, "pause"), annotation(&fleet, "leave")), (None, None));
    directory.api().get(ACCOUNT).unwrap();
    replica.api().get(STATE).unwrap();
}
