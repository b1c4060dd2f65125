//! With the directory's controller: nothing is enrolled by hand, and what it says of clusters is shown.

use muster_tests::api::MERGE_PATCH;
use muster_tests::directory::DirectoryProcess;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{done, muster};
use crate::fleet::{CLUSTERS, Fleet, OWN};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";

/// The line of the table for a cluster.
fn line(fleet: &Fleet, name: &str) -> String {
    let table = done(&fleet.directory, &["status"]);
    let found = table.lines().find(|line| line.split_whitespace().next() == Some(name));
    found.unwrap_or_else(|| panic!("no {name} in\n{table}")).to_owned()
}

#[test]
fn a_cluster_joins_by_one_command_and_leaves_by_another() {
    let fleet = Fleet::empty();
    fleet.install_directory();
    let controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    let joined = muster(&fleet.directory, &["join", OWN, &format!("--server={}", fleet.directory.url())]);
    assert_eq!(joined.code, Some(0), "{}{}", joined.stderr, controller.log());
    fleet.replica.apply(&joined.stdout).unwrap();
    let agent = fleet.agent(&[]);
    let looked = timed("the cluster ready", DEADLINE * 2, || {
        let line = line(&fleet, OWN);
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.get(1) == Some(&"True") && line.contains(" v1.") { Ok(line) } else { Err(line) }
    });
    println!("{}", looked.unwrap_or_else(|late| panic!("{late}\n{}\n{}", controller.log(), agent.log())).0);
    let rebound = muster(&fleet.directory, &["rebind", OWN]);
    assert!(rebound.stderr.contains("already"), "{}", rebound.stderr);

    // One that never came is not waited for.
    done(&fleet.directory, &["join", "west", &format!("--server={}", fleet.directory.url())]);
    let left = muster(&fleet.directory, &["unregister", "west"]);
    assert_eq!(left.code, Some(0), "{}{}", left.stderr, controller.log());
    assert!(!left.stderr.contains("account stays"), "{}", left.stderr);
    let account = "/api/v1/namespaces/muster-agents/serviceaccounts/west";
    for path in [format!("{CLUSTERS}/west"), account.to_owned()] {
        assert!(fleet.directory.api().get(&path).is_err(), "{path} is there");
    }
}

#[test]
fn a_cluster_waits_until_it_is_approved_and_goes_at_once_by_force() {
    let fleet = Fleet::empty();
    fleet.install_directory();
    let controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    let server = format!("--server={}", fleet.directory.url());
    fleet.replica.apply(&done(&fleet.directory, &["join", OWN, "--manual", &server])).unwrap();
    let entry = || fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    let told = |reason: &str| {
        let enrolled =
            crate::fleet::condition_of(&entry(), "Enrolled").map(|(reason, _)| reason).unwrap_or_default();
        if enrolled == reason { Ok(()) } else { Err(enrolled) }
    };
    let until = |what: &str, look: &mut dyn FnMut() -> Result<(), String>| {
        timed(what, DEADLINE * 2, look).unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
    };
    until("the cluster waiting", &mut || told("Pending"));
    let row = line(&fleet, OWN);
    assert!(row.contains("Pending") && row.ends_with("kubectl muster approve east"), "{row}");
    done(&fleet.directory, &["approve", OWN]);
    until("the cluster let in", &mut || told("Enrolled"));
    let agent = fleet.agent(&[]);
    until("the cluster ready", &mut || {
        let line = line(&fleet, OWN);
        if line.split_whitespace().nth(1) == Some("True") {
            Ok(())
        } else {
            Err(format!("{line}\n{}", agent.log()))
        }
    });

    // The controller would wait for its agent.
    let forced = muster(&fleet.directory, &["unregister", OWN, "--force"]);
    assert_eq!(forced.code, Some(0), "{}{}", forced.stderr, controller.log());
    let account = "/api/v1/namespaces/muster-agents/serviceaccounts/east";
    for path in [format!("{CLUSTERS}/{OWN}"), account.to_owned()] {
        assert!(fleet.directory.api().get(&path).is_err(), "{path} is there");
    }
}

#[test]
fn a_cluster_that_was_built_anew_takes_its_place_when_somebody_says_so() {
    let fleet = Fleet::empty();
    fleet.install_directory();
    let controller = DirectoryProcess::start(&fleet.directory, &[]).unwrap();
    let server = format!("--server={}", fleet.directory.url());
    fleet.replica.apply(&done(&fleet.directory, &["join", OWN, &server])).unwrap();
    let mut agent = fleet.agent(&[]);
    let ready = || {
        let entry = fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
        crate::fleet::condition_of(&entry, "Ready").map(|(reason, _)| reason).unwrap_or_default()
    };
    timed("the cluster ready", DEADLINE * 2, || if ready() == "Reporting" { Ok(()) } else { Err(ready()) })
        .unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
    agent.kill().unwrap();
    // as another cluster's agent would
    let beat = || {
        let spec = json!({"holderIdentity": "another/install", "renewTime": format!("{:.6}", jiff::Timestamp::now())});
        fleet.directory.api().patch(LEASE, MERGE_PATCH, &json!({"spec": spec})).unwrap();
    };
    timed("the other cluster refused", DEADLINE * 2, || {
        beat();
        if ready() == "OtherCluster" { Ok(()) } else { Err(ready()) }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
    let detail = done(&fleet.directory, &["status", OWN]);
    println!("{detail}");
    assert!(
        detail.contains("Ready OtherCluster") && detail.contains("kubectl muster rebind east"),
        "{detail}"
    );

    let rehearsed = muster(&fleet.directory, &["rebind", OWN, "--dry-run"]);
    assert!(rehearsed.stderr.contains("(rehearsed)"), "{}", rehearsed.stderr);
    let printed = done(&fleet.directory, &["rebind", OWN, "-o", "yaml"]);
    assert!(printed.contains("multicluster.coreos.com/rebind: another"), "{printed}");
    let entry: Value = fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    assert_eq!(entry["metadata"]["annotations"]["multicluster.coreos.com/rebind"], "another");
    let report = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east/status";
    let own = json!({"status": {"replica": {"id": "another"}}});
    fleet.directory.api().patch(report, MERGE_PATCH, &own).unwrap();
    timed("the other cluster taken", DEADLINE * 2, || {
        beat();
        if ready() == "Reporting" { Ok(()) } else { Err(ready()) }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", controller.log()));
}
