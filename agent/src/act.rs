//! Carries plans out: the only module that writes objects in the replica, and it decides nothing.

mod apply;
mod examine;
mod inspect;
mod upstream;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use muster_api::names::{MIRROR_MANAGER, POLICIES_MANAGER, WORKS_MANAGER};
use muster_api::resource::{GROUP, NAMESPACES, Resource};
use muster_api::{Object, marks};
use muster_engine::event::StepOutcome;
use muster_engine::evidence::Deletion;
use muster_engine::ledger::{Kept, Ledger};
use muster_engine::plan::{Cause, Plan, Source, Step};
use muster_engine::{Failure, Memory, Target};
use muster_kit::client::{CallError, Client, Preconditions};
use muster_kit::leader::Claim;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::appliers::Appliers;
use crate::failure::failure;
use crate::ledgers::{self, LedgerError};
use crate::metrics::Metrics;
use crate::replica::Replica;
use crate::session::Open;
use crate::store::Store;

/// Calls to an API server under way at once: below what HTTP/2 servers allow on a connection (100), beside watches.
const IN_FLIGHT: usize = 16;

/// What carries plans out.
pub struct Actor {
    /// The replica, as the agent itself.
    replica: Client,
    /// The replica, as the account that applies what policies ask for.
    applier: Client,
    /// The replica, as the accounts that apply Works.
    works: Appliers,
    /// The directory, while there is a session.
    opened: watch::Receiver<Option<Arc<Open>>>,
    /// Whether this process may act.
    claim: watch::Receiver<Claim>,
    /// Where the memory is kept.
    store: Store,
    /// Asks the session to look at the directory.
    doubt: mpsc::Sender<()>,
    metrics: Metrics,
    in_flight: Semaphore,
    /// Whether the owner of the replica wants nothing to be written: also what was planned before that.
    paused: AtomicBool,
    /// Whether nothing is to be deleted: also what was to go when that was planned.
    spares: AtomicBool,
}

/// For whom something is read or written, and as whom.
#[derive(Clone, Copy)]
struct By<'a> {
    source: Source,
    /// The replica, as the account that applies the Work that it is about.
    works: &'a Client,
}

impl Actor {
    /// An actor. `opened` gives the directory while there is a session, `claim` says whether this process may act, and
    /// `doubt` asks the session to look at the directory.
    #[must_use]
    pub fn new(
        replica: &Replica,
        opened: watch::Receiver<Option<Arc<Open>>>,
        claim: watch::Receiver<Claim>,
        store: Store,
        doubt: mpsc::Sender<()>,
        metrics: Metrics,
    ) -> Self {
        let works = Appliers::new(&replica.client, &claim);
        let (replica, applier) = (replica.client.clone(), replica.applier.clone());
        let in_flight = Semaphore::new(IN_FLIGHT);
        let (paused, spares) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { replica, applier, works, opened, claim, store, doubt, metrics, in_flight, paused, spares }
    }

    /// The owner of the replica wants nothing to be written, or wants it again.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Nothing is to be deleted, or what is found to go is again.
    pub fn spare(&self, spares: bool) {
        self.spares.store(spares, Ordering::Relaxed);
    }

    /// Carries out a plan, up to the first step that fails.
    pub async fn carry_out(&self, plan: Plan) -> Vec<StepOutcome> {
        let _place = self.in_flight.acquire().await;
        // On the heap, and only now: a thousand plans may wait for their place, and a call takes kilobytes.
        Box::pin(self.steps(plan)).await
    }

    async fn steps(&self, plan: Plan) -> Vec<StepOutcome> {
        let works = match self.works.client(plan.account.as_deref()) {
            Ok(works) => works,
            // there can be no account of that name
            Err(error) => return vec![StepOutcome::Failed(Failure::Invalid, error.to_string())],
        };
        let by = By { source: plan.source, works: &works };
        let mut outcomes = Vec::with_capacity(plan.steps.len());
        for step in plan.steps {
            let outcome = self.step(by, step).await;
            let failed = matches!(outcome, StepOutcome::Failed(..));
            outcomes.push(outcome);
            if failed {
                break;
            }
        }
        outcomes
    }

    async fn step(&self, by: By<'_>, step: Step) -> StepOutcome {
        match step {
            Step::Examine(examination) => {
                let open = self.opened.borrow().clone();
                match open {
                    Some(open) => examine::examine(&open, examination).await,
                    None => StepOutcome::Failed(
                        Failure::Unavailable,
                        "there is no session with the directory".into(),
                    ),
                }
            }
            Step::Probe => {
                // Full: the session has been asked already.
                let _ = self.doubt.try_send(());
                StepOutcome::Asked
            }
            Step::Look(target) => self.look(by, &target).await,
            Step::Inspect { namespace } => inspect::inspect(self.client(by, &NAMESPACES), &namespace).await,
            Step::Recall { ledger, uid } => match ledgers::recall(&self.replica, &ledger, &uid).await {
                Ok(kept) => StepOutcome::Recorded(Box::new(kept)),
                Err(error) => StepOutcome::Failed(error.failure(), error.to_string()),
            },
            Step::Unlock { work } => self.unlock(&work).await,
            Step::Discover { group, version } => self.discover(&group, &version).await,
            Step::Seek(resource) => self.seek(&resource).await,
            // A process that was paused must not write once another one acts.
            _ if !self.claim.borrow().holds(Instant::now()) => {
                StepOutcome::Failed(Failure::Fenced, "this process is not the one that acts".into())
            }
            // The agent's own memory: without it, it could not even send heartbeats.
            Step::Remember(memory) => self.remember(&memory).await,
            _ if self.paused.load(Ordering::Relaxed) => {
                StepOutcome::Failed(Failure::Fenced, "the owner of this cluster paused the agent".into())
            }
            Step::Create { target, body, cause } => self.create(by, &target, body, cause).await,
            Step::Replace { target, body, cause } => self.replace(by, &target, body, cause).await,
            Step::Apply { target, body, cause, force } => self.apply(by, &target, body, (cause, force)).await,
            Step::Rehearse { target, body } => self.rehearse(by, &target, body).await,
            Step::Unmark { target, uid } => self.unmark(by, &target, &uid).await,
            Step::Delete(_) if self.spares.load(Ordering::Relaxed) => StepOutcome::Failed(
                Failure::Fenced,
                "the directory was set back to an earlier state, or another agent speaks for this cluster: nothing is deleted".into(),
            ),
            Step::Delete(deletion) => self.delete(by, &deletion).await,
            Step::Record { ledger, before } => self.record(&ledger, before.as_ref()).await,
            Step::Settle { kept, applied } => {
                let settled = ledgers::settle(&self.replica, &kept, &applied).await;
                self.recorded("patch", settled)
            }
            Step::Seal { work, key, keep, add } => self.seal(&work, &key, &keep, &add).await,
            Step::Discard { work } => self.discard(&work).await,
            Step::Forget { ledger, uid, version } => self.forget(&ledger, &uid, &version).await,
            Step::Report { name, version, status } => self.report(&name, &version, &status).await,
            Step::Finalize { name, uid, version, finalizers } => {
                self.finalize(&name, &uid, &version, &finalizers).await
            }
        }
    }

    /// Who reads and writes objects of a resource for a source. Copies of the directory's objects are the agent's own
    /// affair: they grant nothing, so no grant of the replica's owner is needed for them.
    fn client<'a>(&'a self, by: By<'a>, resource: &Resource) -> &'a Client {
        match by.source {
            Source::Policies if resource.group != GROUP => &self.applier,
            Source::Works => by.works,
            Source::Policies | Source::Mirror | Source::Engine => &self.replica,
        }
    }

    async fn create(&self, by: By<'_>, target: &Target, body: String, cause: Cause) -> StepOutcome {
        let Target { resource, namespace, name } = target;
        let namespace = namespace.as_deref();
        let client = self.client(by, resource);
        let created = client.create(resource, namespace, manager(by.source), body.into_bytes()).await;
        self.account("create", &created);
        written(created, |object| {
            tracing::info!(%resource, name, uid = object.meta.uid, ?cause, of = of(object), "created");
        })
    }

    async fn replace(&self, by: By<'_>, target: &Target, body: String, cause: Cause) -> StepOutcome {
        let Target { resource, namespace, name } = target;
        let namespace = namespace.as_deref();
        let client = self.client(by, resource);
        let replaced = client.replace(resource, namespace, name, manager(by.source), body.into_bytes()).await;
        self.account("update", &replaced);
        written(replaced, |object| {
            tracing::info!(%resource, name, uid = object.meta.uid, ?cause, of = of(object), "updated");
        })
    }

    async fn delete(&self, by: By<'_>, deletion: &Deletion) -> StepOutcome {
        let Target { resource, namespace, name } = deletion.target();
        let (namespace, uid) = (namespace.as_deref(), deletion.uid());
        let client = self.client(by, resource);
        let resource_version = deletion.version().map(str::to_owned);
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version };
        let deleted = client.delete(resource, namespace, name, &preconditions).await;
        self.account("delete", &deleted);
        match deleted {
            Ok(()) => {
                tracing::info!(%resource, namespace, name, uid, confirmed = deletion.because(), "deleted");
                StepOutcome::Deleted
            }
            Err(error) if error.proves_absence() => StepOutcome::Deleted,
            Err(error) => failed(&error),
        }
    }

    async fn record(&self, ledger: &Ledger, before: Option<&(String, String)>) -> StepOutcome {
        let recorded = ledgers::record(&self.replica, ledger, before).await;
        self.recorded(if before.is_none() { "create" } else { "update" }, recorded)
    }

    fn recorded(&self, verb: &'static str, recorded: Result<Kept, LedgerError>) -> StepOutcome {
        match &recorded {
            Ok(_) => self.count(verb, "ok"),
            Err(LedgerError::Call(error)) => self.count(verb, error.category()),
            Err(LedgerError::Unreadable { .. }) => self.count(verb, "malformed"),
            // It was not tried.
            Err(LedgerError::TooLarge { .. }) => {}
        }
        match recorded {
            Ok(kept) => {
                let maker = &kept.ledger.maker;
                tracing::info!(name = maker.name, of = maker.uid, verb, "ledger written");
                StepOutcome::Recorded(Box::new(kept))
            }
            Err(error) => {
                tracing::debug!(%error, "step failed");
                StepOutcome::Failed(error.failure(), error.to_string())
            }
        }
    }

    async fn forget(&self, ledger: &str, uid: &str, version: &str) -> StepOutcome {
        let forgotten = ledgers::forget(&self.replica, ledger, uid, version).await;
        self.account("delete", &forgotten);
        match forgotten {
            Ok(()) => {
                tracing::info!(ledger, uid, "ledger removed");
                StepOutcome::Deleted
            }
            Err(error) => failed(&error),
        }
    }

    /// What was recorded is changed. A record that its owner removed is not made again here, and then nothing is
    /// remembered.
    async fn remember(&self, memory: &Memory) -> StepOutcome {
        match self.store.change(memory).await {
            Ok(_) => {
                let Memory { pin, departed, holds, set_back } = memory;
                let set_back = set_back.as_ref().map(|set_back| &set_back.id);
                let held: Vec<&String> =
                    set_back.into_iter().chain(holds.iter().map(|hold| &hold.id)).collect();
                tracing::info!(
                    cluster = pin.cluster,
                    entry = pin.entry,
                    era = pin.era,
                    ?departed,
                    ?held,
                    "state recorded"
                );
                StepOutcome::Remembered
            }
            Err(error) => StepOutcome::Failed(error.failure(), error.to_string()),
        }
    }

    fn account<T>(&self, verb: &'static str, result: &Result<T, CallError>) {
        self.count(verb, result.as_ref().map_or_else(CallError::category, |_| "ok"));
    }

    fn count(&self, verb: &'static str, result: &'static str) {
        self.metrics.writes.with_label_values(&[verb, result]).inc();
    }
}

fn manager(source: Source) -> &'static str {
    match source {
        Source::Mirror | Source::Engine => MIRROR_MANAGER,
        Source::Policies => POLICIES_MANAGER,
        Source::Works => WORKS_MANAGER,
    }
}

/// What justifies an object: directory and entry that a copy was made from, by their UIDs, or the policy that an
/// object was made for.
fn of(object: &Object) -> Option<&str> {
    let annotations = &object.meta.annotations;
    let copied = annotations.get(marks::COPIED_FROM).map(String::as_str);
    // Name and UID: the rest of the mark is for the agent.
    let mark = annotations.get(marks::MADE_FOR);
    let made = mark.map(|mark| mark.match_indices('/').nth(1).map_or(mark.as_str(), |(end, _)| &mark[..end]));
    copied.or(made)
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
