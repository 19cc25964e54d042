//! The conformance suite over pods of a Kubernetes cluster.

parallax_testkit::conformance!(
    parallax_testkit::k8s::KubernetesBackend,
    #[ignore = "needs a Kubernetes cluster: make test-k8s"]
);
