//! A replica leaves, or is released from a policy, and what is asked for again after that; and what its owner says.

use muster_api::marks::{LEAVE, LET_GO, NAMESPACE_DELETION, PART_OF, PAUSE};

use super::*;
use crate::memory::Departed;
use crate::pin::Reading;
use crate::scope::Scope;

fn world() -> PolicyWorld {
    PolicyWorld::in_step(&[("p", grant("web", &["view"])), ("q", grant("other", &["view"]))])
}

fn departed(world: &PolicyWorld) -> Option<&Departed> {
    world.memory.as_ref().unwrap().departed.as_ref()
}

/// What is left where the replica has left: the namespaces, and no mark on them.
fn cleared(world: &PolicyWorld) {
    assert_eq!(world.there(), ["Namespace other", "Namespace web"]);
    assert!(world.objects.values().all(|object| object["metadata"]["labels"][PART_OF].is_null()));
    assert_eq!((world.ledgers.len(), world.objects.len()), (0, 2));
}

#[test]
fn a_namespace_that_was_kept_and_is_asked_for_again_is_used_and_not_owned() {
    let mut world = world();
    world.delete_policy("p");
    world.tick(3);
    assert_eq!(world.condition("PoliciesApplied").0, "NamespaceRetained");
    let kept = world.objects[&world.find("Namespace web")].clone();
    world.forget();
    world.edit_policy("p", |policy| {
        policy["spec"] = grant("web", &["view"]);
        policy["metadata"]["annotations"][NAMESPACE_DELETION] = "delete".into();
    });
    world.tick(3);
    assert_eq!(world.written(), ["record p", "create RoleBinding web/p-view", "settle p"]);
    assert_eq!(world.condition("PoliciesApplied"), ("Applied".into(), "2 policies, 3 objects".into()));
    world.delete_policy("p");
    world.tick(90);
    assert_eq!(world.written(), ["record p", "delete RoleBinding web/p-view", "forget p"]);
    assert_eq!(world.objects[&world.find("Namespace web")], kept, "it is its owner's");
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
}

#[test]
fn an_entry_that_is_deleted_ends_the_membership_and_one_of_its_name_begins_it_anew() {
    for restart in [false, true] {
        let mut world = world();
        world.leave("own");
        world.tick(1);
        assert_eq!(world.written(), [""; 0], "before the window was quiet");
        world.tick(3);
        cleared(&world);
        let log = world.written();
        let first_end = log.iter().position(|line| line.starts_with("delete")).unwrap();
        assert!(place(&log, "remember") < place(&log, "record p"), "{log:#?}");
        assert!(place(&log, "record p") < first_end && first_end < place(&log, "forget p"), "{log:#?}");
        assert_eq!(world.reason("Deregistered"), "EntryDeleted");
        assert_eq!(world.reason("PoliciesApplied"), "Left");
        if restart {
            world.restart(true);
        }
        world.policy("later", &grant("later", &["view"]));
        world.tick(90);
        assert_eq!(world.written(), [""; 0], "it idles");
        world.delete_policy("later");
        world.enter("own", &json!({"cloud": "aws"}));
        world.tick(5);
        assert_eq!(
            world.there(),
            ["Namespace other", "Namespace web", "RoleBinding other/q-view", "RoleBinding web/p-view"]
        );
        assert_eq!(world.reason("Deregistered"), "Member");
        assert_eq!(world.condition("PoliciesApplied"), ("Applied".into(), "2 policies, 2 objects".into()));
    }
}

/// The own entry is not there, and there is no evidence that somebody deleted it in a directory that is whole.
#[test]
fn an_entry_that_is_merely_missing_ends_nothing() {
    type Case = (&'static str, fn(&mut PolicyWorld));
    let cases: [Case; 5] = [
        ("missing at a start", |world| {
            world.disconnect();
            world.leave("own");
            world.restart(true);
        }),
        ("missing in a list", |world| {
            drop(world.entries.remove("own"));
            world.list_directory();
        }),
        ("seen to go, and then no answer", |world| {
            world.unreadable = true;
            world.leave("own");
        }),
        ("seen to go with its definition", |world| {
            world.landmarks.clusters_crd = Reading::Absent;
            world.leave("own");
        }),
        ("replaced", |world| {
            world.leave("own");
            world.enter("own", &json!({"cloud": "aws"}));
        }),
    ];
    for (case, act) in cases {
        let mut world = world();
        act(&mut world);
        world.tick(90);
        assert_eq!((world.gone(), departed(&world)), (vec![], None), "{case}");
        assert_eq!(world.reason("Deregistered"), "Member", "{case}");
        let binding = world.find("RoleBinding web/p-view");
        world.remove(&binding);
        world.tick(10);
        assert!(world.there().contains(&"RoleBinding web/p-view".to_owned()), "{case}: it is enforced");
    }
}

#[test]
fn leaving_goes_on_where_it_was_broken_off_also_while_cut_off() {
    let mut world = world();
    world.deferring = true;
    world.leave("own");
    for _ in 0..4 {
        world.now += std::time::Duration::from_secs(2);
        world.send(crate::Event::Tick);
        if departed(&world).is_none() {
            world.carry_next();
        }
    }
    assert!(departed(&world).is_some() && world.gone().is_empty(), "{:?}", world.log);
    world.deferring = false;
    world.restart(false);
    world.tick(10);
    cleared(&world);
    assert_eq!(world.reason("Deregistered"), "EntryDeleted");
}

#[test]
fn the_owner_of_the_replica_leaves_and_comes_back_whatever_the_directory_says() {
    let mut world = world();
    world.disconnect();
    world.say_as_owner(&json!({LEAVE: "true"}));
    world.tick(10);
    cleared(&world);
    assert_eq!(world.reason("Deregistered"), "OwnerLeft");
    world.forget();
    for restart in [false, true] {
        if restart {
            world.restart(true);
        } else {
            world.connect();
        }
        world.tick(60);
        assert_eq!(world.written(), [""; 0], "restart: {restart}");
    }
    world.say_as_owner(&json!({}));
    world.tick(10);
    assert_eq!(world.reason("Deregistered"), "Member");
    assert!(world.there().contains(&"RoleBinding web/p-view".to_owned()));
}

#[test]
fn a_pause_holds_whatever_happens_and_its_end_brings_all_in_step() {
    for online in [true, false] {
        let mut world = world();
        if !online {
            world.disconnect();
        }
        world.say_as_owner(&json!({PAUSE: "true"}));
        assert_eq!(world.reason("PoliciesApplied"), "Paused");
        let binding = world.find("RoleBinding web/p-view");
        world.remove(&binding);
        world.delete_policy("q");
        world.policy("r", &grant("third", &["view"]));
        world.tick(60); // the world fails the test at any plan
        world.restart(online);
        world.tick(60);
        assert_eq!(world.written(), [""; 0], "online: {online}");
        world.say_as_owner(&json!({}));
        world.tick(5);
        assert!(world.there().contains(&"RoleBinding web/p-view".to_owned()), "online: {online}");
        if !online {
            world.connect();
            world.tick(5);
        }
        assert_eq!(
            world.there(),
            [
                "Namespace other",
                "Namespace third",
                "Namespace web",
                "RoleBinding third/r-view",
                "RoleBinding web/p-view"
            ]
        );
        world.tick(10);
        assert_eq!(world.written().iter().filter(|line| line.starts_with("delete")).count(), 1);
    }
}

#[test]
fn what_its_owner_lets_go_stays_as_they_make_it() {
    let mut world = world();
    let binding = world.find("RoleBinding web/p-view");
    world.edit(&binding, |value| {
        value["metadata"]["annotations"][LET_GO] = "true".into();
        value["subjects"] = json!([]);
    });
    assert_eq!(world.written(), [""; 0]);
    let theirs = world.objects[&binding].clone();
    for online in [true, false, true] {
        world.restart(online);
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        assert_eq!(world.reason("PoliciesApplied"), "Applied");
    }
    world.delete_policy("p");
    world.tick(60);
    assert_eq!(world.objects[&binding], theirs);
}

#[test]
fn nothing_is_said_to_be_applied_before_the_directory_was_read() {
    let mut world = PolicyWorld::new(Scope::None);
    world.policy("p", &grant("web", &["view"]));
    world.start(true); // so that there is something to remember
    world.delete_policy("p");
    world.tick(5);
    world.restart(false);
    let (reason, message) = world.condition("PoliciesApplied");
    assert!(reason == "Pending" && message.contains("policies of the directory"), "{reason} {message}");
    drop(world.entries.remove("own"));
    world.policy("p", &grant("web", &["view"]));
    world.connect();
    let (reason, message) = world.condition("PoliciesApplied");
    assert!(reason == "Pending" && message.contains("labels"), "{reason} {message}");
    world.enter("own", &json!({}));
    world.tick(1);
    assert_eq!(world.reason("PoliciesApplied"), "NoneSelected");
}
