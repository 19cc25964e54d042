//! What has no end: `logs -f` and `events`.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::StreamExt;
use parallax_api::observe::{LOG_GAPS, LOG_OFFSET};
use parallax_testkit::parallax::program;
use parallax_testkit::wait::PATIENCE;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::Notify;

use super::{ID, agent, serve};

/// One agent, and a stream that sends this and then stays open.
async fn streaming(path: &str, content_type: &'static str, text: String) -> String {
    let list = json!({"agents": [agent(ID, "one", "ready")], "count": 1});
    let stream = async move || {
        let first = futures::stream::iter([Ok::<_, std::io::Error>(text.clone())]);
        ([("content-type", content_type)], Body::from_stream(first.chain(futures::stream::pending())))
    };
    serve(
        Router::new()
            .route("/api/managed-agents", get(async move || axum::Json(list.clone())))
            .route(path, get(stream)),
    )
    .await
}

async fn first_lines(url: &str, args: &[&str], count: usize) -> (Vec<String>, tokio::process::Child) {
    let mut child =
        program(url, args).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = Vec::new();
    while seen.len() < count {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time");
        seen.push(line.expect("readable").expect("not the end"));
    }
    (seen, child)
}

/// The connection is lost, and what the server kept of the log has gaps: each byte comes once, and what is missing is told.
#[tokio::test]
async fn a_log_goes_on_where_it_stopped() {
    let list = json!({"agents": [agent(ID, "one", "ready")], "count": 1});
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let read_on: Arc<Notify> = Arc::default();
    let (heard, cut) = (asked.clone(), read_on.clone());
    let logs = async move |Query(query): Query<HashMap<String, String>>| {
        let Some(since) = query.get("since").cloned() else {
            return (
                [(LOG_OFFSET, "9"), (LOG_GAPS, "")],
                axum::Json(json!({"logs": ["one", "two"], "count": 2})),
            )
                .into_response();
        };
        assert_eq!((query["follow"].as_str(), query["format"].as_str()), ("true", "raw"));
        let count = {
            let mut heard = heard.lock().expect("unlocked");
            heard.push(since);
            heard.len()
        };
        let piece = |text: &'static str| futures::stream::iter([Ok(text)]);
        let cut = cut.clone();
        let broken = futures::stream::once(async move {
            cut.notified().await;
            Err(std::io::Error::other("gone"))
        });
        match count {
            1 => (
                [(LOG_OFFSET, "9"), (LOG_GAPS, "")],
                Body::from_stream(piece("three\n\x1b[1mfo").chain(broken)),
            ),
            // Of the 12 bytes that came, six were before the gap.
            2 => ([(LOG_OFFSET, "9"), (LOG_GAPS, "15-20")], Body::empty()),
            _ => {
                let rest = piece("ur\nfive\n").chain(futures::stream::pending());
                ([(LOG_OFFSET, "30"), (LOG_GAPS, "")], Body::from_stream(rest))
            }
        }
        .into_response()
    };
    let router = Router::new()
        .route("/api/managed-agents", get(async move || axum::Json(list.clone())))
        .route(&format!("/api/managed-agents/{ID}/logs"), get(logs));
    let url = serve(router).await;
    let mut child = program(&url, &["logs", "-f", "one"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let read = async |pipe: &mut (dyn AsyncRead + Unpin + Send), until: &str| {
        let mut seen = String::new();
        while !seen.ends_with(until) {
            let byte = tokio::time::timeout(PATIENCE, pipe.read_u8()).await;
            let byte = byte.unwrap_or_else(|_| panic!("waited in vain for {until:?}: {seen:?}"));
            seen.push(byte.expect("not the end").into());
        }
        seen
    };
    let out = child.stdout.as_mut().expect("piped");
    assert_eq!(read(out, "fo").await, "one\ntwo\nthree\nfo");
    read_on.notify_one();
    assert_eq!(read(out, "five\n").await, "ur\nfive\n");
    assert_eq!(*asked.lock().expect("unlocked"), ["9", "9", "26"]);
    let told = read(child.stderr.as_mut().expect("piped"), "were lost]\n").await;
    assert!(
        told.starts_with("[connecting again: ") && told.ends_with("[log_gap: bytes 26 to 30 were lost]\n")
    );
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error() {
    let endless = async || {
        Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>("line\n".repeat(1000))))
    };
    let list = json!({"agents": [agent(ID, "one", "ready")], "count": 1});
    let router = Router::new()
        .route("/api/managed-agents", get(async move || axum::Json(list.clone())))
        .route(&format!("/api/managed-agents/{ID}/logs"), get(endless));
    let url = serve(router).await;
    // The reader is dropped with the lines it read.
    let (_, mut child) = first_lines(&url, &["logs", "-f", "one", "--format", "raw"], 1).await;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").expect("status");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn events_are_lines() {
    let event = json!({"id": "e1", "event": "question", "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {"agent": agent(ID, "one", "busy"), "question": "Run\nit?"}});
    let newer = json!({"id": "e2", "event": "sang", "data": {}, "timestamp": "2026-01-01T00:00:00.000Z"});
    let text = format!("data: {event}\n\ndata: {newer}\n\n");
    let url = streaming("/api/managed-agents/events", "text/event-stream", text).await;
    let (lines, _child) = first_lines(&url, &["events", "--json"], 2).await;
    let parsed: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!((parsed[0]["id"].as_str(), parsed[1]["event"].as_str()), (Some("e1"), Some("sang")));
    let (lines, _child) = first_lines(&url, &["events", "one"], 1).await;
    assert!(lines[0].contains("question") && lines[0].ends_with("Run it? []"), "{lines:?}");
}

/// While an answer is awaited, standard error says what the agent does and asks what it asks.
#[tokio::test]
async fn send_shows_the_question_that_its_answer_waits_for() {
    let mut asking = agent(ID, "one", "busy");
    asking["attention"] = json!({"id": "q", "kind": "question", "text": "Run touch?", "since": "2026-01-01T00:00:00Z",
                                 "options": [{"id": "yes", "label": "Yes"}]});
    let event = |id: u32, event: Value| {
        let mut event = event;
        event["id"] = id.to_string().into();
        event["timestamp"] = "2026-01-01T00:00:00.000Z".into();
        format!("id: {id}\ndata: {event}\n\n")
    };
    let events = event(1, json!({"event": "agent_busy", "data": {"agent": agent(ID, "one", "busy")}}))
        + &event(2, json!({"event": "question", "data": {"agent": asking, "question": "Run touch?"}}));
    let answered = Arc::new(Notify::new());
    let release = answered.clone();
    let send = async move || {
        answered.notified().await;
        axum::Json(
            json!({"sent": true, "messageId": "m1", "response": {"id": "m2", "agentId": ID, "role": "agent",
                          "content": "done", "timestamp": "2026-01-01T00:00:00Z"}}),
        )
    };
    let list = json!({"agents": [agent(ID, "one", "ready")], "count": 1});
    let stream = async move || {
        let first = futures::stream::iter([Ok::<_, std::io::Error>(events.clone())]);
        ([("content-type", "text/event-stream")], Body::from_stream(first.chain(futures::stream::pending())))
    };
    let url = serve(
        Router::new()
            .route("/api/managed-agents", get(async move || axum::Json(list.clone())))
            .route("/api/managed-agents/events", get(stream))
            .route(&format!("/api/managed-agents/{ID}/send"), axum::routing::post(send)),
    )
    .await;
    let mut child = program(&url, &["send", "one", "hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut seen = String::new();
    while !seen.contains("answer with: parallax answer") {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line =
            line.unwrap_or_else(|_| panic!("waited in vain for the question: {seen}")).expect("readable");
        seen += &(line.expect("not the end") + "\n");
    }
    assert!(seen.starts_with("sent to one\none is working\none asks: Run touch?\n  yes  Yes\n"), "{seen}");
    release.notify_one();
    let output =
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("output");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"done\n"[..]));
}
