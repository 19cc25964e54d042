//! What Prometheus is told of core.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::Code;
use parallax_service::metrics::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;

use super::registry::Registry;

/// Seconds a spawn may take: a process, a container, an image that is fetched first.
const SPAWN_BUCKETS: [f64; 9] = [0.02, 0.05, 0.1, 0.25, 1.0, 3.0, 10.0, 60.0, 300.0];

/// Seconds until a CLI takes a message: a shell, a CLI that looks for its account first, an image that is fetched.
const START_BUCKETS: [f64; 9] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Counted as it happens. Clones are the same counters.
#[derive(Clone)]
pub(super) struct RuntimeMetrics {
    spawns: Counter,
    failures: Family<Failure, Counter>,
    durations: Histogram,
    starts: Family<Started, Histogram>,
    reconnects: Counter,
    unknown_lines: Counter,
    viewers: Gauge,
}

/// Labels of `parallax_spawn_failures_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    code: &'static str,
}

/// Labels of `parallax_agent_start_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Started {
    r#type: String,
}

/// Labels of `parallax_agents`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Kind {
    r#type: String,
    status: &'static str,
}

/// Labels of `parallax_agents_waiting`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Waiting {
    r#type: String,
    kind: &'static str,
}

impl RuntimeMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            spawns: Counter::default(),
            failures: Family::default(),
            durations: Histogram::new(SPAWN_BUCKETS),
            starts: Family::new_with_constructor((|| Histogram::new(START_BUCKETS)) as fn() -> Histogram),
            reconnects: Counter::default(),
            unknown_lines: Counter::default(),
            viewers: Gauge::default(),
        };
        // From nothing to one is no increase to Prometheus: the first failure of a kind would go unseen.
        for code in Code::ALL {
            drop(this.failures.get_or_create(&Failure { code: code.as_str() }));
        }
        metrics.register(|registry| {
            registry.register("spawns", "Agents spawned", this.spawns.clone());
            registry.register("spawn_failures", "Spawns refused or failed", this.failures.clone());
            registry.register(
                "spawn_duration_seconds",
                "Time a spawn took that succeeded",
                this.durations.clone(),
            );
            registry.register(
                "agent_start_duration_seconds",
                "Time from the request until an agent took messages",
                this.starts.clone(),
            );
            registry.register(
                "host_reconnects",
                "Times an agent's host had to be found again",
                this.reconnects.clone(),
            );
            registry.register(
                "host_unknown_lines",
                "Lines of hosts of another version that were passed over",
                this.unknown_lines.clone(),
            );
            registry.register("terminal_viewers", "Viewers of terminals now", this.viewers.clone());
        });
        this
    }

    /// A spawn succeeded, or failed with this code.
    pub(super) fn spawned(&self, took: Duration, failure: Option<Code>) {
        match failure {
            None => {
                self.spawns.inc();
                self.durations.observe(took.as_secs_f64());
            }
            Some(code) => {
                self.failures.get_or_create(&Failure { code: code.as_str() }).inc();
            }
        }
    }

    /// An agent of this type takes messages, this long after it was asked for.
    pub(super) fn started(&self, r#type: &str, took: Duration) {
        self.starts.get_or_create(&Started { r#type: r#type.to_owned() }).observe(took.as_secs_f64());
    }

    /// A host said what this version does not know.
    pub(super) fn unknown_line(&self) {
        self.unknown_lines.inc();
    }

    pub(super) fn reconnected(&self) {
        self.reconnects.inc();
    }

    /// A viewer, until the answer is dropped.
    pub(super) fn viewer(&self) -> Viewer {
        self.viewers.inc();
        Viewer(self.viewers.clone())
    }
}

/// Counts as a viewer while it lives.
pub(super) struct Viewer(Gauge);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts the agents by type and status, and those that wait for a person, when Prometheus asks.
#[derive(Debug)]
struct AgentsCollector(Arc<Registry>);

/// Lets Prometheus count the agents of `registry`.
pub(super) fn register_collector(metrics: &Metrics, registry: Arc<Registry>) {
    metrics.register(|prometheus| prometheus.register_collector(Box::new(AgentsCollector(registry))));
}

impl Collector for AgentsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut agents: BTreeMap<Kind, i64> = BTreeMap::new();
        let mut waiting: BTreeMap<Waiting, i64> = BTreeMap::new();
        for entry in self.0.all() {
            let agent = entry.agent();
            if let Some(attention) = agent.attention {
                let labels = Waiting { r#type: agent.r#type.clone(), kind: attention.kind.as_str() };
                *waiting.entry(labels).or_default() += 1;
            }
            *agents.entry(Kind { r#type: agent.r#type, status: agent.status.as_str() }).or_default() += 1;
        }
        encode_counts(&mut encoder, "agents", "Agents by type and status", agents)?;
        encode_counts(
            &mut encoder,
            "agents_waiting",
            "Agents that need a person, by type and what for",
            waiting,
        )
    }
}

/// A gauge with a value for each of these labels.
fn encode_counts<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: BTreeMap<L, i64>,
) -> Result<(), fmt::Error> {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, count) in counts {
        ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}
