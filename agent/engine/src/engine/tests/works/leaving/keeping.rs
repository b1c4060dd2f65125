//! What stays with a cluster that leaves with what its Works made: what a Work keeps back, and what cannot be shown to end.

use super::*;

#[test]
fn what_a_work_keeps_back_stays() {
    let cases: [(&str, Act, &str); 6] = [
        ("suspended", |world| world.annotate("app", "suspend", &"true".into()), "suspended"),
        ("only planned", |world| world.annotate("app", "plan-only", &"true".into()), "planned"),
        ("an unknown option", |world| world.annotate("app", "x", &"true".into()), "no option"),
        ("an unknown value", |world| world.annotate("app", "deletion", &"perhaps".into()), "unknown value"),
        (
            "a manifest with an unknown option",
            |world| world.work("app", &[with(config("a"), "delet", "x"), config("b")]),
            "manifest 0",
        ),
        (
            "a malformed manifest",
            |world| world.work("app", &[json!({"kind": 1}), config("a"), config("b")]),
            "manifest 0",
        ),
    ];
    for (case, act, told) in cases {
        for restart in [false, true] {
            let mut world =
                WorkWorld::in_step(&[("app", &[config("a"), config("b")]), ("other", &[config("c")])]);
            act(&mut world);
            world.tick(10);
            if restart {
                world.restart(true);
            }
            world.forget();
            world.leave("Delete");
            world.tick(60);
            assert_eq!(world.gone(), ["delete ConfigMap web/c"], "{case}");
            assert!(world.ledgers.contains_key("app"), "{case}");
            let (reason, message) = deregistered(&world);
            assert_eq!(reason, "EntryDeletedWithWorks", "{case}");
            assert!(message.contains("Work app (") && message.contains(told), "{case}: {message}");
        }
    }
}

/// The replica's definition of ledgers is an older one: that refuses this, and nothing else.
#[test]
fn what_cannot_be_recorded_to_go_stays_until_it_can() {
    let mut world = world();
    world.send(Event::LeavingTried(Err("apply multicluster.yaml".into())));
    world.work("app", &[config("a"), config("b"), config("new")]);
    world.tick(10);
    assert!(world.there().contains(&"ConfigMap web/new".to_owned()), "{:#?}", world.log);
    let (reason, message) = world.condition("LedgerUsable");
    assert!(reason == "Usable" && message.contains("apply multicluster.yaml"), "{message}");
    let there = world.there();
    world.forget();
    world.leave("Delete");
    world.tick(120);
    assert_eq!(world.there(), there);
    assert_eq!(world.written(), [""; 0], "nothing is recorded");
    let (reason, message) = deregistered(&world);
    assert!(reason == "Leaving" && message.contains("apply multicluster.yaml"), "{message}");
    world.send(Event::LeavingTried(Ok(())));
    world.tick(60);
    assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks");
    assert!(world.ledgers.is_empty());
    assert_eq!(world.condition("LedgerUsable").1, "");
}

/// Said while the Works' objects go: what is not gone yet stays.
#[test]
fn a_work_is_heard_until_the_last_of_it_is_gone() {
    let cases: [(&str, Act); 3] = [
        ("suspended", |world| world.annotate("app", "suspend", &"true".into())),
        ("an unknown option", |world| world.annotate("app", "x", &"true".into())),
        ("orphaned", |world| world.annotate("app", "deletion", &"orphan".into())),
    ];
    for (case, act) in cases {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        assert_eq!(world.ledgers["app"].ledger.phase, Phase::Leaving, "{case}");
        assert_eq!(deregistered(&world).0, "Leaving", "{case}");
        act(&mut world);
        world.undeletable = None;
        world.tick(60);
        assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"], "{case}");
        assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}");
    }
}

/// Of a Work that cannot be read nothing goes; where it may be readable later, that is awaited.
#[test]
fn nothing_is_guessed_at() {
    type Case = (&'static str, Act, &'static str);
    let cases: [Case; 8] = [
        ("it is missing", |world| drop(world.works.remove("app")), "EntryDeletedWithWorks"),
        (
            "another one has its name",
            |world| world.works.get_mut("app").unwrap()["metadata"]["uid"] = "other".into(),
            "EntryDeletedWithWorks",
        ),
        ("reads fail", |world| world.unreadable = true, "Member"),
        (
            "the directory was restored",
            |world| world.works.get_mut("app").unwrap()["metadata"]["generation"] = 0.into(),
            "Leaving",
        ),
        ("another directory", |world| world.landmarks.directory = landmark("other"), "Member"),
        ("the definition of Works is gone", |world| world.landmarks.works_crd = Reading::Absent, "Member"),
        (
            "the execution namespace was replaced",
            |world| world.landmarks.execution_namespace = Some(landmark("y")),
            "Member",
        ),
        (
            "it was never pinned",
            |world| world.memory.as_mut().unwrap().pin.works_crd = None,
            "EntryDeletedWithWorks",
        ),
    ];
    for (case, act, reason) in cases {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        act(&mut world);
        if case == "it was never pinned" {
            world.restart(true);
            world.tick(5);
        }
        world.leave("Delete");
        world.tick(120);
        assert_eq!(world.gone(), [""; 0], "{case}");
        assert_eq!(world.there().len(), 2, "{case}");
        assert_eq!(deregistered(&world).0, reason, "{case}: {:?}", deregistered(&world));
    }
}

/// What other Works want that stay is left to them.
#[test]
fn what_a_work_that_stays_wants_stays() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("b")])]);
    world.work("two", &[config("a")]);
    world.tick(10);
    world.annotate("two", "suspend", &"true".into());
    world.tick(10);
    world.forget();
    world.leave("Delete");
    world.tick(60);
    assert_eq!(world.gone(), ["delete ConfigMap web/b"]);
    assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks");
}

/// What is told to stay is recorded to stay, so that no later process takes it; and it goes once nothing keeps it any more.
#[test]
fn what_stays_after_all_is_recorded_so() {
    let cases: [(&str, Act, Option<Act>); 6] = [
        (
            "suspended",
            |world| world.annotate("app", "suspend", &"true".into()),
            Some(|world| world.annotate("app", "suspend", &Value::Null)),
        ),
        (
            "only planned",
            |world| world.annotate("app", "plan-only", &"true".into()),
            Some(|world| world.annotate("app", "plan-only", &Value::Null)),
        ),
        (
            "an unknown option",
            |world| world.annotate("app", "x", &"true".into()),
            Some(|world| world.annotate("app", "x", &Value::Null)),
        ),
        (
            "a malformed manifest",
            |world| world.work("app", &[json!({"kind": 1}), config("a"), config("b")]),
            Some(|world| world.work("app", &[config("a"), config("b")])),
        ),
        (
            "missing in a list",
            |world| {
                world.disconnect();
                drop(world.works.remove("app"));
                world.connect();
            },
            None,
        ),
        (
            "another one of its name",
            |world| {
                world.disconnect();
                world.works.get_mut("app").unwrap()["metadata"]["uid"] = "other".into();
                world.connect();
            },
            None,
        ),
    ];
    for (case, act, back) in cases {
        let mut world = recorded();
        act(&mut world);
        world.tick(20);
        assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}: {:?}", deregistered(&world));
        let ledger = &world.ledgers["app"].ledger;
        let crate::ledger::Of::Work(part) = &ledger.of else { panic!("no Work's") };
        assert_eq!((ledger.phase, &part.departure, part.left.len()), (Phase::Applying, &None, 2), "{case}");
        assert!(case != "suspended" || part.options.suspend, "{case}");
        world.undeletable = None;
        for online in [false, true] {
            world.start(online);
            if !online {
                world.disconnect();
            }
            world.tick(120);
            assert_eq!(world.there().len(), 2, "{case}: {:#?}", world.log);
        }
        let Some(back) = back else { continue };
        back(&mut world);
        world.tick(120);
        assert_eq!((world.there().len(), world.ledgers.len()), (0, 0), "{case}: {:#?}", world.log);
    }
}

/// What it says of its deletion cannot be followed, and nobody can correct it any more: it is not waited for.
#[test]
fn a_work_that_is_deleted_with_an_unknown_option_stays() {
    let mut world = recorded();
    world.annotate("app", "x", &"true".into());
    world.tick(20);
    world.drop_work("app");
    world.undeletable = None;
    world.tick(120);
    assert_eq!(world.there().len(), 2, "{:#?}", world.log);
    let (reason, message) = deregistered(&world);
    assert!(reason == "EntryDeletedWithWorks" && message.contains("no option"), "{reason}: {message}");
}

/// Nobody is told that it stays before that is recorded.
#[test]
fn what_is_not_recorded_to_stay_is_not_told_to() {
    let mut world = recorded();
    world.refused.insert("AppliedWork".into(), Failure::Unavailable);
    world.annotate("app", "suspend", &"true".into());
    world.tick(20);
    let (reason, message) = deregistered(&world);
    assert_eq!(reason, "Leaving");
    assert!(message.contains("suspended"), "{message}");
    assert_eq!(world.ledgers["app"].ledger.phase, Phase::Leaving);
    world.refused.clear();
    world.tick(60);
    assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks");
}
