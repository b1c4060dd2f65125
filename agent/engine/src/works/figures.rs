//! What is counted: how many Works are in which state, what came of steps, and how many of them were tried for the time
//! alone.

use std::collections::BTreeMap;

use super::Works;
use super::bundle::{Bundle, Why};
use super::due::Task;
use super::objects::State;
use crate::event::StepOutcome;
use crate::live::Live;
use crate::refusal::Refusal;

/// How it stands with a Work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// All of it is applied.
    Applied,
    /// Something is still to be applied, and nothing stands in the way.
    Pending,
    /// Something is not applied, and will not be unless somebody acts.
    Failing,
    /// Something that is not wanted any more is kept until somebody allows that it goes.
    Held,
    /// It is suspended, or only planned.
    Suspended,
    /// It goes, and what it made goes first.
    Deleting,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Applied, Self::Pending, Self::Failing, Self::Held, Self::Suspended, Self::Deleting];

    /// Stable name, for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Failing => "failing",
            Self::Held => "held",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
        }
    }
}

/// What was counted since this engine began. All names are stable and few: they label metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Steps that were tried since a timer fired, and not since something changed, by what they had met before. What the
    /// brake of a fight held back answers to a change, and so do the few attempts within seconds of one.
    pub timers: BTreeMap<&'static str, u64>,
    /// Steps that ended, by what was done and what came of it.
    pub steps: BTreeMap<(&'static str, &'static str), u64>,
}

/// How many Works stand how.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) counted: Counted,
    standings: BTreeMap<String, Standing>,
    counts: BTreeMap<Standing, usize>,
}

impl Works {
    /// What was counted since this engine began.
    #[must_use]
    pub fn counted(&self) -> &Counted {
        &self.figures.counted
    }

    /// How many Works stand so.
    #[must_use]
    pub fn standing(&self, standing: Standing) -> usize {
        self.figures.counts.get(&standing).copied().unwrap_or(0)
    }

    /// A step begins: it is counted where only a timer made it due.
    pub(super) fn count_begun(&mut self, task: &Task) {
        if let Some(category) = self.timed(task) {
            *self.figures.counted.timers.entry(category).or_default() += 1;
        }
    }

    /// A step ended.
    pub(super) fn count_ended(&mut self, task: &Task, outcome: &StepOutcome) {
        let result = match outcome {
            StepOutcome::Failed(failure, message) => Refusal::of(*failure, message).as_str(),
            // Something is there that was not written.
            StepOutcome::Present(_) if matches!(task, Task::Write { .. }) => Refusal::Conflict.as_str(),
            _ => "ok",
        };
        *self.figures.counted.steps.entry((task.as_str(), result)).or_default() += 1;
    }

    fn timed(&self, task: &Task) -> Option<&'static str> {
        let met = |slot: &Live| {
            let failure = slot.failure.as_ref();
            failure.map_or("conflict", |(failure, message)| Refusal::of(*failure, message).as_str())
        };
        let bundle = |work: &String| self.bundles.get(work);
        match task {
            Task::Write { target, .. } => {
                self.slots.get(target).filter(|slot| slot.pace.is_retry()).map(|slot| met(slot))
            }
            Task::Clear { target, .. } => {
                self.slots.get(target).filter(|slot| slot.clearing.is_retry()).map(|slot| met(slot))
            }
            Task::Ledger { work } => bundle(work).filter(|it| it.keeper.is_retry()).map(|_| "ledger"),
            // These change nothing.
            Task::See { .. } | Task::Look { .. } | Task::Rehearse { .. } => None,
            Task::Values { work } => bundle(work).filter(|it| it.safe.is_retry()).map(|_| "ledger"),
            Task::Recall { work } => bundle(work).filter(|it| it.reading_pace.is_retry()).map(|_| "ledger"),
            Task::Finalize { work } | Task::Report { work } => {
                bundle(work).filter(|it| it.upstream.pace.is_retry()).map(|_| "directory")
            }
            Task::Discover(version) => self.catalog.is_retry(version).then_some("kind"),
        }
    }

    /// Remembers how it stands with a Work.
    pub(super) fn note_standing(&mut self, uid: &str) {
        let standing = self.bundles.get(uid).map(|bundle| self.stands(bundle));
        self.figures.stand(uid, standing);
    }

    fn stands(&self, bundle: &Bundle) -> Standing {
        let Some(brief) = bundle.ledger() else {
            let refused = bundle.error.is_some() || bundle.keeper.failure().is_some();
            return match bundle.is_only_planned() {
                _ if refused => Standing::Failing,
                true => Standing::Suspended,
                false => Standing::Pending,
            };
        };
        if self.held(bundle, brief).is_some() {
            return Standing::Held;
        }
        if bundle.is_deleting() {
            return Standing::Deleting;
        }
        if bundle.error.is_some() || bundle.keeper.failure().is_some() {
            return Standing::Failing;
        }
        if bundle.is_suspended() {
            return Standing::Suspended;
        }
        let flawed = bundle.flaws.iter().any(|flawed| !matches!(flawed.why, Why::Undiscovered(_)));
        if flawed || bundle.states.values().any(is_stuck) {
            return Standing::Failing;
        }
        let whole = bundle.flaws.is_empty() && bundle.states.is_empty() && bundle.demand.is_none();
        if whole { Standing::Applied } else { Standing::Pending }
    }
}

/// Whether an object stays so until somebody acts.
fn is_stuck(state: &State) -> bool {
    match state {
        State::Failed(failure, message, _) => {
            let refusal = Refusal::of(*failure, message);
            !matches!(refusal, Refusal::Passing | Refusal::Terminating | Refusal::NoNamespace)
        }
        State::ValuesLost
        | State::Conflict(_)
        | State::Drifted
        | State::Differs(_)
        | State::LetGo
        | State::Fought { .. } => true,
        _ => false,
    }
}

impl Figures {
    fn stand(&mut self, uid: &str, standing: Option<Standing>) {
        let before = match standing {
            Some(standing) => {
                *self.counts.entry(standing).or_default() += 1;
                self.standings.insert(uid.to_owned(), standing)
            }
            None => self.standings.remove(uid),
        };
        if let Some(number) = before.and_then(|before| self.counts.get_mut(&before)) {
            *number -= 1;
        }
    }
}

impl Task {
    /// Stable name of what is done, for metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::Clear { .. } => "clear",
            Self::Ledger { .. } => "ledger",
            Self::See { .. } => "see",
            Self::Look { .. } => "look",
            Self::Rehearse { .. } => "rehearse",
            Self::Values { .. } => "values",
            Self::Recall { .. } => "recall",
            Self::Finalize { .. } => "finalize",
            Self::Report { .. } => "report",
            Self::Discover(_) => "discover",
        }
    }
}
