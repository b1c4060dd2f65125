//! What is told fits, whatever there is to tell.

use super::*;

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
