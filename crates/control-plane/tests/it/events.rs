//! Events: everything a runtime tells, once, in order, whoever is restarted when.

use crate::plane::{Plane, ScriptedRuntime, one_runtime, take, until, within};
use futures::StreamExt;
use parallax_api::client::ListFilter;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Event, EventData};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Door = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a message event says; the name of any other event.
fn words(event: &Event) -> String {
    match &event.data {
        EventData::Message { message } => message.content.clone(),
        data => data.name().into(),
    }
}

fn all_words(events: &[Event]) -> Vec<String> {
    events.iter().map(words).collect()
}

#[tokio::test]
async fn each_event_once_over_restarts_of_both_sides() {
    let dir = TempDir::new().unwrap();
    let mut runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let spec = runtime.spec("local");
    runtime.becomes("a1", AgentStatus::Starting).await;
    runtime.says("a1", "0").await;

    let plane = Plane::start(dir.path(), vec![spec.clone()]).await;
    let mut events = plane.events(Some("0")).await;
    let mut seen = take(&mut events, 2).await;
    let mut said = 1;
    let mut plane = Some(plane);
    for round in 0..4 {
        // Some while all is well, some while one side is gone.
        for _ in 0..5 {
            runtime.says("a1", &said.to_string()).await;
            said += 1;
        }
        if round % 2 == 0 {
            runtime.kill().await;
            runtime.says("a1", &said.to_string()).await;
            runtime.revive().await;
        } else {
            plane.take().unwrap().stop().await;
            runtime.says("a1", &said.to_string()).await;
            plane = Some(Plane::start(dir.path(), vec![spec.clone()]).await);
        }
        said += 1;
        let since = seen.last().map(|event| event.id.clone());
        let mut events = plane.as_ref().unwrap().events(since.as_deref()).await;
        let missing = said + 1 - seen.len();
        seen.extend(take(&mut events, missing).await);
    }
    let expected: Vec<String> =
        std::iter::once("agent_started".to_owned()).chain((0..said).map(|n| n.to_string())).collect();
    assert_eq!(all_words(&seen), expected);
    // The log itself holds each once, too.
    let mut events = plane.as_ref().unwrap().events(Some("0")).await;
    let again = take(&mut events, expected.len()).await;
    assert_eq!(again, seen);
    runtime.says("a1", "last").await;
    assert_eq!(words(&take(&mut events, 1).await[0]), "last");
}

#[tokio::test]
async fn events_carry_the_name_of_the_runtime_here() {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let plane = Plane::start(dir.path(), vec![runtime.spec("east")]).await;
    let mut events = plane.events(Some("0")).await;
    runtime.becomes("a1", AgentStatus::Ready).await;
    let event = take(&mut events, 1).await.remove(0);
    assert_eq!(event.data.agent().unwrap().runtime, "east");
    // Who hears of it finds it so.
    assert_eq!(plane.client.get(&"a1".parse().unwrap()).await.unwrap().status, AgentStatus::Ready);
}

#[tokio::test]
async fn a_runtime_that_lost_its_events_is_told_as_such_with_what_changed() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    let mut events = plane.events(Some("0")).await;
    for id in ["gone", "same", "other"] {
        runtime.becomes(id, AgentStatus::Ready).await;
    }
    take(&mut events, 3).await;

    runtime.kill().await;
    runtime.lose_events().await;
    runtime.script.agents.lock().unwrap().remove("gone");
    runtime.has("other", AgentStatus::Busy);
    runtime.has("new", AgentStatus::Ready);
    runtime.revive().await;
    let mut told = take(&mut events, 5).await;
    let reset = told.pop().unwrap();
    assert!(matches!(&reset.data, EventData::Reset { reason } if reason.contains("`local`")), "{reset:?}");
    let mut told: Vec<String> = told
        .iter()
        .map(|event| format!("{} {}", event.data.agent_id().unwrap(), event.data.name()))
        .collect();
    told.sort();
    assert_eq!(told, ["gone agent_stopped", "new agent_ready", "new agent_started", "other agent_busy"]);

    // And on from there, without telling any of it again.
    runtime.kill().await;
    runtime.revive().await;
    runtime.says("same", "hello").await;
    assert_eq!(all_words(&take(&mut events, 1).await), ["hello"]);
    let gone = plane.client.get(&"gone".parse().unwrap()).await.unwrap_err();
    assert_eq!(gone.code, parallax_api::Code::AgentNotFound);
}

/// A spawn that fails has no event. After a gap its agent was published all the same, as starting.
#[tokio::test]
async fn a_start_that_failed_after_a_gap_has_an_end() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    runtime.becomes("other", AgentStatus::Ready).await;
    let mut events = plane.events(Some("0")).await;
    take(&mut events, 1).await;
    runtime.kill().await;
    runtime.lose_events().await;
    runtime.has("new", AgentStatus::Starting);
    runtime.revive().await;
    let told = all_words(&take(&mut events, 2).await);
    assert_eq!(told, ["agent_started", "reset"]);

    runtime.script.agents.lock().unwrap().remove("new");
    // Whoever lists learns first that it is gone. What came while a list was made is in it, and in a list that is as good as new.
    until("the list to be without it", async || {
        plane.client.list(&ListFilter::default()).await.unwrap().count == 1
    })
    .await;
    let ended = take(&mut events, 1).await.remove(0);
    let EventData::AgentStopped { agent, reason } = &ended.data else { panic!("{ended:?}") };
    assert_eq!((agent.id.as_str(), reason.as_str()), ("new", "not_started"));
    // Once, and nobody else.
    runtime.says("other", "hello").await;
    assert_eq!(all_words(&take(&mut events, 1).await), ["hello"]);
}

#[tokio::test]
async fn the_same_events_over_every_door_and_strictly_filtered() {
    let (_dir, runtime, plane) = one_runtime().await;
    let mut doors = Vec::new();
    for path in ["/api/managed-agents/events?since=0&agentId=a2", "/ws/events?since=0&agentId=a2"] {
        doors.push(connect_async(plane.socket_url(path)).await.unwrap().0);
    }
    runtime.says("a1", "not for them").await;
    runtime.says("a2", "for them").await;
    let next = async |door: &mut Door| loop {
        let frame = within("a frame comes", door.next()).await.unwrap().unwrap();
        if !frame.is_ping() {
            return frame;
        }
    };
    for door in &mut doors {
        let frame = next(door).await;
        let event: Event = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        assert_eq!(words(&event), "for them");
    }
    plane.stop().await;
    for door in &mut doors {
        let frame = next(door).await;
        let Message::Close(Some(close)) = frame else { panic!("{frame}") };
        assert_eq!(u16::from(close.code), 1001);
    }
}
