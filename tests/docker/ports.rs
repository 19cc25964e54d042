//! Ports of an agent in a container: reached through its host, with nothing published.

use parallax_testkit::conformance::run;
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::ports::what_is_served_is_reached_through_the_host;

/// A loopback server in a container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn what_a_container_serves_is_reached_through_its_host() {
    run(async |backend: &DockerBackend| what_is_served_is_reached_through_the_host(backend).await).await;
}
