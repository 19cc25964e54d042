//! Counts the images that are fetched: what a slow start, or none, often comes from.

use std::time::Instant;

use parallax_service::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Seconds: from layers that are there to gigabytes over a slow line.
const BUCKETS: [f64; 9] = [0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

const OK: &str = "ok";
const FAILED: &str = "failed";

/// Fetches of images, counted. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct PullMetrics {
    pulls: Family<PullLabels, Counter>,
    durations: Histogram,
}

/// Labels of `parallax_image_pulls_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PullLabels {
    result: &'static str,
}

impl Default for PullMetrics {
    fn default() -> Self {
        let pulls: Family<PullLabels, Counter> = Family::default();
        // From nothing to one is no increase to Prometheus.
        for result in [OK, FAILED] {
            drop(pulls.get_or_create(&PullLabels { result }));
        }
        Self { pulls, durations: Histogram::new(BUCKETS) }
    }
}

impl PullMetrics {
    /// Adds them to a server's metrics.
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register("image_pulls", "Images fetched, by result", self.pulls.clone());
            let help = "Time a fetch took that succeeded";
            registry.register("image_pull_duration_seconds", help, self.durations.clone());
        });
    }

    /// Counts this fetch.
    pub(crate) async fn measured<E>(&self, pull: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let began = Instant::now();
        let pulled = pull.await;
        let result = if pulled.is_ok() { OK } else { FAILED };
        self.pulls.get_or_create(&PullLabels { result }).inc();
        if pulled.is_ok() {
            self.durations.observe(began.elapsed().as_secs_f64());
        }
        pulled
    }
}
