//! A Work is deleted: what it made goes, the other way round.

use super::*;

#[test]
fn its_end_is_recorded_first_and_its_objects_go_in_reverse_order() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[(
            "app",
            &[
                with(namespace("team"), "allow-deletion", "true"),
                with(definition(), "allow-deletion", "true"),
                role(),
                binding(),
                widget("team", "one"),
            ],
        )]);
        world.done_first = done_first;
        world.delete_work("app");
        assert_eq!(world.written(), [""; 0]);
        world.tick(3);
        let log = world.written();
        assert_eq!(log[..2], ["record end of app", "delete Widget team/one"]);
        assert_eq!(
            sorted(log[2..4].to_vec()),
            ["delete Role team/reader", "delete RoleBinding team/readers"]
        );
        let last = ["delete CustomResourceDefinition widgets.example.com", "delete Namespace team"];
        assert_eq!(sorted(log[4..6].to_vec()), last);
        assert_eq!(log[6..], ["release app", "forget app"], "{log:#?}");
        assert_eq!((world.there().len(), world.ledgers.len(), world.works.len()), (0, 0, 0));
        world.tick(90);
        assert_eq!((world.reads.len(), world.written()), (0, vec![]));
    }
}

#[test]
fn what_is_deleted_while_the_agent_is_away_goes_when_it_is_back() {
    for restart in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
        world.disconnect();
        world.delete_work("app");
        world.tick(60);
        assert_eq!(world.written(), [""; 0]);
        if restart {
            world.restart(true);
        } else {
            world.connect();
        }
        world.tick(5);
        assert_eq!(
            world.written(),
            ["record end of app", "delete ConfigMap web/a", "release app", "forget app"]
        );
    }
}

#[test]
fn what_somebody_made_anew_with_the_mark_or_took_the_mark_off_stays() {
    for copied in [true, false] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        let whole = world.landmarks.clone();
        world.landmarks.works_crd = crate::pin::Reading::Unreadable("403".into());
        world.work("app", &[config("b")]);
        world.tick(10);
        let a = world.find("ConfigMap web/a");
        world.dead = true;
        let object = world.objects.get_mut(&a).unwrap();
        if copied {
            object["metadata"]["uid"] = "restored".into();
        } else {
            object["metadata"]["annotations"] = json!({});
        }
        world.landmarks = whole;
        world.restart(true);
        world.tick(60);
        assert!(world.objects.contains_key(&a), "copied {copied}");
        assert!(!world.log.contains(&"delete ConfigMap web/a".to_owned()), "copied {copied}");
    }
}

#[test]
fn the_finalizer_stays_as_long_as_an_object_does() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let a = world.find("ConfigMap web/a");
    world.edit(&a, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.delete_work("app");
    world.tick(120);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    assert!(world.is_held("app") && world.ledgers.contains_key("app"));
    assert_eq!(world.gone().len(), 2, "each once");
    world.forget();
    world.edit(&a, |value| value["metadata"]["finalizers"] = json!([]));
    assert_eq!(world.written(), ["release app", "forget app"]);
}

#[test]
fn what_is_orphaned_stays_without_label_and_mark() {
    for drop in [false, true] {
        for done_first in [false, true] {
            let orphan = with(config("a"), "deletion", "orphan");
            let mut world = WorkWorld::in_step(&[("app", &[orphan, config("b")])]);
            world.done_first = done_first;
            let a = world.find("ConfigMap web/a");
            if drop {
                world.work("app", &[config("b")]);
            } else {
                world.delete_work("app");
            }
            world.tick(10);
            let left = &world.objects[&a];
            assert_eq!(left["data"]["a"], "1");
            for place in ["labels", "annotations"] {
                assert!(left["metadata"][place].as_object().unwrap().is_empty(), "{left}");
            }
            assert_eq!(world.gone().iter().filter(|line| line.starts_with("unmark")).count(), 1);
            assert_eq!(world.ledgers.len(), usize::from(drop));
            world.forget();
            world.tick(90);
            assert_eq!(world.written(), [""; 0]);
        }
    }
}

#[test]
fn an_option_that_is_set_on_a_work_that_goes_already_counts() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), namespace("team")])]);
    world.delete_work("app");
    world.tick(10);
    assert_eq!(world.gone(), ["delete ConfigMap web/a"]);
    world.annotate("app", "allow-deletion", &"true".into());
    world.tick(10);
    assert_eq!(world.gone(), ["delete ConfigMap web/a", "delete Namespace team"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}

#[test]
fn protected_kinds_stay_unless_the_manifest_allows_it() {
    let volumes = ["PersistentVolume", "PersistentVolumeClaim"].map(
        |kind| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "data", "namespace": "web"}}),
    );
    let [volume, claim] = volumes;
    for (manifest, name) in [
        (namespace("team"), "Namespace team"),
        (definition(), "CustomResourceDefinition widgets.example.com"),
        (volume, "PersistentVolume data"),
        (claim, "PersistentVolumeClaim web/data"),
    ] {
        for drop in [false, true] {
            for allowed in ["false", "true"] {
                let manifest = with(manifest.clone(), "allow-deletion", allowed);
                let mut world = WorkWorld::in_step(&[("app", &[manifest, config("a")])]);
                assert!(world.there().contains(&name.to_owned()), "{:?}", world.there());
                if drop {
                    world.work("app", &[config("a")]);
                } else {
                    world.delete_work("app");
                }
                world.tick(120);
                let stays = world.there().contains(&name.to_owned());
                assert_eq!(stays, allowed == "false", "{name}, dropped: {drop}, {:#?}", world.log);
                assert_eq!(world.ledgers.contains_key("app"), drop || stays);
                world.restart(true);
                world.tick(120);
                assert_eq!(world.gone(), [""; 0]);
            }
        }
    }
}

#[test]
fn what_was_observed_only_or_let_go_stays() {
    let mut world = WorkWorld::new();
    world.make(&world::config_named("theirs"), &json!({"data": {"a": "theirs"}}));
    let theirs = world.objects.clone();
    world.work("app", &[with(config("theirs"), "apply", "observe"), config("mine")]);
    world.start(true);
    world.tick(20);
    let mine = world.find("ConfigMap web/mine");
    world.edit(&mine, |value| value["metadata"]["annotations"][muster_api::marks::LET_GO] = "true".into());
    world.delete_work("app");
    world.tick(30);
    assert_eq!(world.gone(), [""; 0]);
    assert_eq!(world.there(), ["ConfigMap web/mine", "ConfigMap web/theirs"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
    for (target, object) in theirs {
        assert_eq!(world.objects[&target], object);
    }
}

#[test]
fn a_work_that_is_made_anew_at_once_is_another_one() {
    for forced in [false, true] {
        for down in [false, true] {
            let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
            if down {
                world.disconnect();
            }
            if forced {
                world.drop_work("app"); // somebody takes all finalizers off
            } else {
                world.delete_work("app");
                world.tick(5);
            }
            if !world.works.contains_key("app") {
                world.work("app", &[config("a"), config("c")]);
            }
            if down {
                world.connect();
            }
            world.tick(60);
            if !world.works.contains_key("app") {
                world.work("app", &[config("a"), config("c")]);
                world.tick(60);
            }
            if forced && down {
                // Nobody saw it go: what it made stays, until somebody says what is to become of it.
                assert_eq!(world.gone(), [""; 0]);
                continue;
            }
            assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/c"], "{forced} {down}");
            assert_eq!(world.ledgers["app"].ledger.maker.uid, world.uid("app"));
            world.check_rest();
        }
    }
}

#[test]
fn a_work_that_goes_before_anything_of_it_was_made_leaves_nothing() {
    for carried in 0..6 {
        let mut world = WorkWorld::in_step(&[]);
        world.deferring = true;
        world.work("app", &[config("a")]);
        for _ in 0..carried.min(world.plans.len()) {
            world.carry_next();
        }
        world.delete_work("app");
        world.deferring = false;
        world.run();
        world.tick(60);
        assert_eq!(world.there(), [""; 0], "{carried}");
        assert!(world.works.is_empty() && world.ledgers.is_empty(), "{carried}: {:#?}", world.log);
    }
}

#[test]
fn a_work_that_goes_and_left_no_ledger_is_looked_into_first() {
    for landmarks_are_right in [true, false] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.dead = true;
        world.ledgers.clear();
        world.delete_work("app");
        let pinned = world.landmarks.clone();
        if !landmarks_are_right {
            world.landmarks.works_crd = super::super::landmark("another");
        }
        world.restart(true);
        world.tick(60);
        assert_eq!(world.gone().len(), if landmarks_are_right { 2 } else { 0 });
        world.landmarks = pinned;
        world.tick(60);
        assert!(world.there().is_empty() && world.works.is_empty() && world.ledgers.is_empty());
    }
}

#[test]
fn with_the_definition_of_a_kind_its_objects_are_gone() {
    for drop in [false, true] {
        for restart in [false, true] {
            let mut world = WorkWorld::in_step(&[("kinds", &[with(definition(), "allow-deletion", "true")])]);
            world.work("app", &[widget("web", "one"), config("a")]);
            world.tick(5);
            world.delete_work("kinds");
            world.tick(5);
            assert_eq!(world.there(), ["ConfigMap web/a"]);
            if restart {
                world.restart(true);
                world.tick(5);
            }
            world.forget();
            if drop {
                world.work("app", &[config("a")]);
            } else {
                world.delete_work("app");
            }
            world.tick(30);
            assert_eq!(world.works.contains_key("app"), drop, "{:#?} {:#?}", world.log, world.reads);
            let resources = world.ledgers.get("app").map_or(0, |kept| kept.ledger.resources.len());
            world.tick(60);
            assert!(resources <= 2);
            assert!(drop || world.ledgers.is_empty());
            world.forget();
            world.tick(60);
            assert_eq!((world.written(), world.reads.len()), (vec![], 0), "{drop} {restart}");
        }
    }
}

#[test]
fn a_kind_that_is_not_served_and_is_defined_still_has_its_objects() {
    for served_again in [false, true] {
        let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
        world.work("app", &[widget("web", "one")]);
        world.tick(5);
        let widgets = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
        world.served.remove(&widgets);
        world.delete_work("app");
        world.tick(120);
        assert!(world.works.contains_key("app") && world.ledgers.contains_key("app"));
        assert!(world.there().contains(&"Widget web/one".to_owned()));
        let status = world.works["app"]["status"].to_string();
        assert!(status.contains("Widget one in namespace web: "), "{status}");
        if served_again {
            world.served.insert(widgets);
            world.tick(90);
            assert!(!world.works.contains_key("app") && !world.ledgers.contains_key("app"));
            assert!(!world.there().contains(&"Widget web/one".to_owned()));
        }
    }
}

#[test]
fn a_protected_object_that_is_not_asked_for_any_more_is_told() {
    let mut world = WorkWorld::in_step(&[("app", &[namespace("team"), config("a")])]);
    world.work("app", &[config("a")]);
    world.tick(10);
    let status = world.works["app"]["status"]["conditions"][0].to_string();
    assert!(
        status.contains("\"Kept\"") && status.contains("Namespace team is of a protected kind"),
        "{status}"
    );
    world.work(
        "app",
        &[config("a"), json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "no/name"}})],
    );
    world.tick(10);
    let status = world.works["app"]["status"]["conditions"][0].to_string();
    assert!(
        status.contains("\"Incomplete\"") && status.contains("Namespace team is of a protected kind"),
        "{status}"
    );
    world.annotate("app", "allow-deletion", &"true".into());
    world.tick(10);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
    assert!(!world.works["app"]["status"].to_string().contains("protected"));
}

#[test]
fn what_an_object_that_is_to_go_waits_for_is_told() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let a = world.find("ConfigMap web/a");
    world.edit(&a, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.delete_work("app");
    world.tick(10);
    let status = world.works["app"]["status"]["conditions"][0].to_string();
    let waits = "1 objects are still there: ConfigMap a in namespace web is being deleted, and waits for its finalizers example.com/slow";
    assert!(status.contains(waits), "{status}");
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.undeletable = Some(crate::Failure::Forbidden);
    world.work("app", &[config("b")]);
    world.tick(10);
    let status = world.works["app"]["status"]["conditions"][0].to_string();
    assert!(status.contains("\"Kept\"") && status.contains("ConfigMap a in namespace web: no"), "{status}");
}

#[test]
fn a_suspended_work_that_is_deleted_says_what_it_waits_for() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.annotate("app", "suspend", &"true".into());
    world.delete_work("app");
    world.tick(30);
    let status = world.works["app"]["status"]["conditions"][0].to_string();
    assert!(status.contains("suspended"), "{status}");
    world.annotate("app", "suspend", &Value::Null);
    world.tick(30);
    assert!(world.works.is_empty() && world.there().is_empty());
}
