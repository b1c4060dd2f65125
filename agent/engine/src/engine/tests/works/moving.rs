//! An object that moves from one Work to another, which cannot be followed yet: it stays.

use super::*;

/// What people are told of a Work: its conditions.
fn told(world: &WorkWorld, name: &str) -> String {
    world.works[name]["status"]["conditions"].to_string()
}

/// Ways in which the Work `two`, which asks for what `one` gives up, cannot be followed, and what mends it.
fn obstacles() -> Vec<(&'static str, Act, Act)> {
    fn unknown() -> Value {
        json!({"apiVersion": "other.example.com/v1", "kind": "Other", "metadata": {"name": "o", "namespace": "web"}})
    }
    vec![
        (
            "its kinds are not known",
            |world| {
                world.hangs = true;
                world.work("two", &[config("a"), unknown()]);
            },
            WorkWorld::answer,
        ),
        (
            "a manifest says what nobody understands",
            |world| world.work("two", &[with(config("a"), "deletion", "perhaps")]),
            |world| world.work("two", &[config("a")]),
        ),
        (
            "a manifest is wrong",
            |world| {
                let mut wrong = config("a");
                wrong["metadata"]["labels"] = "none".into();
                world.work("two", &[wrong]);
            },
            |world| world.work("two", &[config("a")]),
        ),
        (
            "the Work says what nobody understands",
            |world| {
                world.work("two", &[config("c")]);
                world.annotate("two", "deletion", &"perhaps".into());
                world.work("two", &[config("a")]);
            },
            |world| world.annotate("two", "deletion", &Value::Null),
        ),
        (
            "the Work is too large",
            |world| {
                let mut large = config("b");
                large["data"]["b"] = "x".repeat(1_000_000).into();
                world.work("two", &[config("a"), large]);
            },
            |world| world.work("two", &[config("a")]),
        ),
    ]
}

#[test]
fn what_moves_to_a_work_that_cannot_be_followed_yet_stays() {
    let gives: [(&str, Act); 2] = [
        ("deleted", |world| world.delete_work("one")),
        ("dropped", |world| world.work("one", &[config("z")])),
    ];
    for (obstacle, hinder, mend) in obstacles() {
        for (how, give_up) in gives {
            for restart in [false, true] {
                let case = format!("{obstacle}, {how}, restart {restart}");
                let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("z")])]);
                let a = world.find("ConfigMap web/a");
                let uid = world.objects[&a]["metadata"]["uid"].clone();
                hinder(&mut world);
                world.tick(5);
                give_up(&mut world);
                if restart {
                    world.restart_in_the_midst(true);
                }
                world.tick(120);
                assert!(
                    !world.log.contains(&"delete ConfigMap web/a".to_owned()),
                    "{case}: {:#?}",
                    world.log
                );
                assert!(world.works.contains_key("one"), "{case}: {:#?}", world.log);
                let said = told(&world, "one");
                assert!(
                    said.contains("ConfigMap a in namespace web stays: Work two names it"),
                    "{case}: {said}"
                );
                mend(&mut world);
                world.tick(120);
                assert_eq!(world.objects[&a]["metadata"]["uid"], uid, "{case}: {:#?}", world.log);
                assert_eq!(world.ledgers.contains_key("one"), how == "dropped", "{case}: {:#?}", world.log);
                world.delete_work("two");
                world.tick(30);
                assert!(!world.objects.contains_key(&a), "{case}: it is the other one's");
                world.check_rest();
            }
        }
    }
}

#[test]
fn what_another_work_names_no_more_goes() {
    let ends: [(&str, Act); 2] = [
        ("deleted", |world| world.delete_work("two")),
        ("mended", |world| world.work("two", &[config("c")])),
    ];
    for (how, end) in ends {
        let mut world = WorkWorld::in_step(&[
            ("one", &[config("a"), config("z")]),
            ("two", &[with(config("a"), "deletion", "perhaps")]),
        ]);
        world.work("one", &[config("z")]);
        world.tick(30);
        assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/z"], "{how}");
        end(&mut world);
        world.tick(10);
        assert!(world.log.contains(&"delete ConfigMap web/a".to_owned()), "{how}: {:#?}", world.log);
        world.check_rest();
    }
}

#[test]
fn what_is_recorded_to_go_waits_for_what_others_ask_for_meanwhile() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a")])]);
    world.undeletable = Some(crate::Failure::Unavailable);
    world.delete_work("one");
    world.tick(5);
    assert!(world.ledgers["one"].ledger.phase == crate::ledger::Phase::Deleting);
    let uid = |world: &WorkWorld| world.objects[&world.find("ConfigMap web/a")]["metadata"]["uid"].clone();
    let before = uid(&world);
    world.undeletable = None;
    world.disconnect();
    world.work("two", &[config("a")]);
    world.restart(false);
    world.tick(60);
    assert_eq!(world.gone(), [""; 0], "while nobody can tell who asks for it");
    world.connect();
    world.tick(60);
    assert_eq!((world.gone(), uid(&world)), (vec![], before));
    assert!(!world.works.contains_key("one"));
}

#[test]
fn what_names_nothing_keeps_nothing() {
    let nameless =
        [json!(null), json!({"kind": "ConfigMap"}), json!({"metadata": {"name": "a"}}), json!("x")];
    let mut moves = config("a");
    moves["metadata"]["namespace"] = "default".into();
    let mut world = WorkWorld::in_step(&[("one", &[moves, config("z")]), ("two", &nameless)]);
    world.work("one", &[config("z")]);
    world.tick(10);
    assert_eq!(world.there(), ["ConfigMap web/z"]);
}

#[test]
fn what_another_work_records_stays_though_somebody_altered_its_record() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("z")])]);
    let a = world.find("ConfigMap web/a");
    world.work("two", &[config("a"), config("c")]);
    world.tick(5);
    world.annotate("two", "suspend", &"true".into()); // it is not put back
    world.edit_ledger("two", |ledger| (ledger.items, ledger.resources) = Default::default());
    world.work("one", &[config("z")]);
    world.tick(60);
    assert!(world.objects.contains_key(&a), "{:#?}", world.log);
}

#[test]
fn what_another_work_only_plans_goes() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("z")])]);
    world.edit_work("two", |work| {
        work["metadata"]["annotations"] = json!({"multicluster.coreos.com/plan-only": "true"});
        work["spec"] = json!({"workload": {"manifests": [config("a")]}});
    });
    world.tick(5);
    world.work("one", &[config("z")]);
    world.tick(10);
    assert!(!world.there().contains(&"ConfigMap web/a".to_owned()), "{:?}", world.there());
}
