//! What goes, on what evidence, and what must not.

use super::*;
use crate::Failure;
use crate::event::{Change, DirectoryWatch, Event};
use crate::pin::{Found, Reading};

/// Ways in which a grant ends, and what goes then.
const ENDS: [(&str, Act); 4] = [
    ("policy deleted", |world| world.delete_policy("p")),
    ("label unmatched", |world| world.enter("own", &json!({"cloud": "gcp"}))),
    ("selector changed", |world| {
        world.edit_policy("p", |policy| policy["spec"]["selector"] = json!({"cloud": "none"}));
    }),
    ("binding dropped", |world| {
        world.edit_policy("p", |policy| policy["spec"]["namespaces"] = json!([{"name": "web"}]));
    }),
];

fn world() -> PolicyWorld {
    PolicyWorld::in_step(&[("p", grant("web", &["view"])), ("q", grant("other", &["view"]))])
}

fn is_over(world: &PolicyWorld, end: &str) {
    let left: &[&str] = if end == "label unmatched" {
        &["Namespace other", "Namespace web"]
    } else {
        &["Namespace other", "Namespace web", "RoleBinding other/q-view"]
    };
    assert_eq!(world.there(), left, "{end}");
}

#[test]
fn what_no_policy_grants_any_more_goes_after_live_reads() {
    for (end, act) in ENDS {
        for done_first in [false, true] {
            let mut world = world();
            world.done_first = done_first;
            act(&mut world);
            world.tick(1);
            assert_eq!((world.gone(), world.reads.len()), (vec![], 0), "{end}: before the window was quiet");
            world.tick(2);
            is_over(&world, end);
            assert_eq!(world.reads, ["examine"], "{end}");
            world.tick(90);
            world.forget();
            world.tick(90);
            assert_eq!((world.reads.len(), world.written()), (0, vec![]), "{end}");
            let kept = world.ledgers.values().map(|kept| kept.ledger.maker.name.as_str()).collect::<Vec<_>>();
            match end {
                "binding dropped" => assert_eq!(kept.len(), 2),
                "label unmatched" => assert_eq!(kept, [""; 0]),
                _ => assert_eq!(kept, ["q"], "{end}"),
            }
        }
    }
}

#[test]
fn the_writes_of_an_end_are_these() {
    let mut world = world();
    world.delete_policy("p");
    world.tick(3);
    assert_eq!(
        world.written(),
        ["record p", "delete RoleBinding web/p-view", "unmark Namespace web", "forget p"]
    );
    assert_eq!(world.condition("PoliciesApplied").0, "NamespaceRetained");
}

#[test]
fn what_ended_while_the_agent_was_down_or_cut_off_goes_too() {
    for (end, act) in ENDS {
        for down in [true, false] {
            let mut world = world();
            world.disconnect();
            act(&mut world);
            world.tick(60);
            assert_eq!(world.written(), [""; 0], "{end}");
            if down {
                world.restart(false);
                world.tick(60);
                assert_eq!(world.written(), [""; 0], "{end}");
                world.restart(true);
            } else {
                world.connect();
            }
            world.tick(4);
            is_over(&world, end);
        }
    }
}

/// Who doubted the directory for long asks it ever more rarely: that ends with the doubt.
#[test]
fn a_doubt_is_asked_about_as_soon_as_if_there_had_been_none_before() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"])), ("q", grant("web", &["edit"]))]);
    let landmarks = world.landmarks.clone();
    for (policy, seconds) in [("p", 200), ("q", 3)] {
        world.landmarks.directory = super::super::landmark("y");
        world.delete_policy(policy);
        world.tick(seconds);
        assert_eq!(world.gone(), [""; 0], "{policy}");
        world.landmarks = landmarks.clone();
        world.tick(if policy == "p" { 40 } else { 8 });
        assert!(
            !world.ledgers.values().any(|kept| kept.ledger.maker.name == policy),
            "{policy}: {:#?}",
            world.log
        );
        world.forget();
    }
}

/// Whatever the directory does not show: while it is in doubt, nothing goes; and when it is not any more, it goes.
#[test]
fn nothing_goes_while_the_directory_is_in_doubt() {
    type Doubt = (&'static str, fn(&mut PolicyWorld));
    let doubts: [Doubt; 12] = [
        ("another directory", |world| world.landmarks.directory = super::super::landmark("y")),
        ("identity gone", |world| world.landmarks.directory = Reading::Absent),
        ("identity unreadable", |world| world.landmarks.directory = Reading::Unreadable("403".into())),
        ("clusters replaced", |world| world.landmarks.clusters_crd = super::super::landmark("y")),
        ("clusters gone", |world| world.landmarks.clusters_crd = Reading::Absent),
        ("policies replaced", |world| world.landmarks.policies_crd = super::super::landmark("y")),
        ("policies gone", |world| world.landmarks.policies_crd = Reading::Absent),
        ("policies unreadable", |world| world.landmarks.policies_crd = Reading::Unreadable("403".into())),
        ("policies going", |world| {
            world.landmarks.policies_crd = Reading::Found(Found { uid: "p".into(), deleting: true });
        }),
        ("namespace gone", |world| world.landmarks.execution_namespace = Some(Reading::Absent)),
        ("reads fail", |world| world.unreadable = true),
        ("own entry missing", |world| drop(world.entries.remove("own"))),
    ];
    for (doubt, cast) in doubts {
        for (end, act) in ENDS {
            let mut world = world();
            let (landmarks, entries) = (world.landmarks.clone(), world.entries.clone());
            act(&mut world);
            let labels = world.entries["own"]["metadata"]["labels"].clone();
            cast(&mut world);
            world.tick(200);
            let case = format!("{doubt}, {end}");
            let recorded = |line: &String| line == "record p"; // what is asked for now is
            assert!(world.written().iter().all(recorded), "{case}");
            let (reason, message) = world.condition("PoliciesApplied");
            assert!(reason == "Pending" && message.contains("stays"), "{case}: {reason} {message}");
            (world.landmarks, world.unreadable) = (landmarks, false);
            world.entries = entries;
            world.enter("own", &labels);
            world.connect();
            world.tick(40);
            is_over(&world, end);
        }
    }
}

#[test]
fn an_own_entry_made_anew_is_recorded_before_anything_goes() {
    let mut world = world();
    world.delete_policy("p");
    world.entries.get_mut("own").unwrap()["metadata"]["uid"] = "new".into();
    world.tick(30);
    let log = world.written();
    assert!(place(&log, "remember") < place(&log, "record p"), "{log:?}");
    assert_eq!(world.memory.as_ref().unwrap().pin.entry.as_deref(), Some("new"));
}

#[test]
fn lists_that_are_empty_or_break_off_end_nothing() {
    let mut world = world();
    let watch = DirectoryWatch::Policies;
    for _ in 0..3 {
        for change in [Change::ListBegan, Change::ListComplete] {
            world.send(Event::Directory { era: 0, watch, change });
        }
        world.tick(30);
        let broken = Change::Failed(crate::Failure::Unavailable, "reset".into());
        for change in [Change::ListBegan, broken] {
            world.send(Event::Directory { era: 0, watch, change });
        }
        world.tick(30);
    }
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.reason("PoliciesApplied"), "Applied", "the live reads showed them again");
    world.list_directory();
    world.policy("p", &grant("web", &["edit"]));
    world.tick(3);
    assert!(world.there().contains(&"RoleBinding web/p-edit".to_owned()));
}

#[test]
fn a_directory_restored_to_an_older_state_takes_nothing_back() {
    for done_first in [false, true] {
        let mut world = world();
        world.done_first = done_first;
        let old = world.policies["p"].clone();
        world.policy("p", &grant("web", &["view", "edit"]));
        world.tick(3);
        world.policies.insert("p".into(), old);
        world.forget();
        for restart in [false, true] {
            if restart {
                world.restart(true);
            } else {
                world.list_directory();
            }
            world.tick(60);
            assert_eq!(world.gone(), [""; 0], "restart: {restart}");
        }
        world.policies.remove("p");
        world.list_directory();
        world.tick(60);
        assert!(world.there().contains(&"RoleBinding web/p-edit".to_owned()), "who knows what else is older");
        assert_eq!(world.reason("DirectoryReachable"), "RolledBack");
    }
}

#[test]
fn fifty_policies_that_go_at_once_all_go_and_nothing_else() {
    for down in [false, true] {
        let names: Vec<String> = (0..50).map(|number| format!("p{number}")).collect();
        let mut policies: Vec<_> =
            names.iter().map(|name| (name.as_str(), grant(name, &["view", "edit"]))).collect();
        policies.push(("stays", grant("stays", &["view"])));
        let mut world = PolicyWorld::in_step(&policies);
        if down {
            world.disconnect();
        }
        for name in &names {
            world.delete_policy(name);
        }
        if down {
            world.restart(true);
        }
        world.tick(10);
        assert_eq!(world.gone().iter().filter(|line| line.starts_with("delete")).count(), 100);
        assert_eq!(world.gone().iter().filter(|line| line.starts_with("unmark")).count(), 50);
        assert!(world.there().contains(&"RoleBinding stays/stays-view".to_owned()));
        assert_eq!(world.ledgers.len(), 1);
        assert!(!world.log.iter().any(|line| line.contains("stays")), "{:?}", world.log);
        assert!(world.reads.len() < 5, "asked together: {:?}", world.reads);
    }
}

#[test]
fn a_policy_made_anew_under_its_name_takes_over_without_a_gap() {
    for down in [false, true] {
        for (spec, left) in [
            (grant("web", &["view"]), &["Namespace web", "RoleBinding web/p-view"][..]),
            (grant("web", &["edit"]), &["Namespace web", "RoleBinding web/p-edit"]),
        ] {
            let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
            let before = world.uid("p");
            if down {
                world.disconnect();
            }
            world.delete_policy("p");
            world.policy("p", &spec);
            if down {
                world.restart(true);
            }
            world.tick(5);
            assert_eq!(world.there(), left);
            let log = world.written();
            let made = log.iter().filter(|line| line.starts_with("create")).count();
            let gone =
                log.iter().filter(|line| line.starts_with("delete") || line.starts_with("unmark")).count();
            let expected = usize::from(left[1] != "RoleBinding web/p-view");
            assert_eq!((made, gone), (expected, expected), "{log:#?}");
            assert_ne!(world.uid("p"), before);
            assert_eq!(world.ledgers.len(), 1);
            world.tick(90);
            assert_eq!(world.written(), [""; 0]);
            world.restart(true);
            world.tick(90);
            assert_eq!(world.written(), [""; 0]);
        }
    }
}

#[test]
fn what_is_back_while_it_is_looked_into_stays() {
    // The label is off and on again, and what the live reads found is heard after that.
    let mut world = world();
    world.enter("own", &json!({"cloud": "gcp"}));
    world.now += std::time::Duration::from_secs(3);
    world.deferring = true;
    world.send(Event::Tick);
    let examination = world.plans.pop_front().unwrap();
    world.deferring = false;
    world.hold_outcome(examination);
    world.enter("own", &json!({"cloud": "aws"}));
    world.hear();
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn three_edits_before_anything_was_settled_leave_nothing_behind() {
    for down in [false, true] {
        let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
        for roles in [&["edit"], &["admin"], &["look"]] {
            world.policy("p", &grant("web", roles));
        }
        if down {
            world.restart(true);
        }
        world.tick(5);
        assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-look"]);
        world.forget();
        world.tick(90);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn what_was_revoked_and_is_wanted_again_is_made_again() {
    // A namespace that is to go and is not empty holds the ledger up.
    let mut world = PolicyWorld::in_step(&[]);
    world.edit_policy("p", |policy| {
        policy["spec"] = grant("web", &["view"]);
        policy["metadata"]["annotations"][muster_api::marks::NAMESPACE_DELETION] = "delete".into();
    });
    world.tick(3);
    world.content.insert("web".into(), "it holds pods".into());
    world.enter("own", &json!({"cloud": "gcp"}));
    world.tick(5);
    assert_eq!(world.there(), ["Namespace web"]);
    world.enter("own", &json!({"cloud": "aws"}));
    world.tick(5);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-view"]);
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
    world.forget();
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_namespace_that_was_empty_once_is_looked_at_again_before_each_attempt_to_delete_it() {
    let mut world = PolicyWorld::in_step(&[]);
    world.edit_policy("p", |policy| {
        policy["spec"] = grant("web", &["view"]);
        policy["metadata"]["annotations"][muster_api::marks::NAMESPACE_DELETION] = "delete".into();
    });
    world.tick(3);
    let refusal = (Failure::Forbidden, "admission webhook \"w\" denied the request".to_owned());
    world.refused.insert("delete Namespace".into(), refusal);
    world.enter("own", &json!({"cloud": "gcp"}));
    world.tick(5);
    assert_eq!(world.there(), ["Namespace web"]);
    // Meanwhile somebody moves in.
    world.content.insert("web".into(), "it holds pods".into());
    world.refused.clear();
    world.tick(600);
    assert_eq!(world.there(), ["Namespace web"]);
    world.content.clear();
    world.tick(120);
    assert_eq!(world.there(), [""; 0]);
}
