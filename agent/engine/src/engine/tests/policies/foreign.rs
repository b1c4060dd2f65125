//! What Muster did not make.

use muster_api::marks::{MADE_FOR, PART_OF, POLICY_SET};

use super::*;
use crate::scope::Scope;
use crate::target::Target;

/// What a policy makes, as if somebody had made it before.
fn before(spec: &Value, kind: &str) -> Target {
    PolicyWorld::in_step(&[("p", spec.clone())]).find(kind)
}

#[test]
fn a_namespace_that_was_there_is_used_and_never_owned() {
    let namespace = before(&grant("web", &["view"]), "Namespace web");
    let mut world = PolicyWorld::new(Scope::None);
    world.make(&namespace, &json!({"labels": {"theirs": "1"}}));
    let theirs = world.objects[&namespace].clone();
    world.edit_policy("p", |policy| {
        policy["spec"] = grant("web", &["view"]);
        policy["metadata"]["annotations"][muster_api::marks::NAMESPACE_DELETION] = "delete".into();
    });
    world.start(true);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-view"]);
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
    world.restart(true);
    world.tick(60);
    assert_eq!(world.written(), [""; 0]);
    world.delete_policy("p");
    world.tick(60);
    assert_eq!(world.objects.values().collect::<Vec<_>>(), [&theirs]);
    assert_eq!(world.reads.iter().filter(|read| read.contains("inspect")).count(), 0);
    assert!(world.ledgers.is_empty());
}

#[test]
fn a_namespace_that_goes_is_made_anew_with_what_is_in_it() {
    let namespace = before(&grant("web", &["view"]), "Namespace web");
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.edit(&namespace, |value| value["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
    world.tick(10);
    assert_eq!(world.written(), [""; 0], "nothing can be made in a namespace that goes");
    world.remove(&namespace);
    world.tick(10);
    assert_eq!(world.written(), ["create Namespace web", "create RoleBinding web/p-view", "settle p"]);
}

#[test]
fn a_binding_that_was_there_is_a_conflict_and_stays_when_the_policy_goes() {
    let binding = before(&grant("web", &["view"]), "RoleBinding web/p-view");
    let namespace = before(&grant("web", &["view"]), "Namespace web");
    let labelled = json!({"labels": {PART_OF: POLICY_SET}});
    let copied = json!({"labels": {PART_OF: POLICY_SET}, "annotations": {MADE_FOR: "p/u/another/x/y"}});
    for metadata in [json!({}), labelled, copied] {
        for restart in [false, true] {
            let mut world = PolicyWorld::new(Scope::None);
            world.make(&namespace, &json!({}));
            world.make(&binding, &metadata);
            let theirs = world.objects.clone();
            world.policy("p", &grant("web", &["view"]));
            world.start(true);
            let (reason, message) = world.condition("PoliciesApplied");
            assert_eq!(reason, "Conflict");
            assert!(message.contains("RoleBinding p-view") && message.contains("namespace web"), "{message}");
            world.tick(300);
            assert!(world.log.len() < 20, "{:?}", world.log);
            if restart {
                world.restart(true);
                world.tick(10);
                assert_eq!(world.reason("PoliciesApplied"), "Conflict");
            }
            world.delete_policy("p");
            world.tick(10);
            let copy = |target: &&Target| target.resource.kind != "ClusterPolicy";
            let left: Vec<_> = world.objects.iter().filter(|(target, _)| copy(target)).collect();
            assert_eq!(left, theirs.iter().collect::<Vec<_>>());
            assert!(world.ledgers.is_empty());
            assert_eq!(world.reason("PoliciesApplied"), "NoneSelected");
        }
    }
}

#[test]
fn a_binding_is_made_once_the_foreign_one_is_gone() {
    let binding = before(&grant("web", &["view"]), "RoleBinding web/p-view");
    for metadata in
        [json!({}), json!({"labels": {PART_OF: POLICY_SET}}), json!({"annotations": {MADE_FOR: "bad"}})]
    {
        let mut world =
            PolicyWorld::in_step(&[("p", json!({"selector": {}, "namespaces": [{"name": "web"}]}))]);
        world.make(&binding, &metadata);
        world.policy("p", &grant("web", &["view"]));
        world.tick(5);
        assert_eq!(world.reason("PoliciesApplied"), "Conflict");
        world.remove(&binding);
        world.tick(70);
        assert_eq!(world.reason("PoliciesApplied"), "Applied", "{metadata}");
        assert_eq!(world.find("RoleBinding web/p-view"), binding);
    }
}

#[test]
fn a_copy_of_a_binding_under_another_name_is_nobodys() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let binding = world.find("RoleBinding web/p-view");
    let metadata = world.objects[&binding]["metadata"].clone();
    let copy = Target { name: "mine".into(), ..binding };
    world.make(&copy, &json!({"labels": metadata["labels"], "annotations": metadata["annotations"]}));
    world.tick(10);
    world.policy("p", &grant("web", &["edit"]));
    world.tick(10);
    world.restart(true);
    world.delete_policy("p");
    world.tick(60);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/mine"]);
    assert!(world.ledgers.is_empty());
}

#[test]
fn a_released_namespace_is_used_by_a_later_policy_and_not_owned_again() {
    for lag in [false, true] {
        let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
        if lag {
            world.done_first = true;
            world.lagging = Some(std::collections::VecDeque::new());
        }
        world.delete_policy("p");
        world.tick(5);
        world.catch_up();
        assert_eq!(world.there(), ["Namespace web"]);
        world.forget();
        world.edit_policy("later", |policy| {
            policy["spec"] = grant("web", &["edit"]);
            policy["metadata"]["annotations"][muster_api::marks::NAMESPACE_DELETION] = "delete".into();
        });
        world.tick(5);
        assert_eq!(world.written(), ["record later", "create RoleBinding web/later-edit", "settle later"]);
        world.delete_policy("later");
        world.tick(60);
        assert_eq!(world.there(), ["Namespace web"]);
    }
}

/// The directory was lost for good, and the replica's owner joined another one.
#[test]
fn what_a_policy_of_a_lost_directory_made_is_that_of_one_of_its_name_here_and_the_rest_stays() {
    for (done_first, settled) in [(false, true), (true, true), (false, false)] {
        let lost = [("p", grant("web", &["view", "edit"])), ("q", grant("other", &["view"]))];
        let mut world = PolicyWorld::in_step(&lost);
        world.done_first = done_first;
        let kept = ["RoleBinding web/p-view", "RoleBinding web/p-edit", "RoleBinding other/q-view"];
        let uids = |world: &PolicyWorld| {
            kept.map(|name| world.objects[&world.find(name)]["metadata"]["uid"].clone())
        };
        let before = uids(&world);
        world.dead = true;
        for policy in ["p", "q"].map(|name| world.uid(name)) {
            world.edit_ledger(&policy, |kept| {
                kept.ledger.directory = "lost".into();
                kept.ledger.applied.take_if(|_| !settled); // the last process ended before it wrote that
            });
        }
        world.policies.clear();
        world.policy("p", &grant("web", &["view"]));
        world.policy("next", &grant("web", &["admin"]));
        world.nonce = "anew".into();
        world.forget();
        world.start(true);
        world.tick(60);
        assert_eq!(uids(&world), before, "{:#?}", world.log);
        assert_eq!(world.gone(), [""; 0], "{:#?}", world.log);
        assert_eq!(world.reason("PoliciesApplied"), "Applied", "{:?}", world.condition("PoliciesApplied"));
        let text =
            |name: &str| world.objects[&world.find(name)]["metadata"]["annotations"][MADE_FOR].to_string();
        assert!(text("RoleBinding web/p-view").contains("/anew/"));
        assert!(text("RoleBinding web/p-edit").contains("/n/"), "nobody asks for it");
        world.restart(true);
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        world.delete_policy("p");
        world.tick(60);
        assert_eq!(world.gone(), ["delete RoleBinding web/p-view"], "it is this one's now");
        assert!(world.there().contains(&"RoleBinding web/p-edit".to_owned()));
    }
}

#[test]
fn what_could_not_be_taken_over_from_a_lost_directory_stays_when_the_policy_goes() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let (binding, policy) = (world.find("RoleBinding web/p-view"), world.uid("p"));
    world.dead = true;
    world.edit_ledger(&policy, |kept| kept.ledger.directory = "lost".into());
    world.policies.clear();
    world.policy("p", &grant("web", &["view"]));
    world.nonce = "anew".into();
    world.refused.insert("RoleBinding".into(), (crate::failure::Failure::Forbidden, "no".into()));
    let before = world.objects[&binding].clone();
    world.start(true);
    world.tick(60);
    assert_eq!(world.objects[&binding], before);
    world.delete_policy("p");
    world.tick(60);
    assert_eq!((world.gone(), &world.objects[&binding]), (vec![], &before), "{:#?}", world.log);
}
