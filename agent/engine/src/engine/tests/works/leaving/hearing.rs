//! What the own entry and the Works say at last, and nobody watched.

use super::*;

fn says(entry: &mut Value, word: &str) {
    entry["spec"]["deregistration"] = word.into();
}

/// The departure is recorded, and of no Work that it ends with it.
fn begun() -> WorkWorld {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    world.refused.insert("AppliedWork".into(), Failure::Unavailable);
    world.leave("Delete");
    world.tick(20);
    assert!(world.leaves_with_works());
    world
}

/// An entry that is gone may have said otherwise at last: who did not see it go begins nothing, and finishes what others did.
#[test]
fn a_process_that_did_not_hear_the_entry_begins_nothing() {
    let mut world = begun();
    world.online = false;
    world.edit_entry(|entry| says(entry, "Keep"));
    world.drop_entry();
    world.refused.clear();
    world.start(true);
    world.tick(120);
    assert_eq!(world.there().len(), 2, "{:#?}", world.log);
    let (reason, message) = deregistered(&world);
    assert!(reason == "EntryDeletedWithWorks" && message.contains("did not see"), "{reason}: {message}");
    let mut shown = begun();
    shown.refused.clear();
    shown.start(true);
    shown.tick(120);
    assert_eq!(shown.there().len(), 0, "it is shown, and says so still");
    let mut recorded = recorded();
    recorded.drop_entry();
    recorded.undeletable = None;
    recorded.start(true);
    recorded.tick(120);
    assert_eq!(recorded.there().len(), 0, "the ledger says so");
}

/// What a Work says while there is no session is heard in the next one, before more goes.
#[test]
fn works_are_heard_in_each_session_before_more_goes() {
    let cases: [(&str, Act, Act); 3] = [
        ("a new session", WorkWorld::disconnect, WorkWorld::begin_session),
        (
            "a listing under way",
            |world| world.online = false,
            |world| {
                world.online = true;
                world.tell_work(crate::event::Change::ListBegan);
            },
        ),
        (
            "the watch fails",
            |world| {
                world.tell_work(crate::event::Change::Failed(Failure::Unavailable, "no".into()));
                world.online = false;
            },
            |world| world.online = true,
        ),
    ];
    for (case, out, back) in cases {
        for silent in [false, true] {
            let mut world = recorded();
            out(&mut world);
            world.annotate("app", "suspend", &"true".into());
            back(&mut world);
            if silent {
                world.landmarks.clusters_crd = Reading::Unreadable("no".into());
            }
            world.tick(60);
            world.undeletable = None;
            world.tick(60);
            assert_eq!(world.there().len(), 2, "{case}, {silent}: {:#?}", world.log);
            world.list_directory();
            world.tick(60);
            assert_eq!(world.there().len(), 2, "{case}, {silent}: {:#?}", world.log);
            world.landmarks.clusters_crd = landmark("c");
            world.annotate("app", "suspend", &Value::Null);
            world.tick(120);
            assert_eq!(world.there().len(), 0, "{case}, {silent}: {:#?}", world.log);
        }
    }
}

/// A watch that goes on where it failed follows the Works again.
#[test]
fn a_watch_that_goes_on_is_heard() {
    let mut world = recorded();
    world.tell_work(crate::event::Change::Failed(Failure::Unavailable, "no".into()));
    world.undeletable = None;
    world.tick(60);
    assert_eq!(world.there().len(), 2);
    world.tell_work(crate::event::Change::Alive);
    world.tick(60);
    assert_eq!(world.there().len(), 0, "{:#?}", world.log);
}

/// That what Works made stays counts wherever it is read, also where not all of the directory could be.
#[test]
fn keep_counts_where_the_directory_is_read_in_part() {
    let mut world = recorded();
    world.online = false;
    world.edit_entry(|entry| says(entry, "Keep"));
    world.online = true;
    world.landmarks.clusters_crd = Reading::Unreadable("no".into());
    world.tick(60);
    world.undeletable = None;
    world.tick(120);
    assert_eq!((world.there().len(), deregistered(&world).0), (2, "EntryDeleted".into()), "{:#?}", world.log);
}

/// The answer to what was asked at once in a new session may come before its entries are listed.
#[test]
fn an_entry_that_is_read_before_it_is_listed_is_heard() {
    for (word, left) in [("Delete", 0), ("Keep", 2)] {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.leave("Delete");
        world.disconnect();
        world.edit_entry(|entry| says(entry, word));
        world.tick(10);
        world.begin_session();
        world.tick(10);
        world.list_directory();
        world.tick(60);
        assert_eq!(world.there().len(), left, "{word}: {:?}", deregistered(&world));
    }
}

/// A Work that is read as missing just before its watch tells that it was deleted.
#[test]
fn a_work_that_turns_out_to_be_deleted_goes() {
    let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
    let work = super::super::super::object(&world.works["app"]);
    world.online = false;
    world.drop_work("app");
    world.online = true;
    world.leave("Delete");
    world.tick(60);
    assert_eq!(world.there().len(), 2, "{:#?}", world.log);
    world.tell_work(crate::event::Change::Gone(work));
    world.tick(60);
    assert_eq!((world.there().len(), world.ledgers.len()), (0, 0), "{:#?}", world.log);
}
