//! What was refused is tried again when something changes that it waits for, and else only now and then.

use std::time::Duration;

use super::*;
use crate::failure::Failure;
use crate::refusal::Awaited;

/// A Work of which one object is refused for want of a right, and has been for minutes.
fn refused() -> WorkWorld {
    let mut world = WorkWorld::new();
    world.refused.insert("Role".into(), Failure::Forbidden);
    world.make(&world::namespace_named("team"), &json!({}));
    world.work("app", &[role(), config("a")]);
    world.start(true);
    world.tick(400);
    assert_eq!(world.awaiting.iter().collect::<Vec<_>>(), [&Awaited::Rights]);
    world.forget();
    world
}

fn timers(world: &WorkWorld) -> u64 {
    world.engine.counted().timers.values().sum()
}

#[test]
fn what_a_right_is_missing_for_is_written_within_two_seconds_of_its_grant() {
    for (namespace, lag) in [(Some("team"), 0), (None, 0), (Some("team"), 1)] {
        let mut world = refused();
        let before = timers(&world);
        assert!(before > 0, "until then only time passed");
        if lag > 0 {
            world.tell_awaited(Awaited::Rights, namespace);
            world.tick(lag); // the server hears of it later than the agent does
        }
        world.refused.clear();
        if lag == 0 {
            world.tell_awaited(Awaited::Rights, namespace);
        }
        world.tick(1);
        let created = "create Role team/reader".to_owned();
        assert!(world.log.contains(&created), "{namespace:?}, {lag}: {:?}", world.log);
        assert_eq!(timers(&world), before, "something changed");
        assert!(world.awaiting.is_empty(), "nothing waits any more");
    }
}

#[test]
fn a_grant_elsewhere_and_a_change_of_something_else_are_no_reason_to_try() {
    let mut world = refused();
    world.tell_awaited(Awaited::Rights, Some("web"));
    world.tell_awaited(Awaited::Quotas, Some("team"));
    world.tick(6);
    assert!(world.written().len() <= 1, "one may be due for the time");
}

#[test]
fn what_changes_all_the_time_costs_few_attempts() {
    let mut world = WorkWorld::new();
    world.refused.insert("ConfigMap".into(), Failure::Forbidden);
    let many: Vec<_> = (0..20).map(|number| config(&format!("c{number}"))).collect();
    world.work("app", &many);
    world.start(true);
    world.tick(400);
    world.forget();
    for _ in 0..100 {
        world.tell_awaited(Awaited::Rights, None);
        world.now += Duration::from_millis(100);
    }
    let attempts = world.written().len();
    assert!((20..=600).contains(&attempts), "{attempts} attempts in 10 s for 20 objects");
}

#[test]
fn what_could_not_be_deleted_for_want_of_a_right_goes_when_it_is_granted() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.undeletable = Some(Failure::Forbidden);
    world.delete_work("app");
    world.tick(400);
    assert!(world.awaiting.contains(&Awaited::Rights));
    world.undeletable = None;
    world.tell_awaited(Awaited::Rights, Some("web"));
    world.tick(1);
    assert_eq!(world.there(), [""; 0]);
}

#[test]
fn a_manifest_that_is_corrected_is_tried_at_once() {
    let mut world = WorkWorld::new();
    world.refused.insert("ConfigMap".into(), Failure::Invalid);
    world.work("app", &[config("a")]);
    world.start(true);
    world.tick(400);
    let before = timers(&world);
    world.refused.clear();
    world.work("app", &[config_of("a", "2")]);
    assert!(world.there().contains(&"ConfigMap web/a".to_owned()), "{:?}", world.log);
    assert_eq!(timers(&world), before);
}

#[test]
fn what_another_work_stands_in_the_way_of_is_made_as_soon_as_that_is_gone() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a")])]);
    world.work("two", &[config("a"), config("b")]);
    world.tick(400);
    world.annotate("two", "on-conflict", &json!("report"));
    world.forget();
    let before = timers(&world);
    world.delete_work("one");
    world.tick(5);
    let a = world.find("ConfigMap web/a");
    assert_eq!(world::maker(&world.objects[&a]), Some(world.uid("two")), "{:?}", world.log);
    assert_eq!(timers(&world), before);
}

#[test]
fn what_was_deleted_at_last_is_waited_for_no_more() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.undeletable = Some(Failure::Forbidden);
    world.work("app", &[config("b")]);
    world.tick(400);
    assert!(world.awaiting.contains(&Awaited::Rights));
    world.undeletable = None;
    world.tick(61);
    assert_eq!(world.there(), ["ConfigMap web/b"]);
    assert!(world.awaiting.is_empty());
}

#[test]
fn without_a_failure_nothing_is_done_for_the_time_alone() {
    let mut world = WorkWorld::in_step(&[(
        "app",
        &[widget("team", "one"), config("a"), definition(), namespace("team")],
    )]);
    world.tick(600);
    world.work("app", &[config_of("a", "2")]);
    world.tick(600);
    assert_eq!(world.engine.counted().timers, std::collections::BTreeMap::new());
}
