//! What is copied, and when.

use super::*;

#[test]
fn entries_are_copied_once_both_sides_are_known() {
    let mut world = World::new(Scope::All);
    world.add("west", &json!({}));
    world.open();
    world.list();
    assert_eq!(world.written, [""; 0], "wrote before it knew what the replica holds");
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Pending");
    world.list_replica();
    assert_eq!(world.written, ["own", "west"]);
    assert_eq!(world.reason("MirrorInSync").unwrap(), "InSync");
    world.written.clear();
    world.list();
    world.list_replica();
    world.tick(60);
    assert_eq!(world.written, [""; 0], "wrote again what was right");
}

#[test]
fn the_first_change_is_copied_at_once_and_further_ones_together() {
    let mut world = World::in_step();
    for stage in ["a", "b", "c"] {
        let changed = world.add("west", &json!({"stage": stage}));
        world.directory(Change::Applied(changed));
    }
    assert_eq!(world.written, ["west"], "the first change waits for nothing");
    world.tick(28);
    assert_eq!(world.written, ["west"], "further changes come together");
    world.tick(4);
    assert_eq!(world.written, ["west", "west"]);
    assert_eq!(world.held["west"]["metadata"]["labels"]["stage"], "c");
}

#[test]
fn a_hand_edit_is_undone_at_once_while_a_change_waits() {
    let mut world = World::in_step();
    for stage in ["a", "b"] {
        let changed = world.add("west", &json!({"stage": stage}));
        world.directory(Change::Applied(changed));
    }
    assert_eq!(world.held["west"]["metadata"]["labels"]["stage"], "a");
    world.edit("west", |value| value["metadata"]["labels"]["stage"] = "mine".into());
    assert_eq!(world.held["west"]["metadata"]["labels"]["stage"], "b");
    assert_eq!(world.engine.corrected(), 1);
}

#[test]
fn a_change_of_status_writes_nothing() {
    let mut world = World::in_step();
    let changed = world.add("west", &json!({"stage": "production"}));
    world.directory(Change::Applied(changed));
    world.tick(60);
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn hand_edits_and_deletions_are_undone_at_once_with_a_brake() {
    let mut world = World::in_step();
    world.edit("west", |value| value["metadata"]["labels"]["stage"] = "mine".into());
    assert_eq!(world.written, ["west"]);
    world.edit("west", |value| drop(value["metadata"].as_object_mut().unwrap().remove("annotations")));
    assert_eq!(world.written, ["west"; 2], "the mark was taken off, and is put back");
    let gone = object(&world.held.remove("west").unwrap());
    world.copies(Change::Gone(gone));
    assert_eq!(world.written, ["west"; 3]);
    assert_eq!(world.engine.corrected(), 3);
    for round in 0..100 {
        if world.held["west"]["metadata"]["labels"]["stage"] == "production" {
            world.edit("west", |value| value["metadata"]["labels"]["stage"] = round.to_string().into());
        }
        world.tick(1);
    }
    assert!(world.written.len() < 20, "{} corrections in 100 s of a fight", world.written.len());
    assert_eq!(world.deleted, [""; 0]);
}

#[test]
fn hand_edits_are_undone_while_the_directory_is_away() {
    let mut world = World::in_step();
    world.send(Event::Closed(unreachable()));
    world.edit("west", |value| value["spec"] = json!({"mine": true}));
    assert_eq!(world.written, ["west"]);
}

#[test]
fn a_cluster_that_is_no_copy_is_left_alone_and_reported() {
    let mut world = World::new(Scope::All);
    world.add("west", &json!({}));
    let own = json!({"metadata": {"name": "west", "uid": "x", "resourceVersion": "1"}, "spec": {"mine": 1}});
    let other = json!({"metadata": {"name": "other", "uid": "y", "resourceVersion": "1"}});
    world.held.insert("west".into(), own.clone());
    world.held.insert("other".into(), other);
    world.open();
    world.list_replica();
    world.list();
    world.tick(SETTLE);
    assert_eq!(world.written, ["own"]);
    assert_eq!(world.held["west"], own);
    assert_eq!((world.engine.counts().conflicts, world.engine.counts().others), (1, 1));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Conflict");
    none_deleted(&world);
}

#[test]
fn there_is_one_write_at_a_time_for_a_name() {
    let mut world = World::in_step();
    world.deferred = Some(Vec::new());
    for stage in ["a", "b"] {
        let changed = world.add("west", &json!({"stage": stage}));
        world.directory(Change::Applied(changed));
        world.tick(40);
    }
    let plans = world.deferred.take().unwrap();
    assert_eq!(plans.len(), 1, "{plans:?}");
}

#[test]
fn old_news_of_a_copy_is_not_taken() {
    let mut world = World::in_step();
    let old = object(&world.held["west"].clone());
    let changed = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(changed));
    world.written.clear();
    // The watch shows the copy as it was before the write.
    world.copies(Change::Applied(old));
    // The copy was deleted and is there again; its end is shown after its beginning.
    let mut again = world.held["west"].clone();
    again["metadata"]["uid"] = "again".into();
    let gone = object(&world.held["west"].clone());
    world.copies(Change::Applied(object(&again)));
    world.copies(Change::Gone(gone));
    world.tick(60);
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn an_older_state_of_an_entry_is_not_taken() {
    let mut world = World::in_step();
    let old = object(&world.entries["west"].clone());
    let new = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(new));
    world.written.clear();
    world.directory(Change::Applied(old));
    world.tick(60);
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn where_directory_and_replica_are_one_nothing_is_mirrored() {
    let mut world = World::new(Scope::All);
    world.send(Event::Opened(Session { replica: "d".into(), ..session() }));
    world.list();
    world.list_replica();
    world.tick(SETTLE);
    assert_eq!((world.written.len(), world.examined), (0, 0));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "SameCluster");
}

#[test]
fn where_directory_and_replica_are_one_nothing_is_put_back_or_complained_of() {
    let mut world = World::new(Scope::All);
    world.held = world.entries.clone();
    world.send(Event::Opened(Session { replica: "d".into(), ..session() }));
    world.list();
    world.list_replica();
    assert_eq!((world.engine.counts().entries, world.engine.counts().conflicts), (1, 0));
    // Without a session an entry that somebody deletes is still an entry, and no copy that is missing.
    world.send(Event::Closed(unreachable()));
    let gone = object(&world.held.remove("own").unwrap());
    world.copies(Change::Gone(gone));
    world.tick(SETTLE);
    assert_eq!((world.written.len(), world.examined), (0, 0));
    assert_eq!(world.reason("MirrorInSync"), None);
}

#[test]
fn a_hand_edit_is_known_for_one_whichever_side_was_listed_first() {
    for replica_first in [true, false] {
        let World { entries, held, version, .. } = World::in_step();
        let mut world = World { version, entries, held, ..World::new(Scope::All) };
        if replica_first {
            world.list_replica();
        }
        world.open();
        world.list();
        world.list_replica();
        assert_eq!(world.written.len(), 0, "a second start found everything right");
        world.edit("west", |value| value["metadata"]["labels"]["stage"] = "mine".into());
        assert_eq!((world.written.len(), world.engine.corrected()), (1, 1), "replica first: {replica_first}");
    }
}

#[test]
fn a_conflict_names_five_at_most() {
    let mut world = World::new(Scope::All);
    for number in 0..7 {
        let name = format!("local-{number}");
        world.add(&name, &json!({}));
        let local = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}});
        world.held.insert(name, local);
    }
    world.open();
    world.list_replica();
    world.list();
    let conditions = world.engine.conditions(Now { mono: world.now, wall: Timestamp::UNIX_EPOCH });
    let conflict = conditions.iter().find(|condition| condition.reason == "Conflict").unwrap();
    assert!(conflict.message.ends_with("local-3, local-4 and 2 more"), "{}", conflict.message);
}

#[test]
fn a_replica_that_changes_what_is_written_is_not_written_to_for_ever() {
    let mut world = World::in_step();
    world.meddles = true;
    let changed = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(changed));
    world.tick(600);
    assert!(world.written.len() <= 25, "{} writes in ten minutes", world.written.len());
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Forbidden");
    world.meddles = false;
    world.tick(120);
    assert_eq!(world.reason("MirrorInSync").unwrap(), "InSync");
}

#[test]
fn a_failure_is_forgotten_when_the_copy_is_right_whoever_made_it_so() {
    let mut world = World::in_step();
    world.deferred = Some(Vec::new());
    let changed = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(changed));
    let plan = world.deferred.take().unwrap().pop().unwrap();
    let Step::Replace { body, .. } = &plan.steps[0] else { panic!("{plan:?}") };
    let body = body.clone();
    let outcomes = vec![StepOutcome::Failed(Failure::Forbidden, "who knows".into())];
    world.deferred = Some(Vec::new());
    world.send(Event::Done { plan: plan.id, outcomes });
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Forbidden");
    let StepOutcome::Written(object) = world.put("west".into(), &body) else { panic!("not written") };
    world.copies(Change::Applied(object));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "InSync");
}

#[test]
fn a_write_that_fails_is_tried_again_with_growing_waits() {
    let mut world = World::in_step();
    let changed = world.add("west", &json!({"stage": "new"}));
    let now = |world: &World| Now { mono: world.now, wall: Timestamp::UNIX_EPOCH };
    let event = Event::Directory { era: 0, watch: DirectoryWatch::Entries, change: Change::Applied(changed) };
    let mut plans = world.engine.on(event, now(&world));
    let mut tries = 0;
    for _ in 0..600 {
        for plan in std::mem::take(&mut plans) {
            tries += 1;
            let outcomes = vec![StepOutcome::Failed(Failure::Forbidden, "no right".into())];
            plans.extend(world.engine.on(Event::Done { plan: plan.id, outcomes }, now(&world)));
        }
        world.now += Duration::from_secs(1);
        plans.extend(world.engine.on(Event::Tick, now(&world)));
    }
    assert!((8..40).contains(&tries), "{tries} tries in ten minutes");
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Forbidden");
}

#[test]
fn what_fails_when_the_replica_is_back_is_tried_again_at_once() {
    let mut world = World::in_step();
    world.copies(Change::Failed(Failure::Unavailable, "refused".into()));
    world.deferred = Some(Vec::new());
    let entry = world.add("north", &json!({}));
    world.directory(Change::Applied(entry));
    for _ in 0..120 {
        for plan in world.deferred.replace(Vec::new()).unwrap() {
            let outcomes = vec![StepOutcome::Failed(Failure::Unavailable, "refused".into())];
            world.send(Event::Done { plan: plan.id, outcomes });
        }
        world.tick(1);
    }
    // One attempt is under way when it is back, and fails only then.
    while world.deferred.as_ref().unwrap().is_empty() {
        world.tick(1);
    }
    let begun = world.deferred.take().unwrap();
    world.copies(Change::Alive);
    assert!(world.written.is_empty(), "{:?}", world.written);
    for plan in begun {
        let outcomes = vec![StepOutcome::Failed(Failure::Unavailable, "deadline".into())];
        world.send(Event::Done { plan: plan.id, outcomes });
    }
    assert_eq!(world.written, ["north"]);
}

#[test]
fn what_waits_for_its_next_attempt_when_the_replica_is_back_waits_no_more() {
    let mut world = World::in_step();
    world.copies(Change::Failed(Failure::Unavailable, "refused".into()));
    world.deferred = Some(Vec::new());
    let entry = world.add("north", &json!({}));
    world.directory(Change::Applied(entry));
    for _ in 0..20 {
        for plan in world.deferred.replace(Vec::new()).unwrap() {
            let outcomes = vec![StepOutcome::Failed(Failure::Unavailable, "refused".into())];
            world.send(Event::Done { plan: plan.id, outcomes });
        }
    }
    world.deferred = None;
    world.copies(Change::Alive);
    assert_eq!(world.written, ["north"]);
}
