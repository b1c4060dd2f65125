//! An entry of the replica's name is made while it leaves, or after it left; and what its entry, or its owner, says then.

use super::*;

/// An entry of its name, in the midst: all that the Works ask for is there again, and nothing more went.
#[test]
fn an_entry_made_anew_ends_it() {
    for restart in [None, Some(true), Some(false)] {
        for stage in 0..3 {
            let case = format!("{restart:?}, {stage}");
            let mut world = world();
            world.undeletable = Some(Failure::Unavailable);
            world.leave("Delete");
            world.tick(20);
            if stage > 0 {
                world.undeletable = None;
                world.crash = Some((stage, Crash::Undone));
                world.tick(20);
                world.crash = None;
                world.start(false);
                assert!(world.objects.len() > 2, "{case}");
            } else if restart.is_some() {
                world.restart_in_the_midst(false);
            }
            world.undeletable = None;
            let there = world.there();
            world.forget();
            world.enter();
            if !world.online {
                world.connect();
            }
            world.tick(1);
            assert_eq!(world.gone(), [""; 0], "{case}");
            world.tick(60);
            assert_eq!(world.there(), ALL, "{case}: of {there:?}: {:#?}", world.log);
            assert!(world.ledgers.values().all(|kept| kept.ledger.phase == Phase::Applying), "{case}");
            assert_eq!(deregistered(&world).0, "Member", "{case}");
            world.forget();
            world.restart(restart != Some(false));
            world.tick(120);
            assert_eq!(world.gone(), [""; 0], "{case}");
        }
    }
}

/// Before it is recorded that it is there, nothing more is begun.
#[test]
fn an_entry_made_anew_ends_it_before_that_is_recorded() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.undeletable = Some(Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    world.deferring = true;
    world.enter();
    world.plans.retain(|plan| matches!(plan.steps.as_slice(), [Step::Remember(_)]));
    assert_eq!(world.plans.len(), 1, "it is to be recorded");
    world.tick(60);
    let ends = |step: &Step| matches!(step, Step::Delete(_) | Step::Unmark { .. });
    assert!(!world.plans.iter().any(|plan| plan.steps.iter().any(ends)), "{:?}", world.plans);
}

/// It came and was deleted while nobody watched: then it is not for the earlier one to take anything any more.
#[test]
fn an_entry_made_anew_and_deleted_again_ends_it_too() {
    for says in ["Keep", "Delete"] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        world.disconnect();
        world.undeletable = None;
        world.enter();
        world.leave(says);
        world.connect();
        world.tick(60);
        world.drop_entry();
        world.tick(120);
        assert_eq!(world.there().len(), 2, "{says}");
        assert_eq!(deregistered(&world).0, "EntryDeleted", "{says}");
    }
}

/// After it all went, in one process and in two.
#[test]
fn an_entry_made_anew_brings_all_of_it_back() {
    for restart in [false, true] {
        let mut world = world();
        world.leave("Delete");
        world.tick(30);
        assert_eq!(world.there(), KEPT);
        if restart {
            world.restart(true);
        }
        world.enter();
        world.tick(60);
        assert_eq!(world.there(), ALL, "{:#?}", world.log);
        assert_eq!(deregistered(&world).0, "Member");
    }
}

/// Its Works went with their namespace: what is there stays, and waits for somebody's word.
#[test]
fn what_no_work_asks_for_after_that_stays() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.undeletable = Some(Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    world.disconnect();
    world.works.clear();
    world.enter();
    world.undeletable = None;
    world.connect();
    world.tick(200);
    let ledger = &world.ledgers["app"].ledger;
    assert_eq!(ledger.phase, Phase::Applying, "a departure with an entry that is restored is another one");
    world.restart(true);
    world.tick(200);
    assert_eq!(world.there(), ["ConfigMap web/a", "ConfigMap web/b"]);
    assert_eq!(deregistered(&world).0, "Member");
}

/// A session that was begun with an older record than the present one takes nothing back.
#[test]
fn a_session_does_not_bring_back_an_older_word() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let before = world.memory.clone().unwrap();
    world.undeletable = Some(Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    let during = world.memory.clone().unwrap();
    let opened = |memory: &Memory| {
        let Memory { pin, departed, holds, set_back } = memory.clone();
        Event::Opened(Session { pin, replica: "r".into(), nonce: "n".into(), departed, holds, set_back })
    };
    let open = |world: &mut WorkWorld, memory: &Memory| {
        let now = Now { mono: world.now, wall: jiff::Timestamp::UNIX_EPOCH };
        let plans = world.engine.on(opened(memory), now);
        world.plans.extend(plans);
        world.engine.departure.is_some()
    };
    assert!(open(&mut world, &before), "it has left");
    world.tick(20);
    assert_eq!(deregistered(&world).0, "Leaving", "it has left");
    world.enter();
    world.tick(20);
    assert_eq!(deregistered(&world).0, "Member");
    world.undeletable = None;
    world.forget();
    assert!(!open(&mut world, &during), "it is back");
    world.tick(60);
    assert_eq!(world.gone(), [""; 0], "it is back");
    assert_eq!(deregistered(&world).0, "Member");
    assert_eq!(world.there().len(), 2);
    assert!(world.memory.as_ref().unwrap().departed.is_none());
}
