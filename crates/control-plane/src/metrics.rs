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
        let mut agents: BTreeMap<[(&str, String); 2], i64> = BTreeMap::new();
        let mut waiting: BTreeMap<[(&str, String); 2], i64> = BTreeMap::new();
        for known in self.app.cache.all() {
            let agent = known.agent();
            let runtime = ("runtime", agent.runtime.clone());
            if let Some(attention) = &agent.attention {
                let kind = ("kind", attention.kind.as_str().to_owned());
                *waiting.entry([runtime.clone(), kind]).or_default() += 1;
            }
            *agents.entry([runtime, ("status", agent.status.as_str().to_owned())]).or_default() += 1;
        }
        encode_counts(&mut encoder, "agents", "Agents that are known, by runtime and status", agents)?;
        let help = "Agents that need a person, by runtime and what for";
        encode_counts(&mut encoder, "agents_waiting", help, waiting)
    }
}

/// A gauge with a value for each of these labels.
fn encode_counts(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: BTreeMap<[(&str, String); 2], i64>,
) -> Result<(), std::fmt::Error> {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, count) in counts {
        ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}
