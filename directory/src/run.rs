//! The program as a whole: who waits, who acts, and what ends with what.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use muster_api::names::{CONTROLLER, SYSTEM_NAMESPACE};
use muster_kit::admin::{Admin, Readiness, Served};
use muster_kit::client::{Client, ClientOptions};
use muster_kit::events::Emitter;
use muster_kit::leader::{Claim, Election, Elector, Leading};
use muster_kit::pulse::Pulse;
use muster_kit::shutdown::{GRACE, Shutdown};
use muster_kit::watch::Link;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::index::{Index, announce};
use crate::inventory::{self, Wiring};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::watches;

/// Events that wait for the fleet.
const QUEUE: usize = 256;

/// Runs the controller until a signal.
///
/// # Errors
/// Where it cannot begin: the admin address is taken, or the directory's credential is unusable.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen().context("unable to listen for signals")?;
    let metrics = Metrics::new().context("unable to make the metrics")?;
    let pulse = Pulse::new(Instant::now());
    let admin = Admin::bind(settings.common.listen).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %admin.address()?, "controller started");
    let served = Served {
        liveness: pulse.liveness(),
        readiness: Readiness::default(),
        registry: metrics.registry.clone(),
    };
    shutdown.tasks().spawn(admin.serve(served, shutdown.token()));
    let options = ClientOptions {
        user_agent: crate::USER_AGENT.to_owned(),
        observer: Some(metrics.observer()),
        ..ClientOptions::default()
    };
    let client = Client::new(&settings.common.cluster.endpoint()?, options)?;
    let controller = Controller { settings, metrics, pulse, client };
    let (cancel, ended) = (shutdown.token(), shutdown.token().drop_guard());
    let work = shutdown.tasks().spawn(async move {
        let _ended = ended; // also by a panic: the program must not live on without its work
        Box::pin(controller.contend(cancel)).await;
    });
    shutdown.wait(GRACE).await?;
    work.await.context("the controller's work ended in a panic")
}

struct Controller {
    settings: Settings,
    metrics: Metrics,
    pulse: Pulse,
    client: Client,
}

impl Controller {
    /// Acts while this process holds the Lease.
    async fn contend(&self, cancel: CancellationToken) {
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "controller".to_owned());
        let started = jiff::Timestamp::now().as_millisecond();
        let identity = format!("{host}_{}_{started}", std::process::id());
        let lease = self.settings.common.leader_lease;
        let election = Election::new(SYSTEM_NAMESPACE, CONTROLLER, &identity, crate::MANAGER, lease);
        let (elector, claim) = Elector::new(election, Link::fixed(self.client.clone()));
        let wait = || self.pulse.keep().boxed();
        let act = |stop| self.act(&identity, claim.clone(), stop).boxed();
        elector.lead(&cancel, &self.metrics.leader, wait, act).await;
    }

    async fn act(&self, identity: &str, claim: watch::Receiver<Claim>, stop: CancellationToken) {
        let client = self.client.fenced(Arc::new(Leading(claim)));
        let (events, inbox) = mpsc::channel(QUEUE);
        let (metrics, pulse) = (self.metrics.clone(), self.pulse.clone());
        let (index, notices) = Index::new(client.clone(), self.settings.pace, metrics, pulse, events.clone());
        let emitter = Emitter::new(self.client.clone(), CONTROLLER, identity);
        let (seen, shown) = mpsc::channel(QUEUE);
        let (also, more) = mpsc::channel(QUEUE);
        let namespace = self.settings.inventory.clone();
        let wiring = Wiring { client, namespace, inbox: shown, notices: also, metrics: self.metrics.clone() };
        futures::join!(
            index.run(inbox, stop.clone()),
            watches::follow(&self.client, events, seen, self.metrics.clone(), stop.clone()),
            inventory::keep(wiring, stop.clone()),
            async {
                stop.run_until_cancelled(announce(&emitter, notices)).await;
            },
            async {
                stop.run_until_cancelled(announce(&emitter, more)).await;
            },
        );
    }
}
