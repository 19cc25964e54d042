//! Servers die; agents, answers, bytes and events do not.

use std::collections::HashSet;

use futures::future::join_all;
use parallax_api::client::{TerminalOptions, Transport};
use parallax_api::{AgentStatus, EventData};

use super::events::until_stopped;
use super::terminal::{every_byte, raw_log};
use crate::backend::{ServerOptions, TestBackend, fake};
use crate::viewer::Viewer;
use crate::wait::{PATIENCE, within};

/// `kill -9` in the middle of an answer: the server that comes back has the agent, and the answer once.
pub async fn the_server_is_killed_in_mid_answer(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("survivor", &[])).await;
    let id = agent.tell("do say half && gate && say whole").await;
    agent.becomes(AgentStatus::Busy).await;
    let before = agent.agent().await;
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;

    let after = agent.agent().await;
    assert_eq!(
        (after.status, &after.created_at, &after.labels),
        (AgentStatus::Busy, &before.created_at, &before.labels)
    );
    agent.press(&["ctrl-g"]).await;
    // The stream that was open all the time has resumed by itself.
    assert_eq!(agent.answer_to(&id).await.content, "half\nwhole");
    let answers = |messages: Vec<parallax_api::Message>| {
        messages.into_iter().filter(|message| message.in_reply_to.as_ref() == Some(&id)).count()
    };
    assert_eq!(answers(agent.messages().await), 1);
    assert_eq!(agent.say("and on").await, "echo: and on");
    agent.stop().await;
    let events = until_stopped(&backend.user(), Some(&agent.id), Transport::WebSocket, "0").await;
    let told = events.iter().filter(|event| {
        matches!(&event.data, EventData::Message { message } if message.in_reply_to.as_ref() == Some(&id))
    });
    assert_eq!(told.count(), 1, "{events:#?}");
}

/// What an agent answers while there is no server is published when there is one again, after the last known event.
pub async fn an_answer_without_a_server_is_kept(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("survivor", &[])).await;
    let id = agent.tell("do wait 700 && say said alone").await;
    agent.becomes(AgentStatus::Busy).await;
    backend.kill_server().await;
    // No event says that the answer came: there is no server.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(agent.answer_to(&id).await.content, "said alone");
    agent.becomes(AgentStatus::Ready).await;
    let ids: HashSet<&str> = agent.seen().iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), agent.seen().len(), "nothing came twice: {:#?}", agent.seen());
}

/// A program that follows the terminal has every byte, once, across a kill under load.
pub async fn every_byte_across_a_kill(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("loud", &[])).await;
    let options = TerminalOptions { since: Some(0), ..TerminalOptions::default() };
    let terminal = agent.client.terminal(&agent.id, options).await.expect("a terminal");
    let follower = tokio::spawn(every_byte(terminal));
    agent.tell("do flood 200000 && gate && flood 200000 && gate && crash 0").await;
    // Who presses keys before the message is typed types into the composer.
    agent.becomes(AgentStatus::Busy).await;
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    agent.press(&["ctrl-g"]).await;
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    agent.press(&["ctrl-g"]).await;
    let bytes = within("the terminal to end", PATIENCE * 2, follower).await.expect("the follower panicked");
    assert!(bytes.len() > 400_000, "{} bytes", bytes.len());
    assert!(bytes == raw_log(&agent).await, "what was followed is what the log has");
}

/// The end of an agent while there is no server is published afterwards, with its reason.
pub async fn an_agent_dies_without_a_server(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("mortal", &[])).await;
    let pid: u32 = agent.say("do pid").await.parse().expect("a process id");
    backend.kill_server().await;
    backend.kill_process(&agent.id, pid).await;
    backend.start_server(ServerOptions::default()).await;
    assert_eq!(agent.ends().await.signal.as_deref(), Some("SIGKILL"));
    assert_eq!(agent.messages().await.len(), 2, "its conversation is still there");
}

/// All of them are taken up again, whatever they were doing.
pub async fn many_are_adopted(backend: &impl TestBackend) {
    let user = backend.user();
    let mut agents =
        join_all((0..8).map(|number| user.spawn_ready(fake(&format!("agent-{number}"), &[])))).await;
    let ids = join_all(agents.iter().map(|agent| agent.tell("do wait 300 && say done"))).await;
    backend.kill_server().await;
    backend.start_server(ServerOptions::default()).await;
    for (agent, id) in agents.iter_mut().zip(&ids) {
        assert_eq!(agent.answer_to(id).await.content, "done");
        assert_eq!(agent.say("still there?").await, "echo: still there?");
    }
}

/// SIGTERM ends a server within its grace, whatever is connected, and no agent with it.
pub async fn the_server_ends_and_agents_go_on(backend: &impl TestBackend) {
    let mut agent = backend.user().spawn_ready(fake("survivor", &[])).await;
    let mut viewer = Viewer::connect(&backend.url(), &agent.id, "").await;
    viewer.next().await;
    let pid = agent.say("do pid").await;
    let (_, (code, _)) = tokio::join!(backend.end_server(), viewer.closed());
    assert_eq!(code, parallax_api::terminal::CLOSE_GOING_AWAY);
    backend.start_server(ServerOptions::default()).await;
    agent.becomes(AgentStatus::Ready).await;
    assert_eq!(agent.say("do pid").await, pid);
}
