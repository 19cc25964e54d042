//! What only this runtime counts.

use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::prometheus::{Prometheus, dashboard};

/// An agent starts and ends: requests and reconciliations are in the dashboard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster and Prometheus: make test-k8s"]
async fn every_panel_of_kubernetes_shows_something() {
    let backend = KubernetesBackend::start().await;
    let prometheus = Prometheus::start(&[("runtime", backend.url().trim_start_matches("http://"))]).await;
    let agent = backend.user().spawn_ready(fake("counted", &[])).await;
    for query in dashboard().into_iter().filter(|query| query.row == "Kubernetes") {
        prometheus.has(&format!("{} / {}", query.row, query.title), &query.expression).await;
    }
    agent.stop().await;
    backend.end_server().await;
}
