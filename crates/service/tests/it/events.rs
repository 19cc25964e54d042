//! The event log and its streams, to clients that come late, fall behind and come back.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use futures::{SinkExt, Stream, StreamExt};
use parallax_api::event::EventsQuery;
use parallax_api::{AgentId, Code, Event, EventData, Time};
use parallax_service::access::AccessConfig;
use parallax_service::events::{EventLog, SourcePosition, follow};
use parallax_service::extract::{Query, Upgrade};
use parallax_service::shutdown::Shutdown;
use parallax_store::sqlite::{open_control_plane, open_runtime};
use parallax_store::{NewEvent, Projection, WrittenEvent};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::server::{LIMIT, Server, refusal};

/// `agent_busy` of the agent `id`, as a host would tell it.
pub fn busy(id: &str) -> EventData {
    let at = "2026-11-22T13:16:37.042Z";
    let agent = json!({
        "id": id, "name": id, "type": "shell", "status": "busy", "runtime": "local",
        "createdAt": at, "updatedAt": at,
    });
    serde_json::from_value(json!({"event": "agent_busy", "data": {"agent": agent}})).unwrap()
}

pub async fn open(dir: &tempfile::TempDir, keep: u64) -> EventLog {
    let stores = open_runtime(dir.path()).await.unwrap();
    EventLog::open(stores.events, keep).await.unwrap()
}

async fn append(log: &EventLog, source: &str, seq: u64) -> Option<Event> {
    log.append(source, seq, busy(source), Time::now()).await.unwrap()
}

/// The next `count` events, as `agent` ids or `reset`.
pub async fn next(events: &mut (impl Stream<Item = Event> + Unpin), count: usize) -> Vec<Event> {
    let all = events.take(count).collect();
    tokio::time::timeout(LIMIT, all).await.expect("the events that were awaited")
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

fn is_reset(event: &Event) -> bool {
    matches!(event.data, EventData::Reset { .. })
}

#[tokio::test]
async fn an_event_is_appended_once_and_the_next_server_knows() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    assert_eq!(log.source_seq("a").await.unwrap(), 0);
    let first = append(&log, "a", 1).await.unwrap();
    let second = append(&log, "a", 2).await.unwrap();
    assert_ne!(first.id, second.id);
    assert!(append(&log, "a", 1).await.is_none());
    assert!(append(&log, "a", 2).await.is_none());
    let other = append(&log, "b", 1).await.unwrap();
    drop(log);
    let log = open(&dir, 100).await;
    assert!(append(&log, "a", 2).await.is_none());
    assert_eq!(log.source_seq("a").await.unwrap(), 2);
    let third = append(&log, "a", 3).await.unwrap();
    let mut events = Box::pin(log.subscribe(Some(first.id), None));
    assert_eq!(ids(&next(&mut events, 3).await), [second.id, other.id, third.id]);
    log.forget_source("a").await.unwrap();
    assert_eq!(log.source_seq("a").await.unwrap(), 0);
}

#[tokio::test]
async fn sources_that_name_their_events_are_taken_once_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    let take = |cursor: &str| {
        log.append_event(NewEvent {
            source: "runtime".into(),
            position: SourcePosition::Cursor(cursor.into()),
            event: WrittenEvent::new(busy("a")).into(),
            at: Time::now(),
            projection: Projection::Nothing,
        })
    };
    assert!(take("x-1").await.unwrap().is_some());
    assert!(take("x-1").await.unwrap().is_none());
    assert!(take("x-2").await.unwrap().is_some());
    assert_eq!(log.position("runtime").await.unwrap(), Some(SourcePosition::Cursor("x-2".into())));
    assert_eq!(log.position("other").await.unwrap(), None);
}

#[tokio::test]
async fn what_belongs_to_an_event_is_kept_with_it_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let stores = open_control_plane(dir.path()).await.unwrap();
    let log = EventLog::open(stores.events, 100).await.unwrap();
    let agent = busy("a").agent().unwrap().clone();
    let take = |seq, projection| {
        log.append_event(NewEvent {
            source: "a".into(),
            position: SourcePosition::Seq(seq),
            event: WrittenEvent::new(EventData::AgentBusy { agent: Box::new(agent.clone()) }).into(),
            at: Time::now(),
            projection,
        })
    };
    assert!(take(1, Projection::PublishedAgent).await.unwrap().is_some());
    assert!(take(1, Projection::PublishedAgent).await.unwrap().is_none());
    // This database has no table of a runtime's agents: that projection fails.
    assert!(take(2, Projection::AgentRow).await.is_err());
    let published = stores.published.all().await.unwrap();
    assert_eq!((published, log.source_seq("a").await.unwrap()), (vec![agent.clone()], 1));
    let second = take(2, Projection::PublishedAgent).await.unwrap().unwrap();
    let mut events = Box::pin(log.subscribe(Some("0".into()), None));
    assert_eq!(next(&mut events, 2).await[1], second);
}

#[tokio::test]
async fn of_events_in_one_transaction_each_agent_is_kept_as_its_last_one_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let stores = open_control_plane(dir.path()).await.unwrap();
    let log = EventLog::open(stores.events, 100).await.unwrap();
    let shown = |id: &str, name: &str| {
        let mut data = busy(id);
        data.agent_mut().unwrap().name = name.into();
        data
    };
    // The last two are known already: neither the events nor their agents are taken.
    let events =
        [(1, "a", "first"), (1, "b", "only"), (2, "a", "last"), (2, "a", "known"), (1, "b", "known")];
    let events = events.map(|(seq, id, name)| NewEvent {
        source: id.into(),
        position: SourcePosition::Seq(seq),
        projection: Projection::PublishedAgent,
        event: WrittenEvent::new(shown(id, name)).into(),
        at: Time::now(),
    });
    let taken = log.append_all(events.into()).await.unwrap();
    assert_eq!(taken, [true, true, true, false, false]);
    let mut kept: Vec<_> = stores.published.all().await.unwrap();
    kept.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    let kept: Vec<_> = kept.iter().map(|agent| (agent.id.as_str(), agent.name.as_str())).collect();
    assert_eq!(kept, [("a", "last"), ("b", "only")]);
    assert_eq!(log.source_seq("a").await.unwrap(), 2);
}

#[tokio::test]
async fn a_subscriber_starts_when_it_subscribes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    append(&log, "a", 1).await;
    let mut now = Box::pin(log.subscribe(None, None));
    let mut oldest = Box::pin(log.subscribe(Some("0".into()), None));
    let second = append(&log, "a", 2).await.unwrap();
    assert_eq!(ids(&next(&mut now, 1).await), [second.id.as_str()]);
    assert_eq!(next(&mut oldest, 2).await[1], second);
}

#[tokio::test]
async fn an_id_too_old_is_told_before_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 3).await;
    let mut sent = Vec::new();
    for seq in 1..=6 {
        sent.push(append(&log, "a", seq).await.unwrap());
    }
    let mut events = Box::pin(log.subscribe(Some(sent[0].id.clone()), None));
    let told = next(&mut events, 4).await;
    assert!(is_reset(&told[0]));
    assert_eq!(told[1..], sent[3..]);
    // The id of the reset is one to resume from.
    let mut again = Box::pin(log.subscribe(Some(told[0].id.clone()), None));
    assert_eq!(next(&mut again, 3).await, sent[3..]);
    // The last id that loses nothing.
    let mut whole = Box::pin(log.subscribe(Some(sent[2].id.clone()), None));
    assert_eq!(next(&mut whole, 3).await, sent[3..]);
    // From the oldest kept is what was asked for: nothing to tell.
    let mut oldest = Box::pin(log.subscribe(Some("0".into()), None));
    assert_eq!(next(&mut oldest, 3).await, sent[3..]);
}

#[tokio::test]
async fn an_id_of_another_log_is_told() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (log, other) = (open(&dir, 100).await, open(&other, 100).await);
    let sent = append(&log, "a", 1).await.unwrap();
    let foreign = append(&other, "a", 1).await.unwrap();
    assert_ne!(sent.id, foreign.id);
    let later = format!("{}9", sent.id);
    for id in [foreign.id.as_str(), "nonsense", "", "-1", "1"] {
        let mut events = Box::pin(log.subscribe(Some(id.into()), None));
        let told = next(&mut events, 2).await;
        assert!(is_reset(&told[0]), "{id}");
        assert_eq!(told[1], sent);
    }
    let mut events = Box::pin(log.subscribe(Some(later), None));
    assert!(is_reset(&next(&mut events, 1).await[0]));
    let second = append(&log, "a", 2).await.unwrap();
    assert_eq!(next(&mut events, 1).await, [second]);
}

#[tokio::test]
async fn the_filter_is_strict_and_does_not_age() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10).await;
    let agent: AgentId = "a".parse().unwrap();
    let mut past = Box::pin(log.subscribe(Some("0".into()), Some(agent.clone())));
    let first = append(&log, "a", 1).await.unwrap();
    assert_eq!(ids(&next(&mut past, 1).await), [first.id.as_str()]);
    // Many events of another agent pass by, more than are kept: of this agent, nothing was lost.
    for seq in 1..=600 {
        append(&log, "b", seq).await;
    }
    let second = append(&log, "a", 2).await.unwrap();
    let mut live = Box::pin(log.subscribe(None, Some(agent)));
    append(&log, "b", 601).await;
    let third = append(&log, "a", 3).await.unwrap();
    assert_eq!(ids(&next(&mut live, 1).await), [third.id.as_str()]);
    // The one that was not read from meanwhile is behind the log's end, and is told so.
    let told = next(&mut past, 3).await;
    assert!(is_reset(&told[0]));
    assert_eq!(ids(&told[1..]), [second.id, third.id]);
}

#[tokio::test]
async fn a_subscriber_that_falls_behind_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10_000).await;
    let mut events = Box::pin(log.subscribe(None, None));
    let mut sent = Vec::new();
    for round in 0..3 {
        for seq in 1..=700 {
            sent.push(append(&log, "a", round * 700 + seq).await.unwrap());
        }
        let told = next(&mut events, 350).await;
        assert_eq!(ids(&told), ids(&sent.drain(..350).collect::<Vec<_>>()));
    }
    assert_eq!(ids(&next(&mut events, sent.len()).await), ids(&sent));
}

async fn serve(log: &EventLog) -> Server {
    let state = log.clone();
    Server::start(AccessConfig::default(), |shutdown| {
        Router::new().route("/events", get(events)).with_state((state, shutdown))
    })
    .await
}

async fn events(
    State((log, shutdown)): State<(EventLog, Shutdown)>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
    upgrade: Option<Upgrade>,
) -> axum::response::Response {
    follow(&log, query, &headers, upgrade, &shutdown)
}

async fn connect(server: &Server, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    tokio_tungstenite::connect_async(format!("ws://{}/events{query}", server.address)).await.unwrap().0
}

async fn frame(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Message {
    loop {
        let message = tokio::time::timeout(LIMIT, socket.next()).await.expect("a frame").unwrap().unwrap();
        if !message.is_ping() {
            return message;
        }
    }
}

async fn event(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Event {
    serde_json::from_str(frame(socket).await.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_websocket_follows_resumes_and_is_closed_with_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    let server = serve(&log).await;
    let mut socket = connect(&server, "").await;
    let first = append(&log, "a", 1).await.unwrap();
    assert_eq!(event(&mut socket).await, first);
    let text = {
        let second = append(&log, "b", 1).await.unwrap();
        let text = frame(&mut socket).await.into_text().unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), second);
        text
    };
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["id"].is_string() && value["event"] == "agent_busy" && value["data"]["agent"]["id"] == "b");
    assert!(value["timestamp"].as_str().unwrap().ends_with('Z'));
    let mut resumed = connect(&server, &format!("?since={}&agentId=a", first.id)).await;
    let third = append(&log, "a", 2).await.unwrap();
    assert_eq!(event(&mut resumed).await, third);
    server.stop().await;
    assert_eq!(event(&mut socket).await, third);
    for socket in [&mut socket, &mut resumed] {
        let Message::Close(Some(close)) = frame(socket).await else { panic!("a close frame") };
        assert_eq!(u16::from(close.code), 1001);
    }
}

#[tokio::test]
async fn a_client_that_says_too_much_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    let server = serve(&log).await;
    let mut socket = connect(&server, "").await;
    socket.send(Message::text("small talk is ignored")).await.unwrap();
    let sent = append(&log, "a", 1).await.unwrap();
    assert_eq!(event(&mut socket).await, sent);
    socket.send(Message::text("x".repeat(100_000))).await.unwrap();
    let rest = tokio::time::timeout(LIMIT, async { while let Some(Ok(_)) = socket.next().await {} });
    rest.await.expect("the server closes");
}

/// Reads an SSE body until it holds `count` events; gives the text.
async fn sse(response: &mut reqwest::Response, count: usize) -> String {
    let mut text = String::new();
    while text.matches("\ndata:").count() < count || !text.ends_with("\n\n") {
        let chunk = tokio::time::timeout(LIMIT, response.chunk()).await.expect("more of the stream").unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("an open stream")).unwrap());
    }
    text
}

#[tokio::test]
async fn sse_carries_the_same_frames_and_resumes_by_the_last_id() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    let server = serve(&log).await;
    let mut response = server.get("/events").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = append(&log, "a", 1).await.unwrap();
    let text = sse(&mut response, 1).await;
    let frame = text.split("\n\n").find(|frame| frame.contains("data:")).unwrap();
    assert!(frame.contains(&format!("id: {}", first.id)) && frame.contains("event: agent_busy"), "{frame}");
    let data = frame.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Event>(data).unwrap(), first);
    let second = append(&log, "a", 2).await.unwrap();
    // A browser that reconnects asks for the same address again: its header is newer.
    let again = server.get("/events?since=0").header("last-event-id", &first.id);
    let mut again = again.send().await.unwrap();
    let text = sse(&mut again, 1).await;
    assert!(text.contains(&second.id) && !text.contains(&format!("\nid: {}\n", first.id)), "{text}");
    server.stop().await;
    assert!(again.chunk().await.unwrap().is_none(), "the stream ends, whole");
}

#[tokio::test]
async fn an_sse_client_learns_where_to_resume_before_anything_happens() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    append(&log, "a", 1).await;
    let server = serve(&log).await;
    let mut response = server.get("/events").send().await.unwrap();
    let chunk = response.chunk().await.unwrap().unwrap();
    let id = std::str::from_utf8(&chunk).unwrap().trim().strip_prefix("id: ").unwrap().to_owned();
    drop(response);
    let missed = append(&log, "a", 2).await.unwrap();
    let mut response = server.get("/events").header("last-event-id", id).send().await.unwrap();
    assert!(sse(&mut response, 1).await.contains(&missed.id));
}

#[tokio::test]
async fn a_stuck_client_holds_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10_000).await;
    let server = serve(&log).await;
    let _stuck = connect(&server, "?since=0").await; // never read from
    let mut reading = connect(&server, "?since=0").await;
    let pad = "x".repeat(100_000);
    for seq in 1..=300 {
        let mut data = busy("a");
        data.agent_mut().unwrap().name.clone_from(&pad);
        let sent = log.append("a", seq, data, Time::now()).await.unwrap().unwrap();
        assert_eq!(event(&mut reading).await.id, sent.id);
    }
    let began = std::time::Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(6), "the grace is 2 s");
}

#[tokio::test]
async fn an_agent_that_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 100).await;
    let server = serve(&log).await;
    refusal(server.get("/events?agentId=No%20Such").send().await.unwrap(), Code::AgentNotFound).await;
}
