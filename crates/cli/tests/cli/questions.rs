//! Questions of a run at a real terminal.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use parallax_testkit::parallax::program;
use parallax_testkit::pty::Terminal;
use parallax_testkit::wait::PATIENCE;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use super::serve;

const AT: &str = "2026-01-01T12:00:00.000Z";

/// A run that the test drives, and what it is answered.
struct Run {
    url: String,
    events: mpsc::UnboundedSender<Value>,
    answers: mpsc::UnboundedReceiver<Value>,
}

impl Run {
    async fn begins() -> Self {
        let (events, events_rx) = mpsc::unbounded_channel::<Value>();
        let (answers_tx, answers) = mpsc::unbounded_channel();
        let events_rx = Arc::new(Mutex::new(events_rx));
        let stream = async move || {
            let frames = futures::stream::unfold((events_rx, 1), async |(events, number)| {
                let mut event = events.lock().await.recv().await?;
                event["id"] = number.to_string().into();
                event["timestamp"] = AT.into();
                Some((
                    Ok::<_, std::io::Error>(format!("id: {number}\ndata: {event}\n\n")),
                    (events, number + 1),
                ))
            });
            ([("content-type", "text/event-stream")], Body::from_stream(frames))
        };
        let execution = json!({"id": "r1", "pattern": "team", "status": "completed", "input": {}, "createdAt": AT,
            "updatedAt": AT, "steps": [], "questions": [], "agents": [],
            "metrics": {"durationMs": 1, "engineMs": 1, "messages": 1, "questions": 0, "agents": 1, "agentsAtOnce": 1}});
        let ended = execution.clone();
        let answer = async move |Json(body): Json<Value>| {
            answers_tx.send(body).expect("the test listens");
            Json(execution.clone())
        };
        let stored =
            json!({"name": "team", "inputs": {}, "createdAt": AT, "updatedAt": AT, "source": "name: team\n"});
        let execute = async || (StatusCode::ACCEPTED, Json(json!({"executionId": "r1"})));
        let url = serve(
            Router::new()
                .route("/api/patterns/team", get(async move || Json(stored.clone())))
                .route("/api/patterns/team/execute", post(execute))
                .route("/api/executions/r1/events", get(stream))
                .route("/api/executions/r1/answer", post(answer))
                .route("/api/executions/r1", get(async move || Json(ended.clone()))),
        )
        .await;
        Self { url, events, answers }
    }

    /// Follows it at a terminal.
    fn followed(&self) -> Terminal {
        Terminal::run(program(&self.url, &["run", "team"]).current_dir("/"))
    }

    fn tells(&self, event: &str, data: Value) {
        self.events.send(json!({"event": event, "data": data})).expect("it is followed");
    }

    fn asks(&self, id: &str) {
        let options = json!([{"id": "approve", "label": "Approve"}, {"id": "reject", "label": "Reject"}]);
        let question = json!({"id": id, "kind": "approval", "step": "0", "text": format!("is {id} right?"), "options": options});
        self.tells("question_asked", json!({"question": question}));
        self.tells(
            "question_routed",
            json!({"id": id, "depth": 1, "to": ["user"], "why": "a person decides"}),
        );
    }

    fn is_answered(&self, id: &str) {
        self.tells("question_answered", json!({"id": id, "by": "user", "answer": {"option": "approve"}}));
    }

    fn ends(&self) {
        self.tells("execution_ended", json!({"status": "completed"}));
    }

    async fn answer(&mut self) -> Value {
        let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await;
        answer.expect("an answer comes").expect("the server runs")
    }
}

fn answer(id: &str, option: &str) -> Value {
    json!({"questionId": id, "option": option})
}

/// Waits until the question is asked, and not only told of as an event.
async fn shows(terminal: &Terminal, id: &str) {
    terminal.shows(&format!("is {id} right?\r\n  approve  Approve")).await;
}

#[tokio::test]
async fn what_was_typed_before_a_question_is_no_answer_to_it() {
    let mut run = Run::begins().await;
    let mut terminal = run.followed();
    terminal.shows("run r1 of team").await;
    terminal.types(b"approve\r");
    terminal.shows("approve").await;
    run.asks("q1");
    shows(&terminal, "q1").await;
    // Twice, as when nothing seems to happen, and the beginning of a third.
    terminal.types(b"reject\rapprove\rappr");
    assert_eq!(run.answer().await, answer("q1", "reject"));
    run.is_answered("q1");
    run.asks("q2");
    shows(&terminal, "q2").await;
    terminal.types(b"reject\r");
    assert_eq!(run.answer().await, answer("q2", "reject"));
    run.ends();
    assert_eq!(terminal.ends().await, 0);
    assert!(run.answers.try_recv().is_err(), "nothing else was answered");
}

#[tokio::test]
async fn after_the_end_of_input_questions_are_still_shown() {
    let mut run = Run::begins().await;
    let mut terminal = run.followed();
    run.asks("q1");
    run.asks("q2");
    shows(&terminal, "q1").await;
    // In the middle of a line it only hands that half over.
    terminal.types(b"appr\x04\x04");
    terminal.shows("no more input: questions are only shown").await;
    for id in ["q1", "q2", "q3"] {
        if id == "q3" {
            run.asks(id);
        }
        terminal.shows(&format!("is {id} right?")).await;
        terminal.shows(&format!("answer with: parallax runs r1 --question {id} --answer OPTION")).await;
    }
    run.ends();
    assert_eq!(terminal.ends().await, 0);
    assert!(run.answers.try_recv().is_err(), "nothing was answered");
}
