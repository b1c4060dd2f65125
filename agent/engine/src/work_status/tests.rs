use muster_api::Status;
use muster_api::conditions::manifest::{Applied, Available};
use muster_api::work::ManifestCondition;

use super::*;

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

#[test]
fn feedback_is_told_whole_or_not_at_all() {
    let mut states = good(1);
    for (length, reason, status) in [(510, "Read", Status::True), (511, "TooLarge", Status::False)] {
        let values = format!("\"{}\"", "x".repeat(length));
        states[0].1.feedback = Some(values.clone().into());
        let told = told(&states);
        let feedback = of(&told.manifest_conditions[0].conditions, "Feedback");
        assert_eq!((feedback.reason.as_str(), feedback.status), (reason, status));
        assert_eq!(feedback.message == values, status == Status::True);
    }
}

#[test]
fn messages_of_what_is_good_go_first_and_what_is_healthy_before_what_is_not() {
    let long = |count: i64, length: usize| {
        let mut states = good(count);
        for (ordinal, (_, state)) in states.iter_mut().enumerate() {
            state.available.message = "g".repeat(length).into();
            state.applied.message = "b".repeat(length).into();
            if ordinal % 2 == 0 {
                state.applied.reason = Applied::Rejected;
            }
        }
        states
    };
    let longest = |status: &WorkStatus, kind: &str, letter: char| {
        let entries = status.manifest_conditions.iter();
        let messages = entries.map(|entry| of(&entry.conditions, kind).message.matches(letter).count());
        messages.max().unwrap_or(0)
    };
    let expected = [(10, 10, 500, 500), (40, 40, 0, 500), (54, 54, 0, 125), (70, 70, 0, 45)];
    for (count, listed, available, applied) in expected {
        let status = told(&long(count, 500));
        check(&status);
        let seen = (
            status.manifest_conditions.len(),
            longest(&status, "Available", 'g'),
            longest(&status, "Applied", 'b'),
        );
        assert_eq!(seen, (listed, available, applied), "{count} manifests");
    }
    let status = told(&long(150, 500));
    check(&status);
    let (bad, fine): (Vec<_>, Vec<_>) = status
        .manifest_conditions
        .iter()
        .partition(|entry| of(&entry.conditions, "Applied").status != Status::True);
    assert!(bad.len() == 75 || fine.is_empty(), "{} of what is wrong, {} healthy", bad.len(), fine.len());
    let ordinals =
        |list: &[&ManifestCondition]| list.iter().map(|entry| entry.identifier.ordinal).collect::<Vec<_>>();
    assert_eq!(
        ordinals(&bad),
        (0..bad.len()).map(|place| i64::try_from(place).unwrap() * 2).collect::<Vec<_>>()
    );
    assert_eq!(
        ordinals(&fine),
        (0..fine.len()).map(|place| i64::try_from(place).unwrap() * 2 + 1).collect::<Vec<_>>()
    );
}

#[test]
fn large_works_fit_and_say_what_is_not_listed() {
    for count in [500, 5_000] {
        let mut list = good(count);
        list[400].1.applied = Aspect::new(Applied::Forbidden, "x".repeat(2_000));
        let status = told(&list);
        check(&status);
        let listed = status.manifest_conditions.len();
        assert!(listed > 50, "{listed}");
        assert!(
            status.manifest_conditions.iter().any(|entry| entry.identifier.ordinal == 400),
            "the one that is wrong"
        );
        let message = format!(
            "{} of {count} manifests are applied; 1 Forbidden; {} healthy manifests are not listed",
            count - 1,
            usize::try_from(count).unwrap() - listed
        );
        assert_eq!(of(&status.conditions, "Applied").message, message);
        let overall = Aspect::new(work::Applied::Suspended, "y".repeat(2_000));
        let status = compose(3, &list, Some(&overall), None, at(0));
        check(&status);
        let message = &of(&status.conditions, "Applied").message;
        assert!(message.contains("y…; ") && message.ends_with(" are not listed"), "{message}");
    }
    let mut list = good(5_000);
    for (_, state) in &mut list {
        state.applied.reason = Applied::Conflict;
    }
    let status = told(&list);
    check(&status);
    let message = &of(&status.conditions, "Applied").message;
    assert!(message.ends_with("other manifests are not listed"), "{message}");
}

#[test]
fn small_entries_fill_a_status_to_the_brim_and_not_beyond() {
    for length in 0..48 {
        let mut list = good(500);
        for (identifier, state) in &mut list {
            *identifier = ResourceIdentifier { ordinal: identifier.ordinal, ..ResourceIdentifier::default() };
            state.observed_generation = 0;
            state.applied = Aspect::new(Applied::Waiting, "x".repeat(length));
        }
        let status = told(&list);
        check(&status);
        assert!(bytes(&status) > LARGEST_STATUS - 512, "{} bytes", bytes(&status));
    }
}

/// A small generator of numbers: the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn text(&mut self, longest: usize) -> String {
        let letter = self.pick(&["x", "\"", "\\", "\n", "\u{0}", "ä", "\u{202e}", "𝄞", "\u{e0001}", "a b"]);
        let length = self.below(longest + 1);
        letter.repeat(length)
    }

    fn states(&mut self) -> Vec<State> {
        let count = self.pick(&[0, 1, 3, 20, 60, 100, 500]);
        let (name, message) = (self.pick(&[5, 60, 2_000]), self.pick(&[0, 50, 600, 3_000]));
        let is_mostly_good = self.below(2) == 0;
        let mut states = good(count);
        for (identifier, state) in &mut states {
            if !is_mostly_good || self.below(10) == 0 {
                state.applied.reason = self.pick(Applied::ALL);
                state.available.reason = self.pick(Available::ALL);
            }
            state.applied.message = self.text(message).into();
            state.available.message = self.text(message).into();
            state.feedback = (self.below(3) == 0).then(|| self.text(message).into());
            state.observed_generation = self.pick(&[0, 1, i64::MAX, -1]);
            identifier.name = self.text(name);
            identifier.namespace = self.text(name);
            identifier.kind = self.text(name);
        }
        states
    }
}

#[test]
fn any_states_fit_and_what_was_told_is_told_again() {
    for seed in 0..60 {
        let mut numbers = Numbers(seed);
        let states = numbers.states();
        let whole = Aspect::new(numbers.pick(work::Applied::ALL), numbers.text(3_000));
        let overall = Some(&whole).filter(|_| seed % 3 == 0);
        let first = compose(i64::MAX, &states, overall, None, at(0));
        check(&first);
        check_ends(&states, &first);
        let told = Told::read(&first);
        let again = compose(i64::MAX, &states, overall, Some(&told), at(86_400));
        assert_eq!(again, first, "seed {seed}");
        assert!(same(&again, &told), "seed {seed}");
        // From another status to this one, and then it stays.
        let next = compose(5, &numbers.states(), None, Some(&told), at(90_000));
        check(&next);
        let back = compose(i64::MAX, &states, overall, Some(&Told::read(&next)), at(95_000));
        check(&back);
        let stays = compose(i64::MAX, &states, overall, Some(&Told::read(&back)), at(99_000));
        assert_eq!(stays, back, "seed {seed}");
    }
}

#[test]
fn a_status_of_somebody_else_does_no_harm() {
    let mut other = told(&good(3));
    other.conditions.iter_mut().for_each(|condition| {
        condition.last_transition_time = Timestamp::MIN.into();
        condition.type_.push('x');
    });
    other.conditions.extend(told(&good(1)).conditions);
    other.manifest_conditions.iter_mut().for_each(|entry| {
        entry.identifier.ordinal = i64::MIN;
        entry
            .conditions
            .iter_mut()
            .for_each(|condition| condition.last_transition_time = Timestamp::MIN.into());
    });
    other.manifest_conditions.extend((0..5_000).map(|_| ManifestCondition::default()));
    let status = compose(3, &good(3), None, Some(&Told::read(&other)), at(5));
    check(&status);
    assert_eq!(status.manifest_conditions[0].conditions[0].last_transition_time.timestamp(), at(5));
    assert_eq!(of(&status.conditions, "Applied").last_transition_time.timestamp(), at(0));
}
