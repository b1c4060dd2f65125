//! Whether the directory was set back to an earlier state, and what follows from that.

use muster_api::conditions::{DirectoryReachable, Held};
use muster_api::marks;

use super::Engine;
use crate::era::{Beat, Era, SetBack};
use crate::event::{Heartbeat, Problem};
use crate::evidence::{self, Departure};
use crate::failure::Failure;
use crate::memory::{Departed, Memory};
use crate::time::Now;

/// Whether the owner of the replica had it leave, and not the directory.
fn by_owner(departure: &Departure) -> bool {
    *departure.why() == Departed::OwnerLeft
}

impl Engine {
    /// The era of the directory. One that is about to be kept durably has begun.
    pub(super) fn era(&self, memory: Option<&Memory>) -> Era {
        let number = memory.map_or(0, |memory| memory.pin.era) + u32::from(self.set_back.is_some());
        Era {
            number,
            doubted: self.set_back.is_some() || memory.is_some_and(|memory| memory.set_back.is_some()),
        }
    }

    /// The number of that era, as this process counts: in each the directory is listed anew, and so it is where another one
    /// spoke meanwhile.
    #[must_use]
    pub fn era_number(&self) -> u32 {
        self.era(self.memory.as_ref()).number + self.voice.turns()
    }

    /// Whether the directory was set back, and nobody said yet what is to become of that.
    pub(super) fn is_set_back(&self) -> bool {
        self.era(self.memory.as_ref()).doubted
    }

    /// Whether it is still to be seen if the directory was set back while no process looked: what was recorded before waits.
    pub(super) fn is_unsure(&self) -> bool {
        self.acknowledged().is_some() && !self.compared
    }

    /// The last heartbeat that the directory of the session acknowledged; `None` where none is known.
    pub(super) fn acknowledged(&self) -> Option<Beat> {
        let directory = &self.session.as_ref()?.pin.directory;
        self.beat.clone().filter(|beat| beat.directory == *directory)
    }

    /// Whether nothing is deleted, whatever was found to go before: the directory was set back, or speaks with another one. What
    /// goes by the word of the replica's owner is no matter of the directory's.
    #[must_use]
    pub fn spares(&self) -> bool {
        (self.is_set_back() || self.is_silent()) && !self.departure.as_ref().is_some_and(by_owner)
    }

    /// Whether nothing is to be done: the replica left the directory, as that said, and it may never have said so by now.
    pub(super) fn rests(&self) -> bool {
        let by_entry = self.departure.as_ref().is_some_and(|departure| !by_owner(departure));
        let meant_for_another = by_entry && self.is_silent();
        meant_for_another || by_entry && (self.is_set_back() || self.is_unsure())
    }

    /// The last heartbeat that the directory acknowledged. An earlier one that its Lease shows is evidence that it was set
    /// back; where none is known, no renewal of the Lease takes that evidence away.
    #[must_use]
    pub fn beat(&self) -> Option<&Beat> {
        self.beat.as_ref()
    }

    /// What became of a heartbeat.
    pub(super) fn beaten(&mut self, outcome: Heartbeat, now: Now) {
        self.heed_voice(&outcome);
        self.word_disputed(&outcome, now.mono);
        // One that was not sent shows it all the same where the Lease was read, and one that is not there shows nothing ever:
        // it goes with an entry, and then nobody may ask for it.
        let compared = match &outcome {
            Heartbeat::Renewed(_) | Heartbeat::SetBack { .. } => true,
            Heartbeat::Failed { failure: Failure::Forbidden, .. } => self.departure.is_some(),
            Heartbeat::Failed { failure, .. } => matches!(failure, Failure::Conflict | Failure::Absent),
        };
        if compared && !self.compared {
            self.compared = true;
            self.policies.stir_all();
            self.works.stir_all();
        }
        match &outcome {
            Heartbeat::Renewed(beat) => self.beat = Some(beat.clone()),
            // What is kept by now is no news.
            Heartbeat::SetBack { shown, acknowledged } if self.beat.as_ref() == Some(acknowledged) => {
                self.turn_back(evidence::set_back(shown, acknowledged), now);
            }
            Heartbeat::SetBack { .. } | Heartbeat::Failed { .. } => {}
        }
        self.state.heartbeat(outcome);
    }

    /// The directory was set back: nothing that it says is evidence that something is to go, and what it showed before is
    /// void. That is kept before the own Lease is renewed again: the next process would find nothing out of order.
    pub(super) fn turn_back(&mut self, why: String, now: Now) {
        let Some(memory) = &self.memory else { return };
        if memory.set_back.as_ref().is_some_and(|kept| kept.why == why) {
            self.beat = None; // kept by a process that could not say so any more
        } else if self.set_back.is_none() {
            self.set_back = Some(SetBack::new(why, now.wall));
            self.begin_era();
        }
    }

    /// What is to be kept of it, and under which number of the era.
    pub(super) fn era_to_keep(&self, memory: &Memory) -> (u32, Option<SetBack>) {
        let era = memory.pin.era;
        match (&self.set_back, &memory.set_back) {
            (Some(now), _) => (era + 1, Some(now.clone())),
            (None, Some(before)) if self.words().contains(&before.id) => (era + 1, None),
            (None, before) => (era, before.clone()),
        }
    }

    /// This is durably kept now.
    pub(super) fn enter(&mut self, memory: &Memory) {
        let before = self.memory.as_ref();
        let later = before.is_some_and(|before| before.pin.era < memory.pin.era);
        if later && self.set_back.is_some() && self.set_back == memory.set_back {
            (self.set_back, self.beat) = (None, None);
        }
        let era = self.era(Some(memory));
        if self.home.as_ref().is_some_and(|home| home.era != era) {
            self.memory = Some(memory.clone());
            self.begin_era();
        }
    }

    fn begin_era(&mut self) {
        let era = self.era(self.memory.as_ref());
        let Some(home) = self.home.as_mut().filter(|home| home.era != era) else { return };
        home.era = era;
        self.settle_in();
        self.own.forget();
        self.leaving.ended();
        self.works.end_leaving();
        self.mirror.forget_shown();
        self.hurry();
        self.mirror.touch_all();
    }

    // === what people are told ===

    /// What waits for their word.
    pub(super) fn set_back_waits(&self) -> Option<&SetBack> {
        let kept = self.memory.as_ref().and_then(|memory| memory.set_back.as_ref());
        self.set_back.as_ref().or(kept)
    }

    /// The directory can be reached, and is not what it was.
    pub(super) fn set_back_told(
        &self,
        directory: Option<Problem<DirectoryReachable>>,
    ) -> Option<Problem<DirectoryReachable>> {
        match (self.set_back_waits(), directory) {
            (Some(set_back), Some(Problem { reason: DirectoryReachable::Reachable, message })) => {
                let message = format!(
                    "{message}, was set back to an earlier state: {}; nothing is deleted until somebody says that this \
                     state is to be followed, by {}={} on the Cluster entry, or on the report here",
                    set_back.why,
                    marks::RELEASE,
                    set_back.id
                );
                Some(Problem { reason: DirectoryReachable::RolledBack, message })
            }
            (_, directory) => directory,
        }
    }

    /// The same, as a deletion that waits.
    pub(super) fn set_back_held(&self) -> Option<(Held, String)> {
        let SetBack { id, why, .. } = self.set_back_waits()?;
        let what = "all that is to go, since the directory was set back to an earlier state";
        Some((Held::RolledBack, format!("{id}: {what}: {why}")))
    }
}
