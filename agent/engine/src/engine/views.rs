//! What both sides show.

use std::time::Duration;

use muster_api::conditions::LedgerUsable;
use muster_api::{Object, marks};

use super::{Doing, Engine, Owner};
use crate::event::{Change, DirectoryWatch, Problem, ReplicaWatch};
use crate::failure::Failure;
use crate::hold;
use crate::kind::Kind;
use crate::ledger::{Kept, Of};
use crate::listing::Listing;
use crate::plan::{Plan, PlanId, Source, Step};
use crate::scope::Scope;
use crate::time::Now;

/// Least time between two probes that the engine asks for.
const PROBE_SPACING: Duration = Duration::from_secs(5);

impl Engine {
    // === the directory ===

    pub(super) fn directory_changed(
        &mut self,
        watch: DirectoryWatch,
        change: Change,
        now: Now,
        plans: &mut Vec<Plan>,
    ) {
        if watch == DirectoryWatch::Works {
            match change {
                Change::Failed(..) => self.works.interrupted(),
                Change::ListBegan => {
                    self.works.hear(now, true);
                    self.works.interrupted();
                }
                _ => self.works.hear(now, true),
            }
        }
        if let Change::Failed(failure, _) = &change {
            self.word_failed(watch, *failure);
        }
        match change {
            // A lesser credential may read no Works: that says nothing of the directory.
            Change::Failed(failure, message) if watch == DirectoryWatch::Works => {
                return self.works.unread(failure, message);
            }
            Change::Failed(failure, message) => {
                self.state.read(watch).failed(failure, message);
                if failure == Failure::NotServed {
                    // The collection is gone: either this is not the directory, or Muster is being removed there.
                    self.probe(now, plans);
                }
                return;
            }
            Change::Alive if watch == DirectoryWatch::Works => self.works.resumed(),
            Change::Alive => {}
            Change::ListBegan => {
                self.listing(watch).began();
                return;
            }
            Change::ListComplete => self.listed(watch, now),
            Change::Listed(object) | Change::Applied(object) => self.shown(watch, &object, now),
            Change::Gone(object) => self.gone(watch, &object, now),
        }
        // A listing that never comes to its end is no success, however much it shows.
        if watch == DirectoryWatch::Works {
            return;
        }
        if !self.listing(watch).is_under_way() && self.state.read(watch).succeeded() {
            self.hurry(); // what could not be confirmed meanwhile
        }
    }

    /// Whether a watch sees the own entry come and go. A narrowed one sees it leave the selection only.
    fn speaks_of_own(&self, watch: DirectoryWatch) -> bool {
        match watch {
            DirectoryWatch::OwnEntry => true,
            DirectoryWatch::Entries => *self.mirror.scope() == Scope::All,
            DirectoryWatch::Policies | DirectoryWatch::Works => false,
        }
    }

    fn is_own(&self, name: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.pin.cluster == name)
    }

    fn listing(&mut self, watch: DirectoryWatch) -> &mut Listing {
        match watch {
            DirectoryWatch::OwnEntry => &mut self.own.listing,
            DirectoryWatch::Entries => &mut self.mirror.entries,
            DirectoryWatch::Policies => &mut self.policies.shown,
            DirectoryWatch::Works => &mut self.works.shown,
        }
    }

    fn shown(&mut self, watch: DirectoryWatch, object: &Object, now: Now) {
        match watch {
            DirectoryWatch::Policies => return self.policies.show(object),
            DirectoryWatch::Works => return self.works.show(object),
            DirectoryWatch::OwnEntry | DirectoryWatch::Entries => {}
        }
        self.listing(watch).show(&object.meta.name);
        self.own_shown(object, now);
        if watch == DirectoryWatch::Entries {
            self.mirror.show(object);
        }
    }

    /// An entry is shown, maybe the own one.
    pub(super) fn own_shown(&mut self, object: &Object, now: Now) {
        if !self.is_own(&object.meta.name) {
            return;
        }
        if self.own.show(object, now.mono) {
            self.policies.relabelled();
        }
        self.heed();
    }

    fn gone(&mut self, watch: DirectoryWatch, object: &Object, now: Now) {
        let name = &object.meta.name;
        match watch {
            DirectoryWatch::Policies => return self.policies.lose(&object.meta.uid),
            DirectoryWatch::Works => return self.works.gone(&object.meta.uid),
            DirectoryWatch::OwnEntry | DirectoryWatch::Entries => {}
        }
        if self.speaks_of_own(watch) && self.is_own(name) {
            self.own.seen = None;
            self.own.goes(object, now.mono);
            self.policies.relabelled();
        }
        if watch == DirectoryWatch::Entries {
            self.mirror.lose(name);
        }
    }

    fn listed(&mut self, watch: DirectoryWatch, now: Now) {
        match watch {
            DirectoryWatch::Policies => return self.policies.shown_complete(),
            DirectoryWatch::Works => return self.works.shown_complete(now),
            DirectoryWatch::OwnEntry => {
                let shown = self.own.listing.completed();
                if !shown.iter().any(|name| self.is_own(name)) {
                    self.own.seen = None;
                    self.own.unheard();
                }
                return self.policies.relabelled();
            }
            DirectoryWatch::Entries => {}
        }
        if self.speaks_of_own(watch) {
            let shown =
                self.session.as_ref().is_some_and(|session| self.mirror.entries.shows(&session.pin.cluster));
            if !shown {
                self.own.seen = None;
                self.own.unheard();
            }
            self.own.listing.not_needed();
            self.policies.relabelled();
        }
        self.mirror.entries_complete();
        self.mirror.touch_all();
    }

    pub(super) fn probe(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let early = self.probed.is_some_and(|probed| now.mono < probed + PROBE_SPACING);
        if !early {
            self.probed = Some(now.mono);
            plans.push(self.plan(Source::Engine, Step::Probe, Doing::Probe));
        }
    }

    // === the replica ===

    pub(super) fn replica_changed(&mut self, watch: ReplicaWatch, change: Change, now: Now) {
        match watch {
            ReplicaWatch::Copies => self.copies_changed(change),
            ReplicaWatch::Report => self.report_changed(change),
            ReplicaWatch::Applied(kind) => {
                if kind == Kind::Namespace {
                    self.works.namespaces_changed(&change);
                }
                if let (Kind::Namespace, Change::Applied(object) | Change::Listed(object)) = (kind, &change) {
                    self.works.namespace_shown(object, now.mono);
                }
                self.policies.objects_changed(kind, change);
            }
            ReplicaWatch::Definitions => {
                if let Change::Listed(object) | Change::Applied(object) | Change::Gone(object) = change {
                    self.works.definition_changed(&object.meta.name, now.mono);
                }
            }
            ReplicaWatch::Awaited(awaited) => self.works.awaited_changed(awaited, &change, now.mono),
        }
    }

    /// A change of the ledgers: each kind of source has its own.
    pub(super) fn ledgers_changed(&mut self, change: Change<Kept>) {
        let of_work = |kept: &Kept| matches!(kept.ledger.of, Of::Work(_));
        match change {
            Change::ListBegan => {
                self.policies.ledgers_changed(Change::ListBegan);
                self.works.ledgers_changed(Change::ListBegan);
            }
            Change::ListComplete => {
                self.policies.ledgers_changed(Change::ListComplete);
                self.works.ledgers_changed(Change::ListComplete);
            }
            Change::Listed(kept) if of_work(&kept) => self.works.ledgers_changed(Change::Listed(kept)),
            Change::Applied(kept) if of_work(&kept) => self.works.ledgers_changed(Change::Applied(kept)),
            Change::Gone(kept) if of_work(&kept) => self.works.ledgers_changed(Change::Gone(kept)),
            change => self.policies.ledgers_changed(change),
        }
    }

    fn copies_changed(&mut self, change: Change) {
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
        if !self.mirror.held.is_under_way() && self.state.replica.succeeded() {
            self.resume();
        }
    }

    /// The replica answers again, or may be written again: what failed for that is done at once.
    pub(super) fn resume(&mut self) {
        self.resumed = PlanId(self.last_plan);
        self.retry();
    }

    /// What failed while nothing could be written is tried again at once.
    pub(super) fn retry(&mut self) {
        self.mirror.hurry(Failure::may_pass);
        self.policies.hurry(Failure::may_pass);
        self.works.hurry(Failure::may_pass);
    }

    /// The local report carries the owner's word. Where there is none, nothing was said.
    fn report_changed(&mut self, change: Change) {
        let before = self.owner;
        match change {
            Change::Listed(report) | Change::Applied(report) => {
                let on = |name| marks::is_on(&report.meta.annotations, name);
                let (paused, leave, releases) = (on(marks::PAUSE), on(marks::LEAVE), on(marks::RELEASE_HERE));
                self.owner = Some(Owner { paused, leave, releases });
                self.released = hold::words(&report.meta.annotations);
                self.heed();
            }
            Change::Gone(_) => {
                self.owner = Some(Owner::default());
                self.released.clear();
                self.heed();
            }
            Change::ListComplete => {
                self.owner.get_or_insert_default();
                self.heed();
            }
            Change::ListBegan | Change::Alive | Change::Failed(..) => {}
        }
        if self.owner != before {
            self.resume();
            self.mirror.touch_all();
            self.policies.touch_all();
            self.policies.stir_all();
            self.works.stir_all();
        }
    }

    pub(super) fn ledger_tried(&mut self, outcome: Result<(), Problem<LedgerUsable>>) {
        self.state.ledger = Some(outcome);
        self.policies.touch_all();
        self.policies.stir_all();
        self.works.stir_all();
    }
}
