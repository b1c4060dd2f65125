//! A Work changes.

use super::*;
use crate::event::{Event, StepOutcome};
use crate::failure::Failure;
use crate::plan::Step;

#[test]
fn other_content_is_one_record_and_one_write() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.done_first = done_first;
        let uid = world.objects[&world.find("ConfigMap web/a")]["metadata"]["uid"].clone();
        world.work("app", &[config_of("a", "2"), config("b")]);
        assert_eq!(world.written(), ["record app", "update ConfigMap web/a"]);
        world.tick(90);
        assert_eq!((world.reads.len(), world.written()), (0, vec![]));
        let object = &world.objects[&world.find("ConfigMap web/a")];
        assert_eq!((&object["data"]["a"], &object["metadata"]["uid"]), (&json!("2"), &uid));
        world.restart(true);
        world.tick(90);
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn another_order_changes_nothing() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.work("app", &[config("b"), config("a")]);
    world.edit_work("app", |work| work["metadata"]["labels"] = json!({"theirs": "1"}));
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
    world.restart(true);
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn what_is_dropped_goes_after_a_quiet_window_and_live_reads_and_nothing_else_does() {
    for done_first in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.done_first = done_first;
        world.work("app", &[config("b"), config("c")]);
        assert_eq!(world.written(), ["record app", "create ConfigMap web/c"]);
        world.tick(1);
        assert_eq!((world.reads.len(), world.written()), (0, vec![]), "before the window was quiet");
        world.tick(2);
        assert_eq!(world.reads[0], "examine");
        assert_eq!(world.written(), ["delete ConfigMap web/a", "settle app"]);
        assert_eq!(world.there(), ["ConfigMap web/b", "ConfigMap web/c"]);
        world.tick(90);
        assert_eq!((world.reads.len(), world.written()), (0, vec![]));
        world.restart(true);
        world.tick(90);
        assert_eq!(
            (world.gone().len(), world.reads.len()),
            (0, 3),
            "its kind was asked for, and what was dropped is looked for: {:?}",
            world.reads
        );
        assert_eq!(world.written(), [""; 0]);
    }
}

#[test]
fn a_work_that_is_emptied_says_nothing_of_manifests_any_more() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.work("app", &[]);
    world.tick(90);
    assert_eq!(world.there(), [""; 0]);
    let status = &world.works["app"]["status"];
    assert_eq!(status["manifestConditions"], json!([]), "{status:#}");
}

#[test]
fn what_is_dropped_and_asked_for_again_within_the_window_stays() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let before = world.objects.clone();
    world.work("app", &[config("b")]);
    world.tick(1);
    world.work("app", &[config("a"), config("b")]);
    world.tick(90);
    assert_eq!(world.gone(), [""; 0]);
    assert_eq!(world.objects, before);
    assert_eq!(world.ledgers["app"].ledger.resources.len(), 2);
}

#[test]
fn a_newer_version_of_the_api_is_the_same_object() {
    let mut world = WorkWorld::in_step(&[("kinds", &[definition()])]);
    world.work("app", &[widget("web", "one")]);
    let mut newer = world.served.iter().find(|resource| resource.kind == "Widget").unwrap().clone();
    newer.version = "v2".into();
    world.served.insert(newer);
    world.forget();
    let mut widget = widget("web", "one");
    widget["apiVersion"] = "example.com/v2".into();
    world.work("app", &[widget]);
    world.tick(30);
    assert_eq!(world.gone(), [""; 0]);
    assert_eq!(world.ledgers["app"].ledger.resources.len(), 1);
}

#[test]
fn nothing_is_said_of_a_change_before_its_kinds_are_known() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.deferring = true;
    world.work("app", &[config("a"), role()]);
    let steps: Vec<&Step> = world.plans.iter().flat_map(|plan| &plan.steps).collect();
    assert!(matches!(steps[..], [Step::Discover { .. }]), "{steps:?}");
    world.deferring = false;
    world.run();
    assert_eq!(world.works["app"]["status"]["conditions"][0]["observedGeneration"], 2);
}

#[test]
fn what_failed_says_nothing_of_what_is_asked_for_after_it() {
    let applied = |world: &WorkWorld| {
        let condition = &world.works["app"]["status"]["conditions"][0];
        (condition["observedGeneration"].as_i64(), condition["reason"].as_str().map(str::to_owned))
    };
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.refused.insert("ConfigMap".into(), Failure::Invalid);
    world.work("app", &[config_of("a", "2")]);
    assert_eq!(applied(&world), (Some(2), Some("Incomplete".into())));
    world.refused.clear();
    world.work("app", &[config_of("a", "3")]);
    assert_eq!(applied(&world), (Some(3), Some("Applied".into())), "at once");

    // The answer comes when something else is recorded already.
    world.forget();
    world.deferring = true;
    world.work("app", &[config_of("a", "4")]);
    world.carry_next();
    let late = world.plans.pop_front().unwrap();
    assert!(matches!(late.steps[..], [Step::Apply { .. }]), "{late:?}");
    world.work("app", &[config_of("a", "5")]);
    world.carry_next();
    assert_eq!(world.written(), ["record app", "record app"]);
    let refused = StepOutcome::Failed(Failure::Invalid, "no".into());
    world.send(Event::Done { plan: late.id, outcomes: vec![refused] });
    world.deferring = false;
    world.run();
    assert_eq!(world.written(), ["update ConfigMap web/a"]);
    assert_eq!(applied(&world), (Some(5), Some("Applied".into())));
}

#[test]
fn options_alone_are_one_record_and_nothing_else() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.annotate("app", "deletion", &"orphan".into());
    world.tick(30);
    assert_eq!(world.written(), ["record app"]);
}

#[test]
fn options_that_change_while_a_record_is_under_way_are_recorded_after_it() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.deferring = true;
    world.annotate("app", "deletion", &"orphan".into());
    world.annotate("app", "deletion", &Value::Null);
    world.annotate("app", "on-drift", &"report".into());
    world.deferring = false;
    world.run();
    assert_eq!(world.written(), ["record app", "record app"]);
    world.remove(&world.find("ConfigMap web/a"));
    world.tick(30);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn what_cannot_be_recorded_is_not_written() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.refused.insert("AppliedWork".into(), Failure::TooLarge);
    world.work("app", &[config_of("a", "2"), config("b")]);
    world.tick(60);
    assert!(world.written().iter().all(|line| line == "failed record app"));
    world.refused.clear();
    world.tick(60);
    assert_eq!(sorted(world.written())[..2], ["create ConfigMap web/b", "record app"]);
}

#[test]
fn a_ledger_is_not_written_for_what_is_told_of_its_last_failure() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.refused.insert("AppliedWork".into(), Failure::Unavailable); // in other words each time
    world.work("app", &[config_of("a", "2")]);
    world.tick(60);
    let attempts = world.written().len();
    assert!((3..=12).contains(&attempts), "{attempts}");
    assert!(world.works["app"]["status"].to_string().contains("as of line"), "{}", world.works["app"]);
    world.work("app", &[config_of("a", "3")]);
    assert_eq!(world.written(), ["failed record app"], "what it says now is tried at once");
}

#[test]
fn a_ledger_that_somebody_changes_or_removes_is_put_back_and_nothing_follows_from_it() {
    type Edit = fn(&mut WorkWorld);
    let edits: [(&str, Edit); 4] = [
        ("all is to go", |world| {
            world.edit_ledger("app", |ledger| {
                ledger.phase = crate::ledger::Phase::Deleting;
                ledger.items.clear();
            });
        }),
        ("nothing may be there", |world| {
            world.edit_ledger("app", |ledger| {
                (ledger.items, ledger.resources) = Default::default();
            });
        }),
        ("it is of another directory", |world| {
            world.edit_ledger("app", |ledger| ledger.directory = "another".into());
        }),
        ("lost", |world| world.lose_ledger("app")),
    ];
    for (what, edit) in edits {
        for online in [true, false] {
            let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
            let (objects, ledger) = (world.objects.clone(), world.ledgers["app"].ledger.clone());
            if !online {
                world.disconnect();
            }
            edit(&mut world);
            world.tick(30);
            assert_eq!(world.gone(), [""; 0], "{what}");
            if !online {
                world.connect();
            }
            world.tick(30);
            assert_eq!(world.objects, objects, "{what}");
            let now = &world.ledgers["app"].ledger;
            assert_eq!(
                (&now.items, &now.resources, now.phase),
                (&ledger.items, &ledger.resources, ledger.phase)
            );
            assert_eq!(now.applied.as_ref().unwrap().len(), 2, "{what}");
            assert_eq!(now.directory, "d");
        }
    }
}
