//! What keeps a cluster that leaves is told.

use serde_json::{Value, json};

use super::world::World;
use crate::fleet::part::Part;

fn enrolled() -> World {
    let mut world = World::new();
    world.enter("east");
    world.pass(2);
    world
}

fn told(world: &World) -> String {
    assert_eq!(world.reason("east", "Deregistering"), "Removing");
    world.message("east", "Deregistering")
}

#[test]
fn a_finalizer_on_a_part_is_named_with_the_command_that_takes_it_off() {
    let mut world = enrolled();
    let account = Part::Account.resource();
    let held = json!({"metadata": {"finalizers": ["example.com/theirs"]}});
    world.patch(&account, Some("muster-agents"), "east", &held).unwrap();
    world.delete("east");
    world.pass(5);
    assert_eq!(told(&world), "", "it may go yet");
    world.pass(10);
    let message = told(&world);
    assert!(message.contains("serviceaccount east in namespace muster-agents is being deleted"), "{message}");
    assert!(message.contains("example.com/theirs"), "{message}");
    assert!(message.contains("kubectl -n muster-agents patch serviceaccount east --type=merge"), "{message}");
    // All others are gone meanwhile; the namespace is not, since the entry is to go last.
    assert_eq!(world.part(Part::Report, "east"), Value::Null);
    let free = json!({"metadata": {"finalizers": []}});
    world.patch(&account, Some("muster-agents"), "east", &free).unwrap();
    world.pass(3);
    assert_eq!(world.entry("east"), None);
}

#[test]
fn what_keeps_the_namespace_is_named() {
    let mut world = enrolled();
    let remaining = "Some resources are remaining: works.multicluster.x-k8s.io has 1 resource instances";
    world.stuck = Some(json!({"conditions": [
        {"type": "NamespaceContentRemaining", "status": "True", "message": remaining},
    ]}));
    world.delete("east");
    world.pass(20);
    let message = told(&world);
    assert!(message.contains("still holds works.multicluster.x-k8s.io"), "{message}");
    let writes = world.written.len();
    world.pass(300);
    assert_eq!(world.written.len(), writes, "it is told once");
}

#[test]
fn a_removal_that_is_refused_is_told() {
    let mut world = enrolled();
    world.refuse = Some("remove ViewBinding");
    world.delete("east");
    world.pass(3);
    assert_eq!(told(&world), "no");
    world.refuse = None;
    world.pass(31);
    assert_eq!(world.entry("east"), None);
}
