//! The manifests that a status lists: all of them where there is room, else what fits, chosen in one fixed way.

use std::io;

use jiff::Timestamp;
use muster_api::conditions::{Reason, manifest};
use muster_api::work::{ManifestCondition, ResourceIdentifier};
use muster_api::{Condition, Status};
use serde::Serialize;

use super::message::{LONGEST_MESSAGE, bounded};
use super::told::Told;
use super::{Aspect, ObjectState, condition};

/// Longest part of an identifier, in bytes. What Kubernetes takes is not longer, but a manifest can say anything.
const LONGEST_NAME: usize = 253;

/// How many bytes messages may have.
#[derive(Clone, Copy)]
struct Room {
    /// Those of conditions that are True.
    good: usize,
    /// Feedback. It is JSON: it is there whole or not at all.
    feedback: usize,
    /// Those of others.
    bad: usize,
}

/// From all that there is to what has to do. The first with which all manifests fit is taken, else the last.
const ROOMS: [Room; 5] = [
    Room { good: LONGEST_MESSAGE, feedback: LONGEST_MESSAGE, bad: LONGEST_MESSAGE },
    Room { good: 0, feedback: LONGEST_MESSAGE, bad: LONGEST_MESSAGE },
    Room { good: 0, feedback: LONGEST_MESSAGE, bad: 128 },
    Room { good: 0, feedback: 64, bad: 128 },
    Room { good: 0, feedback: 0, bad: 48 },
];

/// What is listed.
pub(super) struct Listing {
    /// The entries, in the order of the manifests.
    pub(super) entries: Vec<ManifestCondition>,
    /// How many healthy manifests are not listed.
    pub(super) healthy_left_out: usize,
    /// How many others.
    pub(super) others_left_out: usize,
}

/// Lists the states in so many bytes of JSON.
pub(super) fn list(
    states: &[(ResourceIdentifier, ObjectState)],
    before: Option<&Told>,
    now: Timestamp,
    space: usize,
) -> Listing {
    let mut listing = Listing { entries: Vec::new(), healthy_left_out: 0, others_left_out: 0 };
    for room in ROOMS {
        listing = Lister { before, now, room, space }.list(states);
        if listing.healthy_left_out + listing.others_left_out == 0 {
            break;
        }
    }
    listing
}

struct Lister<'a> {
    before: Option<&'a Told>,
    now: Timestamp,
    room: Room,
    space: usize,
}

// === impl Lister ===

impl Lister<'_> {
    /// The first that is left out ends the list of its sort: what is left out is always the end. It also bounds the work.
    fn list(mut self, states: &[(ResourceIdentifier, ObjectState)]) -> Listing {
        let (mut entries, mut left_out) = (Vec::new(), [0, 0]);
        for (left_out, healthy) in left_out.iter_mut().zip([false, true]) {
            let sort = states.iter().enumerate().filter(|(_, (_, state))| is_healthy(state) == healthy);
            for (place, (identifier, state)) in sort {
                if *left_out == 0 {
                    let entry = self.entry(identifier, state);
                    let size = size(&entry) + 1; // and a comma
                    if size <= self.space {
                        self.space -= size;
                        entries.push((place, entry));
                        continue;
                    }
                }
                *left_out += 1;
            }
            if *left_out > 0 {
                self.space = 0; // where there is no room for what is wrong, there is none for what is right
            }
        }
        entries.sort_by_key(|(place, _)| *place);
        let [others_left_out, healthy_left_out] = left_out;
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        Listing { entries, healthy_left_out, others_left_out }
    }

    fn entry(&self, identifier: &ResourceIdentifier, state: &ObjectState) -> ManifestCondition {
        let identifier = clean(identifier);
        let mut conditions = vec![
            self.tell(&identifier, &state.applied, state.observed_generation),
            self.tell(&identifier, &state.available, state.observed_generation),
        ];
        if let Some(values) = &state.feedback {
            let feedback = self.feedback(values);
            conditions.push(self.condition(
                &identifier,
                feedback.reason,
                feedback.message.into(),
                state.observed_generation,
            ));
        }
        ManifestCondition { identifier, conditions }
    }

    fn tell<R: Reason>(
        &self,
        identifier: &ResourceIdentifier,
        aspect: &Aspect<R>,
        generation: i64,
    ) -> Condition {
        let is_good = aspect.reason.explanation().status == Status::True;
        let limit = if is_good { self.room.good } else { self.room.bad };
        self.condition(identifier, aspect.reason, bounded(&aspect.message, limit), generation)
    }

    fn feedback(&self, values: &str) -> Aspect<manifest::Feedback> {
        let limit = self.room.feedback;
        // One more byte shows whether it fits.
        let text = bounded(values, limit + 1);
        if text.len() <= limit && limit > 0 {
            Aspect::new(manifest::Feedback::Read, text)
        } else {
            Aspect::new(
                manifest::Feedback::TooLarge,
                format!("{} bytes, and there is room for {limit}", values.len()),
            )
        }
    }

    fn condition<R: Reason>(
        &self,
        identifier: &ResourceIdentifier,
        reason: R,
        message: String,
        generation: i64,
    ) -> Condition {
        let status = reason.explanation().status;
        let since = self.before.and_then(|told| told.manifest(identifier, R::TYPE, status));
        condition(reason, message, generation, since, self.now)
    }
}

fn is_healthy(state: &ObjectState) -> bool {
    let statuses = [state.applied.reason.explanation().status, state.available.reason.explanation().status];
    statuses == [Status::True; 2]
}

fn clean(identifier: &ResourceIdentifier) -> ResourceIdentifier {
    let clean = |name: &str| bounded(name, LONGEST_NAME);
    ResourceIdentifier {
        ordinal: identifier.ordinal,
        group: clean(&identifier.group),
        version: clean(&identifier.version),
        kind: clean(&identifier.kind),
        resource: clean(&identifier.resource),
        namespace: clean(&identifier.namespace),
        name: clean(&identifier.name),
    }
}

/// Bytes of a value as JSON. What cannot be written fits nowhere.
pub(super) fn size(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).map_or(usize::MAX / 2, |()| count.0)
}
