//! Prometheus metrics about runtimes and agents.

use std::collections::BTreeMap;

use parallax_service::metrics::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::app::App;

/// Registers them.
pub fn register(metrics: &Metrics, app: &App) {
    let collector = FleetCollector { app: app.clone() };
    metrics.register(|registry| registry.register_collector(Box::new(collector)));
}

/// Reads the values when they are scraped.
#[derive(Debug)]
struct FleetCollector {
    app: App,
}

impl Collector for FleetCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut healthy = encoder.encode_descriptor(
            "runtime_healthy",
            "Whether the runtime would take an agent",
            None,
            MetricType::Gauge,
        )?;
        for runtime in self.app.runtimes.iter() {
            let labels = [("runtime", runtime.name())];
            let value = i64::from(runtime.health().status.healthy);
            ConstGauge::new(value).encode(healthy.encode_family(&labels)?)?;
        }
        let mut counts: BTreeMap<(String, &'static str), i64> = BTreeMap::new();
        for agent in self.app.cache.all() {
            *counts.entry((agent.runtime, agent.status.as_str())).or_default() += 1;
        }
        let mut agents = encoder.encode_descriptor(
            "agents",
            "Agents that are known, by runtime and status",
            None,
            MetricType::Gauge,
        )?;
        for ((runtime, status), count) in counts {
            let labels = [("runtime", runtime.as_str()), ("status", status)];
            ConstGauge::new(count).encode(agents.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
