//! Policies: how soon what they ask for is there, and gone, and what a large one costs.

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::{joined, print, time};
use crate::fleet::Fleet;
use crate::policies::{LEDGERS, POLICIES, drop_policy, made, path, scale};

/// Samples of what takes a quiet window each.
const SAMPLES: usize = 5;
/// All grants in namespaces that policies made.
const GRANTS: &str = concat!(
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "?labelSelector=applyset.kubernetes.io/part-of=muster-policies",
);

/// A policy with two grants in each of two namespaces. Made in one call, unlike by `kubectl`.
fn create(fleet: &Fleet, name: &str) {
    let bindings =
        json!([{"clusterRole": "view", "groups": ["a"]}, {"clusterRole": "edit", "groups": ["b"]}]);
    let namespaces =
        ["one", "two"].map(|name| json!({"name": name, "authorization": {"bindings": bindings}}));
    let policy = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy",
        "metadata": {"name": name}, "spec": {"selector": {"cloud": "aws"}, "namespaces": namespaces}});
    fleet.directory.api().create(POLICIES, &policy).unwrap();
}

fn grants(fleet: &Fleet) -> Vec<Value> {
    fleet.replica.api().get(GRANTS).unwrap()["items"].as_array().unwrap().clone()
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_policy_is_applied_and_revoked() {
    let (fleet, agent) = joined();
    let (mut applied, mut revoked) = (Vec::new(), Vec::new());
    for number in 0..SAMPLES {
        let name = format!("policy-{number}");
        create(&fleet, &name);
        applied.push(time("four grants", || grants(&fleet).len() == 4));
        fleet.reason(&agent, "PoliciesApplied", "Applied");
        drop_policy(&fleet, &name);
        revoked.push(time("no grant", || grants(&fleet).is_empty()));
        time("no ledger", || fleet.replica.api().get(LEDGERS).unwrap()["items"] == json!([]));
    }
    print("policy made, last of its four grants there", applied);
    print("policy deleted, last of its four grants gone, with the quiet window of 2 s", revoked);
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_hand_edit_of_a_grant_is_undone() {
    let (fleet, agent) = joined();
    // Corrections of one object are braked after the first few: each sample has its own.
    for number in 0..SAMPLES {
        create(&fleet, &format!("policy-{number}"));
    }
    time("all grants", || grants(&fleet).len() == 4 * SAMPLES);
    fleet.reason(&agent, "PoliciesApplied", "Applied");
    let made = made(&fleet.replica);
    let paths = made.keys().filter(|key| key.starts_with("RoleBinding ")).map(|key| path(key));
    let replica = fleet.replica.api();
    let samples = paths.map(|path| {
        replica.patch(&path, MERGE_PATCH, &json!({"subjects": null})).unwrap();
        time("the grant as it was", || replica.get(&path).unwrap()["subjects"].is_array())
    });
    print("hand edit of a grant undone", samples.collect());
}

#[test]
#[ignore = "measures: run by make bench"]
fn a_large_policy_is_applied_and_revoked() {
    let (fleet, agent) = joined();
    scale::played(&fleet, &agent).tell();
    let bare = scale::bare(&fleet).as_millis();
    println!("figure: as many objects applied by a bare client, {} in flight: {bare} ms", scale::IN_FLIGHT);
}
