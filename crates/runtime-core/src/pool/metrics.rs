//! How many hosts wait, and how the agents were started for which there is a pool.

use parallax_profile::Launch;
use parallax_service::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The collectors of a runtime's pools. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct PoolMetrics {
    ready: Family<SlotLabels, Gauge>,
    claims: Family<ClaimLabels, Counter>,
}

/// How an agent was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By a host that waited.
    Warm,
    /// With a container or pod of its own, although there is a pool for its like.
    Cold,
}

/// Labels of `parallax_pool_ready`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotLabels {
    r#type: String,
    class: String,
}

/// Labels of `parallax_pool_claims_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClaimLabels {
    r#type: String,
    class: String,
    start: &'static str,
}

impl PoolMetrics {
    /// Adds the collectors. For runtimes that have a pool.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register(
                "pool_ready",
                "Hosts of the warm pool that wait for an agent, by type and class",
                self.ready.clone(),
            );
            registry.register(
                "pool_claims",
                "Agents for which there is a warm pool, by how they were started: warm from the pool, or cold",
                self.claims.clone(),
            );
        });
    }

    /// So many wait that were made for this template.
    pub fn set_ready(&self, template: &Launch, count: usize) {
        let (r#type, class) = kind(template);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.ready.get_or_create(&SlotLabels { r#type, class }).set(count);
    }

    /// An agent was started that this template fits.
    pub fn count_claim(&self, template: &Launch, start: Start) {
        let (r#type, class) = kind(template);
        let start = match start {
            Start::Warm => "warm",
            Start::Cold => "cold",
        };
        self.claims.get_or_create(&ClaimLabels { r#type, class, start }).inc();
    }
}

fn kind(template: &Launch) -> (String, String) {
    let agent = &template.agent;
    (agent.r#type.clone(), agent.class.clone().unwrap_or_default())
}
