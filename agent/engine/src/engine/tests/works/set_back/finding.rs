//! How it is found out that the directory was set back, and recorded before that is lost.

use muster_api::marks;

use super::super::super::{OWN, never_renewed, object};
use super::*;
use crate::engine::Engine;
use crate::era::Beat;
use crate::event::{Change, DirectoryWatch, Session};
use crate::hold::Passed;
use crate::memory::Memory;
use crate::plan::Step;
use crate::scope::Scope;
use crate::time::Now;

#[test]
fn the_lease_is_not_renewed_before_it_is_recorded() {
    let (mut world, backup) = lived();
    world.restore(backup);
    world.refused.insert("state".into(), Failure::Unavailable);
    for _ in 0..3 {
        world.beat();
        world.tick(10);
    }
    let shown = |world: &WorkWorld| world.lease.clone();
    let before = shown(&world);
    told(&world);
    assert_eq!(world.memory.as_ref().unwrap().set_back, None);
    world.refused.clear();
    // The process that found it out ends: the next one finds it, too.
    world.restart_in_the_midst(true);
    assert_eq!(world.engine.holds(), []);
    world.beat();
    world.tick(10);
    assert_eq!(shown(&world), before);
    let id = told(&world);
    assert_eq!(world.memory.as_ref().unwrap().set_back.as_ref().unwrap().id, id);
    world.beat();
    assert_ne!(shown(&world), before, "it is renewed by now");
    assert_eq!(told(&world), id);
}

#[test]
fn live_reads_find_it_before_the_heartbeat_does() {
    let (mut world, backup) = lived();
    world.delete_work("made");
    world.restore(backup);
    world.tick(30);
    told(&world);
    assert_eq!((configs(&world).contains(&"m".to_owned()), world.gone()), (true, vec![]));
}

#[test]
fn an_earlier_generation_shows_it_where_no_lease_does() {
    for (restarted, ledgers_last) in [(false, false), (true, false), (true, true)] {
        let (mut world, backup) = lived();
        world.restore(backup);
        world.lease = Reading::Found(never_renewed("lease"));
        world.beat = None;
        world.done_first = ledgers_last;
        if restarted {
            world.restart_in_the_midst(true);
        } else {
            world.disconnect();
            world.connect();
        }
        world.tick(30);
        let id = told(&world);
        assert_eq!(world.gone(), [""; 0]);
        world.release(&id);
        world.tick(30);
        world.restart(true);
        world.tick(60);
        assert_eq!(world.engine.holds(), [], "{restarted}");
    }
}

#[test]
fn it_may_happen_again_before_and_after_the_word() {
    for released in [false, true] {
        let (mut world, backup) = lived();
        world.restore(backup.clone());
        world.beat();
        world.tick(10);
        let first = told(&world);
        if released {
            world.release(&first);
            world.tick(10);
            assert_eq!(world.engine.holds(), []);
        }
        world.beat();
        world.tick(10);
        world.work("same", &[config("s"), config("t")]);
        world.tick(10);
        world.beat();
        world.forget();
        world.restore(backup);
        world.beat();
        world.tick(30);
        let second = told(&world);
        assert_ne!(second, first, "a word is for what was shown when it was given");
        assert_eq!(world.gone(), [""; 0]);
        assert!(configs(&world).contains(&"t".to_owned()));
        world.release(&second);
        world.tick(30);
        assert_eq!((configs(&world).contains(&"t".to_owned()), world.engine.holds()), (false, vec![]));
    }
}

#[test]
fn what_nobody_acknowledged_is_no_measure() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    for lease in [Reading::Found(never_renewed("lease")), Reading::Absent, Reading::Unreadable("403".into())]
    {
        world.lease = lease;
        let manifests: Vec<Value> = (0..1).map(|_| config("a")).collect();
        world.work("app", &manifests);
        world.tick(10);
        assert_eq!(configs(&world), ["a"]);
        world.work("app", &[config("a"), config("b")]);
        world.tick(10);
    }
    // Where a renewal was acknowledged, and the Lease cannot be read, nothing is proved.
    world.lease = Reading::Found(never_renewed("lease"));
    world.beat();
    for lease in [Reading::Absent, Reading::Unreadable("403".into())] {
        world.lease = lease;
        world.work("app", &[config("a")]);
        world.tick(30);
        assert_eq!((configs(&world).len(), world.engine.holds()), (2, vec![]));
    }
    world.lease = Reading::Found(never_renewed("anew")); // by the controller
    world.tick(60);
    assert_eq!(configs(&world), ["a"]);
}

#[test]
fn an_end_that_was_recorded_before_does_not_go_on_before_a_heartbeat_was_tried() {
    for older in [false, true] {
        let manifests: Vec<Value> = (0..6).map(|at| config(&format!("c{at}"))).collect();
        let mut world = WorkWorld::in_step(&[("app", &manifests[..3]), ("other", &[config("o")])]);
        world.beat();
        if !older {
            world.work("app", &manifests);
        }
        world.tick(5);
        let backup = world.backup();
        world.tick(5);
        world.work("app", &manifests);
        world.tick(10);
        world.undeletable = Some(Failure::Unavailable);
        world.delete_work("app");
        world.tick(10);
        world.beat();
        assert!(world.ledgers.values().any(|kept| kept.ledger.phase == Phase::Deleting));
        world.restore(backup);
        world.undeletable = None;
        world.forget();
        // The lists come before the first heartbeat, and the Lease cannot be read.
        world.dead = true;
        world.start(false);
        let lease = std::mem::replace(&mut world.lease, Reading::Unreadable("429".into()));
        world.begin_session();
        let problem = Problem { reason: HeartbeatAccepted::Failed, message: "429".into() };
        world.send(Event::Heartbeat(Heartbeat::Failed { failure: Failure::Unavailable, problem }));
        world.tick(60);
        assert_eq!(world.gone(), [""; 0], "{older}");
        world.list_directory();
        world.tick(60);
        assert_eq!(world.gone(), [""; 0], "{older}");
        world.lease = lease;
        world.beat();
        world.tick(30);
        told(&world);
        assert_eq!((world.gone(), configs(&world).len()), (vec![], 7), "{older}");
    }
}

#[test]
fn what_was_on_its_way_when_it_was_found_out_is_no_news_of_it() {
    let (mut world, backup) = lived();
    let (era, before) = (world.era, object(&world.works["grown"]));
    world.restore(backup);
    world.beat();
    world.tick(10);
    told(&world);
    world.send(Event::Directory { era, watch: DirectoryWatch::Works, change: Change::Applied(before) });
    for change in [Change::ListBegan, Change::ListComplete] {
        world.send(Event::Directory { era, watch: DirectoryWatch::Works, change });
    }
    world.annotate("grown", "release", &"by somebody".into());
    world.remove(&config_named("b"));
    world.tick(30);
    assert_eq!(configs(&world), ["a", "b", "c", "d", "m", "s"], "what the backup says is not followed");
}

#[test]
fn whatever_else_its_lease_says_in_the_backup_shows_it() {
    let renewed = |second| jiff::Timestamp::from_second(second).ok();
    let handed_over =
        Beat { renewed: renewed(4_000_000_000), holder: "other".into(), ..never_renewed("lease") };
    let one_before = Beat { renewed: renewed(1), holder: "own".into(), ..never_renewed("another") };
    for lease in [never_renewed("lease"), handed_over, one_before] {
        let (mut world, backup) = lived();
        world.restore(backup);
        world.lease = Reading::Found(lease.clone());
        world.beat();
        world.tick(30);
        told(&world);
        assert_eq!((world.gone(), world.lease == Reading::Found(lease.clone())), (vec![], true), "{lease:?}");
    }
}

#[test]
fn a_paused_agent_records_it_and_sends_heartbeats_on() {
    let (mut world, backup) = lived();
    world.pause(true);
    world.restore(backup);
    world.refused.insert("state".into(), Failure::Unavailable);
    world.beat();
    world.tick(5);
    assert!(world.engine.work_due().is_some(), "it tries again");
    world.refused.clear();
    world.tick(30);
    let id = told(&world);
    assert_eq!(world.memory.as_ref().unwrap().set_back.as_ref().map(|kept| &kept.id), Some(&id));
    let before = world.lease.clone();
    world.beat();
    assert_ne!(world.lease, before);
    world.remove(&config_named("b"));
    world.tick(30);
    assert_eq!(configs(&world), ["a", "c", "m", "s"], "nothing else is written");
    world.pause(false);
    world.tick(30);
    assert_eq!((configs(&world).len(), told(&world)), (6, id));
}

#[test]
fn a_word_for_one_does_not_count_for_another_that_is_found_out_meanwhile() {
    let (mut world, backup) = lived();
    world.restore(backup.clone());
    world.beat();
    world.tick(10);
    let first = told(&world);
    world.beat();
    world.forget();
    world.refused.insert("state".into(), Failure::Unavailable);
    world.release(&first);
    world.tick(5);
    world.restore(backup);
    world.beat();
    world.refused.clear();
    world.release(&first);
    world.tick(60);
    assert_ne!(told(&world), first);
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn it_is_the_same_one_where_the_next_process_finds_it_again() {
    let (mut world, backup) = lived();
    let acknowledged = world.beat.clone();
    world.restore(backup);
    world.beat();
    world.tick(10);
    let id = told(&world);
    // It ended before it could say that it knows of no heartbeat any more.
    world.beat = acknowledged;
    world.restart_in_the_midst(true);
    let before = world.lease.clone();
    world.beat();
    world.tick(10);
    assert_eq!(told(&world), id);
    world.beat();
    assert_ne!(world.lease, before);
}

#[test]
fn what_its_owner_said_is_recorded_still_before_that_is_read_again() {
    let (mut world, backup) = lived();
    world.say_as_owner(&json!({marks::LEAVE: "true"}));
    world.tick(10);
    let memory = world.memory.clone().unwrap();
    assert_eq!(memory.departed, Some(Departed::OwnerLeft));
    let acknowledged = world.beat.clone().unwrap();
    world.restore(backup);
    let Reading::Found(shown) = world.lease.clone() else { panic!("no Lease") };
    let now = Now { mono: world.now, wall: world.wall() };
    let mut engine = Engine::new(Scope::None, OWN.into());
    let (replica, nonce, passed) = ("r".to_owned(), "n".to_owned(), Passed::default());
    let Memory { pin, departed, holds, set_back } = memory.clone();
    let session = Session { pin, replica: replica.clone(), nonce: nonce.clone(), departed, holds, set_back };
    engine.on(Event::Acknowledged(acknowledged.clone()), now);
    engine.on(Event::Recalled { memory, replica, nonce, heard: None, passed }, now);
    engine.on(Event::Opened(session), now);
    let plans = engine.on(Event::Heartbeat(Heartbeat::SetBack { shown, acknowledged }), now);
    let [Step::Remember(memory)] = &plans[0].steps[..] else { panic!("{plans:?}") };
    assert_eq!((&memory.departed, memory.set_back.is_some()), (&Some(Departed::OwnerLeft), true));
}

#[test]
fn what_was_read_in_another_era_is_no_news() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    let mut work = world.works["app"].clone();
    work["metadata"]["generation"] = json!(2);
    work["metadata"]["resourceVersion"] = json!("999999");
    work["spec"]["workload"]["manifests"] = json!([config("b")]);
    let (watch, change) = (DirectoryWatch::Works, Change::Applied(object(&work)));
    world.send(Event::Directory { era: world.era + 1, watch, change });
    world.tick(30);
    assert_eq!(world.written(), [""; 0]);
}
