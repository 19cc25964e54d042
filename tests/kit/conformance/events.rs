//! The event stream: in order, once, resumable.

use std::collections::HashSet;

use parallax_api::client::{EventsOptions, Transport};
use parallax_api::{AgentId, AgentStatus, Event, EventData};

use crate::backend::{TestBackend, fake};
use crate::user::User;
use crate::wait::{PATIENCE, within};

/// The events of one agent come in order and once.
pub async fn in_order_and_once(backend: &impl TestBackend) {
    let user = backend.user();
    let mut agent = user.spawn_ready(fake("told", &[])).await;
    agent.say("one").await;
    agent.becomes(AgentStatus::Ready).await;
    agent.stop().await;
    let events = until_stopped(&user, Some(&agent.id), Transport::WebSocket, "0").await;
    let names: Vec<&str> = events.iter().map(|event| event.data.name()).collect();
    let expected = ["agent_started", "agent_ready", "agent_busy", "message", "agent_ready", "agent_stopped"];
    // Whether the answer or the readiness for more comes first is the agent's affair.
    let mut sorted = names.clone();
    if sorted.get(3) == Some(&"agent_ready") {
        sorted.swap(3, 4);
    }
    assert_eq!(sorted, expected, "{names:?}");
    let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "each has an id of its own");
    assert!(events.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
}

/// The filter lets nothing else through.
pub async fn only_those_asked_for(backend: &impl TestBackend) {
    let user = backend.user();
    let (one, two) = tokio::join!(user.spawn_ready(fake("one", &[])), user.spawn_ready(fake("two", &[])));
    tokio::join!(one.say("hello"), two.say("hello"));
    tokio::join!(one.stop(), two.stop());
    let events = until_stopped(&user, Some(&two.id), Transport::Sse, "0").await;
    assert!(events.iter().all(|event| event.data.agent_id() == Some(&two.id)), "{events:#?}");
}

/// From any event on, the rest comes: nothing missed, nothing twice.
pub async fn resumes_by_id(backend: &impl TestBackend) {
    let user = backend.user();
    let agent = user.spawn_ready(fake("told", &[])).await;
    agent.say("one").await;
    agent.say("two").await;
    agent.stop().await;
    let all = until_stopped(&user, Some(&agent.id), Transport::WebSocket, "0").await;
    for cut in 0..all.len() - 1 {
        let rest = until_stopped(&user, Some(&agent.id), Transport::WebSocket, &all[cut].id).await;
        assert_eq!(rest, all[cut + 1..], "resumed after {}", all[cut].data.name());
    }
}

/// An id that cannot be resumed from is answered with a `reset` first.
pub async fn an_unknown_id_is_told(backend: &impl TestBackend) {
    let user = backend.user();
    for transport in [Transport::Sse, Transport::WebSocket] {
        let options =
            EventsOptions { since: Some("no-such-id".into()), transport, ..EventsOptions::default() };
        let mut events = user.client.events(options).await.expect("a stream");
        let first = within("the reset", PATIENCE, events.next()).await.expect("an event");
        assert!(matches!(first.data, EventData::Reset { .. }), "{first:?}");
    }
}

/// WebSocket and SSE tell the same, with the same ids.
pub async fn both_transports_agree(backend: &impl TestBackend) {
    let user = backend.user();
    let agent = user.spawn_ready(fake("told", &[])).await;
    agent.say("one").await;
    agent.stop().await;
    let (socket, sse) = tokio::join!(
        until_stopped(&user, None, Transport::WebSocket, "0"),
        until_stopped(&user, None, Transport::Sse, "0"),
    );
    assert_eq!(socket, sse);
}

/// Everything after `since` up to the end of an agent.
pub(super) async fn until_stopped(
    user: &User,
    agent: Option<&AgentId>,
    transport: Transport,
    since: &str,
) -> Vec<Event> {
    let options = EventsOptions {
        agent: agent.cloned(),
        since: Some(since.into()),
        transport,
        ..EventsOptions::default()
    };
    let mut stream = user.client.events(options).await.expect("a stream");
    within("the agent's end to be told", PATIENCE, async {
        let mut events = Vec::new();
        loop {
            let event = stream.next().await.expect("the stream holds");
            let last = matches!(event.data, EventData::AgentStopped { .. });
            events.push(event);
            if last {
                return events;
            }
        }
    })
    .await
}
