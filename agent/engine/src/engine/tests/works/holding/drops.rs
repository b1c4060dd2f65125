//! What Works drop, and do not have any more.

use super::*;

#[test]
fn what_a_work_drops_waits_where_it_is_most_of_it_and_what_it_asks_for_is_applied() {
    for (count, kept, waits) in
        [(30, 10, true), (22, 11, false), (21, 10, true), (12, 0, true), (10, 0, false)]
    {
        let mut world = large(count);
        let mut manifests = some(0..kept);
        manifests.push(config("new"));
        world.work("big", &manifests);
        world.tick(30);
        assert!(world.there().contains(&"ConfigMap web/new".to_owned()));
        assert_eq!(deleted(&world), if waits { 0 } else { count - kept }, "{count} {kept}");
        if !waits {
            assert_eq!(world.engine.holds(), []);
            continue;
        }
        let hold = only(&world);
        assert_eq!(
            (hold.reason.as_str(), hold.objects),
            ("MostOfWork", i64::try_from(count - kept).unwrap())
        );
        // What is asked for beside it makes no other hold of it; what is dropped beside it does.
        manifests.extend((0..40).map(|at| config(&format!("newer{at}"))));
        world.work("big", &manifests);
        world.tick(5);
        manifests.push(config("newest"));
        world.work("big", &manifests);
        world.restart(true);
        world.tick(30);
        assert_eq!((deleted(&world), only(&world).id), (0, hold.id.clone()));
        if kept > 0 {
            world.work("big", &manifests[1..]);
            world.tick(30);
            assert_eq!((world.gone(), only(&world).id), (vec!["delete ConfigMap web/o000"], hold.id.clone()));
            world.forget();
        }
        world.release(&hold.id);
        world.tick(30);
        assert_eq!((i64::try_from(deleted(&world)).unwrap(), world.engine.holds()), (hold.objects, vec![]));
    }
}

#[test]
fn what_is_wanted_again_or_by_another_work_waits_for_no_word() {
    let mut world = large(30);
    world.work("big", &some(0..5));
    world.tick(10);
    assert_eq!(only(&world).objects, 25);
    world.work("big", &some(0..25));
    world.tick(10);
    let hold = only(&world);
    assert_eq!(deleted(&world), 0, "the rest waits on, though it is little now");
    world.release(&hold.id);
    world.tick(10);
    assert_eq!((deleted(&world), world.engine.holds()), (5, vec![]));

    let mut world = large(30);
    world.work("other", &some(5..30));
    world.work("big", &some(0..5));
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]), "they moved");
    assert_eq!(world.there().iter().filter(|name| name.contains("/o0")).count(), 30);
}

#[test]
fn what_would_stay_in_any_case_is_not_counted() {
    let orphans: Vec<Value> =
        (0..30).map(|at| with(config(&format!("o{at}")), "deletion", "orphan")).collect();
    let mut world = WorkWorld::in_step(&[("big", &orphans), ("a", &[config("a")])]);
    world.work("big", &[]);
    world.tick(10);
    assert_eq!((world.engine.holds(), deleted(&world)), (vec![], 30), "unmarked");
}

#[test]
fn most_of_a_work_is_counted_by_what_is_there() {
    let mut world = large(40);
    world.work("big", &some(0..21));
    world.tick(20);
    assert_eq!((deleted(&world), world.engine.holds()), (19, vec![]));
    world.forget();
    world.work("big", &some(0..9));
    world.tick(20);
    assert_eq!((deleted(&world), only(&world).objects), (0, 12));
}

#[test]
fn what_moves_to_a_work_that_cannot_have_it_waits_for_a_word_when_that_one_goes() {
    let mut world = large(30);
    world.refused.insert("ConfigMap".into(), Failure::Forbidden);
    world.work("other", &some(5..30));
    world.work("big", &some(0..5));
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]));
    world.delete_work("other");
    world.tick(60);
    world.refused.clear();
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).objects), (0, 25));
}

#[test]
fn what_a_work_leaves_to_one_of_its_name_waits_where_that_one_asks_for_little() {
    for held_before in [false, true] {
        let mut world = large(30);
        if held_before {
            world.work("big", &some(0..5));
            world.tick(10);
            assert_eq!(only(&world).objects, 25);
        }
        world.disconnect();
        world.drop_work("big");
        world.work("big", &some(0..3));
        world.annotate("big", "allow-deletion", &"true".into());
        world.connect();
        world.tick(60);
        let held: Vec<i64> = world.engine.holds().iter().map(|hold| hold.objects).collect();
        assert_eq!((deleted(&world), held), (0, if held_before { vec![25, 2] } else { vec![27] }));
        world.release_all();
        world.tick(60);
        assert_eq!((deleted(&world), world.engine.holds()), (27, vec![]));
    }
}

#[test]
fn what_a_work_had_before_it_dropped_most_counts_however_much_it_asks_for_then() {
    let mut world = large(30);
    let mut manifests = some(0..5);
    for round in 0..3 {
        manifests.extend((0..20).map(|at| config(&format!("n{round}{at:02}"))));
        world.work("big", &manifests);
        world.tick(1);
    }
    world.tick(30);
    assert_eq!((deleted(&world), only(&world).objects), (0, 25));
}

#[test]
fn what_many_works_drop_at_once_is_one_hold() {
    let names = ["a", "b", "c"];
    let of = |at: usize, objects: usize| some(at * 20..at * 20 + objects);
    let mut world = WorkWorld::in_step(&[("a", &of(0, 20)), ("b", &of(1, 20)), ("c", &of(2, 20))]);
    for (at, name) in names.iter().enumerate() {
        world.work(name, &of(at, 2));
    }
    world.tick(30);
    let hold = only(&world);
    assert_eq!((deleted(&world), hold.works, hold.objects), (0, names.map(str::to_owned).to_vec(), 54));
    world.annotate("b", "release", &hold.id.clone().into());
    world.tick(10);
    assert_eq!((deleted(&world), only(&world).works), (18, vec!["a".to_owned(), "c".to_owned()]));
    world.release(&hold.id);
    world.tick(30);
    assert_eq!((deleted(&world), world.engine.holds()), (54, vec![]));
}

#[test]
fn what_waits_stays_also_while_its_hold_cannot_be_kept() {
    let mut world = large(30);
    world.refused.insert("state".into(), Failure::Unavailable);
    world.work("big", &some(0..5));
    world.tick(60);
    let tried = world.reads.iter().filter(|line| *line == "state refused").count();
    assert!((3..=12).contains(&tried), "{tried} attempts in a minute");
    world.restart(true);
    world.tick(10);
    assert_eq!(deleted(&world), 0);
    world.refused.clear();
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).objects), (0, 25));
}

#[test]
fn what_no_watch_shows_is_looked_at_before_it_is_judged() {
    for restarts in [false, true] {
        let mut world = large(30);
        world.may_watch(Some(&[]));
        world.tick(60);
        world.work("big", &some(0..5));
        if restarts {
            world.restart(true);
        }
        world.tick(120);
        assert_eq!((deleted(&world), only(&world).objects), (0, 25), "{restarts}");
    }
}

#[test]
fn what_is_gone_for_a_moment_waits_on() {
    let mut world = large(30);
    world.work("big", &some(0..5));
    world.tick(10);
    let hold = only(&world);
    let target = config_named("o007");
    let before = world.objects[&target].clone();
    world.edit(&target, |value| drop(value["metadata"].as_object_mut().unwrap().remove("annotations")));
    world.tick(5);
    world.edit(&target, |value| value["metadata"]["annotations"] = before["metadata"]["annotations"].clone());
    world.tick(700);
    assert_eq!((deleted(&world), only(&world).id), (0, hold.id));
}

#[test]
fn what_a_work_had_is_known_also_to_another_process_that_comes_before_it_was_judged() {
    let mut world = large(30);
    let mut manifests = some(0..5);
    manifests.extend((0..40).map(|at| config(&format!("new{at:02}"))));
    world.unreadable = true;
    world.work("big", &manifests);
    world.tick(60);
    world.restart(true);
    world.unreadable = false;
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).objects), (0, 25));
}

#[test]
fn what_a_work_leaves_to_one_of_its_name_goes_at_once_where_that_one_asks_for_most() {
    let mut world = large(60);
    world.disconnect();
    world.drop_work("big");
    world.work("big", &some(0..48));
    world.annotate("big", "allow-deletion", &"true".into());
    world.connect();
    world.tick(60);
    assert_eq!((deleted(&world), world.engine.holds()), (12, vec![]));
}

#[test]
fn what_hangs_in_deletion_hides_nothing_of_what_is_dropped_after_it() {
    let mut world = large(100);
    let target = config_named("o099");
    world.edit(&target, |value| value["metadata"]["finalizers"] = json!(["others.example.com/slow"]));
    for kept in [99, 98, 54] {
        world.work("big", &some(0..kept));
        world.tick(20);
        assert_eq!(world.engine.holds(), [], "{kept}");
    }
    world.forget();
    world.work("big", &some(0..6));
    world.tick(20);
    assert_eq!((deleted(&world), only(&world).objects), (0, 48));
}

#[test]
fn what_is_being_deleted_is_none_of_what_a_work_has_when_it_drops_more() {
    let mut world = large(24);
    for at in 12..24 {
        let target = config_named(&format!("o{at:03}"));
        world.edit(&target, |value| value["metadata"]["finalizers"] = json!(["others.example.com/slow"]));
    }
    world.work("big", &some(0..12));
    world.tick(20);
    assert_eq!(world.engine.holds(), []);
    world.forget();
    world.work("big", &some(0..1));
    world.tick(20);
    assert_eq!((deleted(&world), only(&world).objects), (0, 11));
}

#[test]
fn what_can_never_be_read_keeps_nothing_from_being_judged() {
    let mut world = large(30);
    world.may_watch(Some(&[]));
    world.tick(60);
    world.refused.insert(say(&config_named("o029")), Failure::Forbidden);
    world.work("big", &some(0..5));
    world.restart(true);
    world.tick(120);
    assert_eq!((deleted(&world), only(&world).objects), (0, 24));
}
