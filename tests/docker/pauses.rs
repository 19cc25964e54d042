//! A container that somebody pauses: told at once, and calls do not wait for it.

use std::time::Instant;

use parallax_api::{AgentStatus, Code, EventData, SendRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::docker::{DockerBackend, container, docker};
use parallax_testkit::wait::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn a_paused_container_is_told() {
    let backend = DockerBackend::start().await;
    let user = backend.user();
    let mut agent = user.spawn_ready(fake("frozen", &[])).await;
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
