//! `join --manual`, `approve` and `deny`: what they ask of the directory's controller, and what is shown of it.

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::{done, muster};
use crate::fleet::{CLUSTERS, Fleet, OWN};

/// What the entry says of approval.
fn said(fleet: &Fleet) -> Value {
    let entry = fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    entry["metadata"]["annotations"]["multicluster.coreos.com/approval"].clone()
}

/// What the table and the details show of the cluster.
fn shown(fleet: &Fleet, words: &[&str]) {
    let table = done(&fleet.directory, &["status"]);
    let line = table.lines().find(|line| line.starts_with(OWN)).unwrap().to_owned();
    let detail = done(&fleet.directory, &["status", OWN]);
    println!("{table}{detail}");
    for word in words {
        assert!(line.contains(word) && detail.contains(word), "{word} is missing:\n{table}{detail}");
    }
}

#[test]
fn a_cluster_that_joins_by_hand_waits_until_somebody_approves() {
    let fleet = Fleet::bare();
    fleet.enrol(OWN);
    let server = format!("--server={}", fleet.directory.url());
    let joined = muster(&fleet.directory, &["join", OWN, "--manual", &server]);
    assert_eq!(joined.code, Some(0), "{}", joined.stderr);
    assert!(joined.stdout.contains("kind: Secret") && joined.stdout.contains("kind: Deployment"));
    assert!(
        joined.stderr.contains("waits for approval") && joined.stderr.contains("kubectl muster approve east")
    );
    assert_eq!(said(&fleet), "required");
    shown(&fleet, &["Pending", "kubectl muster approve east"]);
    let detail = done(&fleet.directory, &["status", OWN]);
    assert!(detail.contains("kubectl muster deny east"), "{detail}");

    let printed = done(&fleet.directory, &["approve", OWN, "-o", "yaml"]);
    assert!(printed.contains("multicluster.coreos.com/approval: approved"), "{printed}");
    assert_eq!(said(&fleet), "approved");
    assert!(!done(&fleet.directory, &["status"]).contains("Pending"));

    let denied = muster(&fleet.directory, &["deny", OWN]);
    assert!(denied.stderr.contains("cluster.multicluster.coreos.com/east denied"), "{}", denied.stderr);
    assert_eq!(said(&fleet), "denied");
    shown(&fleet, &["Denied", "kubectl muster approve east"]);
    // as a controller does then
    fleet.directory.api().delete("/api/v1/namespaces/muster-agents/serviceaccounts/east").unwrap();
    for verb in ["join", "token"] {
        let output = muster(&fleet.directory, &[verb, OWN, &server]);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains("is denied") && output.stderr.contains("kubectl muster approve east"));
    }
}

#[test]
fn an_entry_that_is_there_is_not_made_to_wait_and_a_word_that_is_not_known_grants_nothing() {
    let fleet = Fleet::bare();
    fleet.enrol(OWN);
    fleet.entry(OWN, &json!({}));
    let server = format!("--server={}", fleet.directory.url());
    let joined = muster(&fleet.directory, &["join", OWN, "--manual", &server]);
    assert_eq!((joined.code, said(&fleet)), (Some(0), Value::Null), "{}", joined.stderr);
    assert!(joined.stderr.contains("has its rights already"), "{}", joined.stderr);
    let odd = json!({"metadata": {"annotations": {"multicluster.coreos.com/approval": "yes"}}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/{OWN}"), MERGE_PATCH, &odd).unwrap();
    shown(&fleet, &["Pending", "kubectl muster approve east"]);
}
