//! What lies in a namespace or a definition, while the cluster leaves: it would go with that.

use super::*;

fn may_go(manifest: Value) -> Value {
    with(manifest, "allow-deletion", "true")
}

fn in_team(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "team"}})
}

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "team"}})
}

/// Whatever the reason for which something in it stays, and whoever comes first.
#[test]
fn what_another_work_keeps_keeps_its_namespace() {
    let cases: [(&str, Act); 5] = [
        ("suspended", |world| world.annotate("db", "suspend", &"true".into())),
        ("orphaned", |world| world.annotate("db", "deletion", &"orphan".into())),
        ("an error", |world| world.annotate("db", "x", &"true".into())),
        ("it is missing", |world| drop(world.works.remove("db"))),
        ("a manifest to be looked at", |world| {
            world.work("db", &[with(in_team("c"), "apply", "observe")]);
        }),
    ];
    for (case, act) in cases {
        for (base, restart) in [("base", false), ("zbase", false), ("base", true)] {
            let case = format!("{case}, {base}, {restart}");
            let mut world =
                WorkWorld::in_step(&[(base, &[may_go(namespace("team"))]), ("db", &[in_team("c")])]);
            world.tick(10);
            act(&mut world);
            world.tick(10);
            world.leave("Delete");
            if restart {
                world.tick(3);
                world.start(true);
            }
            world.tick(120);
            assert_eq!(world.there(), ["ConfigMap team/c", "Namespace team"], "{case}: {:#?}", world.log);
            assert!(!world.ledgers.contains_key(base), "{case}: {:#?}", world.log);
            assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}: {:?}", deregistered(&world));
        }
    }
}

/// What is not known to go is waited for.
#[test]
fn a_namespace_waits_for_what_goes_in_it() {
    let mut world =
        WorkWorld::in_step(&[("base", &[may_go(namespace("team"))]), ("db", &[in_team("c"), in_team("d")])]);
    world.tick(10);
    world.refused.insert("AppliedWork".into(), Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    world.refused.clear();
    world.forget();
    world.tick(60);
    let log = world.written();
    let last = place(&log, "delete ConfigMap team/c").max(place(&log, "delete ConfigMap team/d"));
    assert!(last < place(&log, "delete Namespace team"), "{log:#?}");
    assert_eq!((world.there(), world.ledgers.len()), (vec![], 0), "{log:#?}");
    let message = deregistered(&world).1;
    assert!(!message.contains("Namespace team"), "{message}");
}

#[test]
fn what_stays_for_others_keeps_what_it_lies_in() {
    let own: [Value; 2] = [in_team("c"), may_go(namespace("team"))];
    let cases: [(&str, Act); 2] = [
        ("suspended", |world| {
            world.work("two", &[in_team("c")]);
            world.tick(10);
            world.annotate("two", "suspend", &"true".into());
        }),
        ("not to be followed", |world| world.work("two", &[with(in_team("c"), "delet", "x")])),
    ];
    for (case, act) in cases {
        let mut world = WorkWorld::in_step(&[("one", &own)]);
        act(&mut world);
        world.tick(10);
        world.leave("Delete");
        world.tick(120);
        let there = ["ConfigMap team/c", "Namespace team"];
        assert_eq!(world.there(), there, "{case}: {:#?}", world.log);
        let (reason, message) = deregistered(&world);
        let told = message.contains("Namespace team");
        assert!(reason == "EntryDeletedWithWorks" && told, "{case}: {message}");
    }
}

/// What others want that end, too, is only waited for.
#[test]
fn what_only_works_that_end_want_keeps_nothing() {
    for refused in [false, true] {
        let mut world = WorkWorld::in_step(&[("one", &[in_team("c"), may_go(namespace("team"))])]);
        world.work("two", &[in_team("c"), in_team("d")]);
        world.tick(10);
        if refused {
            world.refused.insert("AppliedWork".into(), Failure::Unavailable);
        }
        world.leave("Delete");
        world.tick(20);
        world.refused.clear();
        world.tick(120);
        assert_eq!((world.there(), world.ledgers.len()), (vec![], 0), "{refused}: {:#?}", world.log);
    }
}

/// The record of what one leaves there stays as long as the namespace may go.
#[test]
fn what_is_left_in_a_namespace_is_not_forgotten_before_that() {
    let mut world = WorkWorld::in_step(&[("base", &[may_go(namespace("team"))])]);
    world.work("db", &[with(in_team("c"), "deletion", "orphan")]);
    world.tick(10);
    world.annotate("base", "suspend", &"true".into());
    world.tick(10);
    world.leave("Delete");
    world.tick(60);
    let (reason, message) = deregistered(&world);
    let told = message.contains("Work db (") && message.contains("Work base");
    assert!(reason == "EntryDeletedWithWorks" && told, "{reason}: {message}");
    world.start(true);
    world.annotate("base", "suspend", &Value::Null);
    world.tick(120);
    assert_eq!(world.there(), ["ConfigMap team/c", "Namespace team"], "{:#?}", world.log);
    assert_eq!(world.ledgers.len(), 0, "{:#?}", world.log);
}

/// And what the Work itself leaves there: what it orphans, and the data that nobody allowed to go.
#[test]
fn what_stays_of_the_same_work_keeps_what_it_lies_in() {
    for (kept, name) in [
        (with(in_team("c"), "deletion", "orphan"), "ConfigMap team/c"),
        (claim(), "PersistentVolumeClaim team/data"),
    ] {
        let mut world = WorkWorld::in_step(&[("one", &[kept, may_go(namespace("team"))])]);
        world.tick(10);
        world.leave("Delete");
        world.tick(60);
        assert_eq!(world.there(), sorted(vec![name.into(), "Namespace team".into()]), "{:#?}", world.log);
    }
}

#[test]
fn a_definition_stays_for_what_is_of_its_kind() {
    for suspended in [true, false] {
        let mut world = WorkWorld::in_step(&[("base", &[may_go(definition())])]);
        world.tick(10);
        world.work("db", &[widget("web", "w")]);
        world.tick(30);
        assert_eq!(world.there().len(), 2, "{:#?}", world.log);
        if suspended {
            world.annotate("db", "suspend", &"true".into());
        }
        world.tick(10);
        world.leave("Delete");
        world.tick(120);
        let left = if suspended { 2 } else { 0 };
        assert_eq!(world.there().len(), left, "{suspended}: {:#?}", world.log);
    }
}
