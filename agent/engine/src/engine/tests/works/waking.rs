//! What was refused is tried again when something changes that it waits for, and else only now and then.

use std::time::Duration;

use super::*;
use crate::event::Event;
use crate::failure::Failure;
use crate::plan::Step;
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
fn what_an_object_of_a_large_work_waits_for_is_known_before_the_work_has_its_turn() {
    let mut many: Vec<Value> = (0..300).map(|number| config(&format!("c{number}"))).collect();
    many.push(role());
    let mut world = WorkWorld::in_step(&[]);
    world.refused.insert("Role".into(), Failure::Forbidden);
    world.make(&world::namespace_named("team"), &json!({}));
    world.deferring = true;
    world.work("app", &many);
    let is_role = |step: &Step| matches!(step, Step::Apply { target, .. } if target.resource.kind == "Role");
    let mut tried = false;
    while !tried {
        assert!(world.awaiting.is_empty());
        if world.plans.is_empty() {
            world.wake();
        } else {
            tried = world.plans[0].steps.iter().any(is_role);
            world.carry_next();
        }
    }
    assert_eq!(world.awaiting.iter().collect::<Vec<_>>(), [&Awaited::Rights]);
}

#[test]
fn a_grant_elsewhere_and_a_change_of_something_else_are_no_reason_to_try() {
    let mut world = refused();
    world.tell_awaited(Awaited::Rights, Some("web"));
    world.tell_awaited(Awaited::Quotas, Some("team"));
    world.tick(6);
    assert!(world.written().len() <= 1, "one may be due for the time");
}

/// Something happens ten times a second, for so many seconds.
fn all_the_time(world: &mut WorkWorld, seconds: u64, act: impl Fn(&mut WorkWorld, u64)) {
    for step in 0..seconds * 10 {
        act(world, step);
        world.now += Duration::from_millis(50);
        world.send(Event::Tick);
        world.now += Duration::from_millis(50);
        world.send(Event::Tick);
    }
}

#[test]
fn what_changes_all_the_time_costs_each_object_an_attempt_a_second_at_most() {
    for (names, namespace) in [(1, None), (20, Some("web")), (60, None)] {
        let mut world = WorkWorld::new();
        world.refused.insert("ConfigMap".into(), Failure::Forbidden);
        let many: Vec<_> = (0..names).map(|number| config(&format!("c{number}"))).collect();
        world.work("app", &many);
        world.start(true);
        world.tick(130);
        world.forget();
        all_the_time(&mut world, 30, |world, _| world.tell_awaited(Awaited::Rights, namespace));
        let attempts = world.written().len();
        assert!((names * 15..=names * 36).contains(&attempts), "{attempts} in 30 s for {names} objects");
    }
}

#[test]
fn what_changes_all_the_time_elsewhere_delays_nothing_and_costs_nothing_here() {
    let mut world = refused();
    all_the_time(&mut world, 60, |world, _| world.tell_awaited(Awaited::Rights, Some("web")));
    assert!(world.written().len() <= 2, "those for the time");
    world.refused.clear();
    world.tell_awaited(Awaited::Rights, Some("team"));
    world.now += Duration::from_millis(50);
    world.send(Event::Tick);
    assert_eq!(world.written(), ["create Role team/reader", "settle app"]);
}

/// A Work of which the one object is refused for the sake of its namespace, and has been for minutes.
fn refused_in(failure: Failure, why: &'static str) -> WorkWorld {
    let mut world = WorkWorld::new();
    world.refused.insert("ConfigMap".into(), failure);
    world.why = why;
    world.work("app", &[config("a")]);
    world.start(true);
    world.tick(400);
    world.forget();
    world
}

const POLICY: &str = "ValidatingAdmissionPolicy 'few' with binding 'few' denied request: no";
const TERMINATING: &str =
    "is forbidden: unable to create new content in namespace web because it is being terminated";
/// What is refused for the sake of a namespace, and whether its labels count.
const OF_NAMESPACES: [(Failure, &str, bool); 3] = [
    (Failure::Absent, "namespaces \"web\" not found", false),
    (Failure::Forbidden, TERMINATING, false),
    (Failure::Invalid, POLICY, true),
];

/// A label or an annotation of the namespace is set.
fn set(world: &mut WorkWorld, what: &str, value: u64) {
    let value = value.to_string();
    world.edit(&world::namespace_named("web"), |it| it["metadata"][what] = json!({"example.com/a": value}));
}

#[test]
fn a_namespace_that_changes_all_the_time_costs_few_attempts() {
    for (failure, why, by_labels) in OF_NAMESPACES {
        for what in ["annotations", "labels"] {
            let mut world = refused_in(failure, why);
            all_the_time(&mut world, 60, |world, step| set(world, what, step));
            let attempts = world.written().len();
            // When it is shown for the first time since, nobody knows whether its labels are others.
            let expected = if by_labels && what == "labels" { 55..=66 } else { 4..=6 };
            assert!(expected.contains(&attempts), "{why} {what}: {attempts} in 60 s");
        }
    }
}

#[test]
fn what_a_policy_refuses_is_tried_as_soon_as_the_labels_of_its_namespace_change() {
    let mut world = refused_in(Failure::Invalid, POLICY);
    set(&mut world, "annotations", 1);
    world.tick(60);
    world.forget();
    let before = timers(&world);
    world.refused.clear();
    set(&mut world, "annotations", 2);
    world.tick(1);
    assert_eq!(world.written(), [""; 0], "these do not count");
    set(&mut world, "labels", 1);
    world.now += Duration::from_millis(50);
    world.send(Event::Tick);
    assert_eq!(world.written(), ["create ConfigMap web/a", "settle app"]);
    assert_eq!(timers(&world), before);
}

#[test]
fn a_namespace_that_is_made_anew_wakes_what_waits_for_it_however_often_it_changed_before() {
    for (failure, why, _) in OF_NAMESPACES {
        for noisy in [false, true] {
            let mut world = refused_in(failure, why);
            if noisy {
                all_the_time(&mut world, 30, |world, step| set(world, "labels", step));
                world.tick(120);
            }
            world.edit(&world::namespace_named("web"), |it| {
                it["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
                it["metadata"]["finalizers"] = json!(["example.com/hold"]);
            });
            world.tick(30);
            world.remove(&world::namespace_named("web"));
            world.tick(120);
            world.forget();
            let before = timers(&world);
            world.refused.clear();
            world.make(&world::namespace_named("web"), &json!({}));
            world.now += Duration::from_millis(50);
            world.send(Event::Tick);
            assert_eq!(world.written(), ["create ConfigMap web/a", "settle app"], "{why} {noisy}");
            assert_eq!(timers(&world), before);
        }
    }
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

#[test]
fn what_a_definition_does_not_allow_is_tried_as_soon_as_a_definition_of_its_group_changes() {
    let mut world = WorkWorld::in_step(&[("defines", &[definition()])]);
    world.refused.insert("Widget".into(), Failure::Invalid);
    world.work("app", &[widget("web", "one"), config("a")]);
    world.tick(400);
    let before = timers(&world);
    let definition = world.find("CustomResourceDefinition widgets.example.com");
    world.forget();
    world.edit(&definition, |value| value["metadata"]["annotations"]["changes"] = "1".into());
    world.tick(2);
    let tried = world.log.iter().filter(|line| *line == "failed Widget web/one").count();
    assert!((2..=3).contains(&tried), "the server may act on it a moment later: {:?}", world.log);
    world.forget();
    all_the_time(&mut world, 60, |world, step| {
        world
            .edit(&definition, |value| value["metadata"]["annotations"]["changes"] = step.to_string().into());
    });
    let tried = world.log.iter().filter(|line| *line == "failed Widget web/one").count();
    assert!((40..=66).contains(&tried), "{tried}");
    world.tick(400);
    world.refused.clear();
    world.forget();
    world.edit(&definition, |value| value["metadata"]["annotations"]["changes"] = "last".into());
    world.tick(1);
    assert!(world.log.contains(&"create Widget web/one".to_owned()), "{:?}", world.log);
    assert!(timers(&world) > before, "in between, time passed");
}
