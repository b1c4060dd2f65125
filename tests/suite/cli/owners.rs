//! What people say: in the directory `revoke` and `unregister`, in a cluster itself `pause`, `resume`, `leave`, `repin`.

use http::StatusCode;
use muster_tests::ControlPlane;
use muster_tests::plane::TokenOptions;
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::{done, muster, shell};
use crate::fleet::{CLUSTERS, Fleet, OWN, REPORT, until};

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
    let _agent = fleet.joined(&[]);
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
fn a_cluster_goes_off_the_list_with_its_finalizers_or_by_force() {
    let fleet = Fleet::new();
    let west = muster(&fleet.directory, &["unregister", "west", "-o", "yaml"]);
    assert_eq!(west.code, Some(0), "{}", west.stderr);
    assert!(
        west.stdout.contains("kind: Cluster") && !west.stderr.contains("account stays"),
        "{}",
        west.stderr
    );
    // as a controller would hold it
    let held = json!({"metadata": {"finalizers": ["example.com/waits"]}});
    let path = format!("{CLUSTERS}/{OWN}");
    fleet.directory.api().patch(&path, muster_tests::api::MERGE_PATCH, &held).unwrap();
    let waited = muster(&fleet.directory, &["unregister", OWN, "--timeout", "2"]);
    assert_eq!(waited.code, Some(1), "{}", waited.stderr);
    assert!(waited.stderr.contains("--force"), "{}", waited.stderr);
    fleet.directory.api().get(ACCOUNT).unwrap();
    let forced = muster(&fleet.directory, &["unregister", OWN, "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(fleet.directory.api().get(ACCOUNT).is_err());
    assert!(forced.stderr.contains("kubectl muster leave"), "{}", forced.stderr);
    fleet
        .directory
        .api()
        .patch(&path, muster_tests::api::MERGE_PATCH, &json!({"metadata": {"finalizers": null}}))
        .unwrap();
}
