//! The one task that owns the fleet: events in, plans out, and what people are told.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use muster_api::clock::Now;
use muster_api::conditions::Severity;
use muster_api::names::{CONTROLLER, SYSTEM_NAMESPACE};
use muster_api::resource::{CLUSTERS, LEASES};
use muster_kit::Client;
use muster_kit::events::{Emitter, Kind};
use muster_kit::pulse::Pulse;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::act::act;
use crate::fleet::pace::Pace;
use crate::fleet::plan::{Failure, FailureKind, Notice, Outcome, Plan};
use crate::fleet::{Event, Fleet, TICK};
use crate::metrics::Metrics;

/// Calls under way at once.
const IN_FLIGHT: usize = 16;
/// Events that are taken in before what they lead to is decided.
const BATCH: usize = 64;
/// Notices that wait to be sent; more are dropped, as Events are best effort.
const WAITING: usize = 1024;

/// Owns the fleet.
pub struct Index {
    client: Client,
    fleet: Fleet,
    started: Instant,
    metrics: Metrics,
    pulse: Pulse,
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
    events: mpsc::Sender<Event>,
    notices: mpsc::Sender<Notice>,
}

impl Index {
    /// An index, and what reads its notices. `events` is where the outcomes of plans come back.
    #[must_use]
    pub fn new(
        client: Client,
        pace: Pace,
        metrics: Metrics,
        pulse: Pulse,
        events: mpsc::Sender<Event>,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, told) = mpsc::channel(WAITING);
        let started = Instant::now();
        let fleet = Fleet::new(pace, started.elapsed());
        let (turns, tasks) = (Arc::new(Semaphore::new(IN_FLIGHT)), TaskTracker::new());
        (Self { client, fleet, started, metrics, pulse, turns, tasks, events, notices }, told)
    }

    /// Takes events in and has plans carried out until `cancel`, then waits for those that are under way.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Event>, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = tick.tick() => self.look(),
                taken = inbox.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                }
            }
            self.pulse.beat(Instant::now());
            let now = self.now();
            for event in batch.drain(..) {
                self.fleet.on(event, now);
            }
            for plan in self.fleet.decide(now) {
                self.carry_out(plan, cancel.clone());
            }
            for notice in self.fleet.notices() {
                tracing::info!(
                    cluster = notice.entry.as_ref().map(|(name, _)| name.as_str()),
                    reason = notice.reason.as_str(),
                    "{}",
                    notice.note
                );
                let _ = self.notices.try_send(notice);
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: Timestamp::now() }
    }

    /// What metrics show.
    fn look(&self) {
        self.metrics.blind.set(i64::from(self.fleet.is_blind()));
        self.metrics.held_back.set(i64::try_from(self.fleet.held_back()).unwrap_or(i64::MAX));
        for (labels, count) in self.fleet.tally() {
            self.metrics.clusters.with_label_values(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn carry_out(&self, plan: Plan, cancel: CancellationToken) {
        let (client, events, turns) = (self.client.clone(), self.events.clone(), Arc::clone(&self.turns));
        let steps = self.metrics.steps.clone();
        self.tasks.spawn(async move {
            let turn = cancel.run_until_cancelled(turns.acquire_owned()).await;
            let Some(Ok(_turn)) = turn else { return };
            // A panic over one cluster must not keep it from ever being tried again.
            let acting = AssertUnwindSafe(act(&client, &plan)).catch_unwind();
            let outcome = acting.await.unwrap_or_else(|_| {
                let message = "the step ended in a panic".to_owned();
                Outcome::Failed(Failure { kind: FailureKind::Unavailable, message })
            });
            if let Outcome::Failed(failure) = &outcome {
                tracing::debug!(cluster = plan.cluster, "{}", failure.message);
            }
            steps.with_label_values(&[plan.step.label(), outcome.label()]).inc();
            // The index is gone only when the program ends.
            let _ = events.send(Event::Done { cluster: plan.cluster, plan: plan.id, outcome }).await;
        });
    }
}

/// Sends notices as Events, one by one, until nobody has any.
pub async fn announce(emitter: &Emitter, mut notices: mpsc::Receiver<Notice>) {
    while let Some(Notice { entry, reason, note }) = notices.recv().await {
        let kind = match reason.severity() {
            Severity::Normal => Kind::Normal,
            Severity::Warning => Kind::Warning,
        };
        let about = match entry {
            Some((name, uid)) => ObjectReference {
                api_version: Some(CLUSTERS.api_version()),
                kind: Some(CLUSTERS.kind.to_string()),
                name: Some(name),
                uid: Some(uid),
                ..ObjectReference::default()
            },
            None => ObjectReference {
                api_version: Some(LEASES.api_version()),
                kind: Some(LEASES.kind.to_string()),
                namespace: Some(SYSTEM_NAMESPACE.to_owned()),
                name: Some(CONTROLLER.to_owned()),
                ..ObjectReference::default()
            },
        };
        let note = format!("{note} Next: {}", reason.next());
        if !emitter.emit(&about, kind, reason.as_str(), "Watch", &note).await {
            tracing::debug!(reason = reason.as_str(), "Event not written");
        }
    }
}
