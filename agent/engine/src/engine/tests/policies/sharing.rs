//! What several policies want: none of them takes it away from the others.

use muster_api::marks::{MADE_FOR, NAMESPACE_DELETION, PART_OF};

use super::*;

/// A grant, and a role that several define in the same way.
fn with_role(role: &str) -> Value {
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    json!({"selector": {"cloud": "aws"}, "namespaces": [{"name": "web", "authorization": {
        "roles": [{"name": "reader", "rules": rules}],
        "bindings": [{"clusterRole": role, "users": ["jane"]}, {"role": "reader", "users": ["jane"]}],
    }}]})
}

fn two() -> PolicyWorld {
    let world = PolicyWorld::in_step(&[("one", with_role("view")), ("two", with_role("edit"))]);
    assert_eq!(
        world.there(),
        [
            "Namespace web",
            "Role web/reader",
            "RoleBinding web/one-reader",
            "RoleBinding web/one-view",
            "RoleBinding web/two-edit",
            "RoleBinding web/two-reader"
        ]
    );
    world
}

#[test]
fn what_becomes_of_one_policy_leaves_the_others_objects_alone() {
    let ends: [(&str, Act); 4] = [
        ("deleted", |world| world.delete_policy("one")),
        ("unmatched", |world| {
            world.edit_policy("one", |policy| policy["spec"]["selector"] = json!({"no": "match"}));
        }),
        ("edited", |world| world.policy("one", &grant("web", &["admin"]))),
        ("moved", |world| world.policy("one", &grant("elsewhere", &["view"]))),
    ];
    for (end, act) in ends {
        for down in [false, true] {
            let mut world = two();
            let kept = |world: &PolicyWorld| {
                let of = |name| world.objects[&world.find(name)].clone();
                ["Namespace web", "Role web/reader", "RoleBinding web/two-edit", "RoleBinding web/two-reader"]
                    .map(of)
            };
            let before = kept(&world);
            if down {
                world.disconnect();
            }
            act(&mut world);
            if down {
                world.restart(true);
            }
            world.tick(90);
            assert_eq!(kept(&world), before, "{end}");
            assert!(!world.there().contains(&"RoleBinding web/one-view".to_owned()), "{end}");
            assert!(!world.there().contains(&"RoleBinding web/one-reader".to_owned()), "{end}");
            let others = ["two", "Namespace web", "Role web"];
            let touched = world.log.iter().filter(|line| others.iter().any(|other| line.contains(other)));
            assert_eq!(touched.count(), 0, "{end}: {:?}", world.log);
        }
    }
}

#[test]
fn with_the_last_policy_a_shared_role_goes_and_the_namespace_is_released() {
    for together in [false, true] {
        let mut world = two();
        world.delete_policy("one");
        if !together {
            world.tick(5);
        }
        world.delete_policy("two");
        world.tick(5);
        assert_eq!(world.there(), ["Namespace web"]);
        let log = world.written();
        assert_eq!(log.iter().filter(|line| *line == "delete Role web/reader").count(), 1);
        assert!(place(&log, "delete RoleBinding web/two-reader") < place(&log, "delete Role web/reader"));
        assert_eq!(log.iter().filter(|line| *line == "unmark Namespace web").count(), 1);
        let namespace = &world.objects[&world.find("Namespace web")]["metadata"];
        assert!(namespace["labels"][PART_OF].is_null() && namespace["annotations"][MADE_FOR].is_null());
        assert_eq!(world.reason("PoliciesApplied"), "NamespaceRetained");
        assert!(world.ledgers.is_empty());
        world.tick(90);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn a_new_policy_keeps_what_another_one_gives_up() {
    // The new one is there before the old one's objects go; its ledger is not, yet.
    let mut world = PolicyWorld::in_step(&[("one", with_role("view"))]);
    let role = world.objects[&world.find("Role web/reader")]["metadata"]["uid"].clone();
    world.delete_policy("one");
    world.now += std::time::Duration::from_secs(3);
    world.deferring = true;
    world.policy("two", &with_role("edit"));
    world.carry_slowly("record two");
    assert_eq!(world.objects[&world.find("Role web/reader")]["metadata"]["uid"], role);
    assert!(!world.log.contains(&"delete Role web/reader".to_owned()), "{:?}", world.log);
    assert!(!world.log.contains(&"unmark Namespace web".to_owned()), "{:?}", world.log);
}

#[test]
fn a_ledger_that_is_lost_for_a_moment_does_not_let_go_of_what_is_shared() {
    let mut world = two();
    let two = world.uid("two");
    world.delete_policy("one");
    world.now += std::time::Duration::from_secs(3);
    world.deferring = true;
    world.lose_ledger(&two);
    world.carry_slowly("record two");
    assert!(!world.log.contains(&"delete Role web/reader".to_owned()), "{:?}", world.log);
    assert!(!world.log.contains(&"unmark Namespace web".to_owned()), "{:?}", world.log);
    assert_eq!(world.ledgers.len(), 1);
}

fn to_delete(spec: &Value) -> PolicyWorld {
    let mut world = PolicyWorld::in_step(&[]);
    world.edit_policy("p", |policy| {
        policy["spec"] = spec.clone();
        policy["metadata"]["annotations"][NAMESPACE_DELETION] = "delete".into();
    });
    world.tick(3);
    world.forget();
    world
}

#[test]
fn a_namespace_goes_where_the_policy_says_so_and_nothing_is_in_it() {
    for done_first in [false, true] {
        let mut world = to_delete(&grant("web", &["view"]));
        world.done_first = done_first;
        world.delete_policy("p");
        world.tick(3);
        assert_eq!(world.reads, ["examine", "inspect web"]);
        assert_eq!(
            world.written(),
            ["record p", "delete RoleBinding web/p-view", "delete Namespace web", "forget p"]
        );
        assert!(world.objects.is_empty());
    }
}

#[test]
fn a_namespace_that_is_not_empty_is_kept_and_looked_at_again() {
    let mut world = to_delete(&grant("web", &["view"]));
    world.content.insert("web".into(), "it holds pods".into());
    world.delete_policy("p");
    world.tick(30);
    assert_eq!(world.gone(), ["delete RoleBinding web/p-view"]);
    let (reason, message) = world.condition("PoliciesApplied");
    assert_eq!(reason, "NamespaceRetained");
    assert!(message.contains("web (it holds pods)"), "{message}");
    assert_eq!(world.reads.iter().filter(|read| *read == "inspect web").count(), 1);
    world.tick(300);
    let looked = world.reads.iter().filter(|read| *read == "inspect web").count();
    assert!((3..=8).contains(&looked), "{looked}");
    world.restart(false);
    world.tick(10);
    assert_eq!(world.gone(), [""; 0]);
    world.content.clear();
    world.tick(70);
    assert_eq!(world.written(), ["delete Namespace web", "forget p"]);
}

#[test]
fn a_namespace_that_was_dropped_from_a_policy_goes_the_same_way() {
    let mut world = to_delete(&grant("web", &["view"]));
    world.content.insert("web".into(), "it holds pods".into());
    world.policy("p", &grant("other", &["view"]));
    world.tick(5);
    assert_eq!(world.there(), ["Namespace other", "Namespace web", "RoleBinding other/p-view"]);
    world.content.clear();
    world.tick(100);
    assert_eq!(world.there(), ["Namespace other", "RoleBinding other/p-view"]);
    world.forget();
    world.tick(100);
    assert_eq!((world.reads.len(), world.written()), (0, vec![]));
}

#[test]
fn a_namespace_that_another_policy_wants_stays_whatever_one_says() {
    let mut world = to_delete(&grant("web", &["view"]));
    world.policy("other", &grant("web", &["edit"]));
    world.delete_policy("p");
    world.tick(10);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/other-edit"]);
    assert_eq!(world.gone(), ["delete RoleBinding web/p-view"]);
}
