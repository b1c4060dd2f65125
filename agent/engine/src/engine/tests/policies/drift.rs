//! What others do to what policies made.

use muster_api::marks::{LET_GO, MADE_FOR};

use super::*;
use crate::event::{Change, DirectoryWatch, Event};
use crate::failure::Failure;
use crate::target::Target;

fn world() -> (PolicyWorld, Target) {
    let world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let binding = world.find("RoleBinding web/p-view");
    (world, binding)
}

type Edit = fn(&mut PolicyWorld, &Target);

/// What is done to a binding by hand, and the writes that put it right.
const EDITS: [(&str, Edit, &[&str]); 4] = [
    (
        "subjects changed",
        |world, binding| world.edit(binding, |value| value["subjects"] = json!([])),
        &["update RoleBinding web/p-view"],
    ),
    (
        "mark taken off",
        |world, binding| {
            world.edit(binding, |value| {
                value["metadata"]["annotations"].as_object_mut().unwrap().remove(MADE_FOR);
            });
        },
        &["update RoleBinding web/p-view"],
    ),
    (
        "label taken off",
        |world, binding| world.strip(binding),
        &["refused RoleBinding web/p-view", "update RoleBinding web/p-view"],
    ),
    ("deleted", |world, binding| world.remove(binding), &["create RoleBinding web/p-view", "settle p"]),
];

#[test]
fn hand_edits_are_undone_at_once_also_while_the_directory_is_away() {
    for (what, edit, writes) in EDITS {
        for online in [true, false] {
            for done_first in [true, false] {
                let (mut world, binding) = world();
                world.done_first = done_first;
                if !online {
                    world.disconnect();
                }
                let before = world.objects[&binding].clone();
                edit(&mut world, &binding);
                assert_eq!(world.written(), writes, "{what}");
                for part in ["subjects", "roleRef"] {
                    assert_eq!(world.objects[&binding][part], before[part], "{what}");
                }
                assert_eq!(world.objects[&binding]["metadata"]["labels"], before["metadata"]["labels"]);
                assert_eq!(world.engine.corrected(), 1, "{what}, done first: {done_first}");
                world.tick(90);
                assert_eq!(world.written(), [""; 0], "{what}");
            }
        }
    }
}

#[test]
fn hand_edits_made_while_the_agent_was_down_are_undone_by_the_next_one() {
    for (what, edit, writes) in EDITS {
        for online in [true, false] {
            let (mut world, binding) = world();
            world.dead = true;
            edit(&mut world, &binding);
            world.restart(online);
            assert_eq!(world.written(), writes, "{what}");
            world.restart(online);
            world.tick(90);
            assert_eq!(world.written(), [""; 0], "{what}");
        }
    }
}

#[test]
fn what_was_revoked_while_no_agent_ran_is_not_granted_anew_by_the_next_one() {
    let (mut world, binding) = world();
    world.dead = true;
    world.remove(&binding);
    world.policy("p", &grant("web", &["edit"]));
    world.restart(true);
    world.tick(60);
    assert_eq!(world.written(), ["record p", "create RoleBinding web/p-edit", "settle p"]);
}

#[test]
fn what_was_granted_by_a_policy_that_is_gone_by_now_is_not_granted_anew_before() {
    for done_first in [true, false] {
        let (mut world, binding) = world();
        world.done_first = done_first;
        world.dead = true;
        world.remove(&binding);
        world.policies.clear();
        world.restart(true);
        world.tick(60);
        let writes = world.written();
        assert!(!writes.contains(&"create RoleBinding web/p-view".to_owned()), "{writes:#?}");
        assert!(world.ledgers.is_empty());
    }
}

#[test]
fn what_is_recorded_is_granted_where_the_directory_fails_or_says_nothing_for_a_while() {
    for fails in [true, false] {
        let (mut world, binding) = world();
        world.dead = true;
        world.remove(&binding);
        world.forget();
        world.begin(false);
        world.tick(9);
        assert_eq!(world.written(), [""; 0]);
        if fails {
            let change = Change::Failed(Failure::Forbidden, "no".into());
            world.send(Event::Directory { era: world.era, watch: DirectoryWatch::Policies, change });
        } else {
            world.tick(1);
        }
        assert_eq!(world.written(), ["create RoleBinding web/p-view", "settle p"], "fails: {fails}");
    }
}

#[test]
fn what_others_add_beside_it_is_theirs() {
    let (mut world, binding) = world();
    world.edit(&binding, |value| value["metadata"]["labels"]["theirs"] = "1".into());
    world.edit(&binding, |value| value["metadata"]["annotations"]["theirs"] = "1".into());
    world.tick(10);
    world.restart(true);
    world.tick(10);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_fight_is_braked() {
    let (mut world, binding) = world();
    for round in 0..100 {
        if world.objects[&binding]["subjects"][0]["name"] == "jane" {
            world.edit(&binding, |value| value["subjects"] = json!([{"name": round}]));
        }
        world.tick(1);
    }
    let writes = world.written().len();
    assert!((6..20).contains(&writes), "{writes} corrections in 100 s of a fight");
}

#[test]
fn what_the_owner_took_over_is_neither_put_right_nor_deleted() {
    for (what, edit, _) in &EDITS[..1] {
        for restart in [false, true] {
            let (mut world, binding) = world();
            world.edit(&binding, |value| value["metadata"]["annotations"][LET_GO] = "".into());
            edit(&mut world, &binding);
            world.policy("p", &grant_to("web", &["view"], "joe"));
            world.tick(10);
            assert_eq!(world.written(), ["record p"], "{what}");
            assert_eq!(world.reason("PoliciesApplied"), "Applied");
            if restart {
                world.restart(true);
                world.tick(10);
                assert_eq!(world.written(), [""; 0]);
            }
            world.delete_policy("p");
            world.tick(200);
            assert_eq!(world.written(), ["record p", "unmark Namespace web", "forget p"]);
            assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-view"]);
            world.restart(true);
            world.tick(200);
            assert_eq!(world.written(), [""; 0]);
        }
    }
}

#[test]
fn what_is_given_back_is_put_right() {
    let (mut world, binding) = world();
    world.edit(&binding, |value| value["metadata"]["annotations"][LET_GO] = "".into());
    world.edit(&binding, |value| value["subjects"] = json!([]));
    world.edit(&binding, |value| value["metadata"]["annotations"][LET_GO] = "false".into());
    assert_eq!(world.written(), ["update RoleBinding web/p-view"]);
}

/// Whoever takes the label off hides the object from the watches: it goes all the same.
#[test]
fn what_lost_its_label_while_the_agent_was_down_goes_when_it_is_revoked() {
    for mark in [true, false] {
        for online in [true, false] {
            let (mut world, binding) = world();
            if online {
                world.dead = true;
            } else {
                world.disconnect();
                world.dead = true;
            }
            world.strip(&binding);
            if !mark {
                world.edit(&binding, |value| {
                    drop(value["metadata"].as_object_mut().unwrap().remove("annotations"));
                });
            }
            world.policies.clear();
            world.restart(true);
            world.tick(5);
            assert_eq!(world.there(), ["Namespace web"]);
            assert!(world.ledgers.is_empty());
        }
    }
}

#[test]
fn what_lost_its_label_after_it_was_dropped_goes_too() {
    let (mut world, binding) = world();
    world.policy("p", &grant("web", &["edit"]));
    world.strip(&binding); // before the window was quiet
    world.tick(5);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-edit"]);
    assert!(world.reads.contains(&"look RoleBinding web/p-view".to_owned()));
}

#[test]
fn an_object_made_anew_by_hand_under_the_name_is_a_conflict_and_stays() {
    let (mut world, binding) = world();
    world.dead = true;
    world.remove(&binding);
    world.make(&binding, &json!({}));
    let theirs = world.objects[&binding].clone();
    world.restart(true);
    world.tick(5);
    assert_eq!(world.reason("PoliciesApplied"), "Conflict");
    world.delete_policy("p");
    world.tick(10);
    assert_eq!(world.objects[&binding], theirs);
    assert!(world.ledgers.is_empty());
}

#[test]
fn a_ledger_that_is_edited_by_hand_is_put_back_and_nothing_follows_from_what_it_said() {
    type Edit = fn(&mut crate::ledger::Ledger);
    let edits: [(&str, Edit); 4] = [
        ("nothing is asked for", |ledger| ledger.items.clear()),
        ("nothing may be there", |ledger| (ledger.items, ledger.resources) = Default::default()),
        ("all is to go", |ledger| ledger.phase = crate::ledger::Phase::Deleting),
        ("it is of another directory", |ledger| ledger.directory = "another".into()),
    ];
    for (what, edit) in edits {
        for online in [true, false] {
            let (mut world, binding) = world();
            if !online {
                world.disconnect();
            }
            let policy = world.uid("p");
            let (before, object) = (world.ledgers[&policy].ledger.clone(), world.objects[&binding].clone());
            world.edit_ledger(&policy, |kept| edit(&mut kept.ledger));
            world.tick(60);
            assert_eq!(world.written(), ["record p"], "{what}, online: {online}");
            assert_eq!(
                (&world.ledgers[&policy].ledger, &world.objects[&binding]),
                (&before, &object),
                "{what}"
            );
        }
    }
}
