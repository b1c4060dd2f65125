//! Works of a directory in the place of one that was lost: they take over what those of their names made.

use super::heritage::{make_anew, told, uids};
use super::*;
use crate::ledger::Phase;
use crate::works::Brief;

/// The directory was lost for good, and the replica's owner joined this one in its place: what Works made is of that one.
fn lose_directory(world: &mut WorkWorld) {
    world.dead = true;
    for name in world.ledgers.keys().cloned().collect::<Vec<_>>() {
        world.edit_ledger(&name, |ledger| ledger.directory = "lost".into());
    }
    world.nonce = "anew";
    world.forget();
}

#[test]
fn what_was_made_for_a_directory_that_was_lost_is_taken_over_or_let_go_and_nothing_is_deleted() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"},
        "stringData": {"password": "one"}});
    for (phase, allowed) in [(Phase::Applying, false), (Phase::Applying, true), (Phase::Deleting, true)] {
        let first =
            [config("a"), with(config("b"), "allow-deletion", "true"), secret.clone(), namespace("team")];
        let mut world = WorkWorld::in_step(&[("app", &first), ("other", &[config("o")])]);
        let names =
            ["ConfigMap web/a", "ConfigMap web/b", "ConfigMap web/o", "Namespace team", "Secret web/login"];
        let before = uids(&world, &names);
        lose_directory(&mut world);
        make_anew(&mut world, &[config_of("a", "2"), secret.clone(), config("c")]);
        if allowed {
            world.annotate("app", "allow-deletion", &"true".into());
        }
        world.drop_work("other");
        if phase == Phase::Deleting {
            world.edit_ledger("app", |ledger| {
                *ledger = Brief::of(ledger).unwrap().ending().ledger(Vec::new());
            });
        }
        world.start(true);
        world.tick(120);
        assert_eq!(uids(&world, &names), before, "{:#?}", world.log);
        let gone: Vec<_> = world.gone().into_iter().map(str::to_owned).collect();
        assert_eq!(sorted(gone), ["unmark ConfigMap web/b", "unmark Namespace team"], "{phase:?} {allowed}");
        let a = &world.objects[&world.find("ConfigMap web/a")];
        assert_eq!(a["data"]["a"], "2", "{phase:?} {}: {:#?}", told(&world, "app"), world.log);
        let of = |name: &str| {
            (world.ledgers[name].ledger.maker.uid.clone(), world.ledgers[name].ledger.directory.clone())
        };
        assert_eq!(of("app"), (world.uid("app"), "d".to_owned()));
        assert_eq!(of("other").1, "lost", "nobody asks for it");
        assert_eq!(world.vaults.keys().collect::<Vec<_>>(), [&world.uid("app")]);
        assert!(told(&world, "app").starts_with("\"Applied\""), "{}", told(&world, "app"));
        // What is known by its UID bears the nonce of now, by which it is known again where its record is lost.
        world.restart(true);
        world.tick(60);
        assert_eq!(world.ledgers["app"].ledger.nonce, "anew");
        world.restart(true);
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        world.check_rest();
        world.dead = true;
        world.lose_ledger("app");
        world.start(true);
        world.tick(60);
        assert_eq!(uids(&world, &names), before, "{:#?}", world.log);
        assert!(told(&world, "app").starts_with("\"Applied\""), "{}", told(&world, "app"));
        world.delete_work("app");
        world.tick(60);
        let stays = ["ConfigMap web/b", "ConfigMap web/o", "Namespace team"];
        assert_eq!(world.there(), stays);
    }
}

#[test]
fn what_a_lost_directory_asked_for_in_one_work_and_this_one_in_another_is_neither_deleted_nor_made_anew() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let before = uids(&world, &["ConfigMap web/a", "ConfigMap web/b"]);
    lose_directory(&mut world);
    make_anew(&mut world, &[config("a")]);
    world.work("next", &[config("b")]);
    world.start(true);
    world.tick(120);
    assert_eq!(uids(&world, &["ConfigMap web/a", "ConfigMap web/b"]), before, "{:#?}", world.log);
    assert!(world.gone().iter().all(|line| !line.starts_with("delete")), "{:#?}", world.log);
    assert!(told(&world, "next").starts_with("\"Applied\""), "{}", told(&world, "next"));
    world.check_rest();
}

#[test]
fn a_process_that_ends_at_any_write_of_a_handover_from_a_lost_directory_leaves_it_to_the_next_one() {
    for crash in [world::Crash::Undone, world::Crash::Unheard] {
        for step in 1..9 {
            let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b"), config("d")])]);
            let all = ["ConfigMap web/a", "ConfigMap web/b", "ConfigMap web/d"];
            let before = uids(&world, &all);
            // The last that it made is not known by its UID: the process ended before it was recorded.
            let d = world.find("ConfigMap web/d");
            world.edit_ledger("app", |ledger| {
                ledger.applied.as_mut().unwrap().remove(&d);
            });
            lose_directory(&mut world);
            make_anew(&mut world, &[config_of("a", "2"), config("c"), config_of("d", "2")]);
            world.crash = Some((step, crash));
            world.start(true);
            world.tick(30);
            world.crash = None;
            if world.dead {
                world.start(true);
            }
            world.tick(60);
            assert_eq!(uids(&world, &all), before, "{crash:?} {step}");
            assert!(
                world.log.iter().all(|line| !line.starts_with("delete")),
                "{crash:?} {step}: {:#?}",
                world.log
            );
            for name in ["ConfigMap web/a", "ConfigMap web/d"] {
                let object = &world.objects[&world.find(name)];
                assert!(object["data"].to_string().contains('2'), "{crash:?} {step}: {name} {object}");
            }
            let b = &world.objects[&world.find("ConfigMap web/b")]["metadata"];
            assert!(b["annotations"][muster_api::marks::MADE_FOR].is_null(), "{crash:?} {step}: {b}");
            assert!(
                told(&world, "app").starts_with("\"Applied\""),
                "{crash:?} {step}: {}",
                told(&world, "app")
            );
            world.check_rest();
            // The next process gives them the nonce of now.
            world.restart(true);
            world.tick(60);
            assert_eq!((uids(&world, &all), world.gone()), (before, vec![]), "{crash:?} {step}");
            assert_eq!(world.ledgers["app"].ledger.nonce, "anew", "{crash:?} {step}");
            world.restart(true);
            world.tick(60);
            assert_eq!(world.written(), [""; 0], "{crash:?} {step}");
        }
    }
}

/// It was brought here with the finalizer, and was deleted before this replica joined: it asks for nothing, and ends nothing.
#[test]
fn a_work_that_goes_takes_nothing_over_from_a_lost_directory() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), namespace("team")])]);
    let before = (world.there(), world.ledgers["app"].ledger.maker.clone());
    lose_directory(&mut world);
    make_anew(&mut world, &[config("a"), namespace("team")]);
    world.annotate("app", "allow-deletion", &"true".into());
    world
        .edit_work("app", |work| work["metadata"]["finalizers"] = json!([muster_api::marks::WORK_FINALIZER]));
    world.delete_work("app");
    world.start(true);
    world.tick(120);
    assert!(world.works.is_empty(), "{:#?}", world.works);
    assert_eq!(world.gone(), [""; 0]);
    assert_eq!((world.there(), world.ledgers["app"].ledger.maker.clone()), before);
}

/// A ledger that lies here since this replica is a copy of another one says nothing.
#[test]
fn what_another_replica_recorded_is_not_taken_over() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    let before = uids(&world, &["ConfigMap web/a"]);
    lose_directory(&mut world);
    make_anew(&mut world, &[config("a")]);
    world.edit_ledger("app", |ledger| ledger.replica = "x".into());
    world.forget();
    world.start(true);
    world.tick(120);
    let unwritten = vec!["finalize app".to_owned()];
    assert_eq!((uids(&world, &["ConfigMap web/a"]), world.written()), (before, unwritten));
    assert_eq!(world.ledgers["app"].ledger.replica, "x");
}
