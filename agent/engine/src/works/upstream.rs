//! What is written of a Work in the directory, its finalizer and its status, and whether somebody keeps undoing it.

use std::time::Duration;

use super::Works;
use crate::event::StepOutcome;
use crate::failure::Failure;
use crate::pace::Pace;
use crate::time::salt;

/// Failures in a row after which what the directory shows of a Work is no reason to try at once.
const HURRIED: u32 = 5;

/// What is under way about the Work in the directory.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    pub(super) busy: bool,
    pub(super) failure: Option<(Failure, String)>,
    pub(super) pace: Pace,
    pub(super) quarrel: Quarrel,
    /// Whether the finalizer was set, and what the last status said.
    pub(super) finalized: bool,
    pub(super) said: Option<u64>,
}

impl Upstream {
    /// When the next write may be tried. `again`: of what somebody else undid.
    pub(super) fn due(&self, again: bool, salt: u64) -> Duration {
        self.pace.due(false, salt).max(self.quarrel.pace.due(again, salt))
    }

    /// The directory shows the Work as it is by now: what was refused for that is tried at once, unless somebody keeps
    /// changing it faster than it can be written.
    pub(super) fn hurry(&mut self) {
        if self.pace.failures() <= HURRIED {
            self.pace.hurry();
        }
    }

    /// Whether each attempt meets a change by somebody else.
    fn is_outrun(&self) -> bool {
        let conflict = self.failure.as_ref().is_some_and(|(failure, _)| *failure == Failure::Conflict);
        conflict && self.pace.failures() > HURRIED
    }
}

/// What somebody else keeps undoing of what is written of the Work: its finalizer, or its status.
#[derive(Debug, Default)]
pub(super) struct Quarrel {
    pub(super) pace: Pace,
    /// Whether such a thing is undone right now, and is put right later.
    pub(super) undone: bool,
    /// Whether people are told.
    pub(super) told: bool,
}

impl Works {
    /// A Work was written in the directory: its finalizers, or its status.
    pub(super) fn written_upstream(
        &mut self,
        work: &str,
        finalizers: bool,
        outcome: StepOutcome,
        now: Duration,
    ) {
        let era = self.era();
        let Some(bundle) = self.bundles.get_mut(work) else { return };
        bundle.upstream.busy = false;
        self.turns.push(work);
        match outcome {
            StepOutcome::Written(object) => {
                bundle.upstream.failure = None;
                bundle.upstream.pace.succeeded();
                // Where the watch was faster, it may have told already that it is gone.
                if bundle.lost.is_none() {
                    bundle.show(&object, era);
                }
            }
            outcome => {
                // Whoever tries again puts nothing right that somebody else undid.
                if finalizers {
                    bundle.upstream.finalized = false;
                } else {
                    bundle.upstream.said = None;
                }
                bundle.upstream.failure = match outcome {
                    StepOutcome::Failed(failure, message) => Some((failure, message)),
                    _ => None, // it is gone: the watch says how it went
                };
                bundle.upstream.pace.failed(now, salt(work));
                let due = bundle.upstream.pace.due(false, salt(work));
                self.later(due, work);
            }
        }
    }

    /// Somebody else undid what was written of a Work in the directory, and it is put right later.
    pub(super) fn undone(&mut self, uid: &str, again: bool) {
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.upstream.quarrel.undone |= again;
        }
    }

    /// Remembers whether somebody keeps doing that, or changes the Work whenever it is to be written. It is over when what
    /// was put right has stayed so, and what is to be said was written.
    pub(super) fn note_quarrel(&mut self, uid: &str, now: Duration) {
        let Some(bundle) = self.bundles.get_mut(uid) else { return };
        let outrun = bundle.upstream.is_outrun();
        let Quarrel { pace, undone, told } = &mut bundle.upstream.quarrel;
        if std::mem::take(undone) {
            pace.disturbed(now);
        } else {
            pace.succeeded();
        }
        let (fought, calm) = (pace.is_fought(now), pace.calm());
        *told = fought || outrun;
        if fought && calm > now {
            self.later(calm, uid);
        }
    }
}
