//! The metrics of the catalogue in `muster_api::metrics`. Labels are kinds, sources and categories, never names of
//! objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use muster_api::metrics::Metric;
use muster_kit::client::CallObserver;
use muster_kit::metrics::{Registrar, opts};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// What the agent counts. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    /// Where `/metrics` reads.
    pub registry: Registry,
    /// 1 while this process acts.
    pub leader: IntGauge,
    /// 1 while the directory can be read.
    pub reachable: IntGauge,
    /// When the credential ends, in seconds since 1970.
    pub credential_expiry: IntGauge,
    /// Objects by source.
    pub objects: IntGaugeVec,
    /// Deletions without evidence.
    pub frozen_deletions: IntGauge,
    /// Deletions that wait for somebody's word.
    pub holds: IntGauge,
    /// Writes by verb and result.
    pub writes: IntCounterVec,
    /// Hand edits undone.
    pub drift_corrected: IntCounter,
    /// Broken watches by source and category.
    pub watch_errors: IntCounterVec,
    /// Renewals of the Lease by result.
    pub heartbeats: IntCounterVec,
    /// Kubeconfigs tried, by result.
    pub rotations: IntCounterVec,
    /// Renewals, by what came of them.
    pub renewals: IntCounterVec,
    /// Works by state.
    pub works: IntGaugeVec,
    /// Steps about Works, by step and result.
    pub work_steps: IntCounterVec,
    /// Steps that only a timer made due, by category.
    pub retry_timers: IntCounterVec,
    requests: IntCounterVec,
    last_read: Arc<LastRead>,
}

struct LastRead {
    started: Instant,
    /// Milliseconds since `started`.
    at: AtomicU64,
}

impl Metrics {
    /// All metrics, registered.
    ///
    /// # Errors
    /// Where the catalogue has a name that Prometheus does not take.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let registrar = Registrar(&registry);
        registrar.gauges(Metric::BuildInfo)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            leader: registrar.gauge(Metric::Leader)?,
            reachable: registrar.gauge(Metric::DirectoryReachable)?,
            credential_expiry: registrar.gauge(Metric::CredentialExpiry)?,
            objects: registrar.gauges(Metric::Objects)?,
            frozen_deletions: registrar.gauge(Metric::FrozenDeletions)?,
            holds: registrar.gauge(Metric::Holds)?,
            writes: registrar.counters(Metric::Writes)?,
            drift_corrected: registrar.counter(Metric::DriftCorrected)?,
            watch_errors: registrar.counters(Metric::WatchErrors)?,
            heartbeats: registrar.counters(Metric::Heartbeats)?,
            rotations: registrar.counters(Metric::Rotations)?,
            renewals: registrar.counters(Metric::Renewals)?,
            works: registrar.gauges(Metric::Works)?,
            work_steps: registrar.counters(Metric::WorkSteps)?,
            retry_timers: registrar.counters(Metric::RetryTimers)?,
            requests: registrar.counters(Metric::Requests)?,
            last_read: {
                let gauge = IntGauge::with_opts(opts(Metric::DirectoryLastRead))?;
                let last_read = Arc::new(LastRead { started: Instant::now(), at: AtomicU64::new(0) });
                registry.register(Box::new(SinceRead { gauge, last_read: Arc::clone(&last_read) }))?;
                last_read
            },
            registry,
        })
    }

    /// Counts the calls to one API server.
    #[must_use]
    pub fn observer(&self, side: &'static str) -> Arc<dyn CallObserver> {
        Arc::new(Observer { metrics: self.clone(), side })
    }

    /// The directory was read just now.
    pub fn directory_read(&self) {
        self.last_read.at.store(self.last_read.now(), Ordering::Relaxed);
    }
}

impl LastRead {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A gauge that moves with time alone: it is set when it is read.
struct SinceRead {
    gauge: IntGauge,
    last_read: Arc<LastRead>,
}

impl Collector for SinceRead {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let since = self.last_read.now().saturating_sub(self.last_read.at.load(Ordering::Relaxed)) / 1000;
        self.gauge.set(i64::try_from(since).unwrap_or(i64::MAX));
        self.gauge.collect()
    }
}

struct Observer {
    metrics: Metrics,
    side: &'static str,
}

impl CallObserver for Observer {
    fn called(&self, verb: &'static str, _resource: &str, outcome: &'static str) {
        self.metrics.requests.with_label_values(&[self.side, verb, outcome]).inc();
        let read = matches!(verb, "get" | "list" | "watch");
        if self.side == DIRECTORY && read && outcome == "ok" {
            self.metrics.directory_read();
        }
    }
}

/// The label of calls to the directory.
pub const DIRECTORY: &str = "directory";
/// The label of calls to the replica.
pub const REPLICA: &str = "replica";
