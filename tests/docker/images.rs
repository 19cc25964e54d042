//! Any image serves; a missing one is reported.

use std::time::{Duration, Instant};

use parallax_api::agent::StopRequest;
use parallax_api::client::ListFilter;
use parallax_api::{Agent, AgentStatus, Code, SpawnRequest};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::conformance::run;
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::registry::Registry;
use parallax_testkit::wait::{PATIENCE, until};

use super::containers::shell;

/// An image that holds one static program, with nothing in it to be written: the host works there as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn from_scratch_and_read_only() {
    let backend = DockerBackend::start_with(&["--read-only"], &[]).await;
    let request = SpawnRequest { image: Some("parallax-test-scratch".into()), ..shell("bare") };
    let agent = backend.user().spawn_ready(request).await;
    assert_eq!(agent.say("echo hello from $PWD").await, "hello from /agent/workspace");
    let written =
        agent.say("echo a > $PWD/a && echo b > $HOME/b && echo c > /tmp/c && echo ok; echo d > /d").await;
    assert!(written.starts_with("ok\n") && written.contains("Read-only file system"), "{written}");
    agent.stop().await;
    backend.end_server().await;
}

/// Each thing that can be wrong with an image has its code, and says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn what_is_wrong_with_an_image() {
    run(async |backend: &DockerBackend| {
        let with = |image: &str| SpawnRequest { image: Some(image.into()), ..fake("lost", &[]) };
        let missing = backend.user().spawn_refused(&with("parallax-test-nowhere:1")).await;
        assert_eq!(missing.code, Code::ImageNotFound, "{missing:?}");
        assert!(
            missing.detail.contains("parallax-test-nowhere:1") && missing.detail.contains("--image"),
            "{missing:?}"
        );

        let without_cli = backend.user().spawn_refused(&with("debian:bookworm-slim")).await;
        assert_eq!(without_cli.code, Code::CliNotFound, "{without_cli:?}");
        assert!(without_cli.detail.contains("debian:bookworm-slim"), "{without_cli:?}");

        for bad in
            ["Upper/Case", "a b", "", "x:y:z", "../containers/x/export?y=", "get?names=x", "a/../b", "-a"]
        {
            let refused = backend.user().spawn_refused(&with(bad)).await;
            assert_eq!(refused.code, Code::Validation, "{bad}: {refused:?}");
        }
    })
    .await;
}

/// An image that cannot be pulled is refused with the registry's message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_image_that_cannot_be_fetched() {
    // Nothing listens there.
    let backend = DockerBackend::start().await;
    let request = SpawnRequest { image: Some("127.0.0.1:9/nobody/agent:1".into()), ..fake("lost", &[]) };
    let problem = backend.user().spawn_refused(&request).await;
    assert_eq!(problem.code, Code::ImageNotFound, "{problem:?}");
    assert!(problem.detail.contains("cannot be fetched"), "{problem:?}");
    backend.end_server().await;
}

/// A server whose engine is away still answers, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_engine_that_is_away() {
    let nowhere = [("DOCKER_HOST", "unix:///var/tmp/parallax-test-nowhere.sock".to_owned())];
    let backend = DockerBackend::start_with(&[], &nowhere).await;
    let problem = backend.user().spawn_refused(&fake("lost", &[])).await;
    assert_eq!(problem.code, Code::RuntimeUnavailable, "{problem:?}");
    assert!(problem.detail.contains("DOCKER_HOST"), "{problem:?}");
    backend.end_server().await;
}

/// An image on its way: the agent is listed, says how far it is, and can be stopped; the server ends in its grace meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Docker engine: make test-docker"]
async fn an_image_on_its_way() {
    let backend = DockerBackend::start().await;
    // Ten parts of 64 KiB a second: half a minute.
    let registry = Registry::with_pauses("parallax-test-fake", Duration::from_millis(100)).await;
    let user = backend.user();
    let asked = SpawnRequest { image: Some(registry.image()), ..fake("waiting", &[]) };
    let begin = || {
        let (client, asked) = (user.client.clone(), asked.clone());
        tokio::spawn(async move { client.spawn(&asked).await })
    };
    let spawning = begin();
    let is_listed = async || {
        let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
        let agent = agents.into_iter().find(|agent| agent.status == AgentStatus::Starting);
        let percent = |agent: &Agent| agent.detail.as_ref().is_some_and(|detail| detail.ends_with(" %"));
        agent.filter(percent).ok_or(())
    };
    let agent = until("the agent to be listed", PATIENCE, is_listed).await;
    let detail = agent.detail.expect("it says what it waits for");
    assert!(detail.starts_with(&format!("pulling {} … ", registry.image())), "{detail}");
    let early = user.client.interrupt(&agent.id).await.expect_err("nothing runs yet");
    assert!(early.code == Code::Conflict && early.detail.contains("pulling"), "{early:?}");
    let stopped = user.client.stop(&agent.id, &StopRequest::default()).await.expect("it can be stopped");
    assert_eq!(stopped.exit.expect("it has ended").reason, "stopped");
    let refused = spawning.await.expect("it ends").expect_err("it was stopped");
    assert_eq!(refused.code, Code::AgentStopped, "{refused:?}");
    assert_eq!(backend.leftovers().await, Vec::<String>::new());

    let spawning = begin();
    until("the agent to be listed", PATIENCE, is_listed).await;
    let began = Instant::now();
    backend.end_server().await;
    assert!(began.elapsed() < Duration::from_secs(20), "its grace is ten seconds: {:?}", began.elapsed());
    assert!(spawning.await.expect("it ends").is_err());
    backend.start_server(Default::default()).await;
    let agents = user.client.list_all(&ListFilter::default()).await.expect("a list");
    assert!(agents.is_empty(), "nobody was given it: {agents:?}");
    assert_eq!(backend.leftovers().await, Vec::<String>::new());
    backend.end_server().await;
}
