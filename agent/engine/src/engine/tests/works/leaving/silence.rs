//! The directory fails, or answers otherwise, while the replica leaves.

use muster_api::conditions::DirectoryReachable;

use super::*;

fn close(world: &mut WorkWorld, reason: DirectoryReachable) {
    world.online = false;
    world.send(Event::Closed(Problem { reason, message: String::new() }));
}

/// The departure is recorded, and the Works are not: then nothing goes but what is read after that.
#[test]
fn the_directory_may_fail_after_the_departure_was_recorded() {
    let cases: [(&str, Act, Act); 3] = [
        ("reads fail", |world| world.unreadable = true, |world| world.unreadable = false),
        (
            "the definition of Works was replaced",
            |world| world.landmarks.works_crd = landmark("y"),
            |world| world.landmarks.works_crd = landmark("w"),
        ),
        ("there is no session", WorkWorld::disconnect, WorkWorld::connect),
    ];
    for (case, begins, ends) in cases {
        let mut world = WorkWorld::in_step(&[("app", &[config("a"), config("b")])]);
        world.refused.insert("AppliedWork".into(), Failure::Unavailable);
        world.leave("Delete");
        world.tick(20);
        assert!(world.memory.as_ref().unwrap().departed.is_some(), "{case}");
        begins(&mut world);
        world.refused.clear();
        world.restart_in_the_midst(world.online);
        world.tick(120);
        assert_eq!((world.gone().len(), world.there().len()), (0, 2), "{case}: {:#?}", world.log);
        assert_eq!(deregistered(&world).0, "Leaving", "{case}");
        ends(&mut world);
        world.tick(120);
        assert_eq!(
            (world.there().len(), deregistered(&world).0),
            (0, "EntryDeletedWithWorks".into()),
            "{case}"
        );
    }
}

/// What is recorded of this departure goes also where the directory does not answer any more.
#[test]
fn what_is_recorded_is_finished_without_the_directory() {
    let cases: [(&str, Act); 4] = [
        ("no session", WorkWorld::disconnect),
        ("the credential is refused", |world| close(world, DirectoryReachable::CredentialsRejected)),
        ("a landmark cannot be read", |world| {
            world.landmarks.clusters_crd = Reading::Unreadable("no".into());
        }),
        ("nor in a new session", |world| {
            world.disconnect();
            world.landmarks.clusters_crd = Reading::Unreadable("no".into());
            world.connect();
        }),
    ];
    for (case, act) in cases {
        let mut world = recorded();
        act(&mut world);
        world.tick(60);
        world.undeletable = None;
        world.tick(120);
        assert_eq!((world.there().len(), world.ledgers.len()), (0, 0), "{case}: {:#?}", world.log);
        assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}");
    }
}

/// It was silent ever since the process began, or it answered otherwise before it fell silent: then nobody knows what it
/// would say, and only what it says anew ends that.
#[test]
fn silence_begins_nothing_and_ends_no_doubt() {
    let unreadable = || Reading::Unreadable("no".into());
    let doubts: [(&str, Act); 9] = [
        ("nothing was ever said", |world| world.start(false)),
        ("nor in a session", |world| {
            world.landmarks.clusters_crd = Reading::Unreadable("no".into());
            world.start(true);
        }),
        ("a session whose Works were not listed", |world| {
            world.start(false);
            world.begin_session();
        }),
        ("a definition is gone", |world| world.landmarks.works_crd = Reading::Absent),
        ("the namespace is going", |world| {
            let (uid, deleting) = ("x".into(), true);
            world.landmarks.execution_namespace = Some(Reading::Found(crate::pin::Found { uid, deleting }));
        }),
        ("there is no identity", |world| world.landmarks.directory = Reading::Absent),
        ("another directory", |world| world.landmarks.directory = landmark("other")),
        ("hidden by what cannot be read", |world| {
            world.landmarks.execution_namespace = Some(landmark("y"));
            world.landmarks.clusters_crd = Reading::Unreadable("no".into());
        }),
        ("a session is refused for it", |world| close(world, DirectoryReachable::BeingRemoved)),
    ];
    let whole = recorded().landmarks.clone();
    for (case, act) in doubts {
        for silent in [WorkWorld::disconnect as Act, |world| close(world, DirectoryReachable::Forbidden)] {
            let mut world = recorded();
            act(&mut world);
            world.tick(60);
            world.undeletable = None;
            if world.online {
                world.landmarks = whole.clone();
                world.landmarks.clusters_crd = unreadable();
                world.tick(60);
            }
            silent(&mut world);
            world.tick(120);
            assert_eq!(world.there().len(), 2, "{case}: {:#?}", world.log);
            world.start(false);
            world.disconnect();
            world.tick(120);
            assert_eq!(world.there().len(), 2, "{case}, and the process began anew: {:#?}", world.log);
            let (reason, message) = deregistered(&world);
            assert!(reason == "Leaving" && message.contains("still to confirm"), "{case}: {message}");
            world.landmarks = whole.clone();
            world.connect();
            world.tick(120);
            assert_eq!(world.there().len(), 0, "{case}: it says so again: {:#?}", world.log);
            assert_eq!(deregistered(&world).0, "EntryDeletedWithWorks", "{case}");
        }
    }
}

/// An answer that was asked for in an earlier session says nothing in this one.
#[test]
fn an_answer_of_an_earlier_session_is_none() {
    let mut world = recorded();
    let asks = |plan: &crate::plan::Plan| matches!(plan.steps.as_slice(), [Step::Examine(_)]);
    let asked = (0..80).find_map(|_| {
        world.deferring = true;
        world.tick(1);
        let asked = world.plans.iter().position(asks).and_then(|place| world.plans.remove(place));
        world.deferring = false;
        world.run();
        asked
    });
    close(&mut world, DirectoryReachable::BeingRemoved);
    world.online = true;
    world.begin_session();
    world.plans.push_back(asked.unwrap());
    world.run();
    close(&mut world, DirectoryReachable::Unreachable);
    world.undeletable = None;
    world.tick(120);
    assert_eq!(world.there().len(), 2, "{:#?}", world.log);
}

/// There is another entry, which no watch shows; and a later one, or another departure, than the ledger says.
#[test]
fn what_is_recorded_of_another_departure_stays() {
    let mut unseen = recorded();
    unseen.unreadable = true;
    unseen.tick(60);
    unseen.enter_unseen();
    unseen.unreadable = false;
    unseen.landmarks.clusters_crd = Reading::Unreadable("no".into());
    unseen.tick(60);
    unseen.undeletable = None;
    unseen.tick(120);
    unseen.disconnect();
    unseen.tick(120);
    assert_eq!(unseen.there().len(), 2, "there is another entry, which no watch shows");
    let mut later = recorded();
    later.edit_ledger("app", |ledger| {
        let crate::ledger::Of::Work(part) = &mut ledger.of else { panic!("no Work's") };
        part.departure = Some("earlier".into());
    });
    later.undeletable = None;
    later.disconnect();
    later.tick(120);
    assert_eq!(later.there().len(), 2, "the ledger ended with another entry");
    let mut anew = recorded();
    anew.memory.as_mut().unwrap().pin.entry = Some("new".into());
    anew.undeletable = None;
    anew.start(true);
    anew.tick(120);
    assert_eq!(anew.there().len(), 2, "another entry is recorded than was deleted");
}
