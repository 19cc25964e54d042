//! Ports of an agent in a pod: reached through its host, with no service and nothing opened.

use parallax_testkit::conformance::run;
use parallax_testkit::k8s::KubernetesBackend;
use parallax_testkit::ports::what_is_served_is_reached_through_the_host;

/// A loopback server in a pod.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Kubernetes cluster: make test-k8s"]
async fn what_a_pod_serves_is_reached_through_its_host() {
    run(async |backend: &KubernetesBackend| what_is_served_is_reached_through_the_host(backend).await).await;
}
