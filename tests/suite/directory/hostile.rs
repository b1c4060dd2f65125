//! A report is what an agent says, and an agent may be anybody's: nothing in it is dialled, nothing of it is obeyed by a
//! terminal, and none is larger than a report is.

use std::net::TcpListener;
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::json;

use super::{beat, controller, directory, enter, entry, reason, report};
use crate::cli::{done, muster};

const ID: &str = "11111111-0000-4000-8000-000000000000";
/// Longer than a controller takes to act upon a report.
const WHILE: Duration = Duration::from_secs(5);

#[test]
fn no_address_in_a_report_or_an_entry_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let url = format!("https://{address}/");
    let directory = directory();
    let controller = controller(&directory, &["--heartbeat-lease=8"]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    report(&directory, "east", ID, &json!([]));
    let path = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east/status";
    let status = json!({"status": {
        "directory": {"id": url, "server": url},
        "credential": {"user": url},
        "replica": {"id": ID, "version": url},
        "agent": {"version": url, "mode": "Pull"},
        "conditions": [{"type": "ReplicaReachable", "status": "True", "reason": "Reachable", "message": url,
            "lastTransitionTime": "2026-11-20T10:00:00Z"}],
    }});
    directory.api().patch(path, MERGE_PATCH, &status).unwrap();
    let addresses =
        json!({"spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": [{"ServerAddress": url}]}}});
    directory.api().patch("/apis/multicluster.coreos.com/v1/clusters/east", MERGE_PATCH, &addresses).unwrap();
    let stored = directory.api().get(path.trim_end_matches("/status")).unwrap()["status"].to_string();
    assert!(stored.matches(&url).count() >= 5, "{stored}");
    beat(&directory, "east", ID);
    reason(&directory, &controller, "east", "Ready", "Reporting");
    let server = format!("--server={}", directory.url());
    let commands: [&[&str]; 5] =
        [&["status"], &["status", "east"], &["tree", "east"], &["tokens"], &["join", "east", &server]];
    for command in commands {
        println!("{}", done(&directory, command).len());
    }
    throughout("nobody calls", WHILE, || match listener.accept() {
        Ok((_, peer)) => Err(format!("{peer} calls")),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .unwrap();
}

/// What a terminal would obey, in the three ways there are: a sequence, a letter for one, and a change of direction.
const TRICK: &str = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}y";

#[test]
fn what_a_report_tells_a_terminal_is_not_shown_to_it_and_what_is_too_large_is_refused() {
    let directory = directory();
    let controller = controller(&directory, &[]);
    enter(&directory, "east");
    reason(&directory, &controller, "east", "Enrolled", "Enrolled");
    report(&directory, "east", ID, &json!([]));
    let path = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east/status";
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": TRICK, "lastTransitionTime": "2026-11-20T10:00:00Z"});
    let hold = json!({"id": TRICK, "reason": TRICK, "works": [TRICK], "workCount": 1, "objects": 1});
    let status = json!({"status": {
        "cluster": TRICK,
        "directory": {"id": TRICK, "server": TRICK},
        "credential": {"user": TRICK, "expires": "2026-11-20T10:00:00Z"},
        "replica": {
            "id": ID, "version": TRICK, "platform": TRICK, "capacity": {TRICK: TRICK}, "podCIDRs": [TRICK],
            "properties": [{"name": TRICK, "value": TRICK}],
        },
        "agent": {"version": TRICK, "mode": "Pull"},
        "holds": [hold],
        "conditions": [
            condition("ReplicaReachable", "False", "Unreachable"), condition("Held", "True", "ManyWorks"),
            condition("OfANewerAgent", "False", "Whatever"), condition("CredentialsValid", "False", "CredentialsRejected"),
        ],
    }});
    let api = directory.api();
    api.patch(path, MERGE_PATCH, &status).unwrap();
    beat(&directory, "east", ID);
    reason(&directory, &controller, "east", "Ready", "ReplicaUnreachable");
    let told = entry(&directory, "east").unwrap()["status"].to_string();
    assert!(!told.contains("owned") && told.contains(ID), "taken over from the report: {told}");
    let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    let commands: [&[&str]; 4] = [&["status"], &["status", "east"], &["tree", "east"], &["tokens"]];
    for command in commands {
        let output = muster(&directory, command);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        for said in [&output.stdout, &output.stderr] {
            assert!(!said.contains(obeyed), "{command:?}: {said:?}");
            assert!(
                said.lines().all(|line| !line.starts_with('y')),
                "{command:?}: a line of its own: {said:?}"
            );
        }
    }
    assert!(done(&directory, &["status", "east"]).contains("owned"), "the texts are shown");
    assert!(!controller.log().contains(obeyed), "{:?}", controller.log());

    // Nothing in a report is without a bound.
    let long = "x".repeat(40_000);
    let many = |one: serde_json::Value| serde_json::Value::Array(vec![one; 100]);
    let amounts: serde_json::Map<_, _> = (0..33).map(|n| (format!("r{n}"), json!("1"))).collect();
    for too_large in [
        json!({"cluster": long}),
        json!({"directory": {"server": long}}),
        json!({"credential": {"user": long}}),
        json!({"replica": {"version": long}}),
        json!({"replica": {"capacity": amounts}}),
        json!({"replica": {"allocatable": {"cpu": long}}}),
        json!({"replica": {"podCIDRs": many(json!("10.0.0.0/8"))}}),
        json!({"replica": {"properties": [{"name": "p", "value": long}]}}),
        json!({"agent": {"version": long}}),
        json!({"holds": many(json!({"id": "a", "reason": "ManyWorks"}))}),
        json!({"holds": [{"id": "a", "reason": "ManyWorks", "works": [long]}]}),
        json!({"holds": [{"id": "a", "reason": "ManyWorks", "works": many(json!("w"))}]}),
        json!({"conditions": [{"type": "A", "status": "True", "reason": "B", "message": long, "lastTransitionTime": "2026-11-20T10:00:00Z"}]}),
    ] {
        let error = api.patch(path, MERGE_PATCH, &json!({"status": too_large})).unwrap_err();
        assert_eq!(error.status().map(|status| status.as_u16()), Some(422), "{error}");
    }
}
