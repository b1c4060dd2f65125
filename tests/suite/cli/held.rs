//! `unregister` where something holds the entry, or the namespace that the directory keeps for it.

use muster_api::names::execution_namespace;
use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::{done, muster, shell};
use crate::fleet::{CLUSTERS, Fleet, OWN};
use crate::works::put_work;

const NAMESPACE: &str = "/api/v1/namespaces/muster-cluster-east";
const WORK: &str = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-east/works/shop";
const ACCOUNT: &str = "/api/v1/namespaces/muster-agents/serviceaccounts/east";
const WORK_FINALIZER: &str = "multicluster.x-k8s.io/work-cleanup";
const ENTRY_FINALIZER: &str = "multicluster.coreos.com/deregistration";
const THEIRS: &str = "example.com/waits";

fn hold(fleet: &Fleet, path: &str, finalizers: &Value) {
    let held = json!({"metadata": {"finalizers": finalizers}});
    fleet.directory.api().patch(path, MERGE_PATCH, &held).unwrap();
}

fn finalizers(fleet: &Fleet, path: &str) -> Value {
    fleet.directory.api().get(path).unwrap()["metadata"]["finalizers"].clone()
}

/// The commands that a message recommends to take a finalizer off.
fn patches(stderr: &str) -> Vec<String> {
    let commands =
        stderr.lines().filter_map(|line| line.find("kubectl patch ").map(|at| line[at..].to_owned()));
    commands.collect()
}

#[test]
fn force_takes_off_what_is_musters_and_says_of_the_rest_what_holds_it_and_what_removes_that() {
    let fleet = Fleet::new();
    put_work(&fleet, "shop", &json!([]));
    hold(&fleet, WORK, &json!([THEIRS, WORK_FINALIZER]));
    let map = format!("{NAMESPACE}/configmaps");
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes", "finalizers": [THEIRS]}});
    fleet.directory.api().create(&map, &object).unwrap();
    let map = format!("{map}/notes");
    let entry = format!("{CLUSTERS}/{OWN}");
    hold(&fleet, &entry, &json!([ENTRY_FINALIZER, THEIRS]));
    let delete = json!({"spec": {"deregistration": "Delete"}});
    fleet.directory.api().patch(&entry, MERGE_PATCH, &delete).unwrap();
    let may_go = json!({"metadata": {"annotations": {"multicluster.coreos.com/allow-deletion": "true"}}});
    fleet.directory.api().patch(NAMESPACE, MERGE_PATCH, &may_go).unwrap();
    fleet.directory.api().delete(NAMESPACE).unwrap();
    eventually("the server's word on the namespace", DEADLINE, || {
        let there = fleet.directory.api().get(NAMESPACE).unwrap();
        let said = there["status"]["conditions"].to_string();
        if said.contains("NamespaceFinalizersRemaining") && said.contains("configmaps") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .unwrap();

    let waited = muster(&fleet.directory, &["unregister", OWN, "--timeout=1"]);
    assert_eq!(waited.code, Some(1), "{}", waited.stderr);
    for told in [
        "what Works made in that cluster goes with it",
        ENTRY_FINALIZER,
        THEIRS,
        "unregister east --force",
        "its cluster's agent removes it",
        "configmaps",
    ] {
        assert!(waited.stderr.contains(told), "{told} is missing: {}", waited.stderr);
    }
    fleet.directory.api().get(ACCOUNT).unwrap();
    assert_eq!(finalizers(&fleet, WORK), json!([THEIRS, WORK_FINALIZER]), "nobody said force");

    let rehearsed = muster(&fleet.directory, &["unregister", OWN, "--force", "--dry-run"]);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.stderr);
    assert!(
        rehearsed.stderr.contains(&format!("{ENTRY_FINALIZER} would be removed")),
        "{}",
        rehearsed.stderr
    );
    fleet.directory.api().get(ACCOUNT).unwrap();
    assert_eq!(finalizers(&fleet, WORK), json!([THEIRS, WORK_FINALIZER]), "a rehearsal");

    let forced = muster(&fleet.directory, &["unregister", OWN, "--force"]);
    assert_eq!(forced.code, Some(1), "the entry is there: {}", forced.stderr);
    assert!(fleet.directory.api().get(ACCOUNT).is_err());
    assert_eq!(fleet.directory.api().get(&entry).unwrap()["spec"]["deregistration"], "Keep");
    for path in [WORK, &map, &entry] {
        assert_eq!(finalizers(&fleet, path), json!([THEIRS]), "{path}");
    }
    for told in [
        "spec.deregistration is Keep",
        "finalizer multicluster.x-k8s.io/work-cleanup removed from work/shop in muster-cluster-east",
        "finalizer multicluster.coreos.com/deregistration removed from cluster/east",
        "work/shop in muster-cluster-east is held by its finalizer example.com/waits",
        "held by its finalizer example.com/waits\nnext:  what set it removes it",
        "-n muster-cluster-east get configmaps",
    ] {
        assert!(forced.stderr.contains(told), "{told} is missing: {}", forced.stderr);
    }

    // What is recommended where the others' program is gone does it.
    let commands = patches(&forced.stderr);
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in &commands {
        shell(&fleet.directory, fleet.directory.folder(), command);
    }
    hold(&fleet, &map, &json!(null));
    for path in [&entry, NAMESPACE] {
        eventually("its end", DEADLINE, || match fleet.directory.api().get(path) {
            Err(_) => Ok(()),
            Ok(left) => Err(left.to_string()),
        })
        .unwrap();
    }
}

#[test]
fn force_ends_an_entry_that_only_muster_holds() {
    let fleet = Fleet::new();
    let entry = format!("{CLUSTERS}/{OWN}");
    hold(&fleet, &entry, &json!([ENTRY_FINALIZER]));
    let forced = muster(&fleet.directory, &["unregister", OWN, "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(forced.stderr.contains("cluster.multicluster.coreos.com/east deleted"), "{}", forced.stderr);
    assert!(fleet.directory.api().get(&entry).is_err());
    assert!(forced.stderr.contains("kubectl muster leave"), "{}", forced.stderr);
}

/// What a controller says of an entry that is being deleted.
fn say(fleet: &Fleet, reason: &str, status: &str, message: &str) {
    let condition = json!({
        "type": "Deregistering", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-20T10:00:00Z",
    });
    let told = json!({"status": {"conditions": [condition]}});
    fleet.directory.api().patch(&format!("{CLUSTERS}/{OWN}/status"), MERGE_PATCH, &told).unwrap();
}

#[test]
fn what_the_controller_says_is_in_the_way_is_shown_and_force_is_offered_only_where_it_helps() {
    let fleet = Fleet::new();
    let entry = format!("{CLUSTERS}/{OWN}");
    hold(&fleet, &entry, &json!([ENTRY_FINALIZER]));
    let waited = || {
        let waited = muster(&fleet.directory, &["unregister", OWN, "--timeout=1"]);
        assert_eq!(waited.code, Some(1), "{}", waited.stderr);
        waited.stderr
    };
    let forced = "unregister east --force";
    say(&fleet, "Waiting", "True", "");
    assert!(waited().contains(forced), "nobody need wait");
    assert!(done(&fleet.directory, &["status"]).contains("it is leaving"));
    for (reason, status, message, command) in [
        (
            "Removing",
            "True",
            "serviceaccount east in namespace muster-agents is being deleted, and has finalizers of others: \
             example.com/waits. When they are needed no more: kubectl -n muster-agents patch serviceaccount east",
            "kubectl -n muster-agents patch serviceaccount east",
        ),
        ("Removing", "True", "unable to delete it: forbidden", "Wait. If it lasts, the message says"),
        (
            "Halted",
            "False",
            "it may have gone with an earlier definition. If this entry is to go: kubectl patch mcl east",
            "kubectl patch mcl east",
        ),
    ] {
        say(&fleet, reason, status, message);
        let told = waited();
        assert!(told.contains(&format!("({reason}, {message})")), "{told}");
        assert!(told.contains(&format!("\nnext:  {command}")), "{told}");
        assert!(!told.contains(forced), "force does not remove it: {told}");
        let table = done(&fleet.directory, &["status"]);
        assert!(table.contains("kubectl muster status east"), "{table}");
        let detail = done(&fleet.directory, &["status", OWN]);
        assert!(detail.contains(&format!("- Deregistering {reason}: ")), "{detail}");
        assert!(detail.contains(message), "{detail}");
    }
    hold(&fleet, &entry, &json!(null));
}

#[test]
fn force_leaves_what_is_another_clusters() {
    let fleet = Fleet::bare();
    let api = fleet.directory.api();
    let namespace = execution_namespace("a.b");
    let name = namespace.strip_prefix("muster-cluster-").unwrap();
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": namespace,
        "labels": {"multicluster.coreos.com/execution-namespace": "true"},
        "annotations": {"multicluster.coreos.com/cluster": "a.b"},
    }});
    api.create("/api/v1/namespaces", &made).unwrap();
    let works = format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/{namespace}/works");
    let work = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
        "metadata": {"name": "shop", "finalizers": [WORK_FINALIZER]}, "spec": {"workload": {"manifests": []}},
    });
    api.create(&works, &work).unwrap();
    let work = format!("{works}/shop");
    let uid = api.get(&work).unwrap()["metadata"]["uid"].clone();
    let default = "/api/v1/namespaces/muster-agents/serviceaccounts/default";
    let account = eventually("the account of Kubernetes", DEADLINE, || api.get(default)).unwrap();

    for refused in [name, "default"] {
        let entry = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": refused, "finalizers": [ENTRY_FINALIZER]}});
        api.create(CLUSTERS, &entry).unwrap();
    }
    let told = muster(&fleet.directory, &["unregister", name, "--timeout=1"]);
    assert!(told.stderr.contains("stays as it is: it is that of cluster a.b"), "{}", told.stderr);
    let forced = muster(&fleet.directory, &["unregister", name, "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert!(forced.stderr.contains("stays as it is: it is that of cluster a.b"), "{}", forced.stderr);
    let forced = muster(&fleet.directory, &["unregister", "default", "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    for refused in [name, "default"] {
        assert!(api.get(&format!("{CLUSTERS}/{refused}")).is_err(), "{refused}");
    }

    // And the commands that do the same, where it does not say whose it is and where it does.
    let explained = done(&fleet.directory, &["unregister", name, "--force", "--explain"]);
    let entry =
        json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name}});
    api.create(CLUSTERS, &entry).unwrap();
    shell(&fleet.directory, fleet.directory.folder(), &explained);
    let there = api.get(&work).unwrap();
    assert_eq!((&there["metadata"]["uid"], finalizers(&fleet, &work)), (&uid, json!([WORK_FINALIZER])));
    assert_eq!(api.get(default).unwrap(), account);
    let own = done(&fleet.directory, &["unregister", "a.b", "--force", "--explain"]);
    let entry =
        json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": "a.b"}});
    api.create(CLUSTERS, &entry).unwrap();
    shell(&fleet.directory, fleet.directory.folder(), &own);
    assert_eq!(finalizers(&fleet, &work), json!(null), "its own");
}
