use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parallax_api::Code;
use parallax_api::client::{Change, Client, EventsOptions, Retry, Transport};

use super::{agent, control_plane};

/// The queries of the connections so far.
type Queries = Arc<Mutex<Vec<String>>>;

fn event(id: u32) -> String {
    serde_json::json!({
        "id": id.to_string(), "event": "agent_ready", "data": {"agent": agent("a1")},
        "timestamp": "2026-01-01T00:00:00.000Z",
    })
    .to_string()
}

/// The first connection ends after two events, the second is refused for a moment, the third goes on.
fn script(queries: &Queries, query: Option<String>) -> Result<Vec<String>, StatusCode> {
    let mut queries = queries.lock().expect("lock");
    queries.push(query.unwrap_or_default());
    match queries.len() {
        1 => Ok(vec![event(1), event(2)]),
        2 => Err(StatusCode::SERVICE_UNAVAILABLE),
        _ => Ok(vec![event(3)]),
    }
}

async fn sse(State(queries): State<Queries>, RawQuery(query): RawQuery) -> Response {
    match script(&queries, query) {
        Ok(events) => {
            let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            ([("content-type", "text/event-stream")], Body::from(body)).into_response()
        }
        Err(status) => status.into_response(),
    }
}

async fn websocket(
    State(queries): State<Queries>,
    RawQuery(query): RawQuery,
    up: WebSocketUpgrade,
) -> Response {
    match script(&queries, query) {
        Ok(events) => up.on_upgrade(async |mut socket| {
            for event in events {
                socket.send(Message::Text(event.into())).await.expect("sent");
            }
        }),
        Err(status) => status.into_response(),
    }
}

async fn resumes(client: Client, queries: Queries, transport: Transport) {
    let options = EventsOptions { since: Some("0".into()), transport, ..Default::default() };
    let mut stream = client.events(options).await.expect("stream");
    let mut ids = Vec::new();
    let mut losses = 0;
    while ids.len() < 3 {
        match stream.next_change().await.expect("goes on") {
            Change::Event(event) => ids.push(event.id),
            Change::Lost(problem) => {
                losses += 1;
                assert_eq!(problem.code, Code::RuntimeUnavailable);
            }
            Change::Resumed => assert_eq!(losses, 2),
            Change::Unknown(value) => panic!("{value}"),
        }
    }
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(stream.last_id(), Some("3"));
    assert_eq!(queries.lock().expect("lock")[..3], ["since=0", "since=2", "since=2"]);
}

#[tokio::test]
async fn server_sent_events_resume_after_the_last_one() {
    let queries = Queries::default();
    let router = Router::new().route("/api/managed-agents/events", get(sse)).with_state(queries.clone());
    resumes(control_plane(router).await, queries, Transport::Sse).await;
}

#[tokio::test]
async fn a_websocket_resumes_after_the_last_one() {
    let queries = Queries::default();
    let router =
        Router::new().route("/api/managed-agents/events", get(websocket)).with_state(queries.clone());
    resumes(control_plane(router).await, queries, Transport::WebSocket).await;
}

#[tokio::test]
async fn without_retries_a_loss_is_the_end() {
    let router = Router::new().route("/api/managed-agents/events", get(sse)).with_state(Queries::default());
    let client = control_plane(router).await;
    let options = EventsOptions { retry: Retry::NEVER, ..Default::default() };
    let mut stream = client.events(options).await.expect("stream");
    assert_eq!(stream.next().await.expect("first").id, "1");
    assert_eq!(stream.next().await.expect("second").id, "2");
    assert_eq!(stream.next().await.expect_err("lost").code, Code::RuntimeUnavailable);
}

#[tokio::test]
async fn an_event_of_a_newer_server_is_told_as_it_stands() {
    let newer = r#"{"id":"9","event":"agent_sang","data":{},"timestamp":"2026-01-01T00:00:00.000Z"}"#;
    let answer = async move || ([("content-type", "text/event-stream")], format!("data: {newer}\n\n"));
    let client = control_plane(Router::new().route("/api/managed-agents/events", get(answer))).await;
    let mut stream = client.events(EventsOptions::default()).await.expect("stream");
    let (change, size) = stream.next_sized().await.expect("told");
    let Change::Unknown(value) = change else { panic!("something else") };
    assert_eq!((value["event"].as_str(), size), (Some("agent_sang"), newer.len()));
}
