//! A container that somebody pauses: told at once, and calls do not wait for it.

use std::time::Instant;

use parallax_api::{AgentStatus, Code, EventData, SendRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::server::reqwest_client;
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_paused_container_is_told() {
    let backend = DockerBackend::start().await;
    let agent = backend.user().spawn_ready(fake("frozen", &[])).await;
    is_told(backend, agent).await;
}

/// A container that came from the pool has the labels of the pool. The pool before it has an image that nobody has, and is never full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_paused_container_of_the_pool_is_told() {
    let options = [
        "--image",
        "claude=parallax-test-nowhere:1",
        "--pull",
        "never",
        "--pool",
        "claude=1",
        "--pool",
        "fake=1",
    ];
    let backend = DockerBackend::start_with(&options, &[]).await;
    until("the second pool to be full", PATIENCE, async || {
        let metrics =
            reqwest_client().get(format!("{}/metrics", backend.url())).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("a text");
        match metrics.contains(r#"parallax_pool_ready{type="fake",class=""} 1"#) {
            true => Ok(()),
            false => Err(metrics),
        }
    })
    .await;
    let agent = backend.user().spawn_ready(fake("frozen", &[])).await;
    assert_eq!(backend.inspect(&agent.id, r#"{{index .Config.Labels "io.parallax.pool"}}"#).await, "true");
    is_told(backend, agent).await;
}

async fn is_told(backend: DockerBackend, mut agent: Spawned) {
    let user = backend.user();
    for round in 0..2 {
        docker(&["pause", &container(&agent.id)]).await.expect("it can be paused");
        let error = agent
            .event("the pause", |event| match event {
                EventData::AgentError { error, .. } => Some(error.clone()),
                _ => None,
            })
            .await;
        assert!(error.code == "paused" && error.message.contains("docker unpause"), "{error:?}");
        if round == 1 {
            // The next server finds it paused.
            backend.kill_server().await;
            backend.start_server(Default::default()).await;
        }
        agent
            .is("paused", |agent| agent.error.as_ref().filter(|error| error.code == "paused").map(drop))
            .await;
        let request = SendRequest {
            message: "hello".into(),
            expect_response: true,
            timeout_ms: Some(1000),
            ..SendRequest::default()
        };
        let asked = Instant::now();
        let refused = user.client.send(&agent.id, &request).await.expect_err("nobody answers");
        assert!(asked.elapsed() < PATIENCE, "{refused:?}");
        assert_eq!(refused.code, Code::RuntimeUnavailable, "{refused:?}");
        assert!(refused.detail.contains("paused"), "{refused:?}");
        docker(&["unpause", &container(&agent.id)]).await.expect("it can go on");
        agent.is("itself again", |agent| agent.error.is_none().then_some(())).await;
        assert_eq!(agent.say("hello").await, "echo: hello");
        agent.is("ready", |agent| (agent.status == AgentStatus::Ready).then_some(())).await;
    }
    agent.stop().await;
    backend.end_server().await;
}
