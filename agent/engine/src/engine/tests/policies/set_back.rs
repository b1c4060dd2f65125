//! A directory that was set back to an earlier state revokes nothing, until somebody says that it is to be followed.

use std::collections::BTreeMap;

use muster_api::conditions::HeartbeatAccepted;

use super::super::object;
use super::*;
use crate::era::Beat;
use crate::event::{Change, DirectoryWatch, Event, Heartbeat, Problem};
use crate::memory::Memory;
use crate::pin::Reading;
use crate::scope::Scope;

/// An earlier state of the directory.
struct Backup {
    entries: BTreeMap<String, Value>,
    policies: BTreeMap<String, Value>,
    lease: Reading<Beat>,
}

fn backup(world: &PolicyWorld) -> Backup {
    Backup { entries: world.entries.clone(), policies: world.policies.clone(), lease: world.lease.clone() }
}

fn restore(world: &mut PolicyWorld, backup: &Backup) {
    (world.entries, world.policies, world.lease) =
        (backup.entries.clone(), backup.policies.clone(), backup.lease.clone());
}

fn release(world: &mut PolicyWorld, id: &str) {
    let mut entry = world.entries["own"].clone();
    entry["metadata"]["annotations"] = json!({"multicluster.coreos.com/release": id});
    entry["metadata"]["resourceVersion"] = world.next_version().into();
    world.entries.insert("own".into(), entry.clone());
    world.send(Event::Directory {
        era: world.era,
        watch: DirectoryWatch::OwnEntry,
        change: Change::Applied(object(&entry)),
    });
}

/// Ways in which grants came since the backup: by a policy, an edit, a label.
const CAME: [(&str, Act); 3] = [
    ("policy made", |world| world.policy("new", &grant("new", &["view"]))),
    ("policy edited", |world| world.policy("p", &grant("web", &["view", "edit"]))),
    ("own entry labelled", |world| world.enter("own", &json!({"cloud": "aws", "tier": "db"}))),
];

#[test]
fn grants_that_came_since_stay_until_a_word_and_then_go() {
    for (what, act) in CAME {
        for restarted in [false, true] {
            let mut world = PolicyWorld::new(Scope::None);
            world.policy("p", &grant("web", &["view"]));
            world.policy("tier", &{
                let mut spec = grant("db", &["view"]);
                spec["selector"] = json!({"tier": "db"});
                spec
            });
            world.start(true);
            world.beat();
            let before = backup(&world);
            let there_before = world.there();
            world.tick(10);
            act(&mut world);
            world.tick(5);
            world.beat();
            let there = world.there();
            assert!(there.len() > there_before.len(), "{what}: {there:?}");
            world.forget();
            restore(&mut world, &before);
            if restarted {
                world.start(true);
            } else {
                world.disconnect();
                world.connect();
            }
            world.tick(30);
            world.beat();
            world.tick(120);
            assert_eq!((world.gone(), world.there()), (vec![], there.clone()), "{what}");
            assert_eq!(world.reason("DirectoryReachable"), "RolledBack", "{what}");
            let holds = world.engine.holds();
            assert_eq!(holds.len(), 1, "{what}: {holds:?}");
            release(&mut world, &holds[0].id);
            world.tick(60);
            assert_eq!(world.engine.holds(), [], "{what}");
            let left: Vec<String> =
                world.there().into_iter().filter(|line| !line.starts_with("Namespace")).collect();
            let expected: Vec<String> =
                there_before.into_iter().filter(|line| !line.starts_with("Namespace")).collect();
            assert_eq!(left, expected, "{what}");
        }
    }
}

#[test]
fn a_grant_that_is_made_after_it_is_made_at_once() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.policy("p", &grant("web", &["edit"]));
    world.policy("p", &grant("web", &["edit", "admin"]));
    world.tick(10);
    world.beat();
    restore(&mut world, &before);
    world.beat();
    world.tick(10);
    world.policy("new", &grant("new", &["view"]));
    world.policy("p", &grant("web", &["view"]));
    world.tick(10);
    let there = world.there();
    for grant in ["new/new-view", "web/p-admin", "web/p-edit"] {
        assert!(there.contains(&format!("RoleBinding {grant}")), "{grant}: {there:?}");
    }
}

#[test]
fn copies_of_entries_stay_until_a_word() {
    let mut world = PolicyWorld::new(Scope::All);
    world.start(true);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.enter("west", &json!({}));
    world.tick(5);
    world.beat();
    assert!(world.copies.contains_key("west"));
    restore(&mut world, &before);
    world.disconnect();
    world.connect();
    world.tick(60);
    assert!(world.copies.contains_key("west"));
    assert_eq!(world.reason("DirectoryReachable"), "RolledBack");
    let id = world.engine.holds()[0].id.clone();
    release(&mut world, &id);
    world.tick(60);
    assert!(!world.copies.contains_key("west"));
}

#[test]
fn copies_follow_what_the_restored_directory_says_of_entries() {
    let mut world = PolicyWorld::new(Scope::All);
    world.enter("west", &json!({"stage": "old"}));
    world.start(true);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.enter("west", &json!({"stage": "new"}));
    world.tick(10);
    world.beat();
    assert_eq!(world.copies["west"]["metadata"]["labels"]["stage"], "new");
    restore(&mut world, &before);
    world.beat();
    world.tick(30);
    assert_eq!(world.copies["west"]["metadata"]["labels"]["stage"], "old");
}

fn left_and_set_back(restarted: bool) {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.refused.insert("delete RoleBinding".into(), (crate::Failure::Unavailable, "no".into()));
    world.leave("own");
    world.tick(10);
    assert!(world.memory.as_ref().unwrap().departed.is_some());
    world.beat();
    let lost = std::mem::take(&mut world.entries);
    restore(&mut world, &before);
    world.entries = lost; // it is not in the backup
    world.refused.clear();
    world.forget();
    if restarted {
        // The lists come before the first heartbeat.
        world.done_first = true;
        world.start(true);
        world.tick(30);
        assert_eq!(world.gone(), [""; 0]);
    }
    world.beat();
    world.tick(60);
    assert_eq!((world.gone(), world.reason("DirectoryReachable").as_str()), (vec![], "RolledBack"));
}

#[test]
fn a_replica_that_left_takes_nothing_away_while_it_may_never_have_left() {
    left_and_set_back(false);
    left_and_set_back(true);
}

#[test]
fn a_policy_that_was_to_go_and_is_there_in_an_earlier_state_shows_it_where_no_lease_does() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let before = backup(&world);
    world.tick(10);
    world.policy("p", &grant("web", &["edit"]));
    world.tick(10);
    world.refused.insert("delete RoleBinding".into(), (crate::Failure::Unavailable, "no".into()));
    world.delete_policy("p");
    world.tick(30);
    restore(&mut world, &before);
    world.disconnect();
    world.connect();
    world.refused.clear();
    world.forget();
    world.tick(60);
    assert_eq!((world.gone(), world.reason("DirectoryReachable").as_str()), (vec![], "RolledBack"));
}

#[test]
fn it_waits_for_a_word_also_where_the_replica_joins_anew() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.policy("new", &grant("new", &["view"]));
    world.tick(10);
    world.beat();
    restore(&mut world, &before);
    world.beat();
    world.tick(10);
    let id = world.engine.holds()[0].id.clone();
    world.beat();
    // Its owner removed the record.
    let Memory { mut pin, .. } = world.memory.take().unwrap();
    (pin.entry, pin.era) = (None, 0);
    (world.memory, world.nonce) = (Some(Memory { pin, ..Memory::default() }), "anew".into());
    world.connect();
    world.forget();
    world.tick(60);
    assert_eq!((world.gone(), world.reason("DirectoryReachable").as_str()), (vec![], "RolledBack"));
    assert_eq!(world.memory.as_ref().unwrap().set_back.as_ref().map(|kept| &kept.id), Some(&id));
    release(&mut world, &id);
    world.tick(60);
    assert_eq!(world.engine.holds(), []);
}

#[test]
fn a_policy_in_an_earlier_state_shows_it_where_no_lease_does_though_ledgers_are_read_last() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let before = backup(&world);
    world.tick(10);
    world.policy("new", &grant("new", &["view"]));
    world.policy("p", &grant("web", &["edit"]));
    world.tick(10);
    restore(&mut world, &before);
    world.done_first = true;
    world.start(true);
    world.forget();
    world.tick(60);
    assert_eq!((world.gone(), world.reason("DirectoryReachable").as_str()), (vec![], "RolledBack"));
}

#[test]
fn a_revocation_that_was_recorded_before_does_not_go_on_before_a_heartbeat_was_tried() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    let away = (crate::Failure::Unavailable, "no".to_owned());
    world.refused.insert("delete RoleBinding".into(), away);
    world.delete_policy("p");
    world.tick(30);
    world.beat();
    restore(&mut world, &before);
    world.start(false);
    world.forget();
    let session = world.session();
    world.online = true;
    world.send(Event::Opened(session));
    let problem = Problem { reason: HeartbeatAccepted::Failed, message: "429".into() };
    world.send(Event::Heartbeat(Heartbeat::Failed { failure: crate::Failure::Unavailable, problem }));
    world.refused.clear();
    world.tick(60);
    assert_eq!(world.gone(), [""; 0]);
    world.beat();
    world.tick(60);
    assert_eq!((world.gone(), world.reason("DirectoryReachable").as_str()), (vec![], "RolledBack"));
}

#[test]
fn what_is_in_an_earlier_state_is_read_along_with_whatever_is_in_question() {
    let mut world = PolicyWorld::new(Scope::All);
    world.policy("p", &grant("web", &["view"]));
    world.start(true);
    let before = backup(&world);
    world.tick(10);
    world.enter("west", &json!({}));
    world.policy("p", &grant("web", &["edit"]));
    world.tick(10);
    restore(&mut world, &before);
    world.disconnect();
    // The entries are listed before the policies, and asked for before them.
    let session = world.session();
    world.online = true;
    world.send(Event::Opened(session));
    let own = object(&world.entries["own"]);
    for change in [Change::ListBegan, Change::Listed(own), Change::ListComplete] {
        world.send(Event::Directory { era: world.era, watch: DirectoryWatch::Entries, change });
    }
    world.tick(1);
    world.list_directory();
    world.tick(60);
    assert_eq!(world.reason("DirectoryReachable"), "RolledBack");
    assert!(world.copies.contains_key("west"));
}

#[test]
fn what_a_server_showed_late_keeps_no_grant_of_a_policy_that_is_gone() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    let late = object(&world.policies["p"]);
    world.policy("p", &grant("web", &["edit"]));
    world.tick(10);
    world.tell_policy(Change::Applied(late));
    world.forget();
    world.delete_policy("p");
    world.tick(60);
    assert_eq!(world.gone(), ["delete RoleBinding web/p-edit", "unmark Namespace web"]);
}

#[test]
fn what_asks_for_the_same_is_recorded_in_the_era_in_which_it_is_followed() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.beat();
    let before = backup(&world);
    world.tick(10);
    world.policy("new", &grant("new", &["view"]));
    world.tick(10);
    world.beat();
    restore(&mut world, &before);
    world.beat();
    world.tick(10);
    let uid = world.uid("p");
    let era = |world: &PolicyWorld| {
        world.ledgers.values().find(|kept| kept.ledger.maker.uid == uid).unwrap().ledger.era
    };
    assert_eq!(era(&world), 0);
    let id = world.engine.holds()[0].id.clone();
    release(&mut world, &id);
    world.tick(30);
    assert_eq!(era(&world), 2);
}
