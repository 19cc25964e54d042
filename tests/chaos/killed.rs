//! Hosts are killed, and everything at once, as when a machine is started again.

use std::path::Path;

use parallax_api::AgentStatus;
use parallax_api::observe::LogsQuery;
use parallax_testkit::backend::{ServerOptions, TestBackend, fake};
use parallax_testkit::conformance::nothing_is_left;
use parallax_testkit::local::LocalBackend;
use parallax_testkit::processes;
use parallax_testkit::user::Spawned;

use crate::seed::{Random, rounds};

/// The process of an agent's host, as the runtime recorded it.
fn host(backend: &LocalBackend, agent: &Spawned) -> u32 {
    processes::host_of(&backend.directory().join("state/agents").join(agent.id.as_str()))
        .expect("a process id")
}

/// The end is published with its reason, and what was said and printed stays readable.
async fn is_lost_but_readable(agent: &mut Spawned, said: usize) {
    let exit = agent.ends().await;
    assert_eq!(exit.reason, "host_lost", "{exit:?}");
    let messages = agent.messages().await;
    assert_eq!(messages.len(), said, "every message is kept: {messages:#?}");
    let logs = agent.client.logs(&agent.id, &LogsQuery::default()).await.expect("a log outlives its host");
    assert!(logs.logs.iter().any(|line| line.contains("echo: number 0")), "{:?}", logs.logs);
}

async fn talks(agent: &Spawned, count: usize) {
    for number in 0..count {
        assert_eq!(agent.say(format!("number {number}")).await, format!("echo: number {number}"));
    }
}

/// A host that dies costs its agent, and nothing that is on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "kills hosts: make test-chaos"]
async fn a_host_that_is_killed_takes_nothing_but_its_agent() {
    let mut random = Random::for_test("killed hosts");
    let backend = LocalBackend::start().await;
    let user = backend.user();
    let other = user.spawn_ready(fake("other", &[])).await;
    for round in 0..rounds() {
        let mut agent = user.spawn_ready(fake(&format!("killed-{round}"), &[])).await;
        let count = 1 + random.below(5);
        talks(&agent, count).await;
        processes::kill(host(&backend, &agent));
        is_lost_but_readable(&mut agent, 2 * count).await;
        if random.below(2) == 0 {
            backend.kill_server().await;
            backend.start_server(ServerOptions::default()).await;
            is_lost_but_readable(&mut agent, 2 * count).await;
        }
        assert_eq!(other.say("still there?").await, "echo: still there?");
    }
    other.stop().await;
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

/// The server and every host at once: what the next server finds are directories.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "kills hosts: make test-chaos"]
async fn a_machine_that_is_started_again_has_every_transcript() {
    let backend = LocalBackend::start().await;
    let user = backend.user();
    let mut agents = Vec::new();
    for number in 0..3 {
        let agent = user.spawn_ready(fake(&format!("agent-{number}"), &[])).await;
        talks(&agent, 3).await;
        agents.push(agent);
    }
    let hosts: Vec<u32> = agents.iter().map(|agent| host(&backend, agent)).collect();
    backend.kill_server().await;
    hosts.into_iter().for_each(processes::kill);
    kill_all_within(backend.directory());
    backend.start_server(ServerOptions::default()).await;
    for agent in &mut agents {
        is_lost_but_readable(agent, 6).await;
        assert_eq!(agent.agent().await.status, AgentStatus::Stopped);
    }
    nothing_is_left(&backend).await;
    backend.end_server().await;
}

fn kill_all_within(directory: &Path) {
    processes::within_directory(directory).into_iter().for_each(|process| processes::kill(process.pid));
}
