//! Everything refused has one body, names the field, and says what to do.

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use parallax_api::Code;
use parallax_service::access::AccessConfig;
use parallax_service::extract::{Json, Path, Query, Upgrade};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Server, refusal};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    item_name: String,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    count: u32,
}

#[derive(Debug, Deserialize, Serialize)]
struct Filter {
    #[serde(default)]
    label: Vec<String>,
    limit: Option<u32>,
}

async fn start() -> Server {
    Server::start(AccessConfig { body_limit: 1000, ..AccessConfig::default() }, |_| {
        Router::new()
            .route("/orders", post(|Json(order): Json<Order>| async { Json(order) }))
            .route("/orders", get(|Query(filter): Query<Filter>| async { Json(filter) }))
            .route("/orders/{number}", get(|Path(number): Path<u32>| async move { number.to_string() }))
            .route("/maybe", post(|order: Option<Json<Order>>| async move { order.is_some().to_string() }))
            .route("/raw", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/ws", get(|_: Upgrade| async {}))
            .route("/bug", get(async || -> &'static str { panic!("secret words") }))
    })
    .await
}

#[tokio::test]
async fn a_body_that_does_not_fit_names_the_field() {
    let server = start().await;
    let fits = server
        .post("/orders")
        .json(&json!({"itemName": "tea", "lines": [{"count": 2}]}))
        .send()
        .await
        .unwrap();
    assert_eq!(fits.status(), StatusCode::OK);
    for (body, field) in [
        (json!({"itemName": 7}), "itemName"),
        (json!({"lines": []}), "itemName"),
        (json!({"itemName": "tea", "itemname": "tea"}), "itemname"),
        (json!({"itemName": "tea", "lines": [{"count": 1}, {"count": -1}]}), "lines[1].count"),
        (json!({"itemName": "tea", "lines": [{}]}), "lines[0].count"),
        (json!({"itemName": "tea", "lines": [{"count": 1, "size": 1}]}), "lines[0].size"),
    ] {
        let response = server.post("/orders").json(&body).send().await.unwrap();
        let problem = refusal(response, Code::Validation).await;
        assert_eq!(problem["field"], field, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_says_where() {
    let server = start().await;
    let send = async |body: &'static str| {
        server.post("/orders").header("content-type", "application/json").body(body).send().await.unwrap()
    };
    for body in ["", "{", "{\"itemName\": \"tea\"} x", "not json", "{'itemName': 1}"] {
        let problem = refusal(send(body).await, Code::Validation).await;
        assert!(problem["line"].is_u64() && problem["column"].is_u64(), "{problem}");
    }
    let problem = refusal(send("[]").await, Code::Validation).await;
    assert_eq!(problem["field"], Value::Null);
}

#[tokio::test]
async fn only_json_is_json() {
    let server = start().await;
    let send = async |kind: Option<&str>| {
        let request = server.post("/orders").body(r#"{"itemName": "tea"}"#);
        let request = if let Some(kind) = kind { request.header("content-type", kind) } else { request };
        request.send().await.unwrap()
    };
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let problem = refusal(send(kind).await, Code::UnsupportedMediaType).await;
        assert!(problem["detail"].as_str().unwrap().contains("application/json"));
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
        assert_eq!(send(Some(kind)).await.status(), StatusCode::OK, "{kind}");
    }
}

#[tokio::test]
async fn a_body_may_be_optional() {
    let server = start().await;
    assert_eq!(server.post("/maybe").send().await.unwrap().text().await.unwrap(), "false");
    let with = server.post("/maybe").json(&json!({"itemName": "tea"})).send().await.unwrap();
    assert_eq!(with.text().await.unwrap(), "true");
    let wrong = server.post("/maybe").json(&json!({"x": 1})).send().await.unwrap();
    assert_eq!(refusal(wrong, Code::Validation).await["field"], "x");
}

#[tokio::test]
async fn queries_repeat_keys_and_name_the_one_that_does_not_fit() {
    let server = start().await;
    let fits = server.get("/orders?label=a&label=b%20c&limit=5&ticket=x").send().await.unwrap();
    assert_eq!(fits.json::<Value>().await.unwrap(), json!({"label": ["a", "b c"], "limit": 5}));
    let wrong = server.get("/orders?limit=many").send().await.unwrap();
    assert_eq!(refusal(wrong, Code::Validation).await["field"], "limit");
}

#[tokio::test]
async fn unknown_places_and_methods_are_told_apart() {
    let server = start().await;
    let problem = refusal(server.get("/nowhere").send().await.unwrap(), Code::NotFound).await;
    assert!(problem["detail"].as_str().unwrap().contains("/nowhere"));
    let response = server.request(reqwest::Method::DELETE, "/orders").send().await.unwrap();
    let allow = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    refusal(response, Code::MethodNotAllowed).await;
    refusal(server.get("/orders/seven").send().await.unwrap(), Code::Validation).await;
    refusal(server.get("/ws").send().await.unwrap(), Code::Validation).await;
}

#[tokio::test]
async fn a_panic_is_a_refusal_that_keeps_its_words() {
    let server = start().await;
    let problem = refusal(server.get("/bug").send().await.unwrap(), Code::Internal).await;
    assert!(!problem.to_string().contains("secret"));
    assert_eq!(server.get("/orders").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_long_body_is_refused_and_its_sender_hears_it() {
    let server = start().await;
    let exact = server.post("/raw").body(vec![0; 1000]).send().await.unwrap();
    assert_eq!(exact.text().await.unwrap(), "1000");
    let over = server.post("/raw").body(vec![0; 1001]).send().await.unwrap();
    refusal(over, Code::PayloadTooLarge).await;
    // A client that sends everything before it listens must not be cut off in the middle.
    let huge = server.post("/orders").header("content-type", "application/json").body(vec![b' '; 10_000_000]);
    assert_eq!(refusal(huge.send().await.unwrap(), Code::PayloadTooLarge).await["limit"], 1000);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_too() {
    let server = start().await;
    let chunks = futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(vec![b' '; 400])));
    let body = reqwest::Body::wrap_stream(chunks);
    let response =
        server.post("/orders").header("content-type", "application/json").body(body).send().await.unwrap();
    refusal(response, Code::PayloadTooLarge).await;
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_a_long_body() {
    let server = start().await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /raw HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn requests_are_counted_under_their_templates() {
    let server = start().await;
    for path in ["/orders/1", "/orders/2", "/orders/x", "/what", "/ever"] {
        server.get(path).send().await.unwrap();
    }
    let media_type =
        |response: &reqwest::Response| response.headers()["content-type"].to_str().unwrap().to_owned();
    let response =
        server.get("/metrics").header("accept", "application/openmetrics-text").send().await.unwrap();
    assert!(media_type(&response).starts_with("application/openmetrics-text"));
    assert!(response.text().await.unwrap().ends_with("\n# EOF\n"));
    let response = server.get("/metrics").send().await.unwrap();
    assert!(media_type(&response).starts_with("text/plain; version=0.0.4"));
    let text = response.text().await.unwrap();
    assert!(
        text.contains("# TYPE parallax_http_requests_total counter") && !text.contains("# EOF"),
        "{text}"
    );
    for line in [
        r#"parallax_http_requests_total{method="GET",route="/orders/{number}",status="200"} 2"#,
        r#"parallax_http_requests_total{method="GET",route="/orders/{number}",status="400"} 1"#,
        r#"parallax_http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"parallax_http_request_duration_seconds_count{method="GET",route="/orders/{number}"} 3"#,
        r#"parallax_build_info{program="test",version="1.2.3"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
