//! `run`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use parallax_testkit::parallax::parallax;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::serve;

const FILE: &str = "name: greet
inputs: {who: {}, times: {type: number, default: 1}}
structure: {roles: {host: {agentType: claude, managed: true}}}
workflow: {steps: [{type: assign, id: hello, role: host, task: 'Greet ${input.who}'}]}
";

fn file(text: &str) -> (TempDir, String) {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("greet.yaml");
    std::fs::write(&path, text).expect("written");
    (dir, path.to_string_lossy().into_owned())
}

/// A control plane whose only run ends with this status.
async fn plane(status: &'static str) -> String {
    losing_plane(status, false).await
}

/// The same; with `is_lost` the connection ends after the first event, and a proxy refuses the next one.
async fn losing_plane(status: &'static str, is_lost: bool) -> String {
    let at = "2026-01-01T12:00:00.000Z";
    let events = [
        json!({"event": "step_started", "data": {"step": "0", "id": "hello", "type": "assign", "attempt": 1, "role": "host"}}),
        json!({"event": "something_new", "data": {}}),
        json!({"event": "step_ended", "data": {"step": "0", "attempt": 1, "status": status,
            "error": {"code": "AGENT_FAILED", "message": "it broke"}}}),
        json!({"event": "execution_ended", "data": {"status": status}}),
    ];
    let frame = |(index, event): (usize, &Value)| {
        let mut event = event.clone();
        event["id"] = (index + 1).to_string().into();
        event["timestamp"] = at.into();
        format!("id: {}\ndata: {event}\n\n", index + 1)
    };
    let frames: Vec<String> = events.iter().enumerate().map(frame).collect();
    let asked = Arc::new(AtomicUsize::new(if is_lost { 0 } else { 2 }));
    let stream = async move |Query(query): Query<HashMap<String, String>>| {
        let seen = query.get("since").map_or(0, |since| since.parse().expect("a number"));
        let text = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => frames[0].clone(),
            1 => return (StatusCode::BAD_GATEWAY, "<html>nobody is here</html>").into_response(),
            _ => frames[seen..].concat(),
        };
        ([("content-type", "text/event-stream")], text).into_response()
    };
    let execution = json!({"id": "r1", "pattern": "greet", "status": status, "input": {}, "createdAt": at, "updatedAt": at,
        "output": {"text": "hello \u{1b}[31myou"}, "steps": [], "questions": [], "agents": [],
        "metrics": {"durationMs": 1, "engineMs": 1, "messages": 1, "questions": 0, "agents": 1, "agentsAtOnce": 1}});
    let stored = json!({"name": "greet", "inputs": {}, "createdAt": at, "updatedAt": at, "source": FILE});
    let reply = async move || axum::Json(stored.clone());
    let execute = async move |axum::Json(body): axum::Json<Value>| {
        assert_eq!(body["input"], json!({"who": "you", "times": 2}));
        (StatusCode::ACCEPTED, axum::Json(json!({"executionId": "r1"})))
    };
    serve(
        Router::new()
            .route("/api/patterns/greet", put(reply.clone()).get(reply))
            .route("/api/patterns/greet/execute", post(execute))
            .route("/api/executions/r1/events", get(stream))
            .route("/api/executions/r1", get(async move || axum::Json(execution.clone()))),
    )
    .await
}

#[tokio::test]
async fn a_run_is_followed_to_its_end() {
    let (_dir, path) = file(FILE);
    let args = ["run", &path, "--input", "who=you", "--input", "times=2"];
    let run = parallax(&plane("completed").await, &args).await.succeeded();
    assert_eq!(
        run.out, "text: hello ^[[31myou\n",
        "nothing that would colour a terminal, and nothing left out"
    );
    assert!(run.err.contains("12:00:00  hello: assign by host\n"), "{}", run.err);
    assert!(run.err.contains("hello: done\n") && run.err.contains("completed"), "{}", run.err);

    let run = parallax(&plane("failed").await, &args).await;
    assert_eq!(run.code, 1);
    assert!(run.err.contains("hello: failed: it broke"), "{}", run.err);
    let json = parallax(&plane("completed").await, &[&args[..], &["--json"]].concat()).await.succeeded();
    assert_eq!(json.json()["status"], "completed");
    let left = parallax(&plane("completed").await, &[&args[..], &["--no-wait"]].concat()).await.succeeded();
    assert_eq!(left.out, "r1\n");
    let args = [&args[..], &["--no-wait", "--json"]].concat();
    let left = parallax(&plane("completed").await, &args).await.succeeded();
    assert_eq!(left.json(), json!({"executionId": "r1"}));
}

#[tokio::test]
async fn a_lost_connection_is_told_once_and_made_again() {
    let (_dir, path) = file(FILE);
    let args = ["run", &path, "--input", "who=you", "--input", "times=2"];
    let run = parallax(&losing_plane("completed", true).await, &args).await.succeeded();
    assert_eq!(run.err.matches("; trying again\n").count(), 1, "{}", run.err);
    assert_eq!(run.err.matches("hello: assign by host\n").count(), 1, "{}", run.err);
    assert!(run.err.contains("hello: done\n"), "{}", run.err);
}

#[tokio::test]
async fn what_is_wrong_is_said_before_a_server_is_asked() {
    let (_dir, path) =
        file(&FILE.replace("role: host", "role: hots").replace("who: {}", "who: {type: words}"));
    let run = parallax("http://127.0.0.1:9", &["run", &path]).await;
    assert_eq!(run.code, 2);
    let lines: Vec<&str> = run.err.lines().collect();
    assert!(lines[0].contains("greet.yaml:2:") && lines[0].contains("inputs.who.type"), "{}", run.err);
    assert!(run.err.contains("workflow.steps[0].role: there is no role `hots`"), "{}", run.err);
    assert!(run.err.contains("did you mean `host`?"), "{}", run.err);
    let (_dir, path) = file(FILE);
    let run = parallax("http://127.0.0.1:9", &["run", &path, "--check"]).await.succeeded();
    assert!(run.err.contains("in order"), "{}", run.err);
    // One of the library, too, and it isn't run.
    let library = parallax(&plane("completed").await, &["run", "greet", "--check"]).await.succeeded();
    assert_eq!((library.out.as_str(), library.err.as_str()), ("", "greet is in order\n"));
    let odd = parallax("http://127.0.0.1:9", &["run", "nothing.yaml"]).await;
    assert_eq!(odd.code, 1);
}
