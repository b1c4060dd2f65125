//! Names that lead to what is another's.

use muster_api::names::execution_namespace;
use muster_api::resource::{NAMESPACES, SERVICE_ACCOUNTS};
use serde_json::{Value, json};

use super::world::{ID, World};
use crate::fleet::part::Part;

/// Two names that lead to one execution namespace.
fn colliding() -> [String; 2] {
    let hashed = execution_namespace("a.b").strip_prefix("muster-cluster-").unwrap().to_owned();
    assert_eq!(execution_namespace(&hashed), execution_namespace("a.b"));
    ["a.b".to_owned(), hashed]
}

#[test]
fn a_second_cluster_gets_nothing_of_the_first() {
    for first in [0, 1] {
        let [first, second] = [colliding()[first].clone(), colliding()[1 - first].clone()];
        let mut world = World::new();
        world.enter(&first);
        world.pass(2);
        assert_eq!(world.reason(&first, "Enrolled"), "Enrolled");
        let parts = || Part::ALL.map(|part| part);
        let before = parts().map(|part| world.part(part, &first));
        world.enter(&second);
        world.pass(2);
        assert_eq!(world.reason(&second, "Enrolled"), "NameRefused");
        assert_eq!(world.status(&second)["executionNamespace"], Value::Null);
        assert_eq!(world.part(Part::Account, &second), Value::Null);
        assert_eq!(parts().map(|part| world.part(part, &first)), before);
        world.restart();
        world.pass(5);
        assert_eq!(world.reason(&first, "Enrolled"), "Enrolled");
        assert_eq!(world.reason(&second, "Enrolled"), "NameRefused");
        // Nor does its end take anything away, also where it holds the finalizer of an earlier version.
        let held = json!({"metadata": {"finalizers": ["multicluster.coreos.com/deregistration"]}});
        world.change(&second, &held);
        world.delete(&second);
        world.pass(10);
        assert_eq!(world.entry(&second), None);
        assert_eq!(parts().map(|part| world.part(part, &first)), before);
        // When the first is gone, the name is free.
        world.enter(&second);
        world.pass(2);
        world.delete(&first);
        world.pass(10);
        assert_eq!(world.reason(&second, "Enrolled"), "Enrolled");
    }
}

#[test]
fn of_two_that_come_at_once_the_first_is_enrolled() {
    let [dotted, hashed] = colliding();
    let mut world = World::new();
    let entered = |name: &str, at: &str| {
        json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "creationTimestamp": at},
        })
    };
    world.put(&muster_api::resource::CLUSTERS, entered(&dotted, "2026-11-22T00:00:01Z"));
    world.put(&muster_api::resource::CLUSTERS, entered(&hashed, "2026-11-22T00:00:00Z"));
    world.restart();
    world.pass(2);
    assert_eq!(world.reason(&hashed, "Enrolled"), "Enrolled");
    assert_eq!(world.reason(&dotted, "Enrolled"), "NameRefused");
}

#[test]
fn works_that_a_cluster_left_behind_are_not_the_next_ones() {
    let [dotted, hashed] = colliding();
    let mut world = World::new();
    world.enter(&dotted);
    world.pass(2);
    world.work(&dotted, "one");
    world.delete(&dotted);
    world.pass(10);
    assert_eq!(world.entry(&dotted), None);
    world.enter(&hashed);
    world.pass(2);
    assert_eq!(world.reason(&hashed, "Enrolled"), "NameRefused");
    world.enter(&dotted);
    world.pass(2);
    assert_eq!(world.reason(&dotted, "Enrolled"), "Enrolled", "its own");
}

#[test]
fn the_account_of_kubernetes_is_nobodys() {
    let mut world = World::new();
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "muster-agents"},
    });
    let account = world.put(&SERVICE_ACCOUNTS, account);
    world.enter("default");
    world.pass(10);
    assert_eq!(world.reason("default", "Enrolled"), "NameRefused");
    assert_eq!(world.get(&NAMESPACES, None, "muster-cluster-default"), None);
    // An entry of an earlier version, which took it.
    let held = json!({"metadata": {"finalizers": ["multicluster.coreos.com/deregistration"]}});
    world.change("default", &held);
    world.put(&Part::ViewBinding.resource(), Part::ViewBinding.body("default", super::world::LEASE));
    world.delete("default");
    world.pass(10);
    assert_eq!(world.entry("default"), None);
    assert_eq!(world.part(Part::ViewBinding, "default"), Value::Null, "nobody is to hold that");
    assert_eq!(world.get(&SERVICE_ACCOUNTS, Some("muster-agents"), "default"), Some(account));
}

#[test]
fn a_namespace_that_says_nothing_is_taken_as_before() {
    let mut world = World::new();
    let mut namespace = Part::Namespace.body("east", super::world::LEASE);
    namespace["metadata"].as_object_mut().unwrap().remove("annotations");
    world.put(&NAMESPACES, namespace);
    world.enter("east");
    world.pass(2);
    assert_eq!(world.reason("east", "Enrolled"), "Enrolled");
    world.report("east", ID);
}
