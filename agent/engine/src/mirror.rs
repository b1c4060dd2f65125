//! The mirror as a whole: all names, which of them want attention, and which are in question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_api::Object;
use muster_api::resource::CLUSTERS;

use crate::entry::{Entry, EntryError, Held};
use crate::event::StepOutcome;
use crate::evidence::{Confirmed, Departure};
use crate::failure::Failure;
use crate::listing::Listing;
use crate::plan::{Cause, PlanId, Step};
use crate::removals::Removals;
use crate::scope::Scope;
use crate::slot::{Next, Slot};
use crate::target::Target;
use crate::time::salt;

/// The copies of the entries.
#[derive(Debug)]
pub struct Mirror {
    scope: Scope,
    /// The view of the entries in the directory.
    pub entries: Listing,
    /// The view of the Clusters in the replica.
    pub held: Listing,
    /// The names in question.
    pub removals: Removals,
    slots: BTreeMap<String, Slot>,
    touched: BTreeSet<String>,
    timers: BTreeSet<(Duration, String)>,
    unreadable: BTreeMap<String, EntryError>,
}

/// What a plan of the mirror is about.
#[derive(Debug)]
pub enum Work {
    /// The copy of an entry is written.
    Write {
        /// Name of both.
        name: String,
        /// Why.
        cause: Cause,
    },
    /// The copy of an entry is deleted.
    Delete {
        /// Name of both.
        name: String,
    },
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that are to be mirrored.
    pub entries: usize,
    /// Copies that are as they should be.
    pub in_step: usize,
    /// Names under which a Cluster stands that Muster did not make, though an entry is to be mirrored there.
    pub conflicts: usize,
    /// Clusters of the replica that are no copies and in nobody's way.
    pub others: usize,
    /// Copies of another directory's entries.
    pub strangers: usize,
    /// Copies that evidence did not confirm to be superfluous.
    pub unconfirmed: usize,
}

impl Mirror {
    /// An empty mirror.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            entries: Listing::default(),
            held: Listing::default(),
            removals: Removals::default(),
            slots: BTreeMap::new(),
            touched: BTreeSet::new(),
            timers: BTreeSet::new(),
            unreadable: BTreeMap::new(),
        }
    }

    /// Which entries are mirrored.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The directory shows an entry.
    pub fn show(&mut self, object: &Object) {
        let name = &object.meta.name;
        self.entries.show(name);
        match Entry::read(object) {
            Ok(Some(entry)) if self.scope.includes(entry.labels()) => {
                self.unreadable.remove(name);
                self.slot(name).show(entry);
            }
            Ok(_) => {
                self.unreadable.remove(name);
                self.lose(name);
            }
            // The entry is there, whatever it says: its copy stays as it is.
            Err(error) => drop(self.unreadable.insert(name.clone(), error)),
        }
    }

    /// What the directory showed before is void: its versions say nothing of what it shows from now on.
    pub fn forget_shown(&mut self) {
        self.entries = Listing::default();
        if self.scope == Scope::None {
            self.entries.not_needed();
        }
        self.slots.values_mut().for_each(Slot::forget_version);
    }

    /// The directory does not show an entry any more.
    pub fn lose(&mut self, name: &str) {
        self.unreadable.remove(name);
        self.slot(name).lost = true;
    }

    /// The listing of the directory is complete: what it did not show is lost.
    pub fn entries_complete(&mut self) {
        let shown = self.entries.completed();
        let lost: Vec<String> = self.slots.keys().filter(|name| !shown.contains(*name)).cloned().collect();
        for name in lost {
            self.lose(&name);
        }
    }

    /// The replica shows a Cluster; `listed`: in a listing, which is right whatever was known before.
    pub fn hold(&mut self, object: &Object, listed: bool) {
        let name = &object.meta.name;
        self.held.show(name);
        match Held::read(object) {
            Ok(held) => self.slot(name).hold(held, listed),
            Err(error) => drop(self.unreadable.insert(name.clone(), error)),
        }
    }

    /// The replica does not hold the object of this UID any more.
    pub fn miss(&mut self, name: &str, uid: &str) {
        self.slot(name).miss(uid);
    }

    /// The listing of the replica is complete: what it did not show is not there.
    pub fn held_complete(&mut self) {
        let shown = self.held.completed();
        let missed: Vec<(String, String)> = self
            .slots
            .iter()
            .filter(|(name, _)| !shown.contains(*name))
            .filter_map(|(name, slot)| Some((name.clone(), slot.held.as_ref()?.uid.clone())))
            .collect();
        for (name, uid) in missed {
            self.miss(&name, &uid);
        }
        self.touch_all();
    }

    /// Every name wants attention.
    pub fn touch_all(&mut self) {
        self.touched.extend(self.slots.keys().cloned());
    }

    /// What failed so is tried again at once: what it waited for may be there.
    pub fn hurry(&mut self, concerned: impl Fn(Failure) -> bool) {
        for (name, slot) in &mut self.slots {
            if slot.failure.as_ref().is_some_and(|(failure, _)| concerned(*failure)) {
                slot.hurry();
                self.touched.insert(name.clone());
            }
        }
    }

    /// These names want attention.
    pub fn touch(&mut self, names: Vec<String>) {
        self.touched.extend(names);
    }

    /// One name, which wants attention now.
    pub fn slot(&mut self, name: &str) -> &mut Slot {
        self.touched.insert(name.to_owned());
        self.slots.entry(name.to_owned()).or_default()
    }

    /// The writes that are due.
    pub fn writes(&mut self, directory: &str, now: Duration) -> Vec<(Work, Step)> {
        while let Some((due, _)) = self.timers.first()
            && *due <= now
        {
            self.touched.extend(self.timers.pop_first().map(|(_, name)| name));
        }
        let mut writes = Vec::new();
        for name in std::mem::take(&mut self.touched) {
            let Some(slot) = self.slots.get_mut(&name) else { continue };
            if slot.is_empty() {
                self.removals.set(&name, false, now);
                self.slots.remove(&name);
                continue;
            }
            slot.compare(directory);
            let known = self.entries.is_complete() && self.held.is_complete();
            self.removals.set(&name, known && slot.in_question(directory).is_some(), now);
            if !self.held.is_complete() {
                continue; // without the replica's view every entry looks as if its copy were missing
            }
            match slot.next(directory, now, salt(&name)) {
                Next::Nothing => {}
                Next::Later(due) => drop(self.timers.insert((due, name))),
                Next::Write(cause) => match write(slot, &name, directory, cause) {
                    Ok(step) => writes.push((Work::Write { name, cause }, step)),
                    Err(error) => slot.failed(Failure::Invalid, error.to_string(), now, salt(&name)),
                },
            }
        }
        writes
    }

    /// The deletions that are due once the replica left the directory: of all copies from there.
    pub fn leave(&mut self, departure: &Departure, now: Duration) -> Vec<(Work, Step)> {
        let mut deletions = Vec::new();
        self.touched.clear();
        self.timers.clear();
        if !self.held.is_complete() {
            return deletions;
        }
        for (name, slot) in &self.slots {
            let Some(held) = slot.held.as_ref().filter(|held| slot.plan.is_none() && !held.deleting) else {
                continue;
            };
            let Some(deletion) = departure.permits(name, held) else { continue };
            match slot.retry(salt(name)) {
                due if due > now => drop(self.timers.insert((due, name.clone()))),
                _ => deletions.push((Work::Delete { name: name.clone() }, Step::Delete(deletion))),
            }
        }
        deletions
    }

    /// Whether the replica holds no copy from this directory.
    #[must_use]
    pub fn is_cleared(&self, directory: &str) -> bool {
        let copy = |slot: &Slot| {
            let origin = slot.held.as_ref().and_then(|held| held.origin.as_ref());
            origin.is_some_and(|origin| origin.directory == directory)
        };
        self.held.is_complete() && !self.slots.values().any(copy)
    }

    /// A plan of the mirror began.
    pub fn begin(&mut self, work: &Work, plan: PlanId) {
        let (Work::Write { name, .. } | Work::Delete { name }) = work;
        if let Some(slot) = self.slots.get_mut(name) {
            slot.plan = Some(plan);
        }
    }

    /// The UID of the entry from which the copy in question was made.
    #[must_use]
    pub fn in_question(&self, name: &str, directory: &str) -> Option<&str> {
        self.slots.get(name)?.in_question(directory)
    }

    /// The evidence is there: the entry is forgotten, and its copy, if there is one, is to go. A write under way
    /// comes first: the name stays in question.
    pub fn remove(&mut self, name: &str, confirmed: Confirmed) -> Option<(Work, Step)> {
        let slot = self.slot(name);
        if slot.plan.is_some() {
            return None;
        }
        slot.wanted = None;
        slot.lost = false;
        let deletion = confirmed.permits(slot.held.as_ref()?)?;
        Some((Work::Delete { name: name.to_owned() }, Step::Delete(deletion)))
    }

    /// A plan of the mirror ended. Returns whether it put right what somebody else had changed.
    pub fn done(&mut self, work: Work, outcome: StepOutcome, directory: Option<&str>, now: Duration) -> bool {
        let (Work::Write { name, .. } | Work::Delete { name }) = &work;
        let name = name.clone();
        let slot = self.slot(&name);
        slot.plan = None;
        match (work, outcome) {
            (_, StepOutcome::Failed(failure, message)) => slot.failed(failure, message, now, salt(&name)),
            (Work::Delete { .. }, _) => slot.held = None,
            (Work::Write { cause, .. }, outcome) => {
                slot.written(cause, now);
                if let StepOutcome::Written(object) = outcome {
                    self.hold(&object, false);
                }
                let slot = self.slot(&name);
                if directory.is_some_and(|directory| slot.wanted.is_some() && !slot.in_step(directory)) {
                    let why =
                        "the replica does not keep what is written: a webhook or an older CRD changes it";
                    slot.failed(Failure::Invalid, format!("Cluster {name}: {why}"), now, salt(&name));
                }
                return cause == Cause::Drift;
            }
        }
        false
    }

    /// When something is due; what is in question is due only while the directory can be asked.
    #[must_use]
    pub fn wake(&self, connected: bool) -> Option<Duration> {
        let timer = self.timers.first().map(|(due, _)| *due);
        let removals = if connected { self.removals.due() } else { None };
        timer.into_iter().chain(removals).min()
    }

    /// How much there is of what.
    #[must_use]
    pub fn counts(&self, directory: &str) -> Counts {
        let mut counts = Counts { unconfirmed: self.removals.unconfirmed(), ..Counts::default() };
        for slot in self.slots.values() {
            counts.entries += usize::from(slot.wanted.is_some());
            counts.in_step += usize::from(slot.wanted.is_some() && slot.in_step(directory));
            counts.conflicts += usize::from(slot.wanted.is_some() && slot.is_foreign());
            counts.others += usize::from(slot.wanted.is_none() && slot.is_foreign());
            counts.strangers += usize::from(slot.wanted.is_none() && slot.is_stranger(directory));
        }
        counts
    }

    /// What keeps a copy from being in step, with its name: one of each kind is enough for people.
    #[must_use]
    pub fn trouble(&self) -> Option<(Failure, String)> {
        let failed = self.slots.values().find_map(|slot| slot.failure.clone());
        failed.or_else(|| self.unreadable.values().next().map(|error| (Failure::Invalid, error.to_string())))
    }

    /// The names under which a Cluster stands that Muster did not make, though an entry is to be mirrored there.
    pub fn conflicts(&self) -> impl Iterator<Item = &str> {
        let conflict = |slot: &Slot| slot.wanted.is_some() && slot.is_foreign();
        self.slots.iter().filter(move |(_, slot)| conflict(slot)).map(|(name, _)| name.as_str())
    }
}

fn write(slot: &Slot, name: &str, directory: &str, cause: Cause) -> Result<Step, EntryError> {
    let target = target(name);
    let missing = || EntryError::Malformed { name: name.to_owned() };
    let body = slot.wanted.as_ref().ok_or_else(missing)?.copy(name, directory, slot.held.as_ref())?;
    Ok(if slot.held.is_some() {
        Step::Replace { target, body, cause }
    } else {
        Step::Create { target, body, cause }
    })
}

fn target(name: &str) -> Target {
    Target { resource: CLUSTERS, namespace: None, name: name.to_owned() }
}
