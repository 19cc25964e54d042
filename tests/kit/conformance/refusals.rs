//! Every refusal has one body and a code, and says what to do.

use parallax_api::problem::PROBLEM_JSON;
use parallax_api::{AgentId, Code, Problem, SendRequest, SpawnRequest};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use crate::backend::{ServerOptions, TestBackend, fake};
use crate::server::reqwest_client;

/// An unknown id, and one that is not valid.
pub async fn unknown_agents(backend: &impl TestBackend) {
    let client = reqwest_client();
    for id in [AgentId::generate().as_str(), "NO%20SUCH", "..%2f..%2fetc"] {
        let agent = format!("{}/api/agents/{id}", backend.url());
        for (method, path) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::GET, "/logs"),
            (Method::GET, "/metrics"),
            (Method::GET, "/messages"),
            (Method::GET, "/screen"),
            (Method::GET, "/status"),
            (Method::POST, "/interrupt"),
        ] {
            let request = client.request(method.clone(), format!("{agent}{path}"));
            assert_eq!(refused(request).await.code, Code::AgentNotFound, "{method} {path} of {id}");
        }
        let send = client.post(format!("{agent}/send")).json(&json!({"message": "hello"}));
        assert_eq!(refused(send).await.code, Code::AgentNotFound);
    }
    let stray = client.get(format!("{}/api/nothing", backend.url()));
    assert_eq!(refused(stray).await.code, Code::NotFound);
    let wrong = client.patch(format!("{}/api/agents", backend.url()));
    assert_eq!(refused(wrong).await.code, Code::MethodNotAllowed);
}

/// Unknown fields are refused by name, in bodies and queries.
pub async fn unknown_fields(backend: &impl TestBackend) {
    let client = reqwest_client();
    let agents = format!("{}/api/agents", backend.url());
    let spawn = client.post(&agents).json(&json!({"name": "a", "type": "fake", "colour": "red"}));
    let problem = refused(spawn).await;
    assert_eq!(problem.code, Code::Validation);
    assert!(problem.detail.contains("colour"), "{problem:?}");
    let agent = backend.user().spawn_ready(fake("asked", &[])).await;
    let send =
        client.post(format!("{agents}/{}/send", agent.id)).json(&json!({"message": "hi", "urgent": true}));
    assert!(refused(send).await.detail.contains("urgent"));
    let logs = client.get(format!("{agents}/{}/logs?tial=5", agent.id));
    assert!(refused(logs).await.detail.contains("tial"));
}

/// What is no JSON, or no JSON of the right shape.
pub async fn broken_json(backend: &impl TestBackend) {
    let client = reqwest_client();
    let post = |body: &'static str| {
        let request = client.post(format!("{}/api/agents", backend.url()));
        request.header("content-type", "application/json").body(body)
    };
    for body in
        ["", "{", "{\"name\": }", "[]", "null", "{\"name\": 5, \"type\": \"fake\"}", "{\"name\": \"a\"}"]
    {
        assert_eq!(refused(post(body)).await.code, Code::Validation, "{body}");
    }
    let wrong = refused(post(
        "{\"name\": \"a\", \"type\": \"fake\", \"terminal\": {\"cols\": \"wide\", \"rows\": 4}}",
    ))
    .await;
    assert!(wrong.more["field"].as_str().is_some_and(|field| field.contains("terminal.cols")), "{wrong:?}");
    let form =
        client.post(format!("{}/api/agents", backend.url())).header("content-type", "text/plain").body("{}");
    assert!(matches!(refused(form).await.code, Code::UnsupportedMediaType | Code::Forbidden));
}

/// Bodies beyond the bound.
pub async fn huge_bodies(backend: &impl TestBackend) {
    let huge = "x".repeat(10 * 1024 * 1024);
    let agents = format!("{}/api/agents", backend.url());
    let request = reqwest_client().post(&agents).json(&json!({"name": "a", "type": "fake", "prompt": huge}));
    let problem = refused(request).await;
    assert_eq!((problem.code, problem.status), (Code::PayloadTooLarge, 413));
}

/// Another site's page, and another name for this server (DNS rebinding), are kept out of every route.
pub async fn foreign_names_and_pages(backend: &impl TestBackend) {
    let client = reqwest_client();
    for path in ["/api/agents", "/api/events", "/metrics", "/ws/events"] {
        let url = format!("{}{path}", backend.url());
        let host = refused(client.get(&url).header("host", "evil.example")).await;
        assert_eq!(host.code, Code::Forbidden, "{path}");
        let origin = refused(client.get(&url).header("origin", "https://evil.example")).await;
        assert_eq!(origin.code, Code::Forbidden, "{path}");
    }
}

/// A type without a profile.
pub async fn unknown_types(backend: &impl TestBackend) {
    let request = SpawnRequest { r#type: "nonesuch".into(), ..fake("nobody", &[]) };
    let problem = backend.user().spawn_refused(&request).await;
    assert!(matches!(problem.code, Code::Validation | Code::Unsupported), "{problem:?}");
    assert!(problem.detail.contains("nonesuch"), "{problem:?}");
}

/// The bound on agents; what has ended frees its slot.
pub async fn too_many_agents(backend: &impl TestBackend) {
    backend.end_server().await;
    backend.start_server(ServerOptions { max_agents: 2 }).await;
    let user = backend.user();
    let first = user.spawn_ready(fake("first", &[])).await;
    let mut second = user.spawn_ready(fake("second", &[])).await;
    let problem = user.spawn_refused(&fake("third", &[])).await;
    assert_eq!((problem.code, problem.status), (Code::ResourceLimit, 429));
    first.stop().await;
    let third = user.spawn_ready(fake("third", &[])).await;
    second.press(&["ctrl-d"]).await;
    second.ends().await;
    user.spawn_ready(fake("fourth", &[])).await;
    assert_eq!(third.say("hello").await, "echo: hello");
}

/// Bounds of fields, each named.
pub async fn bad_fields(backend: &impl TestBackend) {
    let user = backend.user();
    let named = |name: &str| fake(name, &[]);
    for (field, request) in [
        ("name", named("")),
        ("name", named(&"x".repeat(64))),
        ("name", named("two\nlines")),
        ("prompt", SpawnRequest { prompt: Some("  ".into()), ..named("a") }),
        (
            "terminal",
            SpawnRequest { terminal: Some(parallax_api::TerminalSize { cols: 1, rows: 1 }), ..named("a") },
        ),
        ("capabilities", SpawnRequest { capabilities: vec!["c".into(); 65], ..named("a") }),
        ("maxLifetimeSeconds", SpawnRequest { max_lifetime_seconds: Some(0), ..named("a") }),
        ("stallSeconds", SpawnRequest { stall_seconds: Some(0), ..named("a") }),
    ] {
        let problem = user.spawn_refused(&request).await;
        assert_eq!(
            (problem.code, problem.more["field"].as_str()),
            (Code::Validation, Some(field)),
            "{problem:?}"
        );
    }
    let agent = user.spawn_ready(named("asked")).await;
    for (field, request) in [
        ("message", SendRequest::default()),
        ("timeoutMs", SendRequest { message: "hi".into(), timeout_ms: Some(0), ..SendRequest::default() }),
    ] {
        let problem = agent.send_refused(request).await;
        assert_eq!(
            (problem.code, problem.more["field"].as_str()),
            (Code::Validation, Some(field)),
            "{problem:?}"
        );
    }
}

/// The problem that a request is refused with, after checking its form.
async fn refused(request: RequestBuilder) -> Problem {
    let response: Response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type").cloned();
    let text = response.text().await.expect("a body");
    assert!(status >= 400, "it should have been refused: {status} {text:.300}");
    assert_eq!(content_type.expect("a content type"), PROBLEM_JSON, "{text:.300}");
    let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:.300}"));
    assert_eq!(
        (problem.status, problem.title.is_empty(), problem.detail.is_empty()),
        (status, false, false),
        "{text}"
    );
    problem
}
