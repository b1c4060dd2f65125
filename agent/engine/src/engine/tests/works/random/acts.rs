//! What may happen in a story, by the dice.

use muster_api::marks::MADE_FOR;

use super::super::super::landmark;
use super::super::world::Crash;
use super::super::*;
use super::Dice;
use crate::failure::Failure;
use crate::target::Target;

const KINDS: [&str; 5] = ["ConfigMap", "Namespace", "Role", "Widget", "AppliedWork"];
const OF_SECRETS: [&str; 2] = ["Secret", "Values"];
pub(in super::super) const WORKS: [&str; 4] = ["one", "two", "three", "four"];

fn manifests(dice: &mut Dice) -> Vec<Value> {
    let mut manifests: Vec<Value> = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        if dice.roll(2) == 0 {
            manifests.push(config_of(name, &dice.roll(3).to_string()));
        }
    }
    let others = [
        with(config("orphan"), "deletion", "orphan"),
        with(namespace("team"), "allow-deletion", "true"),
        role(),
        binding(),
        with(definition(), "allow-deletion", "true"),
        widget("web", "one"),
        widget("web", "two"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong/name"}}),
    ];
    let mut aside = dice.aside();
    for name in ["s", "t"] {
        if aside.roll(3) == 0 {
            let value = aside.roll(3).to_string();
            manifests.push(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "web"},
                "stringData": {"a": value}}),
            );
        }
    }
    manifests.extend(others.into_iter().filter(|_| dice.roll(3) == 0));
    if dice.roll(4) == 0 {
        manifests.reverse();
    }
    manifests
}

/// Objects that Works made, and that a ledger knows by UID beside their mark.
fn known(world: &WorkWorld) -> Vec<Target> {
    let known = |(target, object): &(&Target, &Value)| {
        let uid = world::maker(object);
        let with = |kept: &&crate::ledger::Kept| {
            let applied = kept.ledger.applied.as_ref().and_then(|applied| applied.get(target));
            applied.is_some_and(|applied| object["metadata"]["uid"] == *applied.uid)
        };
        let mut knows = world.ledgers.values().filter(with);
        let first = knows.next().map(|kept| kept.ledger.maker.uid.clone());
        first.is_some() && first == uid && knows.next().is_none()
    };
    world.objects.iter().filter(known).map(|(target, _)| target.clone()).collect()
}

pub(in super::super) fn by_hand(world: &mut WorkWorld, dice: &mut Dice) {
    let Some(target) = dice.pick(&known(world)) else { return };
    match dice.roll(5) {
        0 if target.resource.kind == "ConfigMap" => {
            world.edit(&target, |value| value["data"] = json!({"a": "hand"}));
        }
        0 | 1 => world.strip(&target),
        2 => {
            world.edit(&target, |value| {
                drop(value["metadata"].as_object_mut().unwrap().remove("annotations"));
            });
            world.stripped.insert(target);
        }
        3 => world.edit(&target, |value| value["metadata"]["labels"]["theirs"] = "1".into()),
        _ => world.remove(&target),
    }
    assert_ne!(MADE_FOR, "");
}

pub(super) fn in_the_directory(world: &mut WorkWorld, dice: &mut Dice) {
    let name = dice.pick(&WORKS).unwrap();
    let deleting = world.works.get(name).is_some_and(|work| !work["metadata"]["deletionTimestamp"].is_null());
    match dice.roll(9) {
        // Somebody takes its finalizers off, and makes another one of the name.
        3 if world.works.contains_key(name) => {
            world.drop_work(name);
            world.work(name, &manifests(dice));
        }
        0 | 1 if world.works.contains_key(name) && !deleting => world.delete_work(name),
        2 if world.works.contains_key(name) => {
            let value = if dice.roll(2) == 0 { Value::Null } else { "true".into() };
            world.annotate(name, "suspend", &value);
        }
        _ if !deleting => world.work(name, &manifests(dice)),
        _ => {}
    }
}

pub(in super::super) fn fault(world: &mut WorkWorld, dice: &mut Dice) {
    match dice.roll(11) {
        0 => world.disconnect(),
        1 if !world.online => world.connect(),
        2 | 3 => world.restart_in_the_midst(dice.roll(2) == 0),
        4 => {
            let failure = [Failure::Unavailable, Failure::Forbidden, Failure::Invalid, Failure::Fenced];
            world.refused.insert(dice.pick(&KINDS).unwrap().into(), dice.pick(&failure).unwrap());
            let mut aside = dice.aside();
            if aside.roll(3) == 0 {
                world.refused.insert(aside.pick(&OF_SECRETS).unwrap().into(), aside.pick(&failure).unwrap());
            }
        }
        5 => world.refused.clear(),
        6 => world.landmarks.works_crd = landmark(dice.pick(&["w", "w", "other"]).unwrap()),
        7 => world.unreadable = dice.roll(2) == 0,
        8 | 9 if !world.dead => {
            let some: [&[&str]; 3] = [&[], &["web"], &["team"]];
            world.may_watch(dice.pick(&[None, Some(some[0]), Some(some[1]), Some(some[2])]).unwrap());
        }
        _ => {
            let crash = if dice.roll(2) == 0 { Crash::Undone } else { Crash::Unheard };
            world.crash = Some((1 + usize::try_from(dice.roll(8)).unwrap(), crash));
        }
    }
}

/// The replica leaves, or an entry of its name is made anew.
pub(super) fn come_or_go(world: &mut WorkWorld, dice: &mut Dice) {
    match dice.roll(4) {
        0 | 1 if !world.is_leaving() => {
            world.leave(dice.pick(&["Delete", "Delete", "Delete", "Keep"]).unwrap());
        }
        2 if world.is_leaving() => world.drop_entry_if_there(),
        3 if world.is_leaving() => world.enter(),
        _ => {}
    }
}

/// The directory is backed up, or set back to that.
pub(super) fn back_up_or_restore(world: &mut WorkWorld, backup: &mut Option<world::Backup>, dice: &mut Dice) {
    match (backup.as_ref(), dice.roll(4)) {
        (Some(before), 0) if world.online && !world.dead => {
            world.beat(); // as often as heartbeats come
            if world.plans.is_empty() {
                world.restore(before.clone());
                world.beat();
            }
        }
        (Some(before), 0) if world.beat.is_some() && world.plans.is_empty() => world.restore(before.clone()),
        (_, 1) if world.online && !world.dead => {
            world.beat();
            *backup = Some(world.backup());
            // A Lease that was not renewed since the backup shows nothing.
            world.tick(1);
            world.beat();
        }
        (_, 2) => world.release_all(),
        _ => {}
    }
}
