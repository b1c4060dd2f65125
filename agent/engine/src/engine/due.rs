//! What is to be done now.

use std::time::Duration;

use super::{Doing, Engine};
use crate::event::Session;
use crate::evidence::Examination;
use crate::plan::{Plan, Source, Step};
use crate::time::Now;

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
        self.may_write() && matches!(self.state.ledger, Some(Ok(())))
    }

    pub(super) fn due(&mut self, now: Now, plans: &mut Vec<Plan>) {
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
            return None;
        }
        let connected = self.session.is_some() && self.departure.is_none();
        let policies = if self.may_apply() { self.policies.wake(connected) } else { None };
        let mirror = if self.directory.is_some() { self.mirror.wake(connected) } else { None };
        let works = if self.may_work() { self.works.wake(connected) } else { None };
        let own = self.own_wake().into_iter().chain(self.leaving_wake());
        mirror.into_iter().chain(policies).chain(works).chain(own).min()
    }

    fn mirror_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(directory) = self.directory.clone() else { return };
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
        };
        for (work, step) in self.policies.due(context) {
            plans.push(self.plan(Source::Policies, step, Doing::Policies(work)));
        }
    }

    /// Whether anything may be written or deleted for Works: who left the directory keeps them as they are.
    fn may_work(&self) -> bool {
        self.may_apply() && self.departure.is_none()
    }

    fn works_context(&self, now: Now) -> crate::works::Context {
        crate::works::Context { now: now.mono, connected: self.session.is_some(), wall: now.wall }
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

    /// What is in question is asked together.
    fn questions_due(&mut self, now: Now, plans: &mut Vec<Plan>) {
        let Some(Session { pin, .. }) = self.session.clone() else { return };
        if self.departure.is_some() {
            return;
        }
        let mirrors = self.directory.is_some();
        let entries = if mirrors { self.mirror.removals.ready(now.mono) } else { Vec::new() };
        let policies = if self.may_apply() { self.policies.questions(&pin, now.mono) } else { Vec::new() };
        let works = if self.may_work() { self.works.questions(&pin, now.mono) } else { Vec::new() };
        if entries.is_empty() && policies.is_empty() && works.is_empty() {
            return;
        }
        let names = |questions: &[(String, String)]| questions.iter().map(|(_, name)| name.clone()).collect();
        let examination = Examination {
            pin: pin.clone(),
            entries: entries.clone(),
            policies: names(&policies),
            works: names(&works),
            leaving: false,
        };
        let begun = [!entries.is_empty(), !policies.is_empty(), !works.is_empty()];
        let doing = Doing::Examine { entries, policies, works, pin };
        let plan = self.plan(Source::Engine, Step::Examine(examination), doing);
        let removals = [&mut self.mirror.removals, &mut self.policies.removals, &mut self.works.removals];
        for (removals, _) in removals.into_iter().zip(begun).filter(|(_, begun)| *begun) {
            removals.begin(plan.id);
        }
        plans.push(plan);
    }
}
