//! Large deletions wait for somebody's word.

mod counted;
mod drops;
mod gaps;

use muster_api::marks;

use super::world::{Crash, config_named, say};
use super::*;
use crate::event::Change;
use crate::failure::Failure;
use crate::hold::Rule;

/// So many Works, each with one object.
fn fleet(count: usize) -> WorkWorld {
    let named: Vec<(String, Vec<Value>)> =
        (0..count).map(|at| (format!("w{at:03}"), vec![config(&format!("c{at:03}"))])).collect();
    let works: Vec<(&str, &[Value])> =
        named.iter().map(|(name, manifests)| (name.as_str(), manifests.as_slice())).collect();
    WorkWorld::in_step(&works)
}

fn delete(world: &mut WorkWorld, works: std::ops::Range<usize>) {
    for at in works {
        world.delete_work(&format!("w{at:03}"));
    }
}

/// The only hold, as the report has it.
fn only(world: &WorkWorld) -> muster_api::report::HoldReport {
    let mut holds = world.engine.holds();
    assert_eq!(holds.len(), 1, "{holds:?}");
    holds.remove(0)
}

/// How many objects were deleted since the log began.
fn deleted(world: &WorkWorld) -> usize {
    world.gone().len()
}

/// A Work of so many objects, and others that stand.
fn large(count: usize) -> WorkWorld {
    let manifests = some(0..count);
    WorkWorld::in_step(&[("big", &manifests), ("a", &[config("a")])])
}

fn some(objects: std::ops::Range<usize>) -> Vec<Value> {
    objects.map(|at| config(&format!("o{at:03}"))).collect()
}

#[test]
fn what_is_few_goes_at_once_and_what_is_many_waits_for_a_word() {
    let mut world = fleet(30);
    delete(&mut world, 0..10);
    world.tick(10);
    assert_eq!(deleted(&world), 10, "ten are few");
    world.forget();
    delete(&mut world, 10..11);
    world.tick(30);
    assert_eq!(deleted(&world), 0, "one more of them is many: they are counted together");
    world.tick(600);
    delete(&mut world, 11..12);
    world.tick(10);
    assert_eq!(deleted(&world), 1, "and ten minutes later it is one again");
    let hold = only(&world);
    assert_eq!((hold.reason.as_str(), hold.work_count, hold.objects), ("ManyWorks", 1, 1));
    assert_eq!(hold.works, ["w010"]);
    world.release(&hold.id);
    world.tick(10);
    assert_eq!(deleted(&world), 2);
    assert_eq!(world.engine.holds(), []);
    assert_eq!(world.memory.as_ref().unwrap().holds, [], "what is over is forgotten");
}

#[test]
fn a_fifth_of_many_works_is_not_many() {
    let mut world = fleet(60);
    delete(&mut world, 0..12);
    world.tick(10);
    assert_eq!(deleted(&world), 12);
    delete(&mut world, 12..13);
    world.tick(10);
    assert_eq!((deleted(&world), only(&world).works), (12, vec!["w012".to_owned()]));
}

#[test]
fn all_of_three_at_once_wait_and_one_by_one_they_go() {
    let mut world = fleet(3);
    delete(&mut world, 0..3);
    world.tick(60);
    let hold = only(&world);
    assert_eq!((deleted(&world), hold.reason.as_str(), hold.work_count), (0, "AllWorks", 3));
    let (reason, message) = world.condition("Held");
    assert_eq!(reason, "AllWorks");
    assert!(message.contains(&hold.id) && message.contains("w000, w001, w002"), "{message}");
    let told = world.works["w000"]["status"].to_string();
    assert!(told.contains(&format!("multicluster.coreos.com/release={}", hold.id)), "{told}");

    let mut world = fleet(3);
    for at in 0..3 {
        delete(&mut world, at..at + 1);
        world.tick(5);
    }
    assert_eq!((deleted(&world), world.engine.holds()), (3, vec![]));
    let mut world = fleet(2);
    delete(&mut world, 0..2);
    world.tick(5);
    assert_eq!(deleted(&world), 2, "two are not many");
}

#[test]
fn what_waits_is_kept_right_and_survives_a_restart() {
    let mut world = fleet(12);
    delete(&mut world, 0..11);
    world.tick(5);
    let hold = only(&world);
    let kept = &world.memory.as_ref().unwrap().holds;
    assert_eq!((kept.len(), kept[0].rule), (1, Rule::ManyWorks));
    world.remove(&config_named("c003"));
    world.tick(5);
    assert_eq!(world.log.iter().filter(|line| line.contains("c003")).count(), 1, "{:?}", world.log);
    world.restart(true);
    world.tick(30);
    assert_eq!((deleted(&world), only(&world).id), (0, hold.id.clone()));
    // Few of it are left to judge: they wait all the same.
    for at in 0..8 {
        world.drop_work(&format!("w{at:03}"));
    }
    world.restart(true);
    world.tick(700);
    assert_eq!(deleted(&world), 0);
    world.release(&hold.id);
    world.tick(30);
    let there: Vec<String> = world.there().into_iter().filter(|name| name.contains("/c")).collect();
    assert_eq!(there.len(), 9, "the eight that nobody saw go, and the one that stands: {there:?}");
}

#[test]
fn a_word_on_one_work_releases_that_one_and_another_id_nothing() {
    let mut world = fleet(12);
    delete(&mut world, 0..11);
    world.tick(5);
    let hold = only(&world);
    world.release("0123456789abcdef");
    world.annotate("w004", "release", &hold.id.clone().into());
    world.tick(10);
    assert_eq!(world.gone(), ["delete ConfigMap web/c004"]);
    let rest = only(&world);
    assert_eq!((rest.id.as_str(), rest.work_count), (hold.id.as_str(), 10));
    world.release(&format!("other, {}", hold.id));
    world.tick(10);
    assert_eq!(deleted(&world), 11);
}

#[test]
fn the_owner_of_the_replica_may_have_the_only_word() {
    let mut world = fleet(12);
    delete(&mut world, 0..11);
    world.tick(5);
    let hold = only(&world);
    world.say_as_owner(&json!({marks::RELEASE_HERE: "true"}));
    world.release(&hold.id);
    world.annotate("w004", "release", &hold.id.clone().into());
    world.tick(60);
    assert_eq!(deleted(&world), 0);
    // Another process may hear the directory before it hears the owner.
    for done_first in [false, true] {
        world.done_first = done_first;
        world.restart(true);
        world.tick(60);
        assert_eq!(deleted(&world), 0);
    }
    world.say_as_owner(&json!({marks::RELEASE_HERE: "true", marks::RELEASE: hold.id}));
    world.tick(10);
    assert_eq!(deleted(&world), 11);
}

#[test]
fn a_word_that_came_is_not_asked_for_again_by_another_process() {
    for crash in 1..12 {
        let mut world = fleet(12);
        delete(&mut world, 0..11);
        world.tick(5);
        world.crash = Some((crash, Crash::Unheard));
        let hold = only(&world);
        world.release(&hold.id);
        world.tick(10);
        world.restart_in_the_midst(true);
        world.tick(30);
        assert_eq!((deleted(&world), world.engine.holds()), (11, vec![]), "after {crash} writes");
    }
}

#[test]
fn a_work_that_is_deleted_is_not_held_for_its_size() {
    let mut world = large(30);
    world.delete_work("big");
    world.tick(10);
    assert_eq!((deleted(&world), world.engine.holds()), (30, vec![]));
}

#[test]
fn a_leave_with_delete_waits_for_no_word() {
    let mut world = fleet(30);
    world.leave("Delete");
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (30, vec![]));
}

/// No process runs.
fn down(world: &mut WorkWorld, seconds: u64, meanwhile: Act) {
    world.dead = true;
    world.online = false;
    meanwhile(world);
    world.tick(seconds);
    world.restart_in_the_midst(true);
}

#[test]
fn what_is_to_be_kept_after_all_waits_for_no_word() {
    let mut world = fleet(12);
    delete(&mut world, 0..11);
    world.tick(5);
    assert_eq!(only(&world).work_count, 11);
    for at in 0..11 {
        world.annotate(&format!("w{at:03}"), "deletion", &"orphan".into());
    }
    world.tick(10);
    let unmarked = world.log.iter().filter(|line| line.starts_with("unmark")).count();
    assert_eq!((unmarked, deleted(&world), world.engine.holds()), (11, 11, vec![]));
    assert_eq!(world.there().len(), 12, "everything is there still");
}

#[test]
fn what_went_shortly_before_a_restart_counts_and_waits_for_no_word_itself() {
    for crash in [None, Some(3), Some(7), Some(15)] {
        let mut world = fleet(30);
        world.crash = crash.map(|crash| (crash, Crash::Unheard));
        delete(&mut world, 0..10);
        world.tick(10);
        world.restart_in_the_midst(true);
        world.tick(20);
        assert_eq!((deleted(&world), world.engine.holds()), (10, vec![]), "{crash:?}");
        delete(&mut world, 10..20);
        world.tick(20);
        assert_eq!((deleted(&world), only(&world).work_count), (10, 10), "{crash:?}");
    }
}

#[test]
fn what_was_to_be_left_and_is_to_go_after_all_is_judged() {
    let mut world = fleet(12);
    world.refused.insert("unmark".into(), Failure::Forbidden);
    delete(&mut world, 0..11);
    world.tick(5);
    assert_eq!(only(&world).work_count, 11);
    for at in 0..11 {
        world.annotate(&format!("w{at:03}"), "deletion", &"orphan".into());
    }
    world.tick(20);
    assert_eq!(world.engine.holds(), []);
    for at in 0..11 {
        world.annotate(&format!("w{at:03}"), "deletion", &Value::Null);
    }
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).work_count), (0, 11));
}

#[test]
fn a_word_that_was_given_while_no_process_ran_is_heard() {
    for done_first in [false, true] {
        let mut world = fleet(12);
        world.done_first = done_first;
        delete(&mut world, 0..11);
        world.tick(5);
        let hold = only(&world);
        down(&mut world, 5, |_| ());
        world.disconnect();
        world.release(&hold.id);
        world.restart_in_the_midst(true);
        world.tick(30);
        assert_eq!((deleted(&world), world.engine.holds()), (11, vec![]), "{done_first}");
    }
}

#[test]
fn what_is_told_while_more_may_come_is_judged_together() {
    let mut world = fleet(6);
    world.work("w000", &[config("c000"), config("extra")]);
    world.tick(20);
    world.work("w000", &[config("c000")]);
    world.tick(1);
    world.deferring = true;
    world.tick(1);
    delete(&mut world, 1..5);
    world.carry_next(); // what was read before that
    delete(&mut world, 5..6);
    delete(&mut world, 0..1);
    world.deferring = false;
    world.tick(30);
    assert_eq!((world.gone(), only(&world).work_count), (vec!["delete ConfigMap web/extra"], 6));
}

#[test]
fn what_is_put_back_after_a_hand_edit_waits_on() {
    let mut world = fleet(12);
    delete(&mut world, 0..11);
    world.tick(5);
    let hold = only(&world);
    world.tick(700);
    world.forget();
    let target = config_named("c003");
    world.edit(&target, |value| drop(value["metadata"].as_object_mut().unwrap().remove("annotations")));
    world.tick(60);
    world.remove(&target);
    world.tick(60);
    assert_eq!((deleted(&world), only(&world)), (0, hold));
}

#[test]
fn a_deletion_that_takes_long_is_judged_once() {
    let mut world = fleet(30);
    for at in 0..12 {
        let target = config_named(&format!("c{at:03}"));
        world.edit(&target, |value| value["metadata"]["finalizers"] = json!(["others.example.com/slow"]));
    }
    delete(&mut world, 0..6);
    world.tick(700);
    delete(&mut world, 6..12);
    world.tick(30);
    assert_eq!(world.engine.holds(), []);
    world.restart(true);
    world.tick(30);
    assert_eq!(world.engine.holds(), []);
}
