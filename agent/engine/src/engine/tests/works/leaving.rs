//! The replica leaves with its own entry, and what its Works made goes with that, where the entry said so.

mod anew;
mod hearing;
mod inside;
mod keeping;
mod silence;

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

/// The departure is recorded, and of its Work that it ends with it. Nothing can be deleted yet.
fn recorded() -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.undeletable = Some(Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    assert_eq!(world.ledgers["app"].ledger.phase, Phase::Leaving);
    world
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
    // Before that one, which heard that they stay, saw it recorded that it left.
    let mut edited = world();
    edited.leave("Keep");
    edited.disconnect();
    edited.edit_entry(|entry| entry["spec"]["deregistration"] = "Delete".into());
    edited.connect();
    edited.tick(60);
    assert_eq!((edited.there().len(), deregistered(&edited).0), (8, "EntryDeleted".into()), "out of sight");
}

/// Said after the departure was recorded, it is recorded as well: no Work begins to end then, and what has not gone stays.
#[test]
fn an_entry_that_says_by_now_that_they_stay_is_heard_at_any_time() {
    let keep = |entry: &mut Value| entry["spec"]["deregistration"] = "Keep".into();
    for seen in [true, false] {
        for recorded in [true, false] {
            let case = format!("seen: {seen}, recorded: {recorded}");
            let mut world = world();
            world.undeletable = Some(Failure::Unavailable);
            if !recorded {
                world.refused.insert("AppliedWork".into(), Failure::Unavailable);
            }
            world.leave("Delete");
            world.tick(20);
            let leaves = world.ledgers["app"].ledger.phase == Phase::Leaving;
            assert_eq!((world.leaves_with_works(), leaves), (true, recorded), "{case}");
            world.online = seen;
            world.edit_entry(keep);
            world.online = true;
            world.tick(60); // a live read shows it, if nothing else
            world.forget();
            (world.undeletable, world.refused) = (None, [].into());
            world.edit_entry(|entry| entry["spec"]["deregistration"] = "Delete".into());
            world.tick(60);
            world.start(true);
            world.tick(60);
            assert_eq!((world.there().len(), deregistered(&world).0), (8, "EntryDeleted".into()), "{case}");
            assert_eq!(world.written(), [""; 0], "{case}");
            assert!(!world.leaves_with_works(), "{case}");
        }
    }
}

/// What Works made may be what people's grants are for, and is the last to go.
#[test]
fn grants_go_before_the_first_work_ends() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let text = |text: &str| text.to_owned();
    let of_policy = "muster-policy-u";
    let policy = crate::ledger::Ledger {
        of: crate::ledger::Of::Policy { delete_namespaces: false },
        maker: crate::mark::Maker { name: text(of_policy), uid: text("u") },
        generation: 1,
        era: 0,
        resource_version: text("1"),
        directory: text("d"),
        replica: text("r"),
        nonce: text("n"),
        phase: Phase::Applying,
        items: Vec::new(),
        resources: [].into(),
        applied: None,
    };
    let version = world.next_version();
    world.keep(crate::ledger::Kept { ledger: policy, uid: text("l-u"), version });
    world.run();
    world.refused.insert(text(of_policy), Failure::Unavailable);
    world.leave("Delete");
    world.tick(60);
    assert!(world.log.contains(&format!("failed forget {of_policy}")), "{:#?}", world.log);
    assert_eq!(world.ledgers["app"].ledger.phase, Phase::Applying);
    assert_eq!(world.there().len(), 2);
    let (reason, message) = deregistered(&world);
    let told = message.contains("what policies made") && message.contains("Work app");
    assert!(reason == "Leaving" && told, "{message}");
    world.refused.clear();
    world.tick(60);
    let log = world.written();
    assert!(place(&log, &format!("forget {of_policy}")) < place(&log, "record leaving of app"), "{log:#?}");
    assert_eq!((world.there().len(), deregistered(&world).0), (0, "EntryDeletedWithWorks".into()));
}

/// What its owner says, and that a later entry went as well, ends it before that is recorded.
#[test]
fn what_ends_it_ends_it_before_that_is_recorded() {
    let cases: [(&str, Act, usize); 2] = [
        ("the owner leaves", |world| world.say_as_owner(&json!({muster_api::marks::LEAVE: "true"})), 2),
        (
            "a later one went",
            |world| {
                world.enter();
                world.leave("Delete");
                world.drop_entry();
            },
            0, // that is a departure of its own
        ),
    ];
    for (case, act, left) in cases {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.undeletable = Some(Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        world.undeletable = None;
        world.deferring = true;
        act(&mut world);
        let remembers = |plan: &&crate::plan::Plan| matches!(plan.steps.as_slice(), [Step::Remember(_)]);
        assert_eq!(world.plans.iter().filter(remembers).count(), 1, "{case}: it is to be recorded");
        let ends = |step: &Step| matches!(step, Step::Delete(_) | Step::Unmark { .. });
        for _ in 0..60 {
            world.tick(1);
            assert!(!world.plans.iter().any(|plan| plan.steps.iter().any(ends)), "{case}: {:?}", world.plans);
        }
        world.deferring = false;
        world.run();
        world.tick(60);
        assert_eq!(
            (world.there().len(), world.leaves_with_works()),
            (left, left == 0),
            "{case}: {:#?}",
            world.log
        );
    }
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

#[test]
fn a_large_work_goes_too_once_its_last_object_can() {
    let many: Vec<Value> = (0..260).map(|number| config(&format!("c{number}"))).collect();
    let mut world = WorkWorld::in_step(&[("large", &many)]);
    world.tick(5);
    let slow = world.find("ConfigMap web/c7");
    world.edit(&slow, |value| value["metadata"]["finalizers"] = json!(["example.com/slow"]));
    world.leave("Delete");
    world.tick(20);
    assert_eq!(world.there(), ["ConfigMap web/c7"], "{:#?}", world.log);
    world.edit(&slow, |value| value["metadata"]["labels"]["looked"] = "1".into());
    assert!(world.engine.wake().is_none_or(|wake| wake > world.now), "it is looked for work all the time");
    world.edit(&slow, |value| value["metadata"]["finalizers"] = json!([]));
    world.tick(20);
    assert_eq!((world.there(), world.ledgers.len()), (vec![], 0), "{:#?}", world.log);
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
