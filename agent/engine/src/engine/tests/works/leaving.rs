//! The replica leaves with its own entry, and what its Works made goes with that, where the entry said so.

use super::super::landmark;
use super::world::Crash;
use super::*;
use crate::event::{Event, Problem, Session};
use crate::failure::Failure;
use crate::ledger::Phase;
use crate::memory::Memory;
use crate::pin::Reading;
use crate::plan::Step;
use crate::time::Now;

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "web"}, "stringData": {"a": "1"}})
}

fn world() -> WorkWorld {
    let team = with(namespace("team"), "allow-deletion", "true");
    WorkWorld::in_step(&[
        ("app", &[config("a"), config("b"), with(config("orphan"), "deletion", "orphan"), namespace("kept")]),
        ("teams", &[team, role(), binding(), secret("s")]),
    ])
}

const ALL: [&str; 8] = [
    "ConfigMap web/a",
    "ConfigMap web/b",
    "ConfigMap web/orphan",
    "Namespace kept",
    "Namespace team",
    "Role team/reader",
    "RoleBinding team/readers",
    "Secret web/s",
];
const KEPT: [&str; 2] = ["ConfigMap web/orphan", "Namespace kept"];

fn deregistered(world: &WorkWorld) -> (String, String) {
    world.condition("Deregistered")
}

fn unmarked(world: &WorkWorld) {
    assert!(world.objects.values().all(|object| world::maker(object).is_none()), "{:#?}", world.log);
}

#[test]
fn what_works_made_goes_with_an_entry_that_said_so() {
    let mut world = world();
    world.leave("Delete");
    world.tick(1);
    assert_eq!(world.gone(), [""; 0], "before the window was quiet");
    world.tick(20);
    assert_eq!(world.there(), KEPT);
    unmarked(&world);
    assert!(world.ledgers.is_empty() && world.vaults.is_empty());
    let log = world.written();
    for work in ["app", "teams"] {
        let recorded = place(&log, &format!("record leaving of {work}"));
        assert!(recorded < place(&log, &format!("forget {work}")), "{log:#?}");
    }
    assert!(place(&log, "record leaving of app") < place(&log, "delete ConfigMap web/a"), "{log:#?}");
    assert!(
        place(&log, "delete RoleBinding team/readers") < place(&log, "delete Namespace team"),
        "{log:#?}"
    );
    let (reason, message) = deregistered(&world);
    assert_eq!(reason, "EntryDeletedWithWorks");
    assert!(message.contains("own-uid") && message.contains("Namespace kept"), "{message}");
    assert!(!message.contains("orphan"), "its Work says so: {message}");
    for online in [true, false] {
        world.restart(online);
        world.tick(120);
        assert_eq!(world.written(), [""; 0], "it idles");
        assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks");
    }
}

#[test]
fn without_that_word_all_of_it_stays() {
    for says in ["Keep", "Remove", "delete", ""] {
        let mut world = world();
        world.leave(says);
        world.tick(120);
        assert_eq!((world.there(), world.gone()), (ALL.map(str::to_owned).into(), vec![]), "{says}");
        assert_eq!(deregistered(&world).0, "EntryDeleted", "{says}");
    }
}

/// Changed after the deletion began, it is too late for more to go, and not for more to stay.
#[test]
fn the_word_is_that_of_the_time_of_the_deletion() {
    let mut kept = world();
    kept.leave("Keep");
    kept.edit_entry(|entry| entry["spec"]["deregistration"] = "Delete".into());
    kept.tick(60);
    assert_eq!((kept.there().len(), deregistered(&kept).0), (8, "EntryDeleted".into()));
    let mut heard = world();
    heard.leave("Delete");
    heard.edit_entry(|entry| entry["spec"]["deregistration"] = "Keep".into());
    heard.tick(60);
    assert_eq!((heard.there().len(), deregistered(&heard).0), (8, "EntryDeleted".into()));
    let mut gone = world();
    gone.leave("Delete");
    gone.edit_entry(|entry| entry["spec"]["deregistration"] = "Keep".into());
    gone.drop_entry();
    gone.tick(60);
    assert_eq!((gone.there().len(), deregistered(&gone).0), (8, "EntryDeleted".into()), "it is gone by then");
    // While nobody watched, an entry of its name may have come and gone, and said otherwise.
    for (shown, there, reason) in [(true, KEPT.len(), "EntryDeletedWithWorks"), (false, 8, "EntryDeleted")] {
        let mut away = world();
        away.leave("Delete");
        away.disconnect();
        if !shown {
            away.drop_entry();
        }
        away.connect();
        away.tick(60);
        assert_eq!((away.there().len(), deregistered(&away).0), (there, reason.into()), "{shown}");
    }
    let mut late = world();
    late.undeletable = Some(Failure::Unavailable);
    late.leave("Delete");
    late.tick(20);
    late.edit_entry(|entry| entry["spec"]["deregistration"] = "Keep".into());
    late.undeletable = None;
    late.tick(60);
    assert_eq!(late.there(), KEPT, "it is recorded");
}

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

/// The departure is recorded, and the Works are not: then nothing goes but what is read after that.
#[test]
fn the_directory_may_fail_after_the_departure_was_recorded() {
    let cases: [(&str, Act, Act); 3] = [
        ("reads fail", |world| world.unreadable = true, |world| world.unreadable = false),
        (
            "the definition of Works was replaced",
            |world| world.landmarks.works_crd = landmark("y"),
            |world| world.landmarks.works_crd = landmark("w"),
        ),
        ("there is no session", WorkWorld::disconnect, WorkWorld::connect),
    ];
    for (case, begins, ends) in cases {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.refused.insert("AppliedWork".into(), Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        assert!(world.memory.as_ref().unwrap().departed.is_some(), "{case}");
        begins(&mut world);
        world.refused.clear();
        world.restart_in_the_midst(world.online);
        world.tick(120);
        assert_eq!((world.gone().len(), world.there().len()), (0, 2), "{case}: {:#?}", world.log);
        assert_eq!(deregistered(&world).0, "Leaving", "{case}");
        ends(&mut world);
        world.tick(120);
        assert_eq!(
            (world.there().len(), deregistered(&world).0),
            (0, "EntryDeletedWithWorks".into()),
            "{case}"
        );
    }
}

/// What is recorded of this departure goes also where the directory does not answer any more, and not where it answers
/// otherwise.
#[test]
fn what_is_recorded_is_finished_without_the_directory() {
    let recorded = || {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        assert_eq!(world.ledgers["app"].ledger.phase, Phase::Leaving);
        world.undeletable = None;
        world
    };
    let mut silent = recorded();
    silent.restart_in_the_midst(false);
    silent.tick(60);
    assert_eq!(silent.there().len(), 2, "before it was tried to reach it");
    silent.disconnect();
    silent.tick(60);
    assert_eq!((silent.there().len(), silent.ledgers.len()), (0, 0), "{:#?}", silent.log);
    assert_eq!(deregistered(&silent).0, "EntryDeletedWithWorks");
    let mut other = recorded();
    other.landmarks.execution_namespace = Some(landmark("y"));
    other.restart_in_the_midst(true);
    other.tick(120);
    assert_eq!(other.there().len(), 2, "the execution namespace is another one");
    // What cannot be read at all hides neither another execution namespace nor another entry.
    let mut hidden = recorded();
    hidden.landmarks.execution_namespace = Some(landmark("y"));
    hidden.landmarks.clusters_crd = Reading::Unreadable("no".into());
    hidden.restart_in_the_midst(true);
    hidden.tick(120);
    assert_eq!(hidden.there().len(), 2, "the execution namespace is another one, and the rest is not read");
    let mut unseen = recorded();
    unseen.landmarks.clusters_crd = Reading::Absent;
    unseen.restart_in_the_midst(true);
    unseen.tick(60);
    unseen.enter_unseen();
    unseen.landmarks.clusters_crd = Reading::Unreadable("no".into());
    unseen.tick(120);
    assert_eq!(unseen.there().len(), 2, "there is another entry, which no watch shows");
    let mut unread = recorded();
    unread.landmarks.clusters_crd = Reading::Unreadable("no".into());
    unread.restart_in_the_midst(true);
    unread.tick(120);
    assert_eq!(unread.there().len(), 0, "the directory does not answer");
    let mut refused = recorded();
    refused.restart_in_the_midst(false);
    let reason = muster_api::conditions::DirectoryReachable::BeingRemoved;
    refused.send(Event::Closed(Problem { reason, message: String::new() }));
    refused.tick(120);
    assert_eq!(refused.there().len(), 2, "the directory is being removed");
    // Another departure is recorded than the ledger says.
    let mut later = recorded();
    later.edit_ledger("app", |ledger| {
        let crate::ledger::Of::Work(part) = &mut ledger.of else { panic!("no Work's") };
        part.departure = Some("earlier".into());
    });
    later.restart_in_the_midst(false);
    later.disconnect();
    later.tick(120);
    assert_eq!(later.there().len(), 2, "the ledger ended with another entry");
    let mut anew = recorded();
    anew.memory.as_mut().unwrap().pin.entry = Some("new".into());
    anew.restart_in_the_midst(false);
    anew.disconnect();
    anew.tick(120);
    assert_eq!(anew.there().len(), 2, "another entry is recorded than was deleted");
}

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
        let Memory { pin, departed } = memory.clone();
        Event::Opened(Session { pin, replica: "r".into(), nonce: "n".into(), departed })
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

/// What two of them want goes, too, once both are known to end.
#[test]
fn what_only_works_that_end_want_goes() {
    let mut world = WorkWorld::in_step(&[("one", &[config("a"), config("b")])]);
    world.work("two", &[config("a"), config("c")]);
    world.tick(10);
    world.forget();
    world.leave("Delete");
    world.tick(60);
    assert_eq!((world.there(), world.ledgers.len()), (vec![], 0), "{:#?}", world.log);
    assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks");
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

#[test]
fn a_departure_goes_on_whatever_write_the_process_ends_at() {
    let mut crashes = 0;
    let mut whole = world();
    whole.leave("Delete");
    whole.tick(60);
    let expected = whole.there();
    for crash in [Crash::Undone, Crash::Unheard] {
        for online in [true, false] {
            for step in 1.. {
                let mut world = world();
                world.crash = Some((step, crash));
                world.leave("Delete");
                world.tick(60);
                if !world.dead {
                    break;
                }
                crashes += 1;
                world.crash = None;
                let case = format!("{crash:?} {step}, {online}: {:#?}", world.log);
                world.start(online);
                if !online {
                    world.disconnect();
                    world.tick(30);
                    world.connect();
                }
                world.tick(60);
                assert_eq!(world.there(), expected, "{case}\nthen {:#?}", world.log);
                assert!(world.ledgers.is_empty() && world.vaults.is_empty(), "{case}");
                unmarked(&world);
                assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}");
                world.forget();
                world.tick(60);
                assert_eq!(world.written(), [""; 0], "{case}");
            }
        }
    }
    assert!(crashes > 40, "{crashes} crashes");
}
