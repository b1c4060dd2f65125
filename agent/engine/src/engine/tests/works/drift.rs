//! What others do to what Works made, and what is done about it, also while the directory is away.

use muster_api::marks::{LET_GO, MADE_FOR};

use super::*;
use crate::target::Target;

type Edit = fn(&mut WorkWorld, &Target);

/// What is done by hand, and the writes that put it right.
const EDITS: [(&str, Edit, &[&str]); 4] = [
    (
        "a field changed",
        |world, it| world.edit(it, |value| value["data"] = json!({})),
        &["update ConfigMap web/a"],
    ),
    (
        "the mark taken off",
        |world, it| {
            world.edit(it, |value| {
                value["metadata"]["annotations"].as_object_mut().unwrap().remove(MADE_FOR);
            });
        },
        &["update ConfigMap web/a"],
    ),
    (
        "the label taken off",
        |world, it| world.strip(it),
        &["refused ConfigMap web/a", "update ConfigMap web/a"],
    ),
    ("deleted", |world, it| world.remove(it), &["create ConfigMap web/a", "settle app"]),
];

fn world(manifest: Value) -> (WorkWorld, Target) {
    let world = WorkWorld::in_step(&[("app", &[manifest, config("b")])]);
    let target = world.find("ConfigMap web/a");
    (world, target)
}

#[test]
fn hand_edits_are_undone_at_once_with_one_write_and_one_read() {
    for (what, edit, writes) in EDITS {
        for online in [true, false] {
            for done_first in [false, true] {
                let (mut world, a) = world(config("a"));
                world.done_first = done_first;
                if !online {
                    world.disconnect();
                }
                let before = world.objects[&a].clone();
                edit(&mut world, &a);
                assert_eq!(world.reads, ["recall app"], "{what}");
                assert_eq!(world.written(), writes, "{what}");
                for part in ["data", "kind"] {
                    assert_eq!(world.objects[&a][part], before[part], "{what}");
                }
                assert_eq!(world.objects[&a]["metadata"]["labels"], before["metadata"]["labels"], "{what}");
                assert_eq!(world.engine.corrected(), 1, "{what}");
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
            let (mut world, a) = world(config("a"));
            world.dead = true;
            edit(&mut world, &a);
            world.restart(online);
            world.tick(1);
            assert_eq!(world.written(), writes, "{what}");
            world.restart(online);
            world.tick(90);
            assert_eq!(world.written(), [""; 0], "{what}");
        }
    }
}

#[test]
fn what_is_to_be_reported_only_is_left_also_after_a_restart() {
    for (what, edit, _) in EDITS {
        for restart in [false, true] {
            let (mut world, a) = world(with(config("a"), "on-drift", "report"));
            if restart {
                world.dead = true;
            }
            edit(&mut world, &a);
            let left = world.objects.clone();
            if restart {
                world.restart(true);
            }
            world.tick(30);
            world.restart(true);
            world.tick(30);
            let writes: Vec<_> = world.log.iter().filter(|line| !line.starts_with("refused")).collect();
            assert!(writes.is_empty(), "{what}: {writes:?}");
            assert_eq!(world.objects, left, "{what}");
            // What changes in the Work is another matter.
            world.work("app", &[with(config_of("a", "2"), "on-drift", "report"), config("b")]);
            world.tick(5);
            assert_eq!(world.objects[&a]["data"]["a"], "2", "{what}");
        }
    }
}

#[test]
fn what_is_created_only_is_never_changed() {
    let (mut world, a) = world(with(config("a"), "apply", "create"));
    world.edit(&a, |value| value["data"] = json!({"a": "theirs"}));
    world.work("app", &[with(config_of("a", "2"), "apply", "create"), config("b")]);
    world.tick(30);
    world.restart(true);
    world.tick(30);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.objects[&a]["data"]["a"], "theirs");
    world.delete_work("app");
    world.tick(10);
    assert_eq!(world.there(), [""; 0]);
}

#[test]
fn what_the_owner_took_over_is_neither_put_right_nor_deleted() {
    for restart in [false, true] {
        let (mut world, a) = world(config("a"));
        world.edit(&a, |value| value["metadata"]["annotations"][LET_GO] = "true".into());
        world.edit(&a, |value| value["data"] = json!({"a": "theirs"}));
        world.work("app", &[config_of("a", "2"), config("b")]);
        world.tick(10);
        if restart {
            world.restart(true);
            world.tick(30);
        }
        world.delete_work("app");
        world.tick(30);
        assert_eq!(world.gone(), ["delete ConfigMap web/b"]);
        assert_eq!(world.objects[&a]["data"]["a"], "theirs");
        assert!(world.ledgers.is_empty() && world.works.is_empty());
    }
}

#[test]
fn what_others_add_is_theirs() {
    let (mut world, a) = world(config("a"));
    world.edit(&a, |value| value["metadata"]["labels"]["theirs"] = "1".into());
    world.edit(&a, |value| value["other"] = "1".into());
    world.relist();
    world.restart(true);
    world.tick(30);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn without_the_directory_the_same_is_enforced_and_nothing_is_begun() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.deferring = true;
    world.work("new", &[config("c")]);
    let record =
        world.plans.iter().position(|plan| matches!(plan.steps[0], crate::Step::Record { .. })).unwrap();
    let record = world.plans.remove(record).unwrap();
    world.plans.push_front(record);
    world.carry_next();
    world.deferring = false;
    world.dead = true; // the finalizer was not set
    let a = world.find("ConfigMap web/a");
    world.remove(&a);
    world.restart(false);
    world.tick(120);
    assert_eq!(world.written(), ["create ConfigMap web/a", "settle app"]);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
    world.connect();
    assert_eq!(world.written(), ["finalize new", "create ConfigMap web/c", "settle new"]);
}

#[test]
fn the_owner_of_the_replica_can_pause_it() {
    let (mut world, a) = world(config("a"));
    world.pause(true);
    world.edit(&a, |value| value["data"] = json!({}));
    world.work("new", &[config("c")]);
    world.delete_work("new");
    world.tick(60);
    assert_eq!(world.written(), [""; 0]);
    world.pause(false);
    assert_eq!(world.written(), ["update ConfigMap web/a"]);
}

#[test]
fn a_definition_that_is_deleted_by_hand_comes_back_with_its_objects() {
    let mut world = WorkWorld::in_step(&[("app", &[widget("web", "one"), definition()])]);
    world.remove(&world.find("CustomResourceDefinition widgets.example.com"));
    world.tick(5);
    assert_eq!(world.there(), ["CustomResourceDefinition widgets.example.com", "Widget web/one"]);
    assert!(!world.log.iter().any(|line| line.starts_with("failed")), "{:#?}", world.log);
    let mut world = WorkWorld::in_step(&[("app", &[namespace("team"), role(), binding()])]);
    world.remove(&world.find("Namespace team"));
    world.tick(5);
    assert_eq!(world.there().len(), 3, "{:#?}", world.log);
    assert!(!world.log.iter().any(|line| line.starts_with("failed")), "{:#?}", world.log);
}
