//! The replica's own entry, and whether the replica belongs to the directory still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::cluster::Deregistration;

use super::{Doing, Engine};
use crate::evidence::deregistration;
use crate::hold;
use crate::listing::Listing;
use crate::memory::{Departed, Memory};
use crate::pin::Pin;
use crate::plan::{Plan, Source, Step};
use crate::removals::QUIET;
use crate::time::{Now, backoff};

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The replica's own entry.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) listing: Listing,
    /// The entry, as the directory last showed it; `None` where it shows none.
    pub(crate) seen: Option<Seen>,
    /// That the entry was seen to go, and its UID. Absence alone says nothing of this.
    gone: Option<Gone>,
    /// The UID of the last one that this process saw go, and say that what Works made goes.
    heard: Option<String>,
}

/// The own entry as the directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) uid: String,
    pub(crate) deleting: bool,
    pub(crate) version: u64,
    pub(crate) labels: BTreeMap<String, String>,
    /// The holds that people release by it.
    pub(crate) releases: BTreeSet<String>,
}

#[derive(Debug)]
struct Gone {
    uid: String,
    /// What it said of the workloads when it was first seen to go. After that it is too late for more to go, and not for
    /// more to stay: that they stay is not unsaid any more. `None` where it said that they go, and may have been edited, or
    /// made anew and deleted again, unseen.
    said: Option<Deregistration>,
    asked: u32,
    due: Duration,
    under_way: bool,
}

impl Own {
    /// Whether it is known if there is an entry.
    pub(crate) fn is_known(&self) -> bool {
        self.listing.is_complete()
    }

    /// The directory shows the entry. Returns whether its labels are others than before. An older state of the same
    /// entry is not taken.
    pub(super) fn show(&mut self, object: &Object, now: Duration) -> bool {
        let seen = Seen {
            uid: object.meta.uid.clone(),
            deleting: object.meta.deletion_timestamp.is_some(),
            version: object.meta.resource_version.parse().unwrap_or(0),
            labels: object.meta.labels.clone(),
            releases: hold::words(&object.meta.annotations),
        };
        if self.seen.as_ref().is_some_and(|old| old.uid == seen.uid && seen.version < old.version) {
            return false;
        }
        if seen.deleting {
            self.goes(object, now);
        } else {
            self.gone = None; // it is there, whoever made it
        }
        let relabelled = self.seen.as_ref().is_none_or(|old| old.labels != seen.labels);
        self.seen = Some(seen);
        relabelled
    }

    /// The entry was seen to go: as it is shown, or was last.
    pub(super) fn goes(&mut self, object: &Object, now: Duration) {
        let (uid, says) = (&object.meta.uid, deregistration(object));
        if says == Deregistration::Delete {
            self.heard = Some(uid.clone());
        }
        match self.gone.as_mut().filter(|gone| gone.uid == *uid) {
            Some(gone) if gone.said.is_none() || says == Deregistration::Keep => gone.said = Some(says),
            Some(_) => {}
            None => {
                let uid = uid.clone();
                self.gone =
                    Some(Gone { uid, said: Some(says), asked: 0, due: now + QUIET, under_way: false });
            }
        }
    }

    /// When live reads are to confirm that it went.
    pub(super) fn due(&self) -> Option<Duration> {
        self.gone.as_ref().filter(|gone| !gone.under_way).map(|gone| gone.due)
    }

    /// What the entry of this UID said of the workloads when it was seen to go. Where that is not known, they stay.
    pub(super) fn said(&self, uid: Option<&str>) -> Deregistration {
        let gone = self.gone.as_ref().filter(|gone| Some(gone.uid.as_str()) == uid);
        gone.and_then(|gone| gone.said).unwrap_or(Deregistration::Keep)
    }

    /// Whether this process saw the entry of this UID go, and say that what Works made goes.
    pub(super) fn was_heard(&self, uid: Option<&str>) -> bool {
        uid.is_some() && self.heard.as_deref() == uid
    }

    /// The entry is out of sight: that what Works made goes counts where it is shown again, and says so still.
    pub(super) fn unheard(&mut self) {
        if let Some(gone) = &mut self.gone {
            gone.said = gone.said.filter(|said| *said == Deregistration::Keep);
        }
    }

    /// Whether a departure with the entry of this UID takes nothing of what Works made: another entry of the name came after
    /// it, whatever became of that one, or it said itself that they stay.
    pub(super) fn keeps(&self, uid: &str) -> bool {
        let other = self.seen.as_ref().is_some_and(|seen| seen.uid != uid);
        let keeps = |gone: &Gone| gone.uid != uid || gone.said == Some(Deregistration::Keep);
        other || self.gone.as_ref().is_some_and(keeps)
    }

    /// Whether the entry was last seen standing, whoever made it.
    pub(super) fn is_there(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| !seen.deleting)
    }

    /// What the directory showed before is void.
    pub(super) fn forget(&mut self) {
        *self = Self { heard: self.heard.take(), ..Self::default() };
    }

    pub(super) fn hurry(&mut self) {
        if let Some(gone) = self.gone.as_mut().filter(|gone| gone.asked > 0) {
            gone.due = Duration::ZERO;
        }
    }

    /// Live reads ended, and did not confirm it.
    pub(super) fn unconfirmed(&mut self, now: Duration, salt: u64) {
        if let Some(gone) = &mut self.gone {
            gone.under_way = false;
            gone.asked = gone.asked.saturating_add(1);
            gone.due = now + backoff(gone.asked, FIRST_WAIT, LONGEST_WAIT, salt);
        }
    }
}

impl Engine {
    /// What is to be remembered of belonging to the directory.
    pub(super) fn remember_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        if let Some(memory) = self.memory.as_ref().filter(|_| !self.is_remembering()) {
            match self.change_of(memory) {
                None => self.remembering.succeeded(),
                Some(_) if self.remembering.due(false, 0) > now.mono => {}
                Some(changed) => {
                    let step = Step::Remember(changed.clone());
                    plans.push(self.plan(Source::Engine, step, Doing::Remember(changed)));
                }
            }
        }
    }

    /// What is to be remembered of belonging to the directory, and what is to be asked before that.
    pub(super) fn own_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        self.remember_due(now, plans);
        let Some(session) = self.spoken() else { return };
        let pin = session.pin.clone();
        let recorded = self.own.gone.as_ref().is_some_and(|gone| pin.entry.as_ref() == Some(&gone.uid));
        if self.departure.is_some()
            || self.is_set_back()
            || !recorded
            || self.own.due().is_none_or(|due| due > now.mono)
        {
            return;
        }
        if let Some(gone) = &mut self.own.gone {
            gone.under_way = true;
        }
        let step = Step::Examine(crate::evidence::Examination {
            pin: pin.clone(),
            entries: Vec::new(),
            policies: Vec::new(),
            works: Vec::new(),
            leaving: false,
            beat: self.acknowledged(),
        });
        plans.push(self.plan(Source::Engine, step, Doing::ExamineOwn { pin }));
    }

    pub(super) fn is_remembering(&self) -> bool {
        self.plans.values().any(|doing| matches!(doing, Doing::Remember(_)))
    }

    /// When [`Self::remember_due`] has something to do.
    pub(super) fn remember_wake(&self) -> Option<Duration> {
        let waits = self.remembering.failures() > 0 && !self.is_remembering();
        waits.then(|| self.remembering.due(false, 0))
    }

    /// When [`Self::own_due`] has something to do.
    pub(super) fn own_wake(&self) -> Option<Duration> {
        self.remember_wake().into_iter().chain(self.own_asked()).min()
    }

    /// When live reads are to confirm that the own entry went.
    fn own_asked(&self) -> Option<Duration> {
        let pin = &self.spoken()?.pin;
        let recorded = self.own.gone.as_ref().is_some_and(|gone| pin.entry.as_ref() == Some(&gone.uid));
        if recorded && self.departure.is_none() && !self.is_set_back() { self.own.due() } else { None }
    }

    /// How what is remembered differs from what is so. A UID of the own entry that is not the recorded one is a
    /// registration anew: it is recorded, and nothing else follows from it, but that a replica that left is back. Where that
    /// one goes, too, the replica stays away, and what Works made is not for the earlier one to take any more; nor where that
    /// one says by now that it stays.
    fn change_of(&self, memory: &Memory) -> Option<Memory> {
        let leave = self.owner.is_some_and(|owner| owner.leave);
        // A watch may live on after its account: who comes back by an entry anew does so with a credential that is accepted.
        let barred = memory.departed.is_some() && self.state.is_rejected();
        let present =
            self.own.seen.as_ref().filter(|seen| self.session.is_some() && !seen.deleting && !barred);
        let departed = match &memory.departed {
            _ if leave => Some(Departed::OwnerLeft),
            // Before it is heard what the owner says by now, that is not known.
            Some(Departed::OwnerLeft) if self.owner.is_some() => None,
            Some(Departed::EntryDeleted(_) | Departed::EntryDeletedWithWorks(_)) if present.is_some() => None,
            Some(Departed::EntryDeletedWithWorks(uid)) if self.own.keeps(uid) => {
                Some(Departed::EntryDeleted(uid.clone()))
            }
            other => other.clone(),
        };
        let pin = match present {
            Some(seen) => Pin { entry: Some(seen.uid.clone()), ..memory.pin.clone() },
            None => memory.pin.clone(),
        };
        let (era, set_back) = self.era_to_keep(memory);
        let pin = Pin { era, ..pin };
        let same = (&pin, &departed, &set_back) == (&memory.pin, &memory.departed, &memory.set_back)
            && self.works.holds() == memory.holds;
        (!same).then(|| Memory { pin, departed, holds: self.works.holds().to_vec(), set_back })
    }
}
