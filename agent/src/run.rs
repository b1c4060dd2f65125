//! The program as a whole: who waits, who acts, and what ends with what.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::future::Either;
use muster_api::names::{AGENT, LEADER_LEASE, SYSTEM_NAMESPACE};
use muster_engine::{Engine, Event, Scope};
use muster_kit::admin::{Admin, Readiness, Served};
use muster_kit::events::Emitter;
use muster_kit::leader::{Claim, Election, Elector, Unopposed};
use muster_kit::shutdown::{GRACE, Shutdown};
use muster_kit::watch::Link;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::act::Actor;
use crate::appliers::Appliers;
use crate::heartbeat::Heart;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::replica::{self, Clients, Replica};
use crate::report::Reporter;
use crate::session::{Open, Rejoined, Session, Wiring, source};
use crate::settings::Settings;
use crate::standby::{identity, stand_by};
use crate::store::{Kept, Store};
use crate::waking;
use crate::watches::{self, Outlet};
use muster_kit::pulse::Pulse;

/// Events that wait for the engine.
const QUEUE: usize = 256;

/// Runs the agent until a signal.
///
/// # Errors
/// Where it cannot begin: the admin address is taken, or the replica's credential is unusable.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen().context("unable to listen for signals")?;
    let metrics = Metrics::new().context("unable to make the metrics")?;
    let pulse = Pulse::new(Instant::now());
    let readiness = Readiness::default();
    let admin = Admin::bind(settings.listen).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %admin.address()?, "agent started");
    let alive = pulse.clone();
    let served = Served {
        liveness: Arc::new(move || {
            if alive.is_alive(Instant::now()) {
                Ok(())
            } else {
                Err("the index makes no progress".to_owned())
            }
        }),
        readiness: readiness.clone(),
        registry: metrics.registry.clone(),
    };
    shutdown.tasks().spawn(admin.serve(served, shutdown.token()));
    let clients = replica::clients(&settings, &metrics)?;
    let agent = Agent { settings, metrics, pulse };
    let meeting = readiness.block("replica");
    let (cancel, ended) = (shutdown.token(), shutdown.token().drop_guard());
    let work = shutdown.tasks().spawn(async move {
        let _ended = ended; // also by a panic: the program must not live on without its work
        let Some(replica) = cancel.run_until_cancelled(agent.meet(clients)).await else { return };
        drop(meeting);
        Box::pin(agent.contend(replica, cancel)).await;
    });
    shutdown.wait(GRACE).await?;
    work.await.context("the agent's work ended in a panic")
}

struct Agent {
    settings: Settings,
    metrics: Metrics,
    pulse: Pulse,
}

impl Agent {
    /// Waits for the replica. While it does not answer, there is nothing to make progress with.
    async fn meet(&self, clients: Clients) -> Replica {
        let met = replica::meet(&self.settings, clients);
        match futures::future::select(Box::pin(met), Box::pin(self.idle())).await {
            Either::Left((replica, _)) => replica,
            Either::Right((never, _)) => match never {},
        }
    }

    /// Keeps the pulse while another process acts.
    async fn idle(&self) -> Infallible {
        loop {
            self.pulse.beat(Instant::now());
            tokio::time::sleep(muster_kit::pulse::BEAT).await;
        }
    }

    /// Acts while this process holds the replica's Lease. The Lease is released when all work has ended.
    async fn contend(&self, replica: Replica, cancel: CancellationToken) {
        let identity = identity(&replica);
        let lease = self.settings.leader_lease;
        let election = Election::new(SYSTEM_NAMESPACE, LEADER_LEASE, &identity, crate::MANAGER, lease);
        let emitter = Emitter::new(replica.client.clone(), AGENT, &identity);
        let (elector, mut claim) = Elector::new(election, Link::fixed(replica.client.clone()));
        let told = claim.clone();
        let contending = CancellationToken::new();
        let released = contending.clone();
        let work = async {
            while !cancel.is_cancelled() {
                let held = claim.wait_for(|claim| matches!(claim, Claim::Held { .. }));
                let waiting = async {
                    tokio::select! {
                        held = held => held.is_ok(),
                        never = self.idle() => match never {},
                        never = stand_by(&replica, &emitter, told.clone()) => match never {},
                    }
                };
                if cancel.run_until_cancelled(waiting).await != Some(true) {
                    break;
                }
                tracing::info!(identity, "this process acts");
                self.metrics.leader.set(1);
                Box::pin(self.act(&replica.under(&claim), claim.clone(), &cancel)).await;
                self.metrics.leader.set(0);
            }
            released.cancel();
        };
        futures::join!(elector.run(contending), work);
    }

    /// Tells the engine what is kept of an earlier life, before anything else: what it wants while the directory is away
    /// depends on it. Waits until it can be read. `false`: there is nothing to act for any more.
    async fn recall(
        &self,
        replica: &Replica,
        store: &Store,
        events: &mpsc::Sender<Event>,
        claim: &watch::Receiver<Claim>,
        cancel: &CancellationToken,
    ) -> bool {
        let mut claim = claim.clone();
        let kept = tokio::select! {
            kept = store.recall() => kept,
            never = self.idle() => match never {},
            () = cancel.cancelled() => return false,
            _ = claim.wait_for(|claim| matches!(claim, Claim::Other { .. })) => return false,
        };
        if let Some(Kept { memory, nonce, .. }) = kept {
            let replica = replica.id.clone();
            // The engine is gone only when the program ends.
            let _ = events.send(Event::Recalled { memory, replica, nonce }).await;
        }
        true
    }

    /// Acts until `cancel`, until another process acts, or until the replica joins another directory.
    async fn act(&self, replica: &Replica, claim: watch::Receiver<Claim>, cancel: &CancellationToken) {
        let scope = self.settings.mirror.clone();
        let stop = cancel.child_token();
        let (events, inbox) = mpsc::channel(QUEUE);
        let (links, directory_links) = watch::channel(None);
        let (opened_sender, opened) = watch::channel(None);
        let (doubt, doubts) = mpsc::channel(1);
        let (offers_sender, offers) = mpsc::channel(1);
        let replica_links = Link::fixed(replica.client.clone());
        let store = Store::new(replica.client.clone(), &replica.namespace, claim.clone());
        let appliers = Appliers::new(&replica.client, &claim);
        let actor = Actor::new(
            replica,
            opened.clone(),
            claim.clone(),
            store.clone(),
            doubt.clone(),
            self.metrics.clone(),
        );
        if !self.recall(replica, &store, &events, &claim, cancel).await {
            return;
        }
        let (watched, wanted) = watch::channel(BTreeMap::new());
        let (awaited, awaits) = watch::channel(BTreeSet::new());
        let (metrics, pulse) = (self.metrics.clone(), self.pulse.clone());
        let engine = Engine::new(scope.clone(), replica.namespace.clone());
        let (index, views) = Index::new(engine, actor, metrics, pulse, claim.clone(), watched, awaited);
        let wiring = Wiring {
            cluster_name: self.settings.cluster_name.clone(),
            replica: replica.id.clone(),
            keeper: replica.client.fenced(Arc::new(Unopposed(claim.clone()))),
            renewal: self.settings.renewal,
            store,
            metrics: self.metrics.clone(),
            events: events.clone(),
            links,
            opened: opened_sender,
            claim: claim.clone(),
        };
        let heart = Heart {
            identity: format!("{}/{}", replica.id, replica.install),
            namespace: replica.namespace.clone(),
            claim: claim.clone(),
            pulse: self.pulse.clone(),
            events: events.clone(),
            metrics: self.metrics.clone(),
        };
        let emitter = Emitter::new(replica.client.clone(), AGENT, &identity(replica));
        let session = async {
            let sessions = Box::pin(Session::new(wiring, doubt).run(offers, doubts));
            let outcome = stop.run_until_cancelled(sessions).await;
            if outcome == Some(Rejoined) {
                tracing::warn!("another directory was joined: beginning anew with it");
            }
            stop.cancel();
        };
        let mut leads = claim.clone();
        let deposed = async {
            let other = leads.wait_for(|claim| matches!(claim, Claim::Other { .. }));
            if stop.run_until_cancelled(other).await.is_some() {
                tracing::warn!("another process acts now");
                stop.cancel();
            }
        };
        let source = self.settings.directory.clone();
        let outlet = Outlet { events, metrics: self.metrics.clone(), cancel: stop.clone() };
        futures::join!(
            index.run(inbox, stop.clone()),
            Reporter::new(replica.clone(), views, opened.clone(), emitter, claim.clone()).run(stop.clone()),
            source::follow(source, replica_links, offers_sender, self.metrics.clone(), stop.clone()),
            watches::replica(replica, outlet.clone()),
            watches::made(&appliers, wanted, &replica.install, outlet.clone()),
            waking::awaited(awaits, Link::fixed(replica.client.clone()), outlet.clone()),
            directory(opened.clone(), scope, directory_links, &replica.namespace, outlet),
            async {
                stop.run_until_cancelled(heart.beat(opened)).await;
            },
            session,
            deposed,
        );
    }
}

/// Watches the directory from the first session on: until then nobody knows which entry is the own one.
async fn directory(
    mut opened: watch::Receiver<Option<Arc<Open>>>,
    scope: Scope,
    links: watch::Receiver<Option<Link>>,
    namespace: &str,
    outlet: Outlet,
) {
    let first = async {
        let open = opened.wait_for(Option::is_some).await.ok()?;
        open.as_ref().map(|open| (open.joined.pin.cluster.clone(), open.execution_namespace.clone()))
    };
    if let Some(Some((cluster, execution))) = outlet.cancel.clone().run_until_cancelled(first).await {
        let own = watches::Own { cluster, execution };
        Box::pin(watches::directory(&own, &scope, links, namespace, outlet)).await;
    }
}
