//! A process begins, and lets the directory speak first: what is recorded may be older than what it asks for.

use super::*;
use crate::event::{Change, DirectoryWatch, Event};
use crate::failure::Failure;

/// A process began, what a Work made is gone but for one, and the directory did not say anything yet.
fn begun() -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.dead = true;
    world.remove(&world.find("ConfigMap web/b"));
    world.forget();
    world.begin(false);
    assert_eq!(world.written(), [""; 0]);
    world
}

#[test]
fn what_was_dropped_while_no_agent_ran_is_not_made_anew_by_the_next_one() {
    for done_first in [true, false] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.done_first = done_first;
        world.dead = true;
        world.remove(&world.find("ConfigMap web/a"));
        world.remove(&world.find("ConfigMap web/b"));
        world.work("app", &[config("a")]);
        world.restart(true);
        world.tick(60);
        assert_eq!(world.written(), ["record app", "create ConfigMap web/a", "settle app"]);
    }
}

#[test]
fn what_is_recorded_holds_where_the_directory_says_no_more_or_nothing_for_a_while() {
    let made = ["create ConfigMap web/b", "settle app"];
    let mut away = begun();
    away.disconnect();
    assert_eq!(away.written(), made);

    let mut silent = begun();
    silent.tick(9);
    assert_eq!(silent.written(), [""; 0]);
    silent.tick(1);
    assert_eq!(silent.written(), made);

    let mut barred = begun();
    barred.begin_session();
    assert_eq!(barred.written(), [""; 0]);
    let failed = |watch| {
        let change = Change::Failed(Failure::Forbidden, "no".into());
        Event::Directory { era: 0, watch, change }
    };
    barred.send(failed(DirectoryWatch::Policies));
    assert_eq!(barred.written(), [""; 0], "Works are told of all the same");
    barred.send(failed(DirectoryWatch::Works));
    assert_eq!(barred.written(), made);

    let mut lost = begun();
    lost.works.clear();
    lost.connect();
    assert_eq!(lost.written(), made, "a Work that is only not there asks for what it did");
}

#[test]
fn what_goes_with_a_work_that_was_deleted_while_no_agent_ran_is_not_made_anew_before() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.dead = true;
    world.remove(&world.find("ConfigMap web/b"));
    world.delete_work("app");
    world.restart(true);
    world.tick(60);
    let writes = world.written();
    assert!(!writes.iter().any(|write| write.starts_with("create")), "{writes:#?}");
    assert!(world.works.is_empty() && world.there().is_empty());
}

#[test]
fn what_was_dropped_is_not_made_anew_while_what_is_asked_for_is_about_to_be_recorded() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "web"},
        "stringData": {"password": "one"}});
    for done_first in [true, false] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.done_first = done_first;
        world.dead = true;
        world.remove(&world.find("ConfigMap web/b"));
        world.work("app", &[config("a"), secret.clone()]);
        world.restart(true);
        world.tick(60);
        let writes = world.written();
        assert!(!writes.contains(&"create ConfigMap web/b".to_owned()), "{writes:#?}");
        assert_eq!(world.there(), ["ConfigMap web/a", "Secret web/login"]);
    }
}

#[test]
fn where_another_one_seems_to_speak_it_is_waited_for_who_does() {
    let disputed = || {
        let mut world = begun();
        world.begin_session();
        world.fall_silent();
        world.tick(40);
        assert_eq!(world.written(), [""; 0]);
        world
    };
    let mut ours = disputed();
    ours.work("app", &[config("a")]);
    ours.beat();
    ours.tick(60);
    assert!(!ours.written().contains(&"create ConfigMap web/b".to_owned()));

    let mut anothers = disputed();
    anothers.fall_silent();
    assert_eq!(anothers.written(), ["create ConfigMap web/b", "settle app"], "it is another's");

    let mut open = disputed();
    open.tick(20);
    assert_eq!(open.written(), ["create ConfigMap web/b", "settle app"], "nobody knows");
}
