//! `status`, `tree` and `tokens`: what the directory knows of its clusters.

use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::document::compare;
use super::{done, muster};
use crate::fleet::{Fleet, OWN};
use crate::works::put_work;

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"a": "b"}})
}

/// The line of a table that begins with a name.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{table}")).split_whitespace().collect()
}

#[test]
fn status_and_tree_show_the_fleet_and_say_what_to_do() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    put_work(&fleet, "shop", &json!([config_map("prices"), config_map("stock")]));
    put_work(
        &fleet,
        "broken",
        &json!([{"apiVersion": "example.com/v1", "kind": "Nothing",
        "metadata": {"name": "n", "namespace": "default"}}]),
    );
    let table = eventually("both Works in the table", DEADLINE * 2, || {
        // A server that was just begun anew may refuse a read: then there is no table yet.
        let table = muster(&fleet.directory, &["status"]).stdout;
        compare("status", &table).map(|()| table)
    })
    .unwrap();
    println!("{table}");
    let east = row(&table, OWN);
    assert_eq!(east[1], "True", "{table}");
    assert!(table.contains("v1.") && table.contains("kubectl muster status east"), "{table}");
    // the other has an entry alone
    assert!(
        table.lines().any(|line| line.starts_with("west") && line.ends_with("kubectl muster join west")),
        "{table}"
    );

    let detail = eventually("what is to be done", DEADLINE, || {
        let detail = done(&fleet.directory, &["status", OWN]);
        compare("status east", &detail).map(|()| detail)
    })
    .unwrap();
    println!("{detail}");
    for told in [
        "Labels:      cloud=aws",
        "Ready:       True",
        "Works:       1 of 2 applied",
        "system:serviceaccount:muster-agents:east, until ",
        "DirectoryReachable",
        &fleet.replica.cluster_uid().unwrap(),
        "To do:",
        "- CredentialsValid ExpiresSoon",
        "muster token east | kubectl --context east apply --server-side --force-conflicts -f -",
        "- WorksApplied Incomplete",
        "  kubectl muster tree east",
    ] {
        assert!(detail.contains(told), "{told} is missing:\n{detail}");
    }

    let tree = eventually("the tree whole", DEADLINE, || {
        let tree = done(&fleet.directory, &["tree", OWN]);
        compare("tree east", &tree).map(|()| tree)
    })
    .unwrap();
    println!("{tree}");
    for told in
        ["east\n", "├─ Work broken", "└─ Work shop: Applied, Available", "   ├─ ConfigMap default/prices"]
    {
        assert!(tree.contains(told), "{told} is missing:\n{tree}");
    }

    // Silent, once its Lease has run out.
    agent.kill().unwrap();
    let lease = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";
    let aged = json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}});
    fleet.directory.api().patch(lease, muster_tests::api::MERGE_PATCH, &aged).unwrap();
    assert_eq!(row(&done(&fleet.directory, &["status"]), OWN)[1], "Unknown");
    let detail = done(&fleet.directory, &["status", OWN]);
    assert!(detail.contains("The heartbeat stopped"), "{detail}");
}

#[test]
fn tokens_tell_who_holds_one_and_until_when_without_reading_any() {
    let fleet = Fleet::new();
    let table = done(&fleet.directory, &["tokens"]);
    assert_eq!(row(&table, OWN)[1], "yes", "{table}");
    assert!(table.contains("none   "), "{table}");
    let printed = done(&fleet.directory, &["token", OWN, &format!("--server={}", fleet.directory.url())]);
    fleet.replica.apply(&printed).unwrap();
    let agent = fleet.agent(&[]);
    fleet.in_step(&agent);
    fleet.enrol("gone");
    let table = eventually("the credential in use", DEADLINE, || {
        let table = done(&fleet.directory, &["tokens"]);
        compare("tokens", &table).map(|()| table)
    })
    .unwrap();
    println!("{table}");
    assert!(table.contains("in 59m") || table.contains("in 60m"), "{table}");
    assert_eq!(row(&table, "gone")[1], "no", "{table}");
}
