//! What is to be done now.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Doing, Engine};
use crate::event::{DirectoryWatch, Session};
use crate::evidence::Examination;
use crate::mark::Maker;
use crate::plan::{Plan, Source, Step};
use crate::time::Now;

/// Most policies, and Works, that are read since they are shown in an earlier state: one is proof enough.
const SUSPECTS: usize = 3;

impl Engine {
    /// Whether the owner of the replica wants nothing to be written.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.owner.is_some_and(|owner| owner.paused)
    }

    /// Whether anything may be written: the owner of the replica was heard, and did not say no.
    pub(super) fn may_write(&self) -> bool {
        self.owner.is_some_and(|owner| !owner.paused)
    }

    /// Whether anything may be written or deleted for policies: it can be recorded before, too.
    pub(super) fn may_apply(&self) -> bool {
        self.may_write() && !self.rests() && matches!(self.state.ledger, Some(Ok(())))
    }

    pub(super) fn due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        if self.first_word.until().is_some_and(|until| until <= now.mono) {
            self.says_nothing();
        }
        // No heartbeat is sent before that is kept.
        if self.set_back.is_some() {
            self.remember_due(now, plans);
        }
        if !self.may_write() {
            return;
        }
        self.mirror_due(now, plans);
        self.policies_due(now, plans);
        self.works_due(now, plans);
        self.own_due(now, plans); // what waits for a word from now on is kept at once
        self.leaving_due(now, plans);
        self.questions_due(now, plans);
    }

    /// When [`Self::due`] has something to do that no event brings about.
    pub(super) fn work_due(&self) -> Option<Duration> {
        if !self.may_write() {
            return self.remember_wake().filter(|_| self.set_back.is_some());
        }
        let connected = self.may_ask();
        let policies = if self.may_apply() { self.policies.wake(connected) } else { None };
        let mirror =
            if self.directory.is_some() && !self.rests() { self.mirror.wake(connected) } else { None };
        let works = if self.may_work() { self.works.wake(connected) } else { None };
        let own = self.own_wake().into_iter().chain(self.leaving_wake()).chain(self.first_word.until());
        mirror.into_iter().chain(policies).chain(works).chain(own).min()
    }

    fn mirror_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(directory) = self.directory.clone().filter(|_| !self.rests()) else { return };
        let steps = match &self.departure {
            Some(departure) => self.mirror.leave(departure, now.mono),
            None => self.mirror.writes(&directory, now.mono),
        };
        for (work, step) in steps {
            plans.push(self.plan(Source::Mirror, step, Doing::Mirror(work)));
        }
    }

    fn policies_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        if !self.may_apply() {
            return;
        }
        let labels = self.context(now.mono).labels.cloned();
        let departure = self.departure.clone();
        let context = crate::policies::Context {
            now: now.mono,
            labels: labels.as_ref(),
            departure: departure.as_ref(),
            era: self.era(self.memory.as_ref()),
            unsure: self.is_unsure() || self.is_silent(),
            unheard: self.first_word.is_awaited(DirectoryWatch::Policies),
        };
        for (work, step) in self.policies.due(context) {
            plans.push(self.plan(Source::Policies, step, Doing::Policies(work)));
        }
    }

    /// Whether anything may be written or deleted for Works: who left the directory keeps them as they are.
    fn may_work(&self) -> bool {
        self.may_apply() && self.departure.is_none()
    }

    pub(super) fn works_context(&self, now: Now) -> crate::works::Context {
        let (connected, silent) = (self.spoken().is_some(), self.is_silent());
        let unsure = self.is_unsure() || silent;
        let unheard = self.first_word.is_awaited(DirectoryWatch::Works);
        crate::works::Context { now: now.mono, connected, wall: now.wall, unsure, silent, unheard }
    }

    fn works_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        if !self.may_work() {
            return;
        }
        let context = self.works_context(now);
        for (task, step) in self.works.due(context) {
            plans.push(self.plan(Source::Works, step, Doing::Works(task)));
        }
    }

    /// Whether what is in question may be asked: there is somebody who knows.
    fn may_ask(&self) -> bool {
        self.spoken().is_some() && self.departure.is_none() && !self.is_set_back()
    }

    /// What is in question is asked together.
    fn questions_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(Session { pin, .. }) = self.session.clone().filter(|_| self.may_ask()) else { return };
        let mirrors = self.directory.is_some();
        let entries = if mirrors { self.mirror.removals.ready(now.mono) } else { Vec::new() };
        let policies = if self.may_apply() { self.policies.questions(&pin, now.mono) } else { Vec::new() };
        let works = if self.may_work() { self.works.questions(&pin, now.mono) } else { Vec::new() };
        if entries.is_empty() && policies.is_empty() && works.is_empty() {
            return;
        }
        // What shows that the directory was set back is read along with whatever is in question.
        let names = |questions: &[(String, String)], suspects: &[(&Maker, i64)]| {
            let suspects = suspects.iter().take(SUSPECTS).map(|(maker, _)| maker.name.clone());
            let names: BTreeSet<String> =
                questions.iter().map(|(_, name)| name.clone()).chain(suspects).collect();
            names.into_iter().collect()
        };
        let (policies_past, works_past): (Vec<_>, Vec<_>) =
            (self.policies.earlier().collect(), self.works.earlier().collect());
        let examination = Examination {
            pin: pin.clone(),
            entries: entries.clone(),
            policies: names(&policies, &policies_past),
            works: names(&works, &works_past),
            leaving: false,
            beat: self.acknowledged(),
        };
        let begun = [!entries.is_empty(), !policies.is_empty(), !works.is_empty()];
        let earlier = policies_past.iter().chain(&works_past);
        let earlier = earlier.map(|(maker, recorded)| (maker.uid.clone(), *recorded)).collect();
        let doing = Doing::Examine { entries, policies, works, earlier, pin };
        let plan = self.plan(Source::Engine, Step::Examine(examination), doing);
        let removals = [&mut self.mirror.removals, &mut self.policies.removals, &mut self.works.removals];
        for (removals, _) in removals.into_iter().zip(begun).filter(|(_, begun)| *begun) {
            removals.begin(plan.id);
        }
        plans.push(plan);
    }
}
