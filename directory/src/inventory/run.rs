//! The inventory as a task of its own: it watches the profiles, and carries out what is to be done.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use jiff::Timestamp;
use muster_api::clock::Now;
use muster_api::resource::CLUSTER_PROFILES;
use muster_kit::Client;
use muster_kit::client::{CallError, Preconditions};
use muster_kit::watch::{Form, Link, Target, WatchEvent, WatchOptions, Watched, watch};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::book::{Book, Outcome, Plan, Source, Step};
use crate::fleet::Change;
use crate::fleet::definition::is_older;
use crate::fleet::plan::Notice;
use crate::metrics::Metrics;
use crate::watches::change;
use crate::{MANAGER, act};

/// Calls under way at once: other tools can wait.
const IN_FLIGHT: usize = 4;
/// First and longest wait before the profiles are watched again: where their kind is not defined, each attempt is in vain.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often is looked for what waits.
const TICK: Duration = Duration::from_secs(1);

/// What the inventory needs of the program.
pub struct Wiring {
    /// The directory, while this process acts.
    pub client: Client,
    /// Namespace of the profiles.
    pub namespace: String,
    /// What the watches of entries and reports say.
    pub inbox: mpsc::Receiver<(Source, Change)>,
    /// To whoever tells people.
    pub notices: mpsc::Sender<Notice>,
    /// Metrics.
    pub metrics: Metrics,
}

/// Keeps the inventory until `cancel`, then waits for what is under way.
pub async fn keep(wiring: Wiring, cancel: CancellationToken) {
    let Wiring { client, namespace, mut inbox, notices, metrics } = wiring;
    let (sender, profiles) = mpsc::channel(16);
    let target = Target {
        resource: CLUSTER_PROFILES,
        namespace: Some(namespace.clone()),
        labels: None,
        fields: None,
        form: Form::Whole,
    };
    let links = Link::fixed(client.clone());
    let options = WatchOptions { backoff: LOOKS, ..WatchOptions::default() };
    let watching = watch(target, links, sender, options, cancel.clone());
    let mut keeper = Keeper {
        book: Book::new(&namespace),
        client,
        namespace,
        metrics,
        started: Instant::now(),
        tasks: JoinSet::new(),
        waiting: Vec::new(),
        troubled: false,
    };
    let keeping = async {
        keeper.run(&mut inbox, profiles, &notices, &cancel).await;
        while keeper.tasks.join_next().await.is_some() {}
    };
    futures::join!(watching, keeping);
}

struct Keeper {
    book: Book,
    client: Client,
    namespace: String,
    metrics: Metrics,
    started: Instant,
    tasks: JoinSet<(String, Outcome, Option<CallError>)>,
    waiting: Vec<Plan>,
    /// Whether the last write failed: that is said once.
    troubled: bool,
}

impl Keeper {
    async fn run(
        &mut self,
        inbox: &mut mpsc::Receiver<(Source, Change)>,
        mut profiles: mpsc::Receiver<Watched>,
        notices: &mpsc::Sender<Notice>,
        cancel: &CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                Some((source, change)) = inbox.recv() => self.book.see(source, change),
                Some(Watched { event, .. }) = profiles.recv() => self.profiles(event),
                Some(done) = self.tasks.join_next() => {
                    // A task catches its own panics; none is cancelled.
                    if let Ok((name, outcome, error)) = done {
                        self.done(&name, outcome, error.as_ref());
                    }
                }
                _ = tick.tick() => {}
                else => return,
            }
            let plans = self.book.decide(self.now());
            self.waiting.extend(plans);
            while self.tasks.len() < IN_FLIGHT
                && let Some(plan) = self.waiting.pop()
            {
                self.carry_out(plan);
            }
            for notice in self.book.notices() {
                tracing::warn!("{}", notice.note);
                let _ = notices.try_send(notice); // Events are best effort
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: Timestamp::now() }
    }

    fn profiles(&mut self, event: WatchEvent) {
        match &event {
            // The kind is not defined: there is no inventory to keep.
            WatchEvent::Failed(CallError::NotFound { .. }) => {}
            WatchEvent::Failed(error) => {
                tracing::debug!(%error, "watch failed");
                self.metrics.watch_errors.with_label_values(&["profiles", error.category()]).inc();
            }
            _ => {}
        }
        self.book.see(Source::Profiles, change(event));
    }

    fn done(&mut self, name: &str, outcome: Outcome, error: Option<&CallError>) {
        self.metrics.steps.with_label_values(&["profile", outcome.label()]).inc();
        if let Some(error) = error
            && !self.troubled
        {
            tracing::warn!(%error, "the inventory is not as it is to be");
        }
        self.troubled = error.is_some();
        self.book.done(name, outcome, self.started.elapsed());
    }

    fn carry_out(&mut self, plan: Plan) {
        let (client, namespace) = (self.client.clone(), self.namespace.clone());
        self.tasks.spawn(async move {
            let attempt = AssertUnwindSafe(attempt(&client, &namespace, &plan)).catch_unwind();
            match attempt.await {
                Ok(Ok(outcome)) => (plan.name, outcome, None),
                Ok(Err(error)) if error.proves_absence() && !matches!(plan.step, Step::Make(_)) => {
                    (plan.name, Outcome::Gone, None)
                }
                Ok(Err(CallError::Conflict { .. } | CallError::AlreadyExists { .. })) => {
                    (plan.name, Outcome::Overtaken, None)
                }
                Ok(Err(error)) => (plan.name, Outcome::Failed, Some(error)),
                Err(_panic) => {
                    tracing::error!("a step of the inventory ended in a panic");
                    (plan.name, Outcome::Failed, None)
                }
            }
        });
    }
}

async fn attempt(client: &Client, namespace: &str, plan: &Plan) -> Result<Outcome, CallError> {
    let (resource, namespace, name) = (&CLUSTER_PROFILES, Some(namespace), plan.name.as_str());
    let written = match &plan.step {
        Step::Make(body) => client.create(resource, namespace, MANAGER, body.to_string().into_bytes()).await,
        Step::Mend(body) => {
            client.merge_patch(resource, namespace, name, None, MANAGER, body.to_string().into_bytes()).await
        }
        Step::Tell { resource_version, status } => {
            let body = json!({"metadata": {"resourceVersion": resource_version}, "status": status});
            let body = body.to_string().into_bytes();
            client.merge_patch(resource, namespace, name, Some("status"), MANAGER, body).await
        }
        Step::Remove { uid, made } => {
            let definition = act::definition(client).await?;
            if !definition.as_ref().is_some_and(|definition| is_older(definition, *made)) {
                return Ok(Outcome::Doubtful);
            }
            let same = Preconditions { uid: Some(uid.clone()), resource_version: None };
            client.delete(resource, namespace, name, &same).await?;
            return Ok(Outcome::Gone);
        }
    };
    written.map(|object| Outcome::Written(Box::new(object)))
}
