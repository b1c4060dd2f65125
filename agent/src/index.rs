//! The one task that owns the engine: events in, plans out, and what people are told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use muster_api::Resource;
use muster_api::condition::{Condition, Status};
use muster_api::conditions::{ConditionType, DirectoryReachable, Reason as _};
use muster_api::report::HoldReport;
use muster_engine::era::Beat;
use muster_engine::event::{Event, StepOutcome};
use muster_engine::mirror::Counts;
use muster_engine::refusal::Awaited;
use muster_engine::works::{Counted, Places, Standing};
use muster_engine::{Engine, Now, Plan, PlanId};
use muster_kit::leader::Claim;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use crate::act::Actor;
use crate::heard::Heard;
use crate::metrics::Metrics;
use crate::objects::WantedKind;
use crate::tenure::Tenure;
use muster_kit::pulse::{BEAT, Pulse};

/// Events taken in before people are told again.
const BATCH: usize = 64;

/// What people are told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Conditions, with the time of day at which they were computed.
    pub conditions: Vec<Condition>,
    /// The mirror.
    pub mirror: Counts,
    /// The policies: applied here, objects that are there for them, and those of which something waits for evidence.
    pub policies: (usize, usize, usize),
    /// The Works: all, applied, failing, and those of which something is held.
    pub works: [usize; 4],
    /// The deletions that wait for somebody's word.
    pub holds: Vec<HoldReport>,
    /// When the credential ends.
    pub credential_expires: Option<Timestamp>,
    /// Hand edits undone since the process started.
    pub corrected: u64,
    /// Nothing is said in the directory: another one speaks for this cluster there, or that is still to be seen.
    pub silent: bool,
}

/// Where others in this process are told what they need.
pub struct Telling {
    /// Which kinds that Works made are to be watched.
    pub watched: watch::Sender<BTreeMap<Resource, WantedKind>>,
    /// What else is to be watched.
    pub awaited: watch::Sender<BTreeSet<Awaited>>,
    /// Annotations of the Lease by which this process acts: what it says for the next one.
    pub heard: watch::Sender<BTreeMap<String, String>>,
    /// The last heartbeat that the directory acknowledged.
    pub beat: watch::Sender<Option<Beat>>,
    /// The number of the directory's era; `None` while it is not to be followed.
    pub era: watch::Sender<Option<u32>>,
}

/// The engine and its surroundings.
pub struct Index {
    engine: Engine,
    actor: Arc<Actor>,
    metrics: Metrics,
    pulse: Pulse,
    claim: watch::Receiver<Claim>,
    tenure: Tenure,
    view: watch::Sender<View>,
    telling: Telling,
    /// What was said for the next process.
    said: Heard,
    /// What of the kinds to watch was told.
    watched_edition: Option<u64>,
    /// What was counted when the metrics were told last.
    counted: Counted,
    started: Instant,
    tasks: JoinSet<(PlanId, Vec<StepOutcome>)>,
    /// Which plan a task carries out: a task that panics says no more than its own id.
    plans: HashMap<Id, PlanId>,
}

impl Index {
    /// An index around this engine, and where it tells what people are told. `claim`: under which this process writes.
    #[must_use]
    pub fn new(
        engine: Engine,
        actor: Actor,
        metrics: Metrics,
        pulse: Pulse,
        claim: watch::Receiver<Claim>,
        telling: Telling,
    ) -> (Self, watch::Receiver<View>) {
        let (view, views) = watch::channel(View::default());
        let index = Self {
            engine,
            actor: Arc::new(actor),
            metrics,
            pulse,
            claim,
            tenure: Tenure::default(),
            view,
            telling,
            said: Heard::default(),
            watched_edition: None,
            counted: Counted::default(),
            started: Instant::now(),
            tasks: JoinSet::new(),
            plans: HashMap::new(),
        };
        (index, views)
    }

    /// Runs until `cancel`, then until what is under way has ended.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>, cancel: CancellationToken) {
        loop {
            let now = Instant::now();
            self.pulse.beat(now);
            let due = self.engine.wake().map_or(now + BEAT, |wake| (self.started + wake).min(now + BEAT));
            tokio::select! {
                () = cancel.cancelled() => break,
                event = events.recv() => {
                    let Some(event) = event else { break };
                    self.take(event);
                    for _ in 1..BATCH {
                        let Ok(event) = events.try_recv() else { break };
                        self.take(event);
                    }
                }
                Some(done) = self.tasks.join_next_with_id() => self.done(done),
                Ok(()) = self.claim.changed() => self.claimed(),
                () = sleep_until(due.into()) => self.take(Event::Tick),
            }
            self.tell();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: Timestamp::now() }
    }

    fn take(&mut self, event: Event) {
        let now = self.now();
        let plans = self.engine.on(event, now);
        self.actor.pause(self.engine.is_paused());
        self.actor.spare(self.engine.spares());
        for plan in plans {
            self.carry_out(plan);
        }
    }

    fn claimed(&mut self) {
        let claim = self.claim.borrow_and_update().clone();
        if let Some(event) = self.tenure.after(&claim, Instant::now()) {
            self.take(event);
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        let (id, actor) = (plan.id, Arc::clone(&self.actor));
        self.begin(id, async move { actor.carry_out(plan).await });
    }

    fn begin(&mut self, id: PlanId, work: impl Future<Output = Vec<StepOutcome>> + Send + 'static) {
        let task = self.tasks.spawn(async move { (id, work.await) });
        self.plans.insert(task.id(), id);
    }

    /// A panic over one object is a failure of its plan, and of nothing else.
    fn done(&mut self, done: Result<(Id, (PlanId, Vec<StepOutcome>)), JoinError>) {
        let (task, outcomes) = match done {
            Ok((task, (_, outcomes))) => (task, outcomes),
            Err(error) => {
                tracing::error!("a plan ended in a panic");
                (error.id(), Vec::new())
            }
        };
        if let Some(plan) = self.plans.remove(&task) {
            self.take(Event::Done { plan, outcomes });
        }
    }

    fn tell(&mut self) {
        let edition = self.engine.watched_edition();
        if self.watched_edition != edition {
            self.watched_edition = edition;
            let kind = |(resource, places)| wanted(resource, places, self.engine.watches_whole(resource));
            self.telling.watched.send_replace(self.engine.watched().map(kind).collect());
        }
        let said = (self.engine.heard(), self.engine.passed(), self.engine.beat());
        if (self.said.at, &self.said.passed, self.said.beat.as_ref()) != said {
            self.said = Heard { at: said.0, passed: said.1.clone(), beat: said.2.cloned() };
            self.telling.heard.send_replace(self.said.annotations());
        }
        self.telling.beat.send_if_modified(|told| {
            let differs = told.as_ref() != self.engine.beat();
            if differs {
                *told = self.engine.beat().cloned();
            }
            differs
        });
        self.telling.era.send_if_modified(|told| std::mem::replace(told, self.engine.follows()) != *told);
        self.telling.awaited.send_if_modified(|told| {
            let differs = !told.iter().copied().eq(self.engine.awaited());
            if differs {
                *told = self.engine.awaited().collect();
            }
            differs
        });
        let told = self.engine.told(self.now().mono);
        let view = View {
            conditions: self.engine.conditions(self.now()),
            policies: (told.policies, told.objects, told.unconfirmed),
            mirror: self.engine.counts(),
            works: self.works(),
            holds: self.engine.holds(),
            credential_expires: self.engine.credential_expires(),
            corrected: self.engine.corrected(),
            silent: self.engine.follows().is_none(),
        };
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.objects.with_label_values(&["entries"]).set(gauge(view.mirror.entries));
        self.metrics.objects.with_label_values(&["copies"]).set(gauge(view.mirror.in_step));
        self.metrics.objects.with_label_values(&["policies"]).set(gauge(told.policies));
        self.metrics.objects.with_label_values(&["policy-objects"]).set(gauge(told.objects));
        self.metrics.frozen_deletions.set(gauge(view.mirror.unconfirmed + told.unconfirmed));
        self.metrics.holds.set(gauge(self.engine.holding()));
        self.count();
        // This engine's own: the process may have had another one before.
        let corrected = view.corrected.saturating_sub(self.view.borrow().corrected);
        self.metrics.drift_corrected.inc_by(corrected);
        self.metrics.credential_expiry.set(view.credential_expires.map_or(0, Timestamp::as_second));
        // One that was set back answers.
        let answers = |condition: &Condition| {
            condition.status == Status::True || condition.reason == DirectoryReachable::RolledBack.as_str()
        };
        let reachable = |condition: &Condition| {
            condition.type_ == ConditionType::DirectoryReachable.as_str() && answers(condition)
        };
        self.metrics.reachable.set(i64::from(view.conditions.iter().any(reachable)));
        self.view.send_if_modified(|old| {
            let changed = !same(old, &view);
            if changed {
                log(&old.conditions, &view.conditions);
                *old = view;
            }
            changed
        });
    }
}

impl Index {
    fn works(&self) -> [usize; 4] {
        let of = |standing| self.engine.works(standing);
        let all = Standing::ALL.into_iter().map(of).sum();
        [all, of(Standing::Applied), of(Standing::Failing), of(Standing::Held)]
    }

    /// What the engine counted since it was asked last: the process may have had another one before.
    fn count(&mut self) {
        for standing in Standing::ALL {
            let works = i64::try_from(self.engine.works(standing)).unwrap_or(i64::MAX);
            self.metrics.works.with_label_values(&[standing.as_str()]).set(works);
        }
        let counted = self.engine.counted();
        if *counted == self.counted {
            return;
        }
        for (category, number) in &counted.timers {
            let before = self.counted.timers.get(category).copied().unwrap_or(0);
            self.metrics.retry_timers.with_label_values(&[*category]).inc_by(number.saturating_sub(before));
        }
        for ((step, result), number) in &counted.steps {
            let before = self.counted.steps.get(&(*step, *result)).copied().unwrap_or(0);
            self.metrics
                .work_steps
                .with_label_values(&[*step, *result])
                .inc_by(number.saturating_sub(before));
        }
        self.counted = counted.clone();
    }
}

/// A kind whose objects are to be watched. `whole`: more of them than their metadata.
fn wanted(resource: &Resource, places: &Places, whole: bool) -> (Resource, WantedKind) {
    let places = places.iter().map(|(namespace, accounts)| {
        (namespace.map(str::to_owned), accounts.map(|account| account.map(Box::from)).collect())
    });
    (resource.clone(), WantedKind { whole, places: places.collect() })
}

/// One line where a condition comes to stand otherwise: what the agent waits for, and that it waits no more.
fn log(old: &[Condition], new: &[Condition]) {
    for Condition { type_, status, reason, message, .. } in new {
        let before = old.iter().find(|before| before.type_ == *type_);
        if before.is_none_or(|before| (before.status, &before.reason) != (*status, reason)) {
            tracing::info!(condition = type_, status = status.as_str(), reason, message, "condition");
        }
    }
}

/// Whether two views say the same, whatever the time of day.
fn same(old: &View, new: &View) -> bool {
    let said = |condition: &Condition| {
        (condition.type_.clone(), condition.status, condition.reason.clone(), condition.message.clone())
    };
    old.conditions.iter().map(said).eq(new.conditions.iter().map(said))
        && (old.mirror, old.policies, old.works, old.credential_expires, old.corrected)
            == (new.mirror, new.policies, new.works, new.credential_expires, new.corrected)
        && (&old.holds, old.silent) == (&new.holds, new.silent)
}

#[cfg(test)]
mod tests;
