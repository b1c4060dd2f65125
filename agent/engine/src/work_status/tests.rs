use muster_api::Status;
use muster_api::conditions::manifest::{Applied, Available};
use muster_api::work::ManifestCondition;

use super::*;

mod bounds;

type State = (ResourceIdentifier, ObjectState);
type Reasons = [(Applied, Available)];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn state(ordinal: i64, applied: Applied, available: Available) -> State {
    let identifier = ResourceIdentifier {
        ordinal,
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        resource: "deployments".into(),
        namespace: "prod".into(),
        name: format!("web-{ordinal}"),
    };
    let state = ObjectState {
        applied: Aspect::new(applied, ""),
        available: Aspect::new(available, ""),
        feedback: None,
        observed_generation: 1,
    };
    (identifier, state)
}

fn states(list: &Reasons) -> Vec<State> {
    (0..).zip(list).map(|(ordinal, (applied, available))| state(ordinal, *applied, *available)).collect()
}

fn good(count: i64) -> Vec<State> {
    (0..count).map(|ordinal| state(ordinal, Applied::Applied, Available::Available)).collect()
}

fn told(states: &[State]) -> WorkStatus {
    compose(3, states, None, None, at(0))
}

fn of<'a>(conditions: &'a [Condition], kind: &str) -> &'a Condition {
    conditions.iter().find(|condition| condition.type_ == kind).unwrap()
}

fn bytes(status: &WorkStatus) -> usize {
    serde_json::to_vec(status).unwrap().len()
}

/// Each way in which a message of a status can be wrong.
fn check(status: &WorkStatus) {
    assert!(bytes(status) <= LARGEST_STATUS, "{} bytes", bytes(status));
    let manifests = status.manifest_conditions.iter().flat_map(|entry| &entry.conditions);
    for Condition { message, .. } in status.conditions.iter().chain(manifests) {
        assert!(message.len() <= LONGEST_MESSAGE && !message.contains(char::is_control), "{message:?}");
    }
    for ResourceIdentifier { name, namespace, kind, .. } in
        status.manifest_conditions.iter().map(|entry| &entry.identifier)
    {
        for part in [name, namespace, kind] {
            assert!(part.len() <= 253 && !part.contains(char::is_control), "{part:?}");
        }
    }
    let ordinals: Vec<i64> =
        status.manifest_conditions.iter().map(|entry| entry.identifier.ordinal).collect();
    assert!(ordinals.is_sorted(), "{ordinals:?}");
}

/// Only ends of the list are left out, of what is healthy and of what is not.
fn check_ends(states: &[State], shown: &WorkStatus) {
    let listed: Vec<i64> = shown.manifest_conditions.iter().map(|entry| entry.identifier.ordinal).collect();
    for healthy in [false, true] {
        let of_sort = |(_, state): &&State| {
            let statuses =
                [state.applied.reason.explanation().status, state.available.reason.explanation().status];
            healthy == (statuses == [Status::True; 2])
        };
        let is_listed =
            states.iter().filter(of_sort).map(|(identifier, _)| listed.contains(&identifier.ordinal));
        assert!(is_listed.map(|is_listed| !is_listed).is_sorted(), "healthy: {healthy}");
    }
}

#[test]
fn the_work_is_what_its_manifests_are() {
    use {Applied as A, Available as V};
    let cases: [(&Reasons, [&str; 4]); 11] = [
        (&[], ["Applied", "Available", "Settled", "Healthy"]),
        (
            &[(A::Applied, V::Available), (A::Observed, V::Available)],
            ["Applied", "Available", "Settled", "Healthy"],
        ),
        (
            &[(A::Applied, V::Available), (A::Pending, V::Missing)],
            ["Pending", "Unavailable", "Progressing", "Healthy"],
        ),
        (
            &[(A::Waiting, V::Unknown), (A::Retrying, V::Unknown)],
            ["Pending", "Unknown", "Progressing", "Healthy"],
        ),
        (
            &[(A::Applied, V::Progressing), (A::Applied, V::Unknown)],
            ["Applied", "Unavailable", "Progressing", "Healthy"],
        ),
        (
            &[(A::Applied, V::Unknown), (A::Applied, V::Available)],
            ["Applied", "Unknown", "Settled", "Healthy"],
        ),
        (
            &[(A::Applied, V::Failed), (A::Applied, V::Available)],
            ["Applied", "Unavailable", "Settled", "Failed"],
        ),
        (
            &[(A::Forbidden, V::Missing), (A::Pending, V::Missing)],
            ["Incomplete", "Unavailable", "Progressing", "NotApplied"],
        ),
        (
            &[(A::FoughtOver, V::Available), (A::Applied, V::Failed)],
            ["Incomplete", "Unavailable", "Settled", "FoughtOver"],
        ),
        (
            &[(A::Conflict, V::Failed), (A::FoughtOver, V::Available)],
            ["Incomplete", "Unavailable", "Settled", "NotApplied"],
        ),
        (
            &[(A::Drifted, V::Available), (A::LetGo, V::Available)],
            ["Incomplete", "Available", "Settled", "Healthy"],
        ),
    ];
    for (list, reasons) in cases {
        let status = told(&states(list));
        let told: Vec<&str> = status.conditions.iter().map(|condition| condition.reason.as_str()).collect();
        assert_eq!(told, reasons, "{list:?}");
    }
}

#[test]
fn each_reason_that_is_not_applied_keeps_the_work_from_being_applied() {
    for applied in Applied::ALL {
        let status = told(&[state(0, *applied, Available::Available)]);
        let is_applied = applied.explanation().status == Status::True;
        assert_eq!(of(&status.conditions, "Applied").status == Status::True, is_applied, "{applied:?}");
    }
}

#[test]
fn messages_count() {
    use {Applied as A, Available as V};
    let list = [
        (A::Applied, V::Available),
        (A::Applied, V::Progressing),
        (A::Applied, V::Failed),
        (A::Forbidden, V::Missing),
        (A::InvalidManifest, V::Missing),
    ];
    let status = told(&states(&list));
    let message = |kind| of(&status.conditions, kind).message.as_str();
    assert_eq!(message("Applied"), "3 of 5 manifests are applied; 1 InvalidManifest, 1 Forbidden");
    assert_eq!(message("Available"), "1 of 5 manifests are available; 1 Progressing, 1 Failed, 2 Missing");
    assert_eq!(message("Progressing"), "1 of 5 manifests are under way");
    assert_eq!(message("Degraded"), "1 Forbidden, 1 InvalidManifest, 1 Failed");
    assert_eq!(of(&told(&good(2)).conditions, "Applied").message, "all 2 manifests are applied");
    assert_eq!(of(&told(&good(1)).conditions, "Available").message, "the one manifest is available");
    assert_eq!(of(&told(&[]).conditions, "Applied").message, "there are no manifests");
}

#[test]
fn what_holds_for_the_whole_wins() {
    let cases = [
        (work::Applied::Suspended, Status::Unknown, "Stopped", "Healthy"),
        (work::Applied::InvalidOption, Status::False, "Stopped", "NotApplied"),
        (work::Applied::TooLarge, Status::False, "Stopped", "NotApplied"),
        (work::Applied::Pending, Status::False, "Progressing", "Healthy"),
    ];
    for (reason, status, progressing, degraded) in cases {
        let overall = Aspect::new(reason, "why\nthis");
        let states = [state(0, Applied::Applied, Available::Progressing)];
        let told = compose(3, &states, Some(&overall), None, at(0));
        let applied = of(&told.conditions, "Applied");
        assert_eq!(
            (applied.reason.as_str(), applied.status, applied.message.as_str()),
            (reason.as_str(), status, r"why\nthis")
        );
        assert_eq!(of(&told.conditions, "Progressing").reason, progressing);
        assert_eq!(of(&told.conditions, "Degraded").reason, degraded);
        assert_eq!(of(&told.conditions, "Available").reason, "Unavailable");
        let nothing = compose(3, &[], Some(&overall), None, at(0));
        assert_eq!(of(&nothing.conditions, "Available").status, Status::Unknown);
    }
}

#[test]
fn generations_are_those_of_the_work_and_of_the_object() {
    let mut list = good(2);
    list[0].1.observed_generation = 7;
    list[1].1.observed_generation = 0;
    let status = told(&list);
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    for (entry, generation) in status.manifest_conditions.iter().zip([Some(7), None]) {
        assert!(entry.conditions.iter().all(|condition| condition.observed_generation == generation));
    }
}

#[test]
fn a_time_moves_with_the_status_alone() {
    let first = told(&states(&[(Applied::Pending, Available::Missing); 2]));
    let mut next =
        states(&[(Applied::Forbidden, Available::Missing), (Applied::Applied, Available::Unknown)]);
    next[0].1.applied.message = "other".into();
    next[0].1.observed_generation = 9;
    let second = compose(4, &next, None, Some(&Told::read(&first)), at(60));
    let time = |conditions: &[Condition], kind| of(conditions, kind).last_transition_time.timestamp();
    assert_eq!(time(&second.conditions, "Applied"), at(0));
    assert_eq!(time(&second.conditions, "Degraded"), at(60));
    assert_eq!(time(&second.manifest_conditions[0].conditions, "Applied"), at(0));
    assert_eq!(time(&second.manifest_conditions[1].conditions, "Applied"), at(60));
    assert_eq!(time(&second.manifest_conditions[1].conditions, "Available"), at(60));
}

#[test]
fn a_manifest_that_moved_in_the_list_is_known_again() {
    // Every other one has its status from another time.
    let mut list = good(10);
    for (_, state) in list.iter_mut().step_by(2) {
        state.applied.reason = Applied::Pending;
    }
    let first = Told::read(&told(&list));
    let second = Told::read(&compose(3, &good(10), None, Some(&first), at(60)));
    for by in [-1, 1, 5] {
        let mut moved = good(10);
        for (identifier, _) in &mut moved {
            identifier.ordinal += by;
            identifier.version = "v2".into();
        }
        moved.extend((100..110).map(|ordinal| state(ordinal, Applied::Applied, Available::Available)));
        let third = compose(4, &moved, None, Some(&second), at(90));
        for (place, entry) in third.manifest_conditions.iter().enumerate() {
            let expected = if place >= 10 {
                at(90)
            } else if place % 2 == 0 {
                at(60)
            } else {
                at(0)
            };
            assert_eq!(entry.conditions[0].last_transition_time.timestamp(), expected, "{by} {place}");
        }
    }
}

#[test]
fn manifests_without_a_name_are_known_by_their_place() {
    let mut nameless = good(2);
    for (identifier, _) in &mut nameless {
        *identifier = ResourceIdentifier { ordinal: identifier.ordinal, ..ResourceIdentifier::default() };
    }
    nameless[1].1.applied.reason = Applied::InvalidManifest;
    let first = told(&nameless);
    nameless[0].1.applied.reason = Applied::InvalidManifest;
    let second = compose(3, &nameless, None, Some(&Told::read(&first)), at(60));
    let time =
        |place: usize| second.manifest_conditions[place].conditions[0].last_transition_time.timestamp();
    assert_eq!((time(0), time(1)), (at(60), at(0)));
    nameless[1].0.ordinal = 5;
    let third = compose(3, &nameless, None, Some(&Told::read(&second)), at(90));
    let time = |place: usize| third.manifest_conditions[place].conditions[0].last_transition_time.timestamp();
    assert_eq!((time(0), time(1)), (at(60), at(90)), "at another place it may be any");
}

#[test]
fn what_the_directory_shows_is_known_again_and_any_change_is_seen() {
    let mut list = good(2);
    list[0].1.feedback = Some(r#"{"a":1}"#.into());
    let status = told(&list);
    let told = Told::read(&serde_json::from_str(&serde_json::to_string(&status).unwrap()).unwrap());
    assert!(same(&compose(3, &list, None, Some(&told), at(60)), &told));
    let edits: [fn(&mut WorkStatus); 8] = [
        |status| status.conditions[0].message.push('x'),
        |status| status.conditions[0].reason.push('x'),
        |status| status.conditions[0].observed_generation = Some(4),
        |status| status.conditions[0].last_transition_time = at(1).into(),
        |status| status.manifest_conditions[1].conditions[1].status = Status::Unknown,
        |status| status.manifest_conditions[1].identifier.version = "v2".into(),
        |status| drop(status.manifest_conditions.pop()),
        |status| status.manifest_conditions.swap(0, 1),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut edited = status.clone();
        edit(&mut edited);
        assert!(!same(&edited, &told), "edit {number} went unseen");
        assert!(!same(&status, &Told::read(&edited)), "edit {number} went unseen");
    }
}
