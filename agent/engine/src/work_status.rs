//! The status of a Work as SIG-Multicluster has it, from the states of its manifests, and back: what the directory shows
//! is read again after a restart, so that nothing is written that is right already.
//!
//! ```text
//!  states of the manifests ─▶ Tally ─▶ conditions of the Work ─┐
//!                         └─▶ listing (what there is room for) ┴▶ WorkStatus ─▶ directory
//!  Told (statuses and their times) ◀── Told::read ◀──────────────────────────────────┘
//! ```

mod listing;
mod message;
mod tally;
mod told;

use jiff::Timestamp;
use muster_api::conditions::{Reason, manifest, work};
use muster_api::work::{ResourceIdentifier, WorkStatus};
use muster_api::{Condition, Time};

use listing::Listing;
use message::bounded;
use tally::Tally;

pub use message::LONGEST_MESSAGE;
pub use told::{Told, same};

/// Largest status, in bytes of JSON.
pub const LARGEST_STATUS: usize = 32 * 1024;
/// Room for what is added to a message about manifests that are not listed, in bytes.
const NOTE: usize = 128;

/// One aspect of a state: a reason of the list, from which the status follows, and details for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aspect<R> {
    /// The reason.
    pub reason: R,
    /// Details. They may be anything: they are escaped and cut when they are told.
    pub message: Box<str>,
}

impl<R: Reason> Aspect<R> {
    /// An aspect.
    pub fn new(reason: R, message: impl Into<Box<str>>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The state of one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// Whether it is applied.
    pub applied: Aspect<manifest::Applied>,
    /// Whether its object is there and ready.
    pub available: Aspect<manifest::Available>,
    /// The values that the Work asks for, as compact JSON; `None` where it asks for none.
    pub feedback: Option<Box<str>>,
    /// The generation of the applied object; 0 where it has none, or is not applied.
    pub observed_generation: i64,
}

/// The status to write. The same states and the same time make the same status, whatever was told; the times of last
/// transitions come from `before`, where the status of a condition is still the same. Manifests are known again by group,
/// kind, namespace and name, or where these are not known by ordinal; no two states may have one ordinal.
///
/// - `work_generation`: the generation of the Work that the states are about.
/// - `overall`: what holds for the Work as a whole, whatever the states are: it is the condition Applied then.
/// - `now`: the time of day.
///
/// The JSON of the status has at most [`LARGEST_STATUS`] bytes and each message [`LONGEST_MESSAGE`]. What does not fit
/// is left out, always in the same way: first messages of conditions that are True, then the ends of others, then
/// feedback, then healthy manifests from the end of the list, then all others from the end. The message of Applied
/// says how many manifests are not listed.
#[must_use]
pub fn compose(
    work_generation: i64,
    states: &[(ResourceIdentifier, ObjectState)],
    overall: Option<&Aspect<work::Applied>>,
    before: Option<&Told>,
    now: Timestamp,
) -> WorkStatus {
    let tally = Tally::of(states.iter().map(|(_, state)| state));
    let (progressing, progress) = tally.progressing(overall);
    let (degraded, trouble) = tally.degraded(overall);
    let (available, readiness) = tally.available(overall);
    let (applied, message) = match overall {
        Some(overall) => (overall.reason, overall.message.to_string()),
        None => tally.applied(),
    };
    let teller = Teller { generation: work_generation, before, now };
    let mut conditions = vec![
        teller.tell(applied, &message),
        teller.tell(available, &readiness),
        teller.tell(progressing, &progress),
        teller.tell(degraded, &trouble),
    ];
    let whole = WorkStatus { conditions: conditions.clone(), manifest_conditions: Vec::new() };
    let room = LARGEST_STATUS.saturating_sub(listing::size(&whole) + NOTE);
    let Listing { entries, healthy_left_out, others_left_out } = listing::list(states, before, now, room);
    if let (Some(note), Some(applied)) = (note(healthy_left_out, others_left_out), conditions.first_mut()) {
        applied.message = bounded(&message, LONGEST_MESSAGE - NOTE) + &note;
    }
    WorkStatus { conditions, manifest_conditions: entries }
}

/// Says more in the condition Applied, as far as there is room for it.
pub fn add(status: &mut WorkStatus, more: &str) {
    if let Some(applied) = status.conditions.first_mut() {
        applied.message = bounded(&format!("{}; {more}", applied.message), LONGEST_MESSAGE);
    }
}

/// What is said of readiness is said of this generation.
pub fn date(status: &mut WorkStatus, generation: i64) {
    let readiness = status.conditions.iter_mut().filter(|told| told.type_ == work::Available::TYPE);
    readiness
        .for_each(|told| told.observed_generation = Some(generation).filter(|generation| *generation > 0));
}

/// What is said of manifests that are not listed.
fn note(healthy: usize, others: usize) -> Option<String> {
    match (healthy, others) {
        (0, 0) => None,
        (_, 0) => Some(format!("; {healthy} healthy manifests are not listed")),
        (0, _) => Some(format!("; {others} other manifests are not listed")),
        _ => Some(format!("; {healthy} healthy and {others} other manifests are not listed")),
    }
}

/// Makes the conditions of the Work.
struct Teller<'a> {
    generation: i64,
    before: Option<&'a Told>,
    now: Timestamp,
}

impl Teller<'_> {
    fn tell<R: Reason>(&self, reason: R, message: &str) -> Condition {
        let since = self.before.and_then(|told| told.work(R::TYPE, reason.explanation().status));
        condition(reason, bounded(message, LONGEST_MESSAGE), self.generation, since, self.now)
    }
}

/// A condition that holds since then, or since now.
fn condition<R: Reason>(
    reason: R,
    message: String,
    generation: i64,
    since: Option<Time>,
    now: Timestamp,
) -> Condition {
    let mut condition = Condition::new(reason, message, since.unwrap_or_else(|| now.into()));
    condition.observed_generation = Some(generation).filter(|generation| *generation > 0);
    condition
}

#[cfg(test)]
mod tests;
