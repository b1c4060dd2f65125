//! Carries plans out: the only module that writes objects in the replica, and it decides nothing.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use muster_api::names::MIRROR_MANAGER;
use muster_api::resource::CLUSTERS;
use muster_api::{Object, marks};
use muster_engine::event::StepOutcome;
use muster_engine::evidence::{Deletion, Examination, Findings};
use muster_engine::plan::{Plan, Source, Step};
use muster_engine::{Failure, Pin, Target};
use muster_kit::client::{CallError, Client, Preconditions};
use muster_kit::leader::Claim;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::failure::failure;
use crate::metrics::Metrics;
use crate::session::Open;
use crate::session::probe::{landmarks, reading};
use crate::store::{Store, StoreError};

/// Calls to an API server under way at once: below what HTTP/2 servers allow on a connection (100), beside watches.
const IN_FLIGHT: usize = 16;
/// Entries read at once for an examination: each may be large.
const READS: usize = 8;

/// What carries plans out.
#[derive(Clone)]
pub struct Actor {
    /// The replica.
    pub replica: Client,
    /// The directory, while there is a session.
    pub opened: watch::Receiver<Option<Arc<Open>>>,
    /// Whether this process may act.
    pub claim: watch::Receiver<Claim>,
    /// Where the pin is kept.
    pub store: Store,
    /// Asks the session to look at the directory.
    pub doubt: mpsc::Sender<()>,
    /// Metrics.
    pub metrics: Metrics,
    in_flight: Arc<Semaphore>,
}

impl Actor {
    /// An actor.
    #[must_use]
    pub fn new(
        replica: Client,
        opened: watch::Receiver<Option<Arc<Open>>>,
        claim: watch::Receiver<Claim>,
        store: Store,
        doubt: mpsc::Sender<()>,
        metrics: Metrics,
    ) -> Self {
        Self { replica, opened, claim, store, doubt, metrics, in_flight: Arc::new(Semaphore::new(IN_FLIGHT)) }
    }

    /// Carries out a plan, up to the first step that fails.
    pub async fn carry_out(&self, plan: Plan) -> Vec<StepOutcome> {
        let _place = self.in_flight.acquire().await;
        let mut outcomes = Vec::with_capacity(plan.steps.len());
        for step in plan.steps {
            let outcome = self.step(plan.source, step).await;
            let failed = matches!(outcome, StepOutcome::Failed(..));
            outcomes.push(outcome);
            if failed {
                break;
            }
        }
        outcomes
    }

    async fn step(&self, source: Source, step: Step) -> StepOutcome {
        match step {
            Step::Examine(examination) => self.examine(examination).await,
            Step::Probe => {
                // Full: the session has been asked already.
                let _ = self.doubt.try_send(());
                StepOutcome::Asked
            }
            // A process that was paused must not write once another one acts.
            _ if !self.claim.borrow().holds(Instant::now()) => {
                StepOutcome::Failed(Failure::Fenced, "this process is not the one that acts".into())
            }
            Step::Create { target, body, cause } => {
                let Target { resource, namespace, name } = &target;
                let created = self
                    .replica
                    .create(resource, namespace.as_deref(), manager(source), body.into_bytes())
                    .await;
                self.account("create", &created);
                written(created, |object| {
                    tracing::info!(%resource, name, uid = object.meta.uid, ?cause, of = of(object), "created");
                })
            }
            Step::Replace { target, body, cause } => {
                let Target { resource, namespace, name } = &target;
                let namespace = namespace.as_deref();
                let replaced =
                    self.replica.replace(resource, namespace, name, manager(source), body.into_bytes()).await;
                self.account("update", &replaced);
                written(replaced, |object| {
                    tracing::info!(%resource, name, uid = object.meta.uid, ?cause, of = of(object), "updated");
                })
            }
            Step::Delete(deletion) => self.delete(&deletion).await,
            Step::Remember(pin) => match self.remember(&pin).await {
                Ok(()) => StepOutcome::Remembered,
                Err(error) => StepOutcome::Failed(Failure::Unavailable, error.to_string()),
            },
        }
    }

    /// What was recorded is changed; a record that its owner removed is not made again here.
    async fn remember(&self, pin: &Pin) -> Result<(), StoreError> {
        if let Some(kept) = self.store.load().await? {
            self.store.save(pin, Some(&kept)).await?;
            tracing::info!(cluster = pin.cluster, entry = pin.entry, "own entry recorded");
        }
        Ok(())
    }

    async fn delete(&self, deletion: &Deletion) -> StepOutcome {
        let Target { resource, namespace, name } = deletion.target();
        let uid = deletion.uid();
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let deleted = self.replica.delete(resource, namespace.as_deref(), name, &preconditions).await;
        self.account("delete", &deleted);
        match deleted {
            Ok(()) => {
                tracing::info!(%resource, name, uid, confirmed = %deletion.confirmed(), "deleted");
                StepOutcome::Deleted
            }
            Err(error) if error.proves_absence() => StepOutcome::Deleted,
            Err(error) => failed(&error),
        }
    }

    async fn examine(&self, examination: Examination) -> StepOutcome {
        let open = self.opened.borrow().clone();
        let Some(open) = open else {
            return StepOutcome::Failed(
                Failure::Unavailable,
                "there is no session with the directory".into(),
            );
        };
        let Examination { pin, entries } = examination;
        let client = &open.client;
        let connections = client.connections_opened();
        let entry = async |name: &str| reading(client.get(&CLUSTERS, None, name).await);
        let around = async |entries| {
            let namespace = pin.execution_namespace.is_some().then_some(open.execution_namespace.as_str());
            let (landmarks, own_entry) = futures::join!(landmarks(client, namespace), entry(&pin.cluster));
            Findings { landmarks, own_entry, entries }
        };
        let before = around(Vec::new()).await;
        if before.standing(&pin).is_err() {
            return StepOutcome::Found(before);
        }
        let reads = entries.into_iter().map(async |name| {
            let reading = entry(&name).await;
            (name, reading)
        });
        let entries = futures::stream::iter(reads).buffered(READS).collect().await;
        let findings = around(entries).await;
        if client.connections_opened() != connections {
            // The reads may have come from two servers.
            let why = "the connection to the directory changed while it was read";
            return StepOutcome::Failed(Failure::Unavailable, why.into());
        }
        StepOutcome::Found(findings)
    }

    fn account<T>(&self, verb: &'static str, result: &Result<T, CallError>) {
        let result = result.as_ref().map_or_else(CallError::category, |_| "ok");
        self.metrics.writes.with_label_values(&[verb, result]).inc();
    }
}

fn manager(source: Source) -> &'static str {
    match source {
        Source::Mirror | Source::Engine => MIRROR_MANAGER,
    }
}

/// Directory and entry that a copy was made from, by their UIDs: what justifies it.
fn of(object: &Object) -> Option<&str> {
    object.meta.annotations.get(marks::COPIED_FROM).map(String::as_str)
}

fn written(result: Result<Object, CallError>, log: impl FnOnce(&Object)) -> StepOutcome {
    match result {
        Ok(object) => {
            log(&object);
            StepOutcome::Written(object)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &CallError) -> StepOutcome {
    tracing::debug!(%error, "step failed");
    StepOutcome::Failed(failure(error), error.to_string())
}
