//! What only this runtime counts.

use parallax_api::SpawnRequest;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::{DockerBackend, docker};
use parallax_testkit::prometheus::{Prometheus, dashboard};
use parallax_testkit::registry::Registry;

use super::containers::shell;

/// An image is fetched and an agent runs in it; another cannot be had: both are in the dashboard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine and Prometheus: make test-docker"]
async fn every_panel_of_docker_shows_something() {
    let registry = Registry::of("parallax-test-scratch").await;
    let backend = DockerBackend::start_with(&["--pull", "always"], &[]).await;
    let prometheus = Prometheus::start(&[("runtime", backend.url().trim_start_matches("http://"))]).await;
    prometheus.has("that nothing was fetched", "parallax_image_pulls_total").await;
    let agent =
        backend.user().spawn_ready(SpawnRequest { image: Some(registry.image()), ..shell("fetched") }).await;
    let nowhere = SpawnRequest { image: Some("127.0.0.1:9/nobody/agent:1".into()), ..shell("lost") };
    backend.user().spawn_refused(&nowhere).await;
    for query in dashboard().into_iter().filter(|query| query.row == "Docker") {
        prometheus.has(&format!("{} / {}", query.row, query.title), &query.expression).await;
    }
    for result in ["ok", "failed"] {
        let pulls = format!(r#"parallax_image_pulls_total{{result="{result}"}} == 1"#);
        prometheus.has(&format!("one pull that is {result}"), &pulls).await;
    }
    agent.stop().await;
    backend.end_server().await;
    docker(&["rmi", &registry.image()]).await.expect("nobody uses it any more");
}
