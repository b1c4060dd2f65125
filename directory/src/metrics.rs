//! The metrics of the catalogue in `muster_api::metrics::controller`.

use std::sync::Arc;

use muster_api::metrics::controller::Metric;
use muster_kit::client::CallObserver;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What the controller counts. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    /// Where `/metrics` reads.
    pub registry: Registry,
    /// 1 while this process acts.
    pub leader: IntGauge,
    /// 1 while the directory itself is suspected.
    pub blind: IntGauge,
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
        let gauge = |metric: Metric| {
            let gauge = IntGauge::with_opts(opts(metric))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let gauges = |metric: Metric| {
            let gauges = IntGaugeVec::new(opts(metric), metric.labels())?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let counters = |metric: Metric| {
            let counters = IntCounterVec::new(opts(metric), metric.labels())?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        gauges(Metric::BuildInfo)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            leader: gauge(Metric::Leader)?,
            blind: gauge(Metric::Blind)?,
            clusters: gauges(Metric::Clusters)?,
            watch_errors: counters(Metric::WatchErrors)?,
            steps: counters(Metric::Steps)?,
            requests: counters(Metric::Requests)?,
            registry,
        })
    }

    /// Counts the calls to the API server.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn CallObserver> {
        Arc::new(Observer(self.requests.clone()))
    }
}

fn opts(metric: Metric) -> Opts {
    Opts::new(metric.name(), metric.help())
}

struct Observer(IntCounterVec);

impl CallObserver for Observer {
    fn called(&self, verb: &'static str, _resource: &str, outcome: &'static str) {
        self.0.with_label_values(&[verb, outcome]).inc();
    }
}
