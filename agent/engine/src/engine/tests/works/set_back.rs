//! A directory that was set back to an earlier state: nothing goes for that, and there is a way out.

mod finding;

use std::collections::BTreeSet;

use muster_api::conditions::HeartbeatAccepted;

use super::world::config_named;
use super::*;
use crate::event::{Event, Heartbeat, Problem};
use crate::failure::Failure;
use crate::ledger::Phase;
use crate::memory::Departed;
use crate::pin::Reading;

/// A Work that grew, one that was made and one that was deleted since the backup was made.
fn lived() -> (WorkWorld, super::world::Backup) {
    let mut world = WorkWorld::in_step(&[
        ("grown", &[config("a")]),
        ("deleted", &[config("d")]),
        ("same", &[config("s")]),
    ]);
    world.beat();
    let backup = world.backup();
    world.tick(10);
    world.work("grown", &[config("a"), config("b"), config("c")]);
    world.work("made", &[config("m")]);
    world.delete_work("deleted");
    world.tick(10);
    world.beat();
    assert_eq!(configs(&world), ["a", "b", "c", "m", "s"]);
    world.forget();
    (world, backup)
}

/// The config maps that are there.
fn configs(world: &WorkWorld) -> Vec<String> {
    let there = world.there();
    there.iter().filter_map(|line| Some(line.strip_prefix("ConfigMap web/")?.to_owned())).collect()
}

/// That the directory was set back is told, with what releases it.
fn told(world: &WorkWorld) -> String {
    let holds = world.engine.holds();
    assert_eq!(holds.len(), 1, "{holds:?}");
    assert_eq!(holds[0].reason, "RolledBack");
    let id = holds[0].id.clone();
    let (reason, message) = world.condition("DirectoryReachable");
    assert!(reason == "RolledBack" && message.contains(&format!("release={id}")), "{reason}: {message}");
    let (reason, message) = world.condition("Held");
    assert!(reason == "RolledBack" && message.contains(&id), "{reason}: {message}");
    id
}

/// Ways to meet the restored directory.
const MEETS: [(&str, Act); 4] = [
    ("the watches go on", |world| world.beat()),
    ("they list anew before the next heartbeat", |world| {
        world.disconnect();
        world.connect();
        world.tick(5);
        world.beat();
    }),
    ("the process begins anew", |world| {
        world.restart_in_the_midst(true);
        world.tick(5);
        world.beat();
    }),
    ("the process begins anew, and reads its ledgers last", |world| {
        world.done_first = true;
        world.restart_in_the_midst(true);
        world.done_first = false;
    }),
];

#[test]
fn nothing_goes_for_it_and_a_word_lets_it_be_followed() {
    for (how, meet) in MEETS {
        let (mut world, backup) = lived();
        world.restore(backup);
        let in_step = world.condition("MirrorInSync");
        meet(&mut world);
        world.tick(60);
        let id = told(&world);
        assert_eq!(world.condition("MirrorInSync"), in_step, "{how}");
        assert_eq!(world.gone(), [""; 0], "{how}");
        assert_eq!(configs(&world), ["a", "b", "c", "d", "m", "s"], "{how}: what was deleted is there again");
        // What is there is kept right.
        world.remove(&config_named("b"));
        world.tick(5);
        assert_eq!(configs(&world).len(), 6, "{how}");
        world.beat();
        world.restart_in_the_midst(true);
        world.beat();
        world.tick(60);
        assert_eq!((told(&world), world.gone()), (id.clone(), vec![]), "{how}");

        world.release(&id);
        world.tick(30);
        assert_eq!(world.engine.holds(), [], "{how}");
        assert_eq!(world.condition("DirectoryReachable").0, "Reachable", "{how}");
        // Nothing says that a Work was deleted that is merely missing.
        assert_eq!(configs(&world), ["a", "d", "m", "s"], "{how}");
        world.beat();
        world.restart(true);
        world.tick(60);
        assert_eq!((world.written(), world.engine.holds()), (vec![], vec![]), "{how}");
        world.work("grown", &[config("a"), config("e")]);
        world.delete_work("same");
        world.tick(10);
        assert_eq!(configs(&world), ["a", "d", "e", "m"], "{how}");
    }
}

#[test]
fn what_is_changed_after_it_is_followed_but_for_what_goes() {
    let (mut world, backup) = lived();
    world.restore(backup);
    world.beat();
    world.tick(10);
    let id = told(&world);
    world.work("grown", &[config("a"), config("e")]);
    world.delete_work("same");
    world.tick(60);
    assert_eq!(
        (configs(&world), world.gone()),
        (["a", "b", "c", "d", "e", "m", "s"].map(String::from).to_vec(), vec![])
    );
    world.restart_in_the_midst(true);
    world.tick(60);
    assert_eq!((told(&world), world.gone()), (id.clone(), vec![]));
    world.release(&id);
    world.tick(30);
    assert_eq!(configs(&world), ["a", "d", "e", "m"]);
}

#[test]
fn a_work_that_is_to_be_left_alone_is_left_alone_and_nothing_else_of_the_backup_is_followed() {
    let (mut world, backup) = lived();
    world.restore(backup);
    world.beat();
    world.tick(10);
    told(&world);
    world.annotate("grown", "suspend", &"true".into());
    world.remove(&config_named("a"));
    world.remove(&config_named("s"));
    world.tick(10);
    assert_eq!(configs(&world), ["b", "c", "d", "m", "s"]);
    world.annotate("grown", "suspend", &Value::Null);
    world.tick(1);
    assert_eq!(configs(&world), ["a", "b", "c", "d", "m", "s"]);
}

#[test]
fn what_a_server_had_in_mind_still_is_no_measure_of_what_changed() {
    let (mut world, backup) = lived();
    let later = world.works.clone();
    world.restore(backup);
    let restored = std::mem::replace(&mut world.works, later);
    world.beat();
    world.tick(10);
    told(&world);
    // The server begins anew, and knows no more than what was restored.
    world.works = restored;
    world.list_directory();
    world.tick(30);
    assert_eq!(configs(&world), ["a", "b", "c", "d", "m", "s"]);
    world.work("grown", &[config("a"), config("e")]);
    world.tick(10);
    assert_eq!(configs(&world), ["a", "b", "c", "d", "e", "m", "s"]);
}

#[test]
fn what_was_about_to_go_stays() {
    let manifests: Vec<Value> = (0..6).map(|at| config(&format!("c{at}"))).collect();
    for restarted in [false, true] {
        let mut world = WorkWorld::in_step(&[("app", &manifests), ("other", &[config("o")])]);
        world.beat();
        let backup = world.backup();
        world.tick(10);
        world.undeletable = Some(Failure::Forbidden);
        world.delete_work("app");
        world.tick(10);
        world.beat();
        let phases: BTreeSet<_> =
            world.ledgers.values().map(|kept| format!("{:?}", kept.ledger.phase)).collect();
        assert!(phases.contains(&format!("{:?}", Phase::Deleting)), "{phases:?}");
        world.restore(backup);
        if restarted {
            world.restart_in_the_midst(false);
            world.begin_session();
        }
        world.beat();
        world.undeletable = None;
        world.forget();
        world.list_directory();
        world.tick(120);
        told(&world);
        assert_eq!((world.gone(), configs(&world).len()), (vec![], 7), "{restarted}");
        let phases: Vec<_> = world.ledgers.values().map(|kept| kept.ledger.phase).collect();
        assert_eq!(phases, [Phase::Applying; 2], "{restarted}: it is wanted again");
    }
}

#[test]
fn what_was_about_to_go_and_is_not_in_the_backup_stays_too() {
    let (mut world, backup) = lived();
    world.undeletable = Some(Failure::Forbidden);
    world.delete_work("made");
    world.tick(10);
    world.beat();
    let deleting = |world: &WorkWorld| {
        world.ledgers.values().filter(|kept| kept.ledger.phase == Phase::Deleting).count()
    };
    assert_eq!(deleting(&world), 1);
    world.restore(backup);
    world.beat();
    world.undeletable = None;
    world.forget();
    world.tick(120);
    told(&world);
    assert_eq!((world.gone(), deleting(&world)), (vec![], 1));
}

#[test]
fn what_asks_for_the_same_is_recorded_in_the_era_in_which_it_is_followed() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")])]);
    world.beat();
    let backup = world.backup();
    world.tick(10);
    world.work("app", &[config("a"), config("b")]);
    world.tick(10);
    world.work("app", &[config("a")]);
    world.tick(10);
    world.beat();
    world.restore(backup);
    world.beat();
    world.tick(10);
    let id = told(&world);
    let recorded = |world: &WorkWorld| {
        let ledger = &world.ledgers.values().next().unwrap().ledger;
        (ledger.generation, ledger.era)
    };
    assert_eq!(recorded(&world), (3, 0));
    world.release(&id);
    world.tick(30);
    assert_eq!((recorded(&world), configs(&world)), ((1, 2), vec!["a".to_owned()]));
}

#[test]
fn nothing_is_made_anew_while_it_is_doubted() {
    let bound_to = |role: &str| {
        let mut binding = binding();
        binding["metadata"]["namespace"] = "web".into();
        binding["roleRef"]["name"] = role.into();
        with(binding, "apply", "replace")
    };
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one")])]);
    world.beat();
    let backup = world.backup();
    world.tick(10);
    world.work("app", &[bound_to("two")]);
    world.tick(10);
    world.beat();
    assert_eq!(world.gone(), ["delete RoleBinding web/readers"], "{:?}", world.log);
    world.forget();
    world.restore(backup);
    world.beat();
    world.tick(10);
    let id = told(&world);
    world.work("app", &[bound_to("three")]);
    world.tick(30);
    assert_eq!(world.gone(), [""; 0]);
    world.restart_in_the_midst(true);
    world.tick(30);
    assert_eq!(world.gone(), [""; 0]);
    world.release(&id);
    world.tick(60);
    assert_eq!(world.gone(), ["delete RoleBinding web/readers"]);
}

#[test]
fn nothing_is_made_anew_before_it_is_seen_whether_it_was_set_back() {
    let bound_to = |role: &str| {
        let mut binding = binding();
        binding["metadata"]["namespace"] = "web".into();
        binding["roleRef"]["name"] = role.into();
        with(binding, "apply", "replace")
    };
    let mut world = WorkWorld::in_step(&[("app", &[bound_to("one")])]);
    world.beat();
    let backup = world.backup();
    world.tick(10);
    world.beat();
    world.disconnect();
    world.restore(backup);
    world.work("app", &[bound_to("two")]);
    world.forget();
    // The lists come before the first heartbeat.
    world.dead = true;
    world.start(false);
    world.begin_session();
    world.list_directory();
    let lease = std::mem::replace(&mut world.lease, Reading::Unreadable("429".into()));
    let problem = Problem { reason: HeartbeatAccepted::Failed, message: "429".into() };
    world.send(Event::Heartbeat(Heartbeat::Failed { failure: Failure::Unavailable, problem }));
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
    world.lease = lease;
    world.beat();
    world.tick(30);
    told(&world);
    assert_eq!(world.gone(), [""; 0]);
}

#[test]
fn who_has_left_of_its_own_will_has_left_still() {
    let (mut world, backup) = lived();
    world.say_as_owner(&json!({muster_api::marks::LEAVE: "true"}));
    world.tick(10);
    assert_eq!(world.memory.as_ref().unwrap().departed, Some(Departed::OwnerLeft));
    world.restore(backup);
    world.remove(&config_named("b"));
    world.forget();
    // It is found out before it is read what the owner says.
    world.done_first = true;
    world.restart_in_the_midst(true);
    world.tick(30);
    assert_eq!(world.memory.as_ref().unwrap().departed, Some(Departed::OwnerLeft));
    assert_eq!(configs(&world), ["a", "c", "m", "s"], "{:?}", world.written());
}

#[test]
fn a_word_on_a_work_and_options_of_the_backup_are_not_followed() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a")]), ("grown", &[config("g")])]);
    world.beat();
    let backup = world.backup();
    world.tick(10);
    world.annotate("app", "suspend", &"true".into());
    world.work("grown", &[config("g"), config("h")]);
    world.tick(10);
    world.beat();
    world.restore(backup);
    // It is written meanwhile, as late as what was recorded.
    let version = world.next_version();
    world.works.get_mut("app").unwrap()["metadata"]["resourceVersion"] = version.into();
    world.beat();
    world.tick(10);
    let id = told(&world);
    world.annotate("grown", "release", &id.clone().into());
    world.remove(&config_named("a"));
    world.remove(&config_named("h"));
    world.tick(30);
    assert_eq!(configs(&world), ["g", "h"], "the one is suspended still, the other asks for it still");
    world.release(&id);
    world.tick(30);
    assert_eq!(configs(&world), ["a", "g"]);
}
