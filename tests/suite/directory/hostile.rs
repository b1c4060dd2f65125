//! A report is what an agent says, and an agent may be anybody's: nothing in it is dialled.

use std::net::TcpListener;
use std::time::Duration;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::throughout;
use serde_json::json;

use super::{beat, controller, directory, enter, reason, report};
use crate::cli::done;

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
