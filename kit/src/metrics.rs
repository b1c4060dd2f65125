//! Metrics of a catalogue, registered.

use muster_api::metrics::Described;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result};

/// Makes metrics and registers them for [`crate::admin`] to serve. Each fails where Prometheus does not take the name,
/// or has it.
pub struct Registrar<'a>(pub &'a Registry);

impl Registrar<'_> {
    /// A gauge without labels.
    ///
    /// # Errors
    /// See [`Registrar`].
    pub fn gauge(&self, metric: impl Described) -> Result<IntGauge> {
        self.register(IntGauge::with_opts(opts(metric))?)
    }

    /// A gauge with the labels of the catalogue.
    ///
    /// # Errors
    /// See [`Registrar`].
    pub fn gauges(&self, metric: impl Described) -> Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(opts(metric), metric.labels())?)
    }

    /// A counter without labels.
    ///
    /// # Errors
    /// See [`Registrar`].
    pub fn counter(&self, metric: impl Described) -> Result<IntCounter> {
        self.register(IntCounter::with_opts(opts(metric))?)
    }

    /// A counter with the labels of the catalogue.
    ///
    /// # Errors
    /// See [`Registrar`].
    pub fn counters(&self, metric: impl Described) -> Result<IntCounterVec> {
        self.register(IntCounterVec::new(opts(metric), metric.labels())?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

/// The name of a metric and what it says.
pub fn opts(metric: impl Described) -> Opts {
    Opts::new(metric.name(), metric.help())
}
