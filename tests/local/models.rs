//! The scripted models, asked as CLIs ask: streaming and not, with gates, failures and cuts.

use futures::StreamExt;
use parallax_testkit::models::Models;
use parallax_testkit::models::log::{Entry, LogEvent, digest};
use parallax_testkit::models::scenario::{Failure, Pace, Reply, Scenario, Step};
use parallax_testkit::server::reqwest_client;
use serde_json::{Value, json};

fn ask(models: &Models, text: &str, stream: bool) -> [(&'static str, reqwest::RequestBuilder); 3] {
    let client = reqwest_client();
    let post = |path: &str, body: Value| client.post(format!("{}{path}", models.url())).json(&body);
    let gemini = if stream { "streamGenerateContent" } else { "generateContent" };
    [
        (
            "anthropic",
            post(
                "/v1/messages",
                json!({"model": "m", "stream": stream, "tools": [{"name": "Bash"}],
                       "messages": [{"role": "user", "content": text}]}),
            ),
        ),
        (
            "openai",
            post(
                "/v1/responses",
                json!({"model": "m", "stream": stream, "tools": [{"type": "custom", "name": "exec"}],
                       "input": [{"type": "message", "role": "user",
                                  "content": [{"type": "input_text", "text": text}]}]}),
            ),
        ),
        (
            "gemini",
            post(
                &format!("/v1beta/models/m:{gemini}"),
                json!({"tools": [{"functionDeclarations": [{"name": "ls"}]}],
                       "contents": [{"role": "user", "parts": [{"text": text}]}]}),
            ),
        ),
    ]
}

/// The text that a stream or a document says, whatever the API.
fn said(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let own = match (object.get("type").and_then(Value::as_str), object.get("delta")) {
                (Some("response.output_text.delta"), Some(Value::String(delta))) => delta.clone(),
                // The rest of OpenAI's events repeats what the deltas said.
                (Some(kind), _) if kind.starts_with("response.") => return String::new(),
                _ => object.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
            };
            own + &object.values().map(said).collect::<String>()
        }
        Value::Array(items) => items.iter().map(said).collect(),
        _ => String::new(),
    }
}

fn said_in_stream(body: &str) -> String {
    let events = body.lines().filter_map(|line| line.strip_prefix("data: "));
    events.map(|event| said(&serde_json::from_str(event).expect("an event is JSON"))).collect()
}

#[tokio::test]
async fn every_api_says_the_same_streaming_and_not() {
    let answer = "One, two — three. 🦀".repeat(10);
    let scenario = Scenario {
        defaults: Pace::instant(),
        replies: vec![Reply::text(&answer).to("hello")],
        ..Scenario::default()
    };
    let models = Models::start(scenario).await.expect("a port");
    for (api, request) in ask(&models, "hello", true) {
        let body = request.send().await.expect("an answer").text().await.expect("a body");
        assert_eq!(said_in_stream(&body), answer, "{api}");
    }
    for (api, request) in ask(&models, "hello", false) {
        let body: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(said(&body), answer, "{api}");
    }
    for (_, request) in ask(&models, "something else", false) {
        let body: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(said(&body), "(no scripted reply)");
    }
    let turns = models.turns();
    assert_eq!(turns.len(), 9);
    assert_eq!((turns[0].text_len, turns[0].sha256.as_str()), (5, digest("hello").as_str()));
}

#[tokio::test]
async fn errors_are_each_apis_own_and_used_up() {
    let failure = Failure { status: Some(429), message: Some("slow down".into()), ..Failure::default() };
    let failing = Reply { error: Some(failure), times: Some(3), ..Reply::default() };
    let scenario = Scenario {
        defaults: Pace::instant(),
        replies: vec![failing, Reply::text("fine")],
        ..Scenario::default()
    };
    let models = Models::start(scenario).await.expect("a port");
    for (api, request) in ask(&models, "hello", true) {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 429, "{api}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"]["message"], "slow down", "{api}: {body}");
    }
    for (api, request) in ask(&models, "hello", true) {
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{api}");
    }
}

#[tokio::test]
async fn gates_hold_and_cuts_cut() {
    let scenario = || Scenario {
        defaults: Pace::instant(),
        replies: vec![
            Reply::steps(vec![Step::text("half "), Step::gate("go"), Step::text("whole")]).to("gate"),
            Reply::steps(vec![Step::text("half "), Step { drop: true, ..Step::default() }]).to("cut"),
        ],
        ..Scenario::default()
    };
    let models = Models::start(scenario()).await.expect("a port");
    for (api, request) in ask(&models, "gate", true) {
        // A scenario that is played anew has its gates closed.
        models.replace(scenario());
        let mut stream = request.send().await.expect("an answer").bytes_stream();
        let first = stream.next().await.expect("a chunk").expect("a chunk");
        let mut body = String::from_utf8_lossy(&first).into_owned();
        assert!(!body.contains("whole"), "{api}: {body}");
        models.open("go");
        while let Some(chunk) = stream.next().await {
            body += &String::from_utf8_lossy(&chunk.expect("a chunk"));
        }
        assert_eq!(said_in_stream(&body), "half whole", "{api}");
    }
    for (api, request) in ask(&models, "cut", true) {
        let cut = request.send().await.expect("an answer").text().await;
        assert!(cut.is_err(), "{api}: the stream should break off: {cut:?}");
    }
    let is_drop = |entry: &Entry| matches!(entry.event, LogEvent::Drop { .. });
    assert_eq!(models.log().iter().filter(|entry| is_drop(entry)).count(), 3);
}
