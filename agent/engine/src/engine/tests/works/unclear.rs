//! What a Work says last counts, or nothing: what goes does not go by what it said before.

use super::world::config_named;
use super::*;
use crate::event::Event;
use crate::failure::Failure;
use crate::plan::Step;

/// A Work that had two objects asks for one of them by now, in a way that cannot be followed.
fn one_is_wrong() -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.work("app", &[with(config("a"), "deletion", "perhaps"), config("b")]);
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
    world
}

#[test]
fn an_object_whose_manifest_has_a_wrong_option_stays_when_its_work_goes_until_the_option_is_mended() {
    for (fate, end) in [("orphan", "unmark ConfigMap web/a"), ("delete", "delete ConfigMap web/a")] {
        for restart in [false, true] {
            let mut world = one_is_wrong();
            world.delete_work("app");
            world.tick(60);
            if restart {
                world.restart_in_the_midst(true);
                world.tick(60);
            }
            assert_eq!(world.gone(), ["delete ConfigMap web/b"], "{fate}");
            assert!(world.works.contains_key("app") && world.ledgers.contains_key("app"), "{fate}");
            world.work("app", &[with(config("a"), "deletion", fate), config("b")]);
            world.tick(60);
            assert_eq!(world.gone(), ["delete ConfigMap web/b", end]);
            assert!(world.works.is_empty() && world.ledgers.is_empty(), "{fate}");
        }
    }
}

#[test]
fn an_object_whose_manifest_has_a_wrong_option_stays_when_its_work_is_gone() {
    let mut world = one_is_wrong();
    world.drop_work("app");
    world.tick(300);
    assert_eq!(world.gone(), ["delete ConfigMap web/b"]);
    assert_eq!(world.there(), ["ConfigMap web/a"]);
}

#[test]
fn while_it_is_not_known_what_a_work_asks_for_nothing_goes_by_what_it_said_before() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.hangs = true;
    world.annotate("app", "deletion", &"orphan".into());
    world.work("app", &[config("a"), widget("web", "x")]);
    world.delete_work("app");
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
    world.answer();
    world.tick(60);
    assert_eq!(world.gone(), ["unmark ConfigMap web/a"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}

/// A Work that dropped an object, and what was read of it since then: nobody heard of that yet.
fn read_and_not_heard() -> (WorkWorld, Event) {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.deferring = true;
    world.work("app", &[config("a")]);
    for _ in 0..100 {
        match world.plans.front().map(|plan| &plan.steps[0]) {
            None => world.tick(1),
            Some(Step::Examine(_)) => {
                let read = world.carry_unheard();
                return (world, read);
            }
            Some(_) => world.carry_next(),
        }
    }
    panic!("nothing is read: {:#?}", world.log);
}

#[test]
fn what_was_read_before_a_work_was_last_shown_proves_nothing() {
    let (mut world, read) = read_and_not_heard();
    // Since then somebody said that all is to stay, and deleted the Work.
    world.annotate("app", "deletion", &"orphan".into());
    world.delete_work("app");
    world.send(read);
    world.deferring = false;
    world.run();
    world.tick(60);
    let gone = sorted(world.gone().into_iter().map(str::to_owned).collect());
    assert_eq!(gone, ["unmark ConfigMap web/a", "unmark ConfigMap web/b"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}

#[test]
fn what_was_read_before_a_work_was_last_shown_is_not_told_as_a_doubt() {
    let (mut world, read) = read_and_not_heard();
    // Since then the Work asks for something else, and that is recorded.
    world.work("app", &[config_of("a", "2")]);
    world.deferring = false;
    world.run();
    world.deferring = true;
    world.send(read);
    while !world.plans.is_empty() && !matches!(world.plans[0].steps[0], Step::Examine(_)) {
        world.carry_next();
    }
    let told = world.works["app"]["status"].to_string();
    assert!(!told.contains("older generation"), "{told}");
    world.deferring = false;
    world.run();
    world.tick(60);
    assert_eq!(world.gone(), ["delete ConfigMap web/b"]);
}

#[test]
fn a_doubt_that_passed_is_told_no_more() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.unreadable = true;
    world.edit(&config_named("a"), |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.delete_work("app");
    world.tick(60);
    let told = |world: &WorkWorld| {
        let conditions = world.works["app"]["status"]["conditions"].as_array().unwrap();
        let applied = conditions.iter().find(|condition| condition["type"] == "Applied").unwrap();
        applied["message"].as_str().unwrap().to_owned()
    };
    assert!(told(&world).starts_with("everything stays: "), "{}", told(&world));
    world.unreadable = false;
    world.tick(60);
    assert_eq!(world.gone(), ["delete ConfigMap web/a"]);
    assert!(told(&world).contains("waits for its finalizers example.com/slow"), "{}", told(&world));
}

#[test]
fn what_a_work_that_goes_says_at_the_end_is_recorded_before_anything_goes_by_it() {
    for undone in [0, 1, 2, 5, 9, 20, 31, 60] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(Failure::Unavailable);
        world.delete_work("app");
        world.tick(undone);
        // Also where it cannot be recorded for a while.
        world.refused.insert("AppliedWork".into(), Failure::Unavailable);
        world.undeletable = None;
        world.annotate("app", "deletion", &"orphan".into());
        world.tick(90);
        assert_eq!(world.gone(), [""; 0], "{undone}");
        world.refused.clear();
        world.tick(90);
        let gone = sorted(world.gone().into_iter().map(str::to_owned).collect());
        assert_eq!(gone, ["unmark ConfigMap web/a", "unmark ConfigMap web/b"], "{undone}");
    }
}
