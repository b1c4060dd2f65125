//! What is found to go after the directory was out of sight.

use std::time::Duration;

use super::*;

/// A way for the directory to be out of sight.
type Away = fn(&mut WorkWorld, u64, Act);

/// The process lives on, and the directory does not answer.
fn cut_off(world: &mut WorkWorld, seconds: u64, meanwhile: Act) {
    world.disconnect();
    meanwhile(world);
    world.tick(seconds);
    world.connect();
}

#[test]
fn what_is_found_to_go_after_a_gap_waits_where_it_is_more_than_ten_objects() {
    let cases: [(Act, usize); 5] = [
        (|world| world.work("big", &some(0..20)), 10),
        (|world| world.work("big", &some(0..19)), 11),
        (|world| world.delete_work("twelve"), 12),
        (
            |world| {
                world.delete_work("six");
                world.work("big", &some(0..26));
            },
            10,
        ),
        (
            |world| {
                world.delete_work("six");
                world.work("big", &some(0..25));
            },
            11,
        ),
    ];
    for away in [cut_off as Away, down] {
        for (at, (meanwhile, objects)) in cases.into_iter().enumerate() {
            for (seconds, gap) in [(240, false), (360, true)] {
                let mut world = WorkWorld::in_step(&[
                    ("big", &some(0..30)),
                    ("twelve", &some(30..42)),
                    ("six", &some(50..56)),
                    ("other", &[config("other")]),
                ]);
                world.tick(20);
                world.send_life();
                away(&mut world, seconds, meanwhile);
                world.tick(60);
                let waits = gap && objects > 10;
                let what = format!("case {at}, {seconds} s: {:?}", world.engine.holds());
                assert_eq!(deleted(&world), if waits { 0 } else { objects }, "{what}");
                if !waits {
                    assert_eq!(world.engine.holds(), [], "{what}");
                    continue;
                }
                let hold = only(&world);
                assert_eq!(hold.reason, "AfterGap", "{what}");
                world.restart_in_the_midst(true);
                world.tick(60);
                assert_eq!((deleted(&world), only(&world).id), (0, hold.id.clone()), "{what}");
                world.release(&hold.id);
                world.tick(30);
                assert_eq!((deleted(&world), world.engine.holds()), (objects, vec![]), "{what}");
            }
        }
    }
}

#[test]
fn what_is_deleted_once_all_is_seen_again_is_nothing_of_the_gap() {
    let mut world = WorkWorld::in_step(&[("big", &some(0..30)), ("other", &[config("other")])]);
    world.tick(20);
    cut_off(&mut world, 360, |_| ());
    world.tick(30);
    world.delete_work("big");
    world.tick(10);
    assert_eq!((deleted(&world), world.engine.holds()), (30, vec![]));
}

#[test]
fn what_went_long_ago_is_held_by_nothing() {
    let mut world = WorkWorld::in_step(&[("big", &some(0..30)), ("twelve", &some(30..42))]);
    world.work("big", &some(0..18));
    world.tick(20);
    assert_eq!(deleted(&world), 12);
    world.work("other", &some(18..20));
    world.tick(20);
    down(&mut world, 360, |world| world.work("big", &some(0..17)));
    world.tick(60);
    assert_eq!((deleted(&world), world.engine.holds()), (13, vec![]), "one is little");
}

#[test]
fn a_gap_ends_also_where_the_watch_fails_on_the_way_back() {
    let mut world = WorkWorld::in_step(&[("big", &some(0..30)), ("other", &[config("other")])]);
    world.tick(20);
    cut_off(&mut world, 360, |_| ());
    world.tell_work(Change::Failed(Failure::Unavailable, "no".into()));
    world.send_life();
    world.tick(20);
    world.delete_work("big");
    world.tick(10);
    assert_eq!((deleted(&world), world.engine.holds()), (30, vec![]));
}

#[test]
fn what_is_read_again_before_the_watch_is_back_is_found_after_a_gap() {
    let mut world = WorkWorld::in_step(&[("big", &some(0..40)), ("other", &[config("other")])]);
    world.tick(20);
    world.send_life();
    world.unreadable = true;
    world.work("big", &some(0..39));
    world.tick(10);
    // The session stands: neither watch nor reads answer.
    world.mute = true;
    world.work("big", &some(0..25));
    world.tick(360);
    world.unreadable = false;
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).reason.as_str()), (0, "AfterGap"));
}

#[test]
fn what_a_work_leaves_to_one_of_its_name_in_a_gap_waits() {
    for held_before in [false, true] {
        let mut world = WorkWorld::in_step(&[("big", &some(0..60)), ("other", &[config("other")])]);
        world.tick(20);
        if held_before {
            cut_off(&mut world, 360, |world| world.work("big", &some(0..40)));
            world.tick(60);
            assert_eq!(only(&world).reason, "AfterGap");
        }
        cut_off(&mut world, if held_before { 10 } else { 360 }, |world| {
            world.drop_work("big");
            world.work("big", &some(0..40));
            world.annotate("big", "allow-deletion", &"true".into());
        });
        world.tick(60);
        assert_eq!((deleted(&world), world.engine.holds().len()), (0, 1), "{held_before}");
        world.release_all();
        world.tick(60);
        assert_eq!((deleted(&world), world.engine.holds()), (20, vec![]), "{held_before}");
    }
}

#[test]
fn what_cannot_be_read_at_first_after_a_gap_counts() {
    let mut world = WorkWorld::in_step(&[("big", &some(0..100)), ("other", &[config("other")])]);
    world.may_watch(Some(&[]));
    world.tick(60);
    world.send_life();
    down(&mut world, 360, |world| {
        world.work("big", &some(0..70));
        world.refused.insert("look".into(), Failure::Unavailable);
    });
    world.tick(20);
    world.refused.clear();
    world.tick(300);
    let holds = world.engine.holds();
    assert!(holds.iter().all(|hold| hold.reason == "AfterGap"), "{holds:?}");
    assert_eq!((deleted(&world), holds.iter().map(|hold| hold.objects).sum::<i64>()), (0, 30));
}

#[test]
fn what_can_never_be_read_after_a_gap_counts_and_is_not_listed() {
    for (unread, waits) in [(8, true), (6, false)] {
        let mut world = WorkWorld::in_step(&[("big", &some(0..100)), ("other", &[config("other")])]);
        world.may_watch(Some(&[]));
        world.tick(60);
        world.send_life();
        world.disconnect();
        world.work("big", &some(0..96 - unread));
        for number in 100 - unread..100 {
            world.refused.insert(say(&config_named(&format!("o{number:03}"))), Failure::Forbidden);
        }
        down(&mut world, 360, |_| ());
        world.tick(300);
        assert_eq!(deleted(&world), if waits { 0 } else { 4 }, "{:?}", world.engine.holds());
        if waits {
            assert_eq!((only(&world).reason.as_str(), only(&world).objects), ("AfterGap", 4));
        }
    }
}

#[test]
fn a_gap_ends_also_where_works_wait() {
    let mut world = fleet(30);
    world.tick(20);
    cut_off(&mut world, 360, |world| delete(world, 0..12));
    world.tick(60);
    assert_eq!(only(&world).reason, "ManyWorks");
    assert!(world.heard.is_some_and(|heard| heard + Duration::from_secs(120) > world.wall()));
}

#[test]
fn what_is_recorded_later_or_followed_later_is_still_of_the_gap() {
    let refused: Act = |world| world.refuse("AppliedWork", Failure::Unavailable);
    let invalid: Act = |world| world.refuse("AppliedWork", Failure::Invalid);
    let suspended: Act = |world| world.annotate("big", "suspend", &"true".into());
    for (at, hinder) in [refused, invalid, suspended].into_iter().enumerate() {
        let mut world = WorkWorld::in_step(&[("big", &some(0..40)), ("other", &[config("other")])]);
        world.tick(20);
        world.disconnect();
        world.work("big", &some(0..25));
        world.tick(360);
        hinder(&mut world);
        world.connect();
        world.tick(40);
        assert_eq!((deleted(&world), world.engine.holds()), (0, vec![]), "{at}");
        world.refused.clear();
        world.annotate("big", "suspend", &Value::Null);
        world.tick(60);
        assert_eq!((deleted(&world), only(&world).reason.as_str()), (0, "AfterGap"), "{at}");
    }
}

#[test]
fn live_reads_about_others_hide_no_gap() {
    let mut world = WorkWorld::in_step(&[
        ("big", &some(0..40)),
        ("missing", &[config("m")]),
        ("other", &[config("other")]),
    ]);
    world.tick(20);
    cut_off(&mut world, 5, |world| world.drop_work("missing"));
    world.tick(20);
    world.mute = true;
    world.work("big", &some(0..25));
    world.tick(600);
    world.mute = false;
    world.annotate("big", "feedback", &".metadata.name".into());
    world.tick(60);
    assert_eq!((deleted(&world), only(&world).reason.as_str()), (0, "AfterGap"));
}

#[test]
fn a_gap_ends_also_beside_a_work_that_goes_and_of_which_nothing_is_recorded() {
    let mut world = fleet(3);
    world.annotate("w000", "deletion", &"orphan".into());
    world.edit_work("w000", |work| {
        work["metadata"]["finalizers"].as_array_mut().unwrap().push("others.example.com/slow".into());
    });
    world.delete_work("w000");
    world.tick(20);
    world.heard = None;
    world.restart(true);
    world.tick(60);
    assert!(world.heard.is_some());
}
