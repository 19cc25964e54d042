//! Start, end, and everything that an agent is given and leaves.

use std::time::{Duration, Instant};

use parallax_api::agent::StopRequest;
use parallax_api::client::ListFilter;
use parallax_api::observe::LogsQuery;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, EventData, SpawnRequest};

use super::nothing_is_left;
use crate::backend::{TestBackend, fake};
use crate::models::log::digest;
use crate::wait::until;

/// An agent is as it was asked for, from `starting` to `stopped`, and stays readable.
pub async fn starts_and_stops(backend: &impl TestBackend) {
    let user = backend.user();
    let request = SpawnRequest {
        capabilities: vec!["code_review".into()],
        role: Some("reviewer".into()),
        labels: [("team".to_owned(), "red".to_owned())].into(),
        model: Some("fake-1".into()),
        ..fake("code-reviewer", &[])
    };
    let mut agent = user.spawn(request).await;
    let ready = agent.becomes(AgentStatus::Ready).await;
    assert_eq!((ready.name.as_str(), ready.r#type.as_str()), ("code-reviewer", "fake"));
    assert_eq!(ready.runtime, kind_of(backend).as_str());
    assert_eq!(ready.capabilities, ["code_review"]);
    assert_eq!((ready.role.as_deref(), ready.model.as_deref()), (Some("reviewer"), Some("fake-1")));
    assert_eq!(ready.labels["team"], "red");
    assert!(ready.exit.is_none() && ready.error.is_none() && ready.attention.is_none());
    let filter = ListFilter {
        labels: vec!["team=red".into()],
        status: Some(AgentStatus::Ready),
        ..ListFilter::default()
    };
    assert_eq!(user.client.list_all(&filter).await.expect("a list").len(), 1);

    agent.say("something to remember").await;
    agent.becomes(AgentStatus::Ready).await;
    let stopped = agent.stop().await;
    assert_eq!(stopped.status, AgentStatus::Stopped);
    let exit = stopped.exit.expect("a stopped agent says how it ended");
    assert_eq!((exit.reason.as_str(), exit.code), ("stopped", Some(0)), "it was asked, and left by itself");
    agent.event("agent_stopped", |event| matches!(event, EventData::AgentStopped { .. }).then_some(())).await;
    let names: Vec<&str> = agent.seen().iter().map(|event| event.data.name()).collect();
    assert_eq!(names[..2], ["agent_started", "agent_ready"], "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "agent_stopped").count(), 1, "{names:?}");

    nothing_is_left(backend).await;
    assert_eq!(agent.agent().await.status, AgentStatus::Stopped);
    assert_eq!(agent.messages().await.len(), 2);
    let logs = user.client.logs(&agent.id, &LogsQuery::default()).await.expect("logs outlive the agent");
    assert!(logs.logs.iter().any(|line| line.contains("echo: something to remember")), "{:?}", logs.logs);
    assert_eq!(logs.count, logs.logs.len());
}

/// Stopping what has ended changes nothing.
pub async fn stopping_twice_is_no_error(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("twice", &[])).await;
    let first = agent.stop().await;
    let second = agent.stop().await;
    assert_eq!(first.exit, second.exit);
}

/// `force` does not ask.
pub async fn force_stops(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("stubborn", &["--ignore-term"])).await;
    let began = Instant::now();
    let stopped = agent.stop_with(StopRequest { force: true, ..StopRequest::default() }).await;
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    assert_eq!(stopped.exit.expect("an end").signal.as_deref(), Some("SIGKILL"));
}

/// An agent that does not leave when asked is killed after the grace.
pub async fn insists_after_the_grace(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("stubborn", &["--ignore-term"])).await;
    agent.tell("do gate").await;
    agent.becomes(AgentStatus::Busy).await;
    let began = Instant::now();
    let stopped = agent.stop_with(StopRequest { grace_ms: 500, force: false }).await;
    let took = began.elapsed();
    assert!((Duration::from_millis(400)..Duration::from_secs(6)).contains(&took), "it took {took:?}");
    assert_eq!(stopped.exit.expect("an end").reason, "stopped");
}

/// The end of an agent that exits by itself is published within a second, with its exit code.
pub async fn ends_by_itself(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("crash", &[])).await;
    agent.tell("do gate && crash 3").await;
    agent.becomes(AgentStatus::Busy).await;
    let began = Instant::now();
    agent.press(&["ctrl-g"]).await;
    let exit = agent.ends().await;
    assert!(began.elapsed() < Duration::from_secs(2), "it was told after {:?}", began.elapsed());
    assert_eq!((exit.code, exit.signal, exit.reason.as_str()), (Some(3), None, "exited"));
}

/// The signal is reported by name.
pub async fn is_killed(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("killed", &[])).await;
    let pid: u32 = agent.say("do pid").await.parse().expect("a process id");
    backend.kill_process(&agent.id, pid).await;
    let exit = agent.ends().await;
    assert_eq!((exit.code, exit.signal.as_deref(), exit.reason.as_str()), (None, Some("SIGKILL"), "killed"));
}

/// A person at the terminal may leave.
pub async fn is_left_by_a_person(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("left", &[])).await;
    agent.press(&["ctrl-d"]).await;
    let exit = agent.ends().await;
    assert_eq!((exit.code, exit.reason.as_str()), (Some(0), "exited"));
}

/// A program that ends at once: refused with its last words, or, when it lived long enough to be an agent, published as stopped.
pub async fn a_failed_start_is_told(backend: &impl TestBackend) {
    let user = backend.user();
    match user.client.spawn(&fake("stillborn", &["--exit", "7"])).await {
        Err(problem) => {
            assert_eq!(problem.code, parallax_api::Code::SpawnFailed, "{problem:?}");
            assert!(problem.more["output"].to_string().contains("last words"), "{problem:?}");
        }
        Ok(spawned) => {
            let mut agent = user.follow(spawned.id).await;
            assert_eq!(agent.ends().await.code, Some(7));
            let logs = user.client.logs(&agent.id, &LogsQuery::default()).await.expect("logs");
            assert!(logs.logs.iter().any(|line| line.contains("last words")), "{:?}", logs.logs);
        }
    }
}

/// A restart is a new process of the same agent in the same conversation.
pub async fn a_restart_keeps_the_conversation(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("restarted", &[])).await;
    let before = agent.say("do pid").await;
    agent.say("second").await;
    let restarted = agent.restart(true).await;
    assert_eq!(restarted.id, agent.id);
    agent.becomes(AgentStatus::Ready).await;
    let recalled = agent.say("do recall").await;
    assert_eq!(recalled, format!("2 before: {}", digest("do pid\0second")));
    assert_ne!(agent.say("do pid").await, before, "it is a new process");
    assert_eq!(agent.messages().await.len(), 8, "the conversation goes on");
}

/// Without `resume` the conversation begins anew.
pub async fn a_restart_can_forget(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("forgetful", &[])).await;
    agent.say("first").await;
    agent.restart(false).await;
    agent.becomes(AgentStatus::Ready).await;
    assert!(agent.say("do recall").await.starts_with("0 before"));
}

/// `idleTimeoutSeconds`
pub async fn stops_when_idle(backend: &impl TestBackend) {
    let request = SpawnRequest { idle_timeout_seconds: Some(1), ..fake("idle", &[]) };
    let mut agent = backend.user().spawn(request).await;
    assert_eq!(agent.ends().await.reason, "idle_timeout");
}

/// `maxLifetimeSeconds`
pub async fn stops_when_old(backend: &impl TestBackend) {
    let request = SpawnRequest { max_lifetime_seconds: Some(2), ..fake("old", &[]) };
    let mut agent = backend.user().spawn(request).await;
    assert_eq!(agent.ends().await.reason, "lifetime");
}

/// Whatever an agent started ends with it, also what made itself a session of its own.
pub async fn takes_its_children_with_it(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("parent", &[])).await;
    let answer = agent.say("do child && daemon").await;
    let pids: Vec<u32> = answer.lines().filter_map(|line| line.split_once(' ')?.1.parse().ok()).collect();
    assert_eq!(pids.len(), 2, "{answer}");
    for pid in &pids {
        assert!(backend.process_lives(&agent.id, *pid).await, "{pid} of {answer} should live");
    }
    agent.stop().await;
    for pid in pids {
        until(&format!("{pid} of {answer} to be gone"), Duration::from_secs(5), async || {
            if backend.process_lives(&agent.id, pid).await { Err(()) } else { Ok(()) }
        })
        .await;
    }
}

/// A background child that keeps the terminal open does not hide the agent's end.
pub async fn a_child_with_the_terminal_delays_nothing(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("parent", &[])).await;
    agent.say("do child").await;
    let began = Instant::now();
    agent.press(&["ctrl-d"]).await;
    assert_eq!(agent.ends().await.code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "it was told after {:?}", began.elapsed());
}

/// An agent has its own terminal and nothing else open.
pub async fn holds_its_own_terminal_only(backend: &impl TestBackend) {
    let agent = backend.user().spawn_ready(fake("descriptors", &[])).await;
    let descriptors = agent.say("do fds").await;
    let held: Vec<&str> = descriptors.split(' ').collect();
    assert_eq!(held.len(), 3, "{descriptors}");
    for (number, held) in held.iter().enumerate() {
        assert!(held.starts_with(&format!("{number}=/dev/pts/")), "{descriptors}");
    }
}

/// The request's variables, and a terminal's; nothing of the server's own.
pub async fn gets_its_environment_and_no_other(backend: &impl TestBackend) {
    let mut request = fake("environment", &[]);
    request.env.insert("SECRET_NUMBER".into(), "four".into());
    let agent = backend.user().spawn_ready(request).await;
    let answer = agent.say("do env SECRET_NUMBER && env TERM && env LOG_LEVEL && env SERVERS_OWN").await;
    assert_eq!(answer.lines().collect::<Vec<_>>(), ["four", "xterm-256color", "unset", "unset"]);
    let shown = serde_json::to_string(&agent.agent().await).expect("JSON");
    assert!(!shown.contains("four") && !shown.contains("SECRET_NUMBER"), "{shown}");
}

/// The kind of a backend, by its value.
fn kind_of<P: TestBackend>(_: &P) -> RuntimeKind {
    P::KIND
}
