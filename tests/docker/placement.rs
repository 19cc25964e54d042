//! A control plane with a local and a Docker runtime: which one gets an agent.

use parallax_api::runtime::RuntimeKind;
use parallax_api::{Code, SpawnRequest};
use parallax_control_plane::RuntimeSpec;
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::in_process::InProcess;
use parallax_testkit::local::Directory;
use parallax_testkit::wait::{PATIENCE, until};

/// Local comes first; with it away, Docker takes over and says so; a request for `local` is refused with the reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn docker_takes_over() {
    let directory = Directory::new();
    let backend = DockerBackend::start().await;
    let local = InProcess::local_runtime("local", directory.path(), 5).await;
    let runtimes = vec![
        RuntimeSpec::of_kind(RuntimeKind::Docker, backend.url()),
        RuntimeSpec::of_kind(RuntimeKind::Local, local.url.clone()),
    ];
    let plane = InProcess::control_plane(directory.path(), runtimes).await;
    let user = plane.user();
    let first = user.spawn_ready(fake("first", &[])).await;
    assert_eq!(first.agent().await.runtime, "local");
    let with_image = SpawnRequest { image: Some("parallax-test-fake".into()), ..fake("an-image", &[]) };
    let imaged = user.spawn_ready(with_image).await;
    assert_eq!(imaged.agent().await.runtime, "docker", "what local cannot honour the next one can");
    first.stop().await;
    local.end().await;
    until("local to be seen as away", PATIENCE, async || {
        let runtimes = user.client.runtimes().await.expect("a list").runtimes;
        let healthy = runtimes.iter().any(|runtime| runtime.name == "local" && runtime.status.healthy);
        if healthy { Err("healthy") } else { Ok(()) }
    })
    .await;

    let second = user.spawn_ready(fake("second", &[])).await;
    assert_eq!(second.agent().await.runtime, "docker");
    assert_eq!(second.say("hello").await, "echo: hello");
    let insisting = SpawnRequest { runtime: Some("local".into()), ..fake("third", &[]) };
    let problem = user.spawn_refused(&insisting).await;
    assert_eq!(problem.code, Code::RuntimeUnavailable, "{problem:?}");
    assert!(problem.detail.contains("`local`"), "{problem:?}");
    second.stop().await;
    imaged.stop().await;
    plane.end().await;
    backend.end_server().await;
}
