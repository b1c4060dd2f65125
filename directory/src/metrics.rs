//! The metrics of the catalogue in `muster_api::metrics::controller`.

use std::sync::Arc;

use muster_api::metrics::controller::Metric;
use muster_kit::client::CallObserver;
use muster_kit::metrics::Registrar;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};

/// What the controller counts. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    /// Where `/metrics` reads.
    pub registry: Registry,
    /// 1 while this process acts.
    pub leader: IntGauge,
    /// 1 while the directory itself is suspected.
    pub blind: IntGauge,
    /// Entries that are being deleted and not believed to leave.
    pub held_back: IntGauge,
    /// Entries by condition and status.
    pub clusters: IntGaugeVec,
    /// Broken watches by source and category.
    pub watch_errors: IntCounterVec,
    /// Steps by what they do and result.
    pub steps: IntCounterVec,
    requests: IntCounterVec,
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
            blind: registrar.gauge(Metric::Blind)?,
            held_back: registrar.gauge(Metric::HeldBack)?,
            clusters: registrar.gauges(Metric::Clusters)?,
            watch_errors: registrar.counters(Metric::WatchErrors)?,
            steps: registrar.counters(Metric::Steps)?,
            requests: registrar.counters(Metric::Requests)?,
            registry,
        })
    }

    /// Counts the calls to the API server.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn CallObserver> {
        Arc::new(Observer(self.requests.clone()))
    }
}

struct Observer(IntCounterVec);

impl CallObserver for Observer {
    fn called(&self, verb: &'static str, _resource: &str, outcome: &'static str) {
        self.0.with_label_values(&[verb, outcome]).inc();
    }
}
