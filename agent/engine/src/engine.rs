//! The one index and the one place where events become plans.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_api::Object;

use crate::event::{Change, DirectoryWatch, Event, Session, StepOutcome};
use crate::evidence::{Doubt, Examination, Findings, Verdict};
use crate::failure::Failure;
use crate::listing::Listing;
use crate::mirror::{Counts, Mirror, Work};
use crate::pin::{Pin, Reading};
use crate::plan::{Plan, PlanId, Source, Step};
use crate::scope::Scope;
use crate::state::State;
use crate::time::Now;

/// Least time between two probes that the engine asks for.
const PROBE_SPACING: Duration = Duration::from_secs(5);

/// How long work on the mirror may take before people are told of it.
const UNSETTLED: Duration = Duration::from_secs(10);

/// Everything that is known, and what is to be done about it.
#[derive(Debug)]
pub struct Engine {
    session: Option<Session>,
    /// Identity of the directory, also while there is no session: what was copied from it is kept right. None where
    /// directory and replica are one cluster: there the Clusters are the entries themselves, and nobody's copies.
    directory: Option<String>,
    own: Own,
    mirror: Mirror,
    plans: BTreeMap<PlanId, Doing>,
    last_plan: u64,
    probed: Option<Duration>,
    unsettled: Option<Duration>,
    state: State,
}

/// The replica's own entry.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) listing: Listing,
    /// UID, and whether its deletion was asked for.
    pub(crate) seen: Option<(String, bool)>,
}

/// What a plan under way is about.
#[derive(Debug)]
enum Doing {
    Mirror(Work),
    Examine { names: Vec<String>, pin: Pin },
    Remember { pin: Pin },
    Probe,
}

impl Engine {
    /// An engine that knows nothing yet. `scope`: which entries are mirrored.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            session: None,
            directory: None,
            own: Own::default(),
            mirror: Mirror::new(scope),
            plans: BTreeMap::new(),
            last_plan: 0,
            probed: None,
            unsettled: None,
            state: State::new(),
        }
    }

    /// Takes an event in. What comes out is to be carried out; plans may run side by side.
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Plan> {
        let mut plans = Vec::new();
        match event {
            Event::Opened(session) => self.opened(session),
            Event::Closed(problem) => {
                self.session = None;
                self.state.close(problem);
            }
            Event::Credential { problem, expires } => self.state.credential = Some((problem, expires)),
            Event::Directory { watch, change } => self.directory_changed(watch, change, now, &mut plans),
            Event::Replica(change) => self.replica_changed(change),
            Event::Done { plan, outcomes } => self.done(plan, outcomes, now, &mut plans),
            Event::Heartbeat(outcome) => self.state.heartbeat(outcome),
            Event::Tick => {}
        }
        self.mirror_due(now, &mut plans);
        self.settle(now);
        plans
    }

    /// When [`Event::Tick`] is wanted, by the monotonic clock.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let news = self.unsettled.filter(|_| !self.state.pending).map(|since| since + UNSETTLED);
        self.mirror.wake(self.session.is_some()).into_iter().chain(news).min()
    }

    /// Work that is done within [`UNSETTLED`] is no news: else each change of an entry would be a change of the
    /// report of every replica.
    fn settle(&mut self, now: Now) {
        let counts = self.counts();
        let known = self.mirror.entries.is_complete() && self.mirror.held.is_complete();
        if known && counts.in_step == counts.entries && counts.unconfirmed == 0 {
            self.unsettled = None;
            self.state.pending = false;
        } else {
            let since = *self.unsettled.get_or_insert(now.mono);
            self.state.pending |= now.mono >= since + UNSETTLED;
        }
    }

    /// What people are told of.
    pub(crate) fn view(&self) -> (&State, Option<&Session>, &Own, &Mirror) {
        (&self.state, self.session.as_ref(), &self.own, &self.mirror)
    }

    /// How much there is of what in the mirror.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.directory {
            Some(directory) => self.mirror.counts(directory),
            None => Counts { entries: self.mirror.counts("").entries, ..Counts::default() },
        }
    }

    /// Whether there is a directory whose entries are copied.
    pub(crate) fn mirrors(&self) -> bool {
        self.directory.is_some()
    }

    fn opened(&mut self, session: Session) {
        self.state.opened();
        self.directory = (!session.same_cluster()).then(|| session.pin.directory.clone());
        if *self.mirror.scope() == Scope::None {
            self.mirror.entries.not_needed();
        }
        self.session = Some(session);
        self.mirror.removals.hurry();
        self.mirror.touch_all();
    }

    // === the directory ===

    fn directory_changed(&mut self, watch: DirectoryWatch, change: Change, now: Now, plans: &mut Vec<Plan>) {
        match change {
            Change::Failed(failure, message) => {
                self.state.read(watch).failed(failure, message);
                if failure == Failure::NotServed {
                    // The collection is gone: either this is not the directory, or Muster is being removed there.
                    self.probe(now, plans);
                }
                return;
            }
            Change::Alive => {}
            Change::ListBegan => {
                self.listing(watch).began();
                return;
            }
            Change::ListComplete => self.listed(watch),
            Change::Listed(object) | Change::Applied(object) => self.shown(watch, &object, plans),
            Change::Gone(object) => {
                let name = &object.meta.name;
                if self.speaks_of_own(watch) && self.is_own(name) {
                    self.own.seen = None;
                }
                if watch == DirectoryWatch::Entries {
                    self.mirror.lose(name);
                }
            }
        }
        // A listing that never comes to its end is no success, however much it shows.
        if !self.listing(watch).is_under_way() && self.state.read(watch).succeeded() {
            self.mirror.removals.hurry(); // what could not be confirmed meanwhile
        }
    }

    /// Whether a watch sees the own entry come and go. A narrowed one sees it leave the selection only.
    fn speaks_of_own(&self, watch: DirectoryWatch) -> bool {
        watch == DirectoryWatch::OwnEntry || *self.mirror.scope() == Scope::All
    }

    fn is_own(&self, name: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.pin.cluster == name)
    }

    fn listing(&mut self, watch: DirectoryWatch) -> &mut Listing {
        match watch {
            DirectoryWatch::OwnEntry => &mut self.own.listing,
            DirectoryWatch::Entries => &mut self.mirror.entries,
        }
    }

    fn shown(&mut self, watch: DirectoryWatch, object: &Object, plans: &mut Vec<Plan>) {
        self.listing(watch).show(&object.meta.name);
        if self.is_own(&object.meta.name) {
            self.own_shown(object, plans);
        }
        if watch == DirectoryWatch::Entries {
            self.mirror.show(object);
        }
    }

    fn listed(&mut self, watch: DirectoryWatch) {
        if watch == DirectoryWatch::OwnEntry {
            let shown = self.own.listing.completed();
            if !shown.iter().any(|name| self.is_own(name)) {
                self.own.seen = None;
            }
            return;
        }
        if self.speaks_of_own(watch) {
            let shown =
                self.session.as_ref().is_some_and(|session| self.mirror.entries.shows(&session.pin.cluster));
            if !shown {
                self.own.seen = None;
            }
            self.own.listing.not_needed();
        }
        self.mirror.entries_complete();
        self.mirror.touch_all();
    }

    /// The own entry is there. A UID that is not the recorded one is a registration anew: it is recorded, and
    /// nothing else follows from it.
    fn own_shown(&mut self, object: &Object, plans: &mut Vec<Plan>) {
        let (uid, deleting) = (object.meta.uid.clone(), object.meta.deletion_timestamp.is_some());
        let Some(session) = &self.session else { return };
        if !deleting && session.pin.entry.as_ref() != Some(&uid) {
            let pin = Pin { entry: Some(uid.clone()), ..session.pin.clone() };
            let known = |doing: &Doing| matches!(doing, Doing::Remember { pin: known } if *known == pin);
            if !self.plans.values().any(known) {
                plans.push(self.plan(Source::Engine, Step::Remember(pin.clone()), Doing::Remember { pin }));
            }
        }
        self.own.seen = Some((uid, deleting));
    }

    fn probe(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let early = self.probed.is_some_and(|probed| now.mono < probed + PROBE_SPACING);
        if !early {
            self.probed = Some(now.mono);
            plans.push(self.plan(Source::Engine, Step::Probe, Doing::Probe));
        }
    }

    // === the replica ===

    fn replica_changed(&mut self, change: Change) {
        match change {
            Change::Failed(failure, message) => {
                self.state.replica.failed(failure, message);
                return;
            }
            Change::Alive => {}
            Change::ListBegan => {
                self.mirror.held.began();
                return;
            }
            Change::ListComplete => self.mirror.held_complete(),
            Change::Listed(object) => self.mirror.hold(&object, true),
            Change::Applied(object) => self.mirror.hold(&object, false),
            Change::Gone(object) => self.mirror.miss(&object.meta.name, &object.meta.uid),
        }
        if !self.mirror.held.is_under_way() {
            self.state.replica.succeeded();
        }
    }

    // === what became of plans ===

    fn done(&mut self, plan: PlanId, outcomes: Vec<StepOutcome>, now: Now, plans: &mut Vec<Plan>) {
        let Some(doing) = self.plans.remove(&plan) else { return };
        // One step a plan: without an outcome it was not tried.
        let outcome = outcomes.into_iter().next();
        let outcome =
            outcome.unwrap_or_else(|| StepOutcome::Failed(Failure::Unavailable, "not tried".into()));
        match doing {
            Doing::Mirror(work) => {
                let corrected = self.mirror.done(work, outcome, self.directory.as_deref(), now.mono);
                self.state.corrected += u64::from(corrected);
            }
            Doing::Examine { names, pin } => {
                self.mirror.removals.end(&names, now.mono);
                let same = self.session.as_ref().is_some_and(|session| session.pin == pin);
                if let (StepOutcome::Found(findings), true) = (outcome, same) {
                    self.found(&findings, &names, now, plans);
                }
                self.mirror.touch(names);
            }
            Doing::Remember { pin } => {
                if let (StepOutcome::Remembered, Some(session)) = (outcome, &mut self.session) {
                    session.pin = pin;
                    self.mirror.removals.hurry();
                }
            }
            Doing::Probe => {}
        }
    }

    fn found(&mut self, findings: &Findings, names: &[String], now: Now, plans: &mut Vec<Plan>) {
        let Some(Session { pin, .. }) = self.session.clone() else { return };
        let standing = findings.standing(&pin).map(|_| ());
        self.state.doubt = standing.as_ref().err().map(ToString::to_string);
        if standing.is_err() {
            self.mirror.removals.pause(now.mono);
        }
        if let Err(Doubt::Directory(_)) = standing {
            return self.probe(now, plans);
        }
        if let Reading::Found(own) = &findings.own_entry {
            self.own_shown(own, plans); // live, from the pinned directory: as good as an event
        }
        if standing.is_err() {
            return;
        }
        for name in names {
            let Some(uid) = self.mirror.in_question(name, &pin.directory).map(str::to_owned) else {
                continue;
            };
            match findings.judge(&pin, self.mirror.scope(), name, &uid) {
                Verdict::Delete(confirmed) => {
                    if let Some((work, step)) = self.mirror.remove(name, confirmed) {
                        plans.push(self.mirror_plan(work, step));
                    }
                }
                Verdict::Present => {
                    let read = findings.entries.iter().find(|(read, _)| read == name);
                    if let Some((_, Reading::Found(object))) = read {
                        self.mirror.show(object);
                    }
                }
                Verdict::Unproven(_) => {}
            }
        }
    }

    // === what is due ===

    fn mirror_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(directory) = self.directory.clone() else { return };
        for (work, step) in self.mirror.writes(&directory, now.mono) {
            plans.push(self.mirror_plan(work, step));
        }
        let Some(Session { pin, .. }) = self.session.clone() else { return };
        let names = self.mirror.removals.ready(now.mono);
        if !names.is_empty() {
            let step = Step::Examine(Examination { pin: pin.clone(), entries: names.clone() });
            let plan = self.plan(Source::Engine, step, Doing::Examine { names, pin });
            self.mirror.removals.begin(plan.id);
            plans.push(plan);
        }
    }

    fn mirror_plan(&mut self, work: Work, step: Step) -> Plan {
        let id = self.next_plan();
        self.mirror.begin(&work, id);
        self.plans.insert(id, Doing::Mirror(work));
        Plan { id, source: Source::Mirror, steps: vec![step] }
    }

    fn plan(&mut self, source: Source, step: Step, doing: Doing) -> Plan {
        let id = self.next_plan();
        self.plans.insert(id, doing);
        Plan { id, source, steps: vec![step] }
    }

    fn next_plan(&mut self) -> PlanId {
        self.last_plan += 1;
        PlanId(self.last_plan)
    }
}

#[cfg(test)]
mod tests;
