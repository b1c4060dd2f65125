//! What goes, and what must not.

use super::*;

#[test]
fn an_entry_that_is_deleted_leaves_the_mirror_after_live_reads() {
    let mut world = World::in_step();
    world.remove("west");
    none_deleted(&world);
    assert_eq!(world.examined, 0, "examined before the window was quiet");
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
    world.tick(SETTLE);
    assert_eq!((world.examined, world.written.len()), (1, 0));
}

#[test]
fn an_entry_that_was_deleted_while_the_agent_was_down_leaves_the_mirror() {
    let before = World::in_step();
    let mut world = World::new(Scope::All);
    world.held = before.held;
    world.open();
    world.list();
    world.list_replica();
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
}

#[test]
fn an_entry_that_is_back_under_its_name_keeps_its_copy() {
    let mut world = World::in_step();
    let uid = world.held["west"]["metadata"]["uid"].clone();
    world.remove("west");
    world.tick(1);
    let version = world.version();
    let back =
        json!({"metadata": {"name": "west", "uid": "new", "resourceVersion": version}, "spec": {"a": 1}});
    world.entries.insert("west".into(), back.clone());
    world.directory(Change::Applied(object(&back)));
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.held["west"]["metadata"]["uid"], uid);
    assert_eq!(world.held["west"]["metadata"]["annotations"][marks::COPIED_FROM], "d/new");
}

/// Whatever the directory does not show: while it is in doubt, nothing goes.
#[test]
fn nothing_goes_while_the_directory_is_in_doubt() {
    type Doubt = (&'static str, fn(&mut World));
    let doubts: [Doubt; 7] = [
        ("another directory", |world| world.landmarks.directory = landmark("x")),
        ("identity unreadable", |world| world.landmarks.directory = Reading::Unreadable("403".into())),
        ("CRD replaced", |world| world.landmarks.clusters_crd = landmark("x")),
        ("CRD gone", |world| world.landmarks.clusters_crd = Reading::Absent),
        ("CRD going", |world| {
            world.landmarks.clusters_crd = Reading::Found(Found { uid: "c".into(), deleting: true });
        }),
        ("reads fail", |world| world.unreadable = true),
        ("own entry missing", |world| drop(world.entries.remove("own"))),
    ];
    for (doubt, cast) in doubts {
        // A tombstone.
        let mut world = World::in_step();
        cast(&mut world);
        world.remove("west");
        world.tick(SETTLE);
        assert_eq!(world.deleted, [""; 0], "{doubt}");
        let other =
            world.landmarks.directory != landmark("d") || world.landmarks.clusters_crd != landmark("c");
        assert_eq!(
            world.probed > 0,
            other,
            "{doubt}: the session is to look, if it is the directory that changed"
        );
        assert!(world.examined > 1, "{doubt}: not asked again");
        assert!(world.engine.counts().unconfirmed > 0, "{doubt}: not reported");
        // An empty list.
        let mut world = World::in_step();
        cast(&mut world);
        world.directory(Change::ListBegan);
        world.directory(Change::ListComplete);
        world.tick(SETTLE);
        assert_eq!(world.deleted, [""; 0], "{doubt}, with an empty list");
        assert!(world.held.len() == 2, "{doubt}");
    }
}

#[test]
fn a_lying_list_deletes_nothing_and_is_mended_by_what_live_reads_show() {
    let mut world = World::in_step();
    world.directory(Change::ListBegan);
    world.directory(Change::ListComplete);
    assert_eq!(world.reason("EntryPresent").unwrap(), "Missing");
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.engine.counts().unconfirmed, 0, "the entries were seen again");
    assert_eq!(world.reason("EntryPresent").unwrap(), "Present");
    assert_eq!(world.written, [""; 0]);
}

#[test]
fn a_list_that_breaks_off_shows_nothing() {
    let mut world = World::in_step();
    world.directory(Change::ListBegan);
    world.directory(Change::Failed(Failure::Unavailable, "reset".into()));
    world.directory(Change::Failed(Failure::Forbidden, "403".into()));
    world.tick(SETTLE);
    assert_eq!(world.examined, 0);
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Forbidden");
}

#[test]
fn without_a_session_nothing_is_examined_and_on_return_the_deletion_is_made() {
    let mut world = World::in_step();
    world.remove("west");
    world.send(Event::Closed(unreachable()));
    world.tick(SETTLE);
    assert_eq!(world.examined, 0);
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Unreachable");
    world.open();
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
}

#[test]
fn a_collection_that_is_not_served_asks_for_a_probe_now_and_then() {
    let mut world = World::in_step();
    for _ in 0..100 {
        world.directory(Change::Failed(Failure::NotServed, "404".into()));
        world.tick(1);
    }
    assert!((2..=25).contains(&world.probed), "{} probes in 100 s", world.probed);
    none_deleted(&world);
}

#[test]
fn copies_of_another_directory_are_left_alone() {
    let mut world = World::new(Scope::All);
    let stranger = json!({"metadata": {"name": "far", "uid": "f", "resourceVersion": "1",
        "annotations": {marks::COPIED_FROM: "another/uid"}}});
    world.held.insert("far".into(), stranger);
    world.open();
    world.list();
    world.list_replica();
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!(world.engine.counts().strangers, 1);
}

#[test]
fn an_own_entry_of_a_new_uid_is_recorded_before_anything_is_judged_by_it() {
    let mut world = World::in_step();
    let version = world.version();
    let anew = json!({"metadata": {"name": "own", "uid": "anew", "resourceVersion": version}, "spec": {}});
    world.entries.insert("own".into(), anew.clone());
    world.directory(Change::Applied(object(&anew)));
    assert_eq!(
        world.remembered.iter().map(|memory| memory.pin.entry.as_deref()).collect::<Vec<_>>(),
        [Some("anew")]
    );
    none_deleted(&world);
    world.remove("west");
    world.tick(SETTLE);
    assert_eq!(world.deleted, ["west"]);
}

/// What stands under the name of an entry that goes, and is not its copy, is none of Muster's business.
#[test]
fn what_is_no_copy_from_this_directory_stays_when_the_entry_of_its_name_goes() {
    let local =
        json!({"metadata": {"name": "west", "uid": "x", "resourceVersion": "1"}, "spec": {"mine": 1}});
    let mut world = World::new(Scope::All);
    world.add("west", &json!({}));
    world.held.insert("west".into(), local.clone());
    world.open();
    world.list_replica();
    world.list();
    world.remove("west");
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!((world.held["west"].clone(), world.engine.counts().others), (local.clone(), 1));

    // The same where it took the place of the copy while the directory was asked.
    let mut world = World::in_step();
    world.deferred = Some(Vec::new());
    world.remove("west");
    world.tick(3);
    let examination = world.deferred.take().unwrap().pop().unwrap();
    let copy = object(&world.held.insert("west".into(), local.clone()).unwrap());
    world.copies(Change::Gone(copy));
    world.copies(Change::Applied(object(&local)));
    world.carry_out(examination);
    world.tick(SETTLE);
    none_deleted(&world);
}

#[test]
fn a_replica_restored_to_an_older_state_is_believed() {
    let mut world = World::in_step();
    world.held.get_mut("west").unwrap()["metadata"]["resourceVersion"] = "1".into();
    world.held.get_mut("west").unwrap()["metadata"]["labels"]["stage"] = "old".into();
    world.list_replica();
    assert_eq!(world.written, ["west"]);
    assert_eq!(world.held["west"]["metadata"]["labels"]["stage"], "production");
}

#[test]
fn findings_of_a_session_with_another_pin_are_not_used() {
    let mut world = World::in_step();
    world.deferred = Some(Vec::new());
    world.remove("west");
    world.tick(3);
    let examination = world.deferred.take().unwrap().pop().unwrap();
    let joined = Session { pin: Pin { execution_namespace: Some("n".into()), ..pin() }, ..session() };
    world.send(Event::Opened(joined));
    world.carry_out(examination);
    none_deleted(&world);
}

#[test]
fn nothing_is_examined_before_the_directory_was_listed() {
    let before = World::in_step();
    let mut world = World::new(Scope::All);
    world.held = before.held;
    world.open();
    world.list_replica();
    world.tick(SETTLE);
    assert_eq!(world.examined, 0);
}

#[test]
fn an_entry_that_cannot_be_read_keeps_its_copy() {
    let mut world = World::in_step();
    let version = world.version();
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!({"a": deep});
    }
    let entry =
        json!({"metadata": {"name": "west", "uid": "uid-west", "resourceVersion": version}, "spec": deep});
    world.entries.insert("west".into(), entry.clone());
    world.directory(Change::Applied(object(&entry)));
    world.tick(SETTLE);
    none_deleted(&world);
    assert_eq!((world.written.len(), world.examined), (0, 0));
    assert_eq!(world.reason("MirrorInSync").unwrap(), "Forbidden");
}

#[test]
fn a_listing_that_never_ends_is_told_and_proves_nothing() {
    let mut world = World::in_step();
    for _ in 0..3 {
        world.directory(Change::ListBegan);
        world.directory(Change::Listed(object(&world.entries["own"].clone())));
        world.directory(Change::Failed(Failure::Unavailable, "reset".into()));
        world.tick(10);
    }
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Unreachable");
    assert_eq!(world.examined, 0);
    none_deleted(&world);
    world.list();
    assert_eq!(world.reason("DirectoryReachable").unwrap(), "Reachable");
}

#[test]
fn a_directory_that_is_back_is_asked_at_once() {
    let mut world = World::in_step();
    world.unreadable = true;
    world.remove("west");
    world.tick(SETTLE); // asked in vain, less and less often
    world.directory(Change::Failed(Failure::Unavailable, "reset".into()));
    world.unreadable = false;
    none_deleted(&world);
    world.directory(Change::Alive);
    assert_eq!(world.deleted, ["west"]);
}

#[test]
fn a_deletion_waits_for_the_write_under_way() {
    let mut world = World::in_step();
    world.deferred = Some(Vec::new());
    let changed = world.add("west", &json!({"stage": "new"}));
    world.directory(Change::Applied(changed));
    let write = world.deferred.take().unwrap().pop().unwrap();
    world.remove("west");
    world.tick(10);
    none_deleted(&world);
    world.carry_out(write);
    world.tick(SETTLE);
    assert_eq!(world.deleted, ["west"]);
}

// === narrower mirrors ===

#[test]
fn a_selected_mirror_holds_what_matches_and_lets_go_of_what_left() {
    let mut world = World::new(Scope::Selected(Selector::parse("stage=production").unwrap()));
    world.add("west", &json!({"stage": "production"}));
    world.open();
    let own = object(&world.entries["own"].clone());
    for change in [Change::ListBegan, Change::Listed(own), Change::ListComplete] {
        world.send(Event::Directory { era: 0, watch: DirectoryWatch::OwnEntry, change });
    }
    world.list_replica();
    world.list();
    assert_eq!(world.written, ["west"]);
    // A selected watch shows an entry that left as deleted.
    let left = world.add("west", &json!({"stage": "test"}));
    world.directory(Change::Gone(left));
    world.tick(3);
    assert_eq!(world.deleted, ["west"]);
    assert_eq!(
        world.reason("EntryPresent").unwrap(),
        "Present",
        "the own entry is not in the selection, and is there"
    );
}

#[test]
fn without_a_mirror_old_copies_go_and_the_own_entry_is_followed() {
    let before = World::in_step();
    let mut world = World::new(Scope::None);
    world.entries = before.entries;
    world.held = before.held;
    world.open();
    let own = object(&world.entries["own"].clone());
    for change in [Change::ListBegan, Change::Listed(own), Change::ListComplete] {
        world.send(Event::Directory { era: 0, watch: DirectoryWatch::OwnEntry, change });
    }
    world.list_replica();
    world.tick(3);
    assert_eq!(world.deleted, ["own", "west"]);
    assert_eq!(world.reason("MirrorInSync").unwrap(), "NotMirrored");
    assert_eq!(world.reason("EntryPresent").unwrap(), "Present");
}
