//! A Docker engine that is restarted under its agents: `make test-engine`.

use futures::future::join_all;
use parallax_api::client::TerminalOptions;
use parallax_api::{AgentStatus, EventData};
use parallax_testkit::backend::{TestBackend, fake};
use parallax_testkit::conformance::run;
use parallax_testkit::conformance::terminal::{every_byte, raw_log};
use parallax_testkit::docker::DockerBackend;
use parallax_testkit::docker::engine::Engine;
use parallax_testkit::user::Spawned;
use parallax_testkit::wait::{PATIENCE, until, within};
use rustix::process::Signal;

/// Without live-restore the engine takes its containers with it: each agent's end is published once, with its reason, and the
/// next ones are as good as any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "restarts the Docker engine: make test-engine"]
async fn agents_that_ended_with_the_engine_alone() {
    let engine = Engine::running();
    run(async |backend: &DockerBackend| {
        for signal in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL, Signal::KILL] {
            let mut agents = spawn(backend, 3).await;
            for agent in &agents {
                assert_eq!(agent.say("before").await, "echo: before");
                agent.tell("do lines 2000 && gate && lines 2000").await;
            }
            engine.restart(signal, &[]).await;
            for agent in &mut agents {
                let exit = agent.ends().await;
                // An engine that was killed asks the containers it finds to leave when it is back, and insists after a while.
                if exit.reason == "container_ended" {
                    assert_eq!(exit.code, Some(137), "{exit:?}");
                }
                assert!(
                    ["stopped", "container_ended"].contains(&exit.reason.as_str()),
                    "{signal:?}: {exit:?}"
                );
                agent
                    .told("the end", |data| matches!(data, EventData::AgentStopped { .. }).then_some(()))
                    .await;
                let ends =
                    agent.seen().iter().filter(|event| matches!(event.data, EventData::AgentStopped { .. }));
                assert_eq!(ends.count(), 1);
                let answers =
                    agent.seen().iter().filter(|event| matches!(event.data, EventData::Message { .. }));
                assert_eq!(answers.count(), 1, "what was answered before was told");
            }
            until("the runtime to be healthy again", PATIENCE, async || backend.user().client.ready().await)
                .await;
        }
    })
    .await;
}

/// With live-restore containers go on while the engine is away: no byte and no event is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "restarts the Docker engine: make test-engine"]
async fn agents_that_the_engine_keeps_alone() {
    let engine = Engine::running();
    engine.restart(Signal::TERM, &["--live-restore"]).await;
    run(async |backend: &DockerBackend| {
        let agents = spawn(backend, 3).await;
        let mut followers = Vec::new();
        for agent in &agents {
            let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
            let terminal = agent.client.terminal(&agent.id, options).await.expect("a terminal");
            followers.push(tokio::spawn(every_byte(terminal)));
        }
        for (round, signal) in
            [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL, Signal::TERM].into_iter().enumerate()
        {
            let asked =
                join_all(agents.iter().map(|agent| agent.tell(format!("do lines 3000 && say {round}"))))
                    .await;
            engine.restart(signal, &["--live-restore"]).await;
            for (agent, asked) in agents.iter().zip(asked) {
                let mut agent = backend.user().follow(agent.id.clone()).await;
                assert!(agent.answer_to(&asked).await.content.ends_with(&format!("line 3000\n{round}")));
                agent.becomes(AgentStatus::Ready).await;
            }
            // A server that starts while everything is as it was.
            backend.kill_server().await;
            backend.start_server(Default::default()).await;
        }
        for (agent, follower) in agents.iter().zip(followers) {
            agent.stop().await;
            let bytes =
                within("the terminal to end", PATIENCE, follower).await.expect("the follower panicked");
            assert!(bytes == raw_log(agent).await, "what was followed is what the log has");
        }
    })
    .await;
    engine.restart(Signal::TERM, &[]).await;
}

async fn spawn(backend: &DockerBackend, count: usize) -> Vec<Spawned> {
    let user = backend.user();
    join_all((0..count).map(|number| user.spawn_ready(fake(&format!("agent-{number}"), &[])))).await
}
