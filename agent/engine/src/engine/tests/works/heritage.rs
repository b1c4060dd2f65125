//! A Work that is made anew under its name is another one: it takes over what both ask for.

use super::*;

/// The UIDs of what is there, by name.
pub(super) fn uids(world: &WorkWorld, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| world.objects[&world.find(name)]["metadata"]["uid"].clone()).collect()
}

/// What the directory is told of a Work: reason and message of its condition Applied.
pub(super) fn told(world: &WorkWorld, name: &str) -> String {
    let conditions = world.works[name]["status"]["conditions"].as_array();
    let applied = conditions.into_iter().flatten().find(|condition| condition["type"] == "Applied");
    applied.map(|applied| format!("{}: {}", applied["reason"], applied["message"])).unwrap_or_default()
}

/// The Work `app` loses its finalizer by hand and goes, and another one is made under its name.
pub(super) fn make_anew(world: &mut WorkWorld, manifests: &[Value]) {
    world.drop_work("app");
    world.work("app", manifests);
}

#[test]
fn what_both_ask_for_is_handed_over_and_the_rest_ends_as_the_earlier_one_says() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[(
            "app",
            &[config("a"), config("b"), with(config("o"), "deletion", "orphan"), namespace("team"), role()],
        )]);
        world.done_first = done_first;
        let before = uids(&world, &["ConfigMap web/a"]);
        make_anew(&mut world, &[config_of("a", "2"), config("c")]);
        world.tick(60);
        assert_eq!(uids(&world, &["ConfigMap web/a"]), before);
        assert_eq!(
            sorted(world.gone().into_iter().map(str::to_owned).collect()),
            ["delete ConfigMap web/b", "delete Role team/reader", "unmark ConfigMap web/o"]
        );
        let there = ["ConfigMap web/a", "ConfigMap web/c", "ConfigMap web/o", "Namespace team"];
        assert_eq!(world.there(), there);
        let ledger = &world.ledgers["app"].ledger;
        assert_eq!(ledger.maker.uid, world.uid("app"));
        assert_eq!((ledger.items.len(), ledger.resources.len()), (2, 3), "the namespace is recorded still");
        assert!(
            told(&world, "app").starts_with("\"Kept\": \"Namespace team was made for an earlier"),
            "{}",
            told(&world, "app")
        );
        world.check_rest();
        world.restart(true);
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        world.delete_work("app");
        world.tick(10);
        assert_eq!(sorted(world.written())[..2], ["delete ConfigMap web/a", "delete ConfigMap web/c"]);
        world.annotate("app", "allow-deletion", &"true".into());
        world.tick(10);
        assert_eq!(world.there(), ["ConfigMap web/o"]);
        assert!(world.works.is_empty() && world.ledgers.is_empty());
    }
}

#[test]
fn values_beside_the_ledger_that_is_taken_over_go_before_it_is() {
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"},
            "stringData": {"password": value}})
    };
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[secret("one"), config("a")])]);
        let before = uids(&world, &["Secret web/login"]);
        world.disconnect();
        make_anew(&mut world, &[secret("two")]);
        if restart {
            world.restart(true);
        } else {
            world.connect();
        }
        world.tick(60);
        assert_eq!(uids(&world, &["Secret web/login"]), before);
        assert_eq!(world.vaults.keys().collect::<Vec<_>>(), [&world.uid("app")], "restarted: {restart}");
        world.check_rest();
    }
}

#[test]
fn where_nobody_saw_the_earlier_one_go_all_stays_and_what_both_ask_for_is_handed_over() {
    let words: [(&str, &[&str], &[&str]); 3] = [
        ("", &[], &["ConfigMap web/b", "ConfigMap web/o"]),
        ("allow-deletion", &["delete ConfigMap web/b", "unmark ConfigMap web/o"], &["ConfigMap web/o"]),
        (
            "deletion",
            &["unmark ConfigMap web/b", "unmark ConfigMap web/o"],
            &["ConfigMap web/b", "ConfigMap web/o"],
        ),
    ];
    for (word, gone, stays) in words {
        for restart in [false, true] {
            let orphan = with(with(config("o"), "deletion", "orphan"), "allow-deletion", "true");
            let allowed = with(config("b"), "allow-deletion", "true");
            let mut world = WorkWorld::in_step(&[("app", &[config("a"), allowed, orphan])]);
            let before = uids(&world, &["ConfigMap web/a"]);
            world.disconnect();
            make_anew(&mut world, &[config_of("a", "2")]);
            if restart {
                world.restart(true);
            } else {
                world.connect();
            }
            world.tick(60);
            assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{word} {restart}");
            assert_eq!(world.objects[&world.find("ConfigMap web/a")]["data"]["a"], "2");
            assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"));
            assert_eq!(world.gone(), ["unmark ConfigMap web/o"], "{word} {restart}");
            assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b", "ConfigMap web/o"]);
            assert!(
                told(&world, "app").contains("ConfigMap b in namespace web was made for an earlier"),
                "{}",
                told(&world, "app")
            );
            world.check_rest();
            let value = if word == "deletion" { "orphan" } else { "true" };
            if !word.is_empty() {
                world.annotate("app", word, &value.into());
            }
            world.tick(60);
            assert_eq!(
                sorted(world.gone().into_iter().map(str::to_owned).collect()).len(),
                gone.len().max(1)
            );
            for name in stays {
                assert!(world.there().contains(&(*name).to_owned()), "{word} {name}");
            }
            assert_eq!(world.there().len(), 1 + stays.len(), "{word} {:#?}", world.log);
            world.check_rest();
        }
    }
}

#[test]
fn a_process_that_ends_at_any_write_of_a_handover_leaves_it_to_the_next_one() {
    for seen in [true, false] {
        for crash in [world::Crash::Undone, world::Crash::Unheard] {
            for step in 1..9 {
                let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
                let before = uids(&world, &["ConfigMap web/a"]);
                if !seen {
                    world.disconnect();
                }
                world.crash = Some((step, crash));
                make_anew(&mut world, &[config("a"), config("c")]);
                if !seen {
                    world.connect();
                }
                world.tick(30);
                world.crash = None;
                if world.dead {
                    world.start(true);
                }
                world.tick(60);
                assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{seen} {crash:?} {step}");
                assert!(
                    world.there().contains(&"ConfigMap web/c".to_owned()),
                    "{seen} {crash:?} {step}: {:#?}",
                    world.log
                );
                assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"));
                assert_eq!(world.ledgers["app"].ledger.applied.as_ref().unwrap().len(), world.there().len());
                world.check_rest();
                world.forget();
                world.tick(60);
                assert_eq!(world.written(), [""; 0], "{seen} {crash:?} {step}");
            }
        }
    }
}

#[test]
fn what_the_new_one_may_ask_for_waits_until_it_says_so() {
    let unclear: [(&str, Value, &str); 3] = [
        ("an option that cannot be followed", with(config("a"), "deletion", "perhaps"), ""),
        ("a kind of manifest that is not applied", with(config("a"), "ignore", "data"), ""),
        ("a Work that cannot be read", config("a"), "deletions"),
    ];
    for (what, manifest, option) in unclear {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        let before = uids(&world, &["ConfigMap web/a"]);
        world.drop_work("app");
        world.edit_work("app", |work| {
            work["spec"] = json!({"workload": {"manifests": [manifest]}});
            if !option.is_empty() {
                work["metadata"]["annotations"][format!("multicluster.coreos.com/{option}")] = "1".into();
            }
        });
        world.tick(60);
        assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{what}");
        if !option.is_empty() {
            assert_eq!(world.gone(), [""; 0], "{what}");
            world.annotate("app", option, &Value::Null);
        }
        world.work("app", &[config_of("a", "2")]);
        world.tick(60);
        assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{what}: {:#?}", world.log);
        assert_eq!(world.objects[&world.find("ConfigMap web/a")]["data"]["a"], "2", "{what}");
        assert_eq!(world.there(), ["ConfigMap web/a"], "{what}");
        world.check_rest();
    }
}

#[test]
fn while_the_earlier_one_is_in_the_way_the_new_one_says_so() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let b = world.find("ConfigMap web/b");
    world.edit(&b, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    make_anew(&mut world, &[config("a"), config("c")]);
    world.tick(60);
    let waits =
        "ConfigMap b in namespace web is being deleted, and waits for its finalizers example.com/slow";
    assert!(told(&world, "app").starts_with("\"Preceded\""), "{}", told(&world, "app"));
    assert!(told(&world, "app").contains(waits), "{}", told(&world, "app"));
    world.edit(&b, |value| value["metadata"]["finalizers"] = json!([]));
    world.tick(10);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/c"]);
    assert!(told(&world, "app").starts_with("\"Applied\""), "{}", told(&world, "app"));
}

#[test]
fn a_ledger_that_is_lost_or_changed_does_not_keep_the_next_work_of_the_name_waiting() {
    let edits: [(&str, Act); 2] = [
        ("lost", |world| world.lose_ledger("app")),
        ("changed", |world| world.edit_ledger("app", |ledger| ledger.generation = 7)),
    ];
    for (what, edit) in edits {
        for seen in [true, false] {
            let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
            let before = uids(&world, &["ConfigMap web/a"]);
            world.disconnect();
            edit(&mut world);
            if seen {
                world.connect();
                world.tick(10);
                make_anew(&mut world, &[config("a"), config("c")]);
            } else {
                make_anew(&mut world, &[config("a"), config("c")]);
                world.connect();
            }
            world.tick(90);
            assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{what} {seen}");
            assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"), "{what} {seen}");
            assert!(world.there().contains(&"ConfigMap web/c".to_owned()), "{what} {seen}");
            assert!(!told(&world, "app").starts_with("\"Preceded\""), "{what} {seen}");
            world.check_rest();
        }
    }
}

#[test]
fn a_suspended_work_of_the_name_is_no_obstacle_for_ever() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let before = uids(&world, &["ConfigMap web/a"]);
    world.annotate("app", "suspend", &"true".into());
    make_anew(&mut world, &[config("a"), config("c")]);
    world.tick(60);
    assert_eq!(uids(&world, &["ConfigMap web/a"]), before);
    assert_eq!(world.gone(), [""; 0]);
    assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"));
    assert!(world.there().contains(&"ConfigMap web/c".to_owned()));
}

#[test]
fn a_work_that_goes_before_it_took_anything_over_asks_what_is_to_become_of_it() {
    for (word, value) in [("allow-deletion", "true"), ("deletion", "orphan")] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), namespace("team")])]);
        world.disconnect();
        make_anew(&mut world, &[config("a")]);
        world.connect();
        world.delete_work("app");
        world.tick(60);
        assert_eq!(world.gone(), [""; 0]);
        assert!(told(&world, "app").contains("was made for an earlier Work"), "{}", told(&world, "app"));
        world.annotate("app", word, &value.into());
        world.tick(30);
        assert!(world.works.is_empty() && world.ledgers.is_empty(), "{word}");
        assert_eq!(world.there().len(), if word == "deletion" { 2 } else { 0 });
        world.check_rest();
    }
}

#[test]
fn what_the_later_one_only_looks_at_stays() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        let before = uids(&world, &["ConfigMap web/a"]);
        if restart {
            world.dead = true;
        }
        make_anew(&mut world, &[with(config("a"), "apply", "observe"), config("c")]);
        if restart {
            world.restart_in_the_midst(true);
        }
        world.tick(60);
        assert_eq!(uids(&world, &["ConfigMap web/a"]), before, "{restart}: {:#?}", world.log);
        if !restart {
            assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/c"]);
        }
        world.check_rest();
    }
}
