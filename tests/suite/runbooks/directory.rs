//! The directory was restored, moved or lost, or does not know a credential any more.

use std::collections::BTreeMap;

use muster_tests::directory::DirectoryProcess;
use muster_tests::proxy::Proxy;
use serde_json::{Value, json};

use super::{Lasting, play, play_in, written};
use crate::fleet::{OWN, quietly};
use crate::trail;
use crate::works::bench::{Bench, made, turnover};
use crate::works::{config_map, put_work, until_told, works};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-east/leases/east";
const ACCOUNT: &str = "/api/v1/namespaces/muster-agents/serviceaccounts/east";

/// Waits for a heartbeat.
fn beat(bench: &Bench) {
    let renewed =
        || bench.fleet.directory.api().get(LEASE).map(|lease| lease["spec"]["renewTime"].to_string());
    let before = renewed().unwrap();
    quietly("a heartbeat", || match renewed() {
        Ok(now) if now != before => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_directory_that_was_restored_is_followed_after_a_word() {
    let bench = Bench::new();
    Lasting::put(&bench);
    let mark = trail::mark(&bench.fleet.replica);
    beat(&bench);
    let backup = bench.fleet.directory.backup().unwrap();
    put_work(&bench.fleet, "later", &json!([config_map("default", "later", "one")]));
    until_told(&bench.fleet, &bench.agent, "later", "Applied", "Applied");
    beat(&bench);
    let before = made(&bench.fleet);
    bench.fleet.directory.restore(&backup).unwrap();
    play(&bench, "The directory was restored from a backup", &[], |_| {});
    until_told(&bench.fleet, &bench.agent, "kept", "Applied", "Applied");
    assert_eq!(made(&bench.fleet), before);
    let mut turnover = turnover(&bench.fleet, mark);
    turnover.retain(|write, _| write.starts_with("delete "));
    assert_eq!(turnover, BTreeMap::new());
}

#[test]
fn a_directory_is_met_again_at_another_address() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    bench.directory.cut().unwrap();
    let moved = Proxy::start(&bench.fleet.directory).unwrap();
    play_in(
        &bench.fleet,
        (moved.url(), moved.ca_pem()),
        "The directory moved to another address",
        &[],
        |_| {},
    );
    bench.fleet.in_step(&bench.agent);
    kept.is_unharmed(&bench);
}

#[test]
fn the_works_of_a_new_directory_take_over_what_those_of_the_lost_one_made() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    let lost: Value = bench.fleet.directory.api().get(&format!("{}/kept", works())).unwrap();
    let list = |items: Value| json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let entry = |name: &str| {
        json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster", "metadata": {"name": name},
            "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": []}}})
    };
    let entries = written(&bench.fleet, "directory.yaml", &list(json!([entry(OWN), entry("west")])));
    let work = json!({"apiVersion": lost["apiVersion"], "kind": "Work", "spec": lost["spec"],
        "metadata": {"name": "kept", "namespace": lost["metadata"]["namespace"]}});
    let all = written(&bench.fleet, "works.yaml", &list(json!([work])));
    bench.fleet.directory.replace_with_new_cluster().unwrap();
    let mut controller = None;
    let known = [("-f directory.yaml", format!("-f {}", entries.display()).into()), ("works.yaml", all)];
    play(&bench, "The directory is lost for good", &known, |done| {
        if done.contains("manifests/directory.yaml") {
            controller = Some(DirectoryProcess::start(&bench.fleet.directory, &[]).unwrap());
        }
    });
    let anew = until_told(&bench.fleet, &bench.agent, "kept", "Applied", "Applied");
    assert_ne!(anew["metadata"]["uid"], lost["metadata"]["uid"]);
    kept.is_unharmed(&bench);
}

#[test]
fn a_cluster_whose_credential_is_dead_gets_another_one() {
    let bench = Bench::new();
    let kept = Lasting::put(&bench);
    bench.fleet.directory.api().delete(ACCOUNT).unwrap();
    bench.fleet.enrol(OWN);
    play(&bench, "The credential of a cluster is dead", &[], |_| {});
    bench.fleet.in_step(&bench.agent);
    kept.is_unharmed(&bench);
}
