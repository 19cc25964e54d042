//! The conformance suite over containers of a Docker engine.

parallax_testkit::conformance!(
    parallax_testkit::docker::DockerBackend,
    #[ignore = "needs a Docker engine: make test-docker"]
);
