//! `parallax doctor` about a Docker runtime: the engine, images, and what a container reaches.

use parallax_api::check::{Check, CheckState};
use parallax_api::runtime::RuntimeKind;
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::TestBackend;
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::local::Directory;
use parallax_testkit::parallax::parallax;

/// What a runtime finds, asked by a control plane.
async fn checks(url: &str) -> Vec<Check> {
    let directory = Directory::new();
    let runtimes = vec![RuntimeSpec::of_kind(RuntimeKind::Docker, url)];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let found = plane.user().client.check_runtime("docker").await.expect("it finds something");
    let told = parallax(&plane.url, &["doctor"]).await;
    for check in &found.checks {
        assert!(told.out.contains(&format!("- docker: {}", check.what)), "{check:?}: {}", told.out);
        assert!(!check.found.contains("hyper") && !check.found.contains("legacy"), "{check:?}");
    }
    plane.end().await;
    found.checks
}

fn found<'a>(checks: &'a [Check], what: &str, words: &str) -> &'a Check {
    let found = checks.iter().find(|check| check.what == what && check.found.contains(words));
    found.unwrap_or_else(|| panic!("{what}: {words}: {checks:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_engine_with_images_and_a_network() {
    let backend = DockerBackend::start().await;
    let found_here = checks(&backend.url()).await;
    for (what, words) in [
        ("engine", "Docker "),
        ("agent host", "parallax-agent-host"),
        ("image of fake", "parallax-test-fake"),
        ("network", "public addresses"),
        ("reach", "169.254.169.254): out of reach"),
        ("reach", "this machine by the gateway"),
        ("reach", "this machine on its network"),
    ] {
        let check = found(&found_here, what, words);
        assert_eq!(check.state, CheckState::Good, "{check:?}");
    }
    // Whether there is a way out is the machine's affair; it is told in any case.
    found(&found_here, "reach", "public names");
    assert_eq!(backend.leftovers().await, Vec::<String>::new(), "the container is gone");

    // Nobody promised that the machine is out of reach.
    let open = DockerBackend::start_with(&["--egress", "all"], &[]).await;
    let found_open = checks(&open.url()).await;
    let gateway = found(&found_open, "reach", "agents reach this machine by the gateway");
    assert_eq!(gateway.state, CheckState::Note, "{gateway:?}");
    for backend in [backend, open] {
        backend.end_server().await;
    }
}

/// What is wrong is said in words that a person knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_engine_that_is_not_there() {
    for host in ["unix:///var/tmp/parallax-test-nowhere.sock", "tcp://127.0.0.1:9"] {
        let backend = DockerBackend::start_with(&[], &[("DOCKER_HOST", host.to_owned())]).await;
        let found_here = checks(&backend.url()).await;
        assert_eq!(found_here.len(), 1, "the rest would only say it again: {found_here:#?}");
        let engine = found(&found_here, "engine", "DOCKER_HOST");
        assert_eq!(engine.state, CheckState::Bad);
        backend.end_server().await;
    }
}
