use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use parallax_api::client::{Client, ListFilter};
use parallax_api::{AgentId, AgentStatus, Code, Problem, SendRequest, SpawnRequest};
use serde_json::{Value, json};

use super::{agent, control_plane, serve};

#[tokio::test]
async fn a_request_carries_token_body_and_key() {
    async fn spawn(headers: HeaderMap, body: String) -> impl IntoResponse {
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers["idempotency-key"], "k1");
        // Nothing that was not asked for: the server refuses fields it does not know.
        let body: Value = serde_json::from_str(&body).expect("json");
        assert_eq!(body, json!({"name": "one", "type": "shell", "env": {"A": "b"}}));
        (StatusCode::CREATED, Json(agent("a1")))
    }
    for (path, runtime) in [("/api/managed-agents", false), ("/api/agents", true)] {
        let url = serve(Router::new().route(path, post(spawn))).await;
        let token = Some("s3cret".into());
        let client = if runtime { Client::runtime(&url, token) } else { Client::control_plane(&url, token) };
        let request = SpawnRequest {
            name: "one".into(),
            r#type: "shell".into(),
            env: [("A".to_owned(), "b".into())].into(),
            ..Default::default()
        };
        let agent = client.expect("client").spawn_once("k1", &request).await.expect("spawned");
        assert_eq!((agent.id.as_str(), agent.status), ("a1", AgentStatus::Ready));
    }
}

#[tokio::test]
async fn a_list_is_read_page_after_page() {
    async fn list(RawQuery(query): RawQuery) -> Json<Value> {
        let query = query.expect("a query");
        assert!(query.starts_with("status=busy&label=a%3D1&label=b"), "{query}");
        Json(if query.ends_with("cursor=p2") {
            json!({"agents": [agent("a2")], "count": 1})
        } else {
            json!({"agents": [agent("a1")], "count": 1, "nextCursor": "p2"})
        })
    }
    let client = control_plane(Router::new().route("/api/managed-agents", get(list))).await;
    let filter = ListFilter {
        status: Some(AgentStatus::Busy),
        labels: vec!["a=1".into(), "b".into()],
        ..Default::default()
    };
    let ids: Vec<String> =
        client.list_all(&filter).await.expect("list").into_iter().map(|agent| agent.id.to_string()).collect();
    assert_eq!(ids, ["a1", "a2"]);
}

#[tokio::test]
async fn what_has_no_end_is_not_read() {
    let cursors: [fn(usize) -> usize; 3] = [|_| 1, |asked| asked % 2, |asked| asked];
    for cursor in cursors {
        let asked = Arc::new(AtomicUsize::new(0));
        let list = async move || {
            let next = cursor(asked.fetch_add(1, Ordering::Relaxed)).to_string();
            Json(json!({"agents": [], "count": 0, "nextCursor": next}))
        };
        let client = control_plane(Router::new().route("/api/managed-agents", get(list))).await;
        let problem = client.list_all(&ListFilter::default()).await.expect_err("no end");
        assert_eq!(problem.code, Code::RuntimeUnavailable);
        assert!(problem.detail.contains("does not end"), "{problem}");
    }
    let piece = || Ok::<_, std::convert::Infallible>(vec![b' '; 64 * 1024]);
    let body = move || async move { Body::from_stream(futures::stream::repeat_with(piece)) };
    let client = control_plane(Router::new().route("/api/managed-agents", get(body))).await;
    let problem = client.list(&ListFilter::default()).await.expect_err("no end");
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    assert!(problem.detail.contains("16 MiB"), "{problem}");
}

#[tokio::test]
async fn a_refusal_comes_as_it_was_said() {
    let said = Problem::new(Code::Timeout, "no answer yet").with("messageId", "m1");
    let answer = said.clone();
    let router = Router::new()
        .route("/api/managed-agents/a1/send", post(|| async { (StatusCode::GATEWAY_TIMEOUT, Json(answer)) }));
    let client = control_plane(router).await;
    let id: AgentId = "a1".parse().expect("id");
    let message = SendRequest { message: "hi".into(), ..Default::default() };
    assert_eq!(client.send(&id, &message).await.expect_err("refused"), said);
}

#[tokio::test]
async fn nobody_there_says_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let client = Client::control_plane(&format!("http://{address}"), None).expect("client");
    let problem = client.health().await.expect_err("nobody");
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    assert!(
        problem.detail.contains(&address.to_string()) && problem.detail.contains("parallax up"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_unhealthy_runtime_still_tells_how_it_is() {
    let status = json!({
        "kind": "docker", "healthy": false, "reason": "no daemon", "agents": 0, "capacity": 8, "types": [],
        "version": "0.1.0",
    });
    let router =
        Router::new().route("/ready", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, Json(status)) }));
    let client = Client::runtime(&serve(router).await, None).expect("client");
    assert_eq!(client.runtime_status().await.expect("status").reason.as_deref(), Some("no daemon"));
}
