//! The program as a whole: who waits, who acts, and what ends with what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::select;
use muster_api::names::{AGENT, LEADER_LEASE, SYSTEM_NAMESPACE};
use muster_engine::era::Beat;
use muster_engine::pin::Pin;
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
use crate::clock::Clock;
use crate::facts::{Facts, Reader};
use crate::heard::{self, Heard};
use crate::heartbeat::Heart;
use crate::hosted::{Follower, Look};
use crate::index::{Index, Telling};
use crate::metrics::Metrics;
use crate::replica::{self, Clients, Replica};
use crate::report::{Reporter, Sources};
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
    let admin = Admin::bind(settings.common.listen).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %admin.address()?, "agent started");
    let served = Served {
        liveness: pulse.liveness(),
        readiness: readiness.clone(),
        registry: metrics.registry.clone(),
    };
    shutdown.tasks().spawn(admin.serve(served, shutdown.token()));
    let look = Look::at(&settings.common.cluster);
    let clients = replica::clients(&settings, &metrics)?;
    let agent = Agent { settings, metrics, pulse };
    let meeting = readiness.block("replica");
    let (cancel, ended) = (shutdown.token(), shutdown.token().drop_guard());
    let work = shutdown.tasks().spawn(async move {
        let _ended = ended; // also by a panic: the program must not live on without its work
        let mut follower = Follower::new(&agent.settings, &agent.metrics, look);
        let met = cancel.run_until_cancelled(agent.meet(clients, &mut follower)).await;
        drop(meeting);
        let mut next = met;
        while let Some(replica) = next {
            let stop = cancel.child_token();
            let rotated = async {
                let newer = cancel.run_until_cancelled(follower.replica(&replica)).await;
                stop.cancel();
                newer
            };
            let contended = Box::pin(agent.contend(replica.clone(), stop.clone()));
            (next, ()) = futures::join!(rotated, contended);
        }
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
    async fn meet(&self, mut clients: Clients, follower: &mut Follower<'_>) -> Replica {
        loop {
            tokio::select! {
                replica = replica::meet(&self.settings, clients.clone()) => return replica,
                newer = follower.clients() => clients = newer,
                never = self.pulse.keep() => match never {},
            }
        }
    }

    /// Acts while this process holds the replica's Lease.
    async fn contend(&self, replica: Replica, cancel: CancellationToken) {
        let identity = identity(&replica);
        let lease = self.settings.common.leader_lease;
        let (notes, annotations) = watch::channel(BTreeMap::new());
        let election = Election {
            annotations,
            ..Election::new(SYSTEM_NAMESPACE, LEADER_LEASE, &identity, crate::MANAGER, lease)
        };
        let emitter = Emitter::new(replica.client.clone(), AGENT, &identity);
        let (elector, claim) = Elector::new(election, Link::fixed(replica.client.clone()));
        let acting = replica.under(&claim);
        let wait = || {
            let idle = self.pulse.keep().boxed();
            let stand_by = stand_by(&replica, &emitter, claim.clone()).boxed();
            select(idle, stand_by).map(|never| never.factor_first().0).boxed()
        };
        let act = |stop| {
            let (claim, notes, ends) = (claim.clone(), notes.clone(), cancel.clone());
            self.act(&acting, claim, notes.clone(), stop)
                .map(move |()| {
                    // What it said is not said again once others have acted.
                    if !ends.is_cancelled() {
                        notes.send_replace(BTreeMap::new());
                    }
                })
                .boxed()
        };
        elector.lead(&cancel, &self.metrics.leader, wait, act).await;
    }

    /// Tells the engine what is kept of an earlier life, before anything else: what it wants while the directory is away
    /// depends on it. Waits until it can be read. Gives the last heartbeat that the directory acknowledged, and what is recorded
    /// of the directory, where they are known. `None`: there is nothing to act for any more.
    async fn recall(
        &self,
        replica: &Replica,
        store: &Store,
        events: &mpsc::Sender<Event>,
        stop: &CancellationToken,
    ) -> Option<(Option<Beat>, Option<Pin>)> {
        let recall = async { (store.recall().await, heard::read(&replica.client).await) };
        let (kept, Heard { at: heard, passed, beat }) = tokio::select! {
            recalled = recall => recalled,
            never = self.pulse.keep() => match never {},
            () = stop.cancelled() => return None,
        };
        let acknowledged = beat.clone().map(Event::Acknowledged);
        let pin = kept.as_ref().map(|kept| kept.memory.pin.clone());
        let recalled = kept.map(|Kept { memory, nonce, .. }| Event::Recalled {
            memory,
            replica: replica.id.clone(),
            nonce,
            heard,
            passed,
        });
        for event in acknowledged.into_iter().chain(recalled) {
            // The engine is gone only when the program ends.
            let _ = events.send(event).await;
        }
        Some((beat, pin))
    }

    /// Acts until `stop`, or until the replica joins another directory.
    async fn act(
        &self,
        replica: &Replica,
        claim: watch::Receiver<Claim>,
        notes: watch::Sender<BTreeMap<String, String>>,
        stop: CancellationToken,
    ) {
        let scope = self.settings.mirror.clone();
        let (events, inbox) = mpsc::channel(QUEUE);
        let (session_links, links_of_session) = watch::channel(None);
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
        let Some((beat, pin)) = self.recall(replica, &store, &events, &stop).await else { return };
        let (beats, acknowledged) = watch::channel(beat);
        let (eras, era) = watch::channel(None);
        let (watched, wanted) = watch::channel(BTreeMap::new());
        let (awaited, awaits) = watch::channel(BTreeSet::new());
        let (metrics, pulse) = (self.metrics.clone(), self.pulse.clone());
        let engine = Engine::new(scope.clone(), replica.namespace.clone());
        let telling = Telling { watched, awaited, heard: notes, beat: beats, era: eras };
        let (index, views) = Index::new(engine, actor, metrics, pulse, claim.clone(), telling);
        let wiring = Wiring {
            cluster_name: self.settings.cluster_name.clone(),
            replica: replica.id.clone(),
            keeper: replica.client.fenced(Arc::new(Unopposed(claim.clone()))),
            proxy: self.settings.directory_proxy.clone(),
            renewal: self.settings.renewal,
            store,
            metrics: self.metrics.clone(),
            events: events.clone(),
            links: session_links,
            opened: opened_sender,
            claim: claim.clone(),
        };
        let (clock, clocks) = watch::channel(Clock::default());
        let (facts, known) = watch::channel(Facts::default());
        let heart = Heart {
            identity: format!("{}/{}", replica.id, replica.install),
            namespace: replica.namespace.clone(),
            claim: claim.clone(),
            claim_lasts: self.settings.common.leader_lease,
            pulse: self.pulse.clone(),
            events: events.clone(),
            known: acknowledged,
            metrics: self.metrics.clone(),
            clock,
        };
        let sources = Sources { views, opened: opened.clone(), facts: known, clock: clocks };
        let emitter = Emitter::new(replica.client.clone(), AGENT, &identity(replica));
        let session = async {
            let sessions = Box::pin(Session::new(wiring, pin, doubt).run(offers, doubts));
            let outcome = stop.run_until_cancelled(sessions).await;
            if outcome == Some(Rejoined) {
                tracing::warn!("another directory was joined: beginning anew with it");
            }
            stop.cancel();
        };
        let source = self.settings.directory.clone();
        let outlet = Outlet { events, metrics: self.metrics.clone(), cancel: stop.clone() };
        futures::join!(
            index.run(inbox, stop.clone()),
            Reporter::new(replica.clone(), sources, emitter, claim.clone()).run(stop.clone()),
            Reader::new(replica.client.clone()).follow(self.settings.facts_interval, facts, stop.clone()),
            source::follow(source, replica_links, offers_sender, self.metrics.clone(), stop.clone()),
            watches::replica(replica, outlet.clone()),
            watches::made(&appliers, wanted, &replica.install, outlet.clone()),
            waking::awaited(awaits, Link::fixed(replica.client.clone()), outlet.clone()),
            in_era(links_of_session, era, links, stop.clone()),
            directory(opened.clone(), scope, directory_links, &replica.namespace, outlet),
            async {
                stop.run_until_cancelled(heart.beat(opened)).await;
            },
            session,
        );
    }
}

/// Passes the links of the session on while the directory is to be followed, each in the era in which it is used.
async fn in_era(
    mut session: watch::Receiver<Option<Link>>,
    mut era: watch::Receiver<Option<u32>>,
    links: watch::Sender<Option<Link>>,
    cancel: CancellationToken,
) {
    let pass = async {
        loop {
            let era_now = *era.borrow_and_update();
            let link = session.borrow_and_update().clone();
            links.send_replace(link.zip(era_now).map(|(link, era)| Link { era, ..link }));
            tokio::select! {
                Ok(()) = session.changed() => {}
                Ok(()) = era.changed() => {}
                else => return,
            }
        }
    };
    cancel.run_until_cancelled(pass).await;
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
