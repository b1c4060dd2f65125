//! The session with the directory: from what a Secret offers to a client that is known to lead to the pinned
//! directory, and back when it does not.
//!
//! ```text
//!  offer ─▶ parse ─▶ probe ─▶ the recorded directory? the same cluster? no fewer rights? ─▶ swapped in
//!              └────────┴───────── no: a condition, and the session that works goes on
//! ```
//!
//! Only this module ever holds a credential.

pub mod credential;
mod gate;
mod joining;
mod life;
pub mod probe;
mod refusal;
pub mod renewal;
pub mod source;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use muster_api::conditions::{DirectoryReachable, Reason as _};
use muster_engine::Memory;
use muster_engine::event::Problem;
use muster_engine::event::{Event, Session as Joined};
use muster_engine::pin::{Mismatch, Pin};
use muster_engine::time::backoff;
use muster_kit::client::{Client, ClientOptions, Proxy};
use muster_kit::leader::{Claim, Unopposed};
use muster_kit::watch::{Gate, Link};
use secrecy::ExposeSecret as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use self::credential::Facts as Lifespan;
use self::gate::{Asks, IdentityGate};
use self::probe::{Right, probe};
use self::refusal::{OfferError, WAIT_FOR_ANSWER, of_credential};
use self::renewal::Renewal;
use self::source::{Material, Offer};
use crate::client_options;
use crate::metrics::{DIRECTORY, Metrics};
use crate::store::Store;
use muster_kit::kubeconfig::Kubeconfig;

/// A session that others may use. Whoever holds it past its end holds its connections open.
#[derive(Clone)]
pub struct Open {
    /// For watches and live reads.
    pub client: Client,
    /// For the heartbeat and the report: a connection of their own, which a large list does not block.
    pub beats: Client,
    /// Keeps answers of another server out, for each of the two.
    pub gates: [Arc<dyn Gate>; 2],
    /// The directory and the replica.
    pub joined: Joined,
    /// Name of the execution namespace.
    pub execution_namespace: String,
    /// The user that the directory takes the agent for.
    pub user: String,
    /// The directory's address.
    pub server: String,
    /// When the agent itself asked for the credential; `None`: people gave it.
    pub renewed: Option<Timestamp>,
    rights: BTreeSet<Right>,
    life: Lifespan,
}

/// What a session needs of the program.
pub struct Wiring {
    /// The name that the settings give this cluster.
    pub cluster_name: Option<String>,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The replica, as the agent itself and only while it may act: there the renewed credential is kept.
    pub keeper: Client,
    /// Through what the directory is reached.
    pub proxy: Option<Proxy>,
    /// When the credential is renewed.
    pub renewal: Renewal,
    /// Where the pin is kept.
    pub store: Store,
    /// Metrics.
    pub metrics: Metrics,
    /// To the engine.
    pub events: mpsc::Sender<Event>,
    /// To the watches of the directory.
    pub links: watch::Sender<Option<Link>>,
    /// To everybody else.
    pub opened: watch::Sender<Option<Arc<Open>>>,
    /// Whether this process is to speak for the replica.
    pub claim: watch::Receiver<Claim>,
}

/// Runs sessions.
pub struct Session {
    wiring: Wiring,
    doubt: mpsc::Sender<()>,
    /// What was offered and is not in use, with the time of the next attempt.
    pending: Option<(Material, Instant)>,
    attempts: u32,
    working: Option<(Material, Arc<Open>)>,
    /// What worked before, while something else is pending.
    fallback: Option<Material>,
    refused: Option<Problem<DirectoryReachable>>,
    /// Whoever gave the credential took it back: none begins with it any more.
    taken_back: bool,
    /// When the credential in use is renewed, how often that failed since it last succeeded, and why it did.
    renew_at: Option<Instant>,
    renewals: u32,
    unrenewed: Option<String>,
    pin: Option<Pin>,
    epoch: u64,
}

/// The replica joined another directory, because its owner removed the record of the old one: all that was learned
/// from that is void.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejoined;

impl Session {
    /// Sessions that begin with nothing. `pin`: what is recorded of the directory that was joined. `doubt` is the sending side of
    /// what [`Self::run`] listens to.
    #[must_use]
    pub fn new(wiring: Wiring, pin: Option<Pin>, doubt: mpsc::Sender<()>) -> Self {
        Self {
            wiring,
            doubt,
            pending: None,
            attempts: 0,
            working: None,
            fallback: None,
            refused: None,
            taken_back: false,
            renew_at: None,
            renewals: 0,
            unrenewed: None,
            pin,
            epoch: 0,
        }
    }

    /// Runs until the replica joins another directory. `doubts`: somebody saw what the directory should not say.
    pub async fn run(
        mut self,
        mut offers: mpsc::Receiver<Offer>,
        mut doubts: mpsc::Receiver<()>,
    ) -> Rejoined {
        loop {
            let retry = self.pending.as_ref().map(|(_, at)| *at);
            let outcome = tokio::select! {
                Some(offer) = offers.recv() => self.offered(offer).await,
                Some(()) = doubts.recv() => self.doubted().await,
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.attempt().await,
                () = sleep(WAIT_FOR_ANSWER.1), if retry.is_none() && self.working.is_none() && self.fallback.is_some() => {
                    self.fall_back().await
                }
                () = sleep_until(self.renew_at.unwrap_or_else(Instant::now)), if self.renew_at.is_some() => {
                    self.renew().await
                }
                () = sleep_until(Instant::now() + self.next_look()), if self.working.is_some() => {
                    self.tell_credential().await;
                    Ok(())
                }
            };
            if let Err(rejoined) = outcome {
                return rejoined;
            }
        }
    }

    async fn offered(&mut self, offer: Offer) -> Result<(), Rejoined> {
        self.taken_back = false;
        match offer {
            Offer::Nothing(why) => {
                self.pending = None;
                // Whoever removes a credential takes it back: a session that works goes on until the credential ends,
                // but none begins with it any more.
                (self.fallback, self.renew_at, self.taken_back) = (None, None, true);
                self.refuse(DirectoryReachable::SecretMissing, why).await;
                Ok(())
            }
            // The fallback stays: what worked is not worse for a bad offer after it.
            Offer::Unusable(why) => {
                self.pending = None;
                self.refuse(DirectoryReachable::KubeconfigInvalid, why).await;
                self.fall_back().await
            }
            Offer::Material(material)
                if self.working.as_ref().is_some_and(|(used, _)| used.input == material.input) =>
            {
                self.pending = None;
                self.refused = None;
                self.plan_renewal();
                self.tell_credential().await;
                Ok(())
            }
            Offer::Material(material) => {
                self.attempts = 0;
                self.pending = Some((material, Instant::now()));
                self.attempt().await
            }
        }
    }

    /// Tries what is pending.
    async fn attempt(&mut self) -> Result<(), Rejoined> {
        let Some((material, _)) = self.pending.take() else { return Ok(()) };
        let renewed = self.renewed().await;
        let is_kept = renewed.is_some();
        let (material, outcome) = self.try_newest(material, renewed).await;
        let result = match &outcome {
            Ok(_) => "ok",
            Err(error) => of_credential(error.reason()).as_str(),
        };
        self.wiring.metrics.rotations.with_label_values(&[result]).inc();
        match outcome {
            Ok(open) => {
                if is_kept && !material.is_renewed {
                    self.discard().await;
                }
                self.open(material, open).await
            }
            Err(error) => {
                self.attempts = self.attempts.saturating_add(1);
                let message = format!("{}: {}", material.origin, error.told(self.wiring.store.namespace()));
                if let Some((first, longest)) = error.wait() {
                    let salt = muster_kit::random::salt();
                    let wait = backoff(self.attempts, first, longest, salt);
                    self.pending = Some((material, Instant::now() + wait));
                }
                self.refuse(error.reason(), message).await;
                self.fall_back().await
            }
        }
    }

    async fn try_material(&self, material: &Material) -> Result<Open, OfferError> {
        let kubeconfig = Kubeconfig::parse(material.kubeconfig.expose_secret())?;
        // Once for each offer, not with every attempt.
        for warning in kubeconfig.warnings().iter().filter(|_| self.attempts == 0 && !material.is_renewed) {
            tracing::warn!(origin = material.origin, "{warning}");
        }
        let endpoint = kubeconfig.endpoint();
        let options = || ClientOptions {
            observer: Some(self.wiring.metrics.observer(DIRECTORY)),
            proxy: self.wiring.proxy.clone(),
            ..client_options()
        };
        let client = Client::new(&endpoint, options())?;
        let name = self.wiring.cluster_name.as_deref().or(material.cluster_name.as_deref());
        let facts = probe(&client, name).await.map_err(|error| OfferError::of(error, endpoint.server()))?;
        let (memory, kept) = self.judge(&facts).await?;
        let rights = probe::rights(&client, &facts).await?;
        if let Some(right) = self.needed(&rights, &facts).await.difference(&rights).next() {
            return Err(OfferError::Right { user: facts.user, right: *right });
        }
        // Last: a directory whose offer is refused is not the one that was joined.
        let kept = match kept {
            Some(kept) if kept.memory == memory => kept,
            before => {
                let kept = self.wiring.store.save(&memory, before.as_ref()).await?;
                let Pin { directory, cluster, .. } = &memory.pin;
                tracing::info!(directory, cluster, "directory recorded");
                kept
            }
        };
        let joined = self.joined(kept);
        let life = Lifespan::of(endpoint.credential());
        let gate = |asks| -> Arc<dyn Gate> {
            Arc::new(IdentityGate::new(&joined.pin.directory, asks, self.doubt.clone()))
        };
        Ok(Open {
            beats: Client::new(&endpoint, options())?.fenced(Arc::new(Unopposed(self.wiring.claim.clone()))),
            client,
            gates: [gate(Asks::Always), gate(Asks::EachConnection)],
            joined,
            execution_namespace: facts.execution_namespace,
            user: facts.user,
            server: endpoint.server().to_string(),
            renewed: life.issued_at.filter(|_| material.is_renewed),
            rights,
            life,
        })
    }

    async fn open(&mut self, material: Material, open: Open) -> Result<(), Rejoined> {
        let pin = open.joined.pin.clone();
        if self.pin.replace(pin.clone()).is_some_and(|before| !before.goes_on_as(&pin)) {
            return Err(Rejoined);
        }
        tracing::info!(
            origin = material.origin,
            user = open.user,
            directory = pin.directory,
            "session opened"
        );
        self.attempts = 0;
        self.refused = None;
        self.fallback = None;
        self.publish(material, open).await;
        Ok(())
    }

    /// Lets others use a session.
    async fn publish(&mut self, material: Material, open: Open) {
        self.epoch += 1;
        let open = Arc::new(open);
        self.send(Event::Opened(open.joined.clone())).await;
        let (client, gate) = (open.client.clone(), Arc::clone(&open.gates[0]));
        self.wiring.links.send_replace(Some(Link { client, epoch: self.epoch, gate, era: 0 }));
        self.wiring.opened.send_replace(Some(Arc::clone(&open)));
        self.working = Some((material, open));
        self.plan_renewal();
        self.tell_credential().await;
    }

    /// Somebody doubts the directory: is it still the one that was joined?
    async fn doubted(&mut self) -> Result<(), Rejoined> {
        let Some((material, open)) = self.working.take() else { return Ok(()) };
        let judged = match probe(&open.client, Some(&open.joined.pin.cluster)).await {
            Ok(facts) => self.judge(&facts).await,
            Err(error) => Err(error.into()),
        };
        match judged {
            // The record was removed before the directory changed.
            Ok((Memory { pin, .. }, _)) if !open.joined.pin.goes_on_as(&pin) => return Err(Rejoined),
            // Its owner removed the record: it is made anew, and the session goes on.
            Ok((memory, None)) => match self.wiring.store.save(&memory, None).await {
                Ok(kept) => {
                    tracing::info!(directory = memory.pin.directory, "directory recorded anew");
                    let open = Open { joined: self.joined(kept), ..Open::clone(&open) };
                    self.publish(material, open).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "directory not recorded anew");
                    self.working = Some((material, open));
                }
            },
            Err(
                error @ OfferError::Mismatch(Mismatch::OtherDirectory { .. } | Mismatch::BeingRemoved { .. }),
            ) => {
                tracing::warn!(%error, "session closed");
                self.wiring.links.send_replace(None);
                self.wiring.opened.send_replace(None);
                let message = format!("{}: {error}", material.origin);
                if self.taken_back {
                    tracing::debug!("it was taken back: it is not tried again");
                } else if self.pending.is_none() {
                    self.attempts = 1;
                    self.pending = Some((material, Instant::now() + WAIT_FOR_ANSWER.0));
                } else {
                    self.fallback = Some(material);
                }
                self.refuse(error.reason(), message).await;
            }
            // It is, or it does not say: its watches will tell.
            _ => self.working = Some((material, open)),
        }
        Ok(())
    }

    async fn refuse(&mut self, reason: DirectoryReachable, message: String) {
        let problem = Problem { reason, message };
        if self.refused.as_ref() != Some(&problem) {
            let in_use =
                if self.working.is_some() { "the session that works goes on" } else { "there is no session" };
            tracing::warn!(reason = ?problem.reason, problem.message, in_use, "credential refused");
        }
        self.refused = Some(problem.clone());
        if self.working.is_none() {
            self.send(Event::Closed(problem)).await;
        }
        self.tell_credential().await;
    }

    async fn send(&self, event: Event) {
        // The engine is gone only when the program ends.
        let _ = self.wiring.events.send(event).await;
    }
}
