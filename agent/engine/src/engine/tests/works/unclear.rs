//! What a Work says last counts, or nothing: what goes does not go by what it said before.

use std::collections::VecDeque;

use super::*;
use crate::plan::{Plan, Step};

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
    world.deferring = true;
    world.annotate("app", "deletion", &"orphan".into());
    world.work("app", &[config("a"), widget("web", "x")]);
    world.delete_work("app");
    // Whether the kind is served is answered late.
    let asks = |plan: &Plan| plan.steps.iter().any(|step| matches!(step, Step::Discover { .. }));
    let (late, now): (VecDeque<Plan>, VecDeque<Plan>) = world.plans.drain(..).partition(asks);
    assert_eq!(late.len(), 1, "{late:?}");
    world.plans = now;
    world.deferring = false;
    world.run();
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
    world.plans.extend(late);
    world.run();
    world.tick(60);
    assert_eq!(world.gone(), ["unmark ConfigMap web/a"]);
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}

#[test]
fn what_was_read_before_a_work_was_last_shown_proves_nothing() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.deferring = true;
    world.work("app", &[config("a")]);
    let next = |world: &WorkWorld| matches!(world.plans[0].steps[0], Step::Examine(_));
    for _ in 0..100 {
        if world.plans.is_empty() {
            world.tick(1);
        } else if next(&world) {
            break;
        } else {
            world.carry_next();
        }
    }
    assert!(next(&world));
    let read = world.carry_unheard();
    // Since then somebody said that all is to stay, and deleted the Work.
    world.annotate("app", "deletion", &"orphan".into());
    world.delete_work("app");
    world.send(read);
    world.deferring = false;
    world.run();
    world.tick(60);
    assert_eq!(
        sorted(world.gone().into_iter().map(str::to_owned).collect()),
        ["unmark ConfigMap web/a", "unmark ConfigMap web/b"]
    );
    assert!(world.works.is_empty() && world.ledgers.is_empty());
}

#[test]
fn what_a_work_that_goes_says_at_the_end_is_recorded_before_anything_goes_by_it() {
    for undone in [0, 1, 2, 5, 9, 20, 31, 60] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(crate::Failure::Unavailable);
        world.delete_work("app");
        world.tick(undone);
        world.undeletable = None;
        world.annotate("app", "deletion", &"orphan".into());
        world.tick(90);
        let gone = sorted(world.gone().into_iter().map(str::to_owned).collect());
        assert_eq!(gone, ["unmark ConfigMap web/a", "unmark ConfigMap web/b"], "{undone}");
    }
}
