//! Access control, the page, and the description of the API.

use std::collections::BTreeSet;

use crate::plane::{Plane, ScriptedRuntime, one_runtime, until};
use parallax_api::AgentStatus;
use parallax_api::runtime::RuntimeKind;
use parallax_service::access::{AccessConfig, Scope, Token};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

async fn guarded() -> (TempDir, ScriptedRuntime, Plane) {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    runtime.has("a1", AgentStatus::Ready);
    let token = |scope, secret: &str| Token { scope, secret: SecretString::from(secret) };
    let tokens = vec![token(Scope::View, "viewer"), token(Scope::Operate, "operator")];
    let access = AccessConfig { tokens, ..AccessConfig::default() };
    let plane = Plane::start_with(dir.path(), vec![runtime.spec("local")], access).await;
    (dir, runtime, plane)
}

#[tokio::test]
async fn foreign_pages_and_names_do_not_pass() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let http = reqwest::Client::new();
    for path in ["/api/managed-agents", "/api/managed-agents/events", "/", "/api/runtimes"] {
        let foreign =
            [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
        for (name, value) in foreign {
            let answer = http.get(plane.url(path)).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{path} with {name}");
            assert_eq!(answer.json::<Value>().await.unwrap()["code"], "FORBIDDEN");
        }
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scope_says() {
    let (_dir, _runtime, plane) = guarded().await;
    let http = reqwest::Client::new();
    let status = async |method: Method, path: &str, token: Option<&str>| {
        let mut request = http.request(method, plane.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.json(&json!({"name": "n", "type": "claude"})).send().await.unwrap().status().as_u16()
    };
    let agents = "/api/managed-agents";
    for (method, path, token, expected) in [
        (Method::GET, agents, None, 401),
        (Method::GET, agents, Some("guess"), 401),
        (Method::GET, "/api/runtimes", None, 401),
        (Method::GET, "/api/openapi.json", None, 401),
        (Method::GET, "/metrics", None, 401),
        (Method::GET, agents, Some("viewer"), 200),
        (Method::POST, agents, Some("viewer"), 403),
        (Method::POST, agents, Some("operator"), 201),
        (Method::GET, "/api/managed-agents/none/files", Some("viewer"), 403),
        (Method::GET, "/api/managed-agents/none/files/x", Some("viewer"), 403),
        (Method::GET, "/api/managed-agents/none/files/x", Some("operator"), 404),
        (Method::GET, "/health", None, 200),
        (Method::GET, "/ready", None, 200),
        (Method::GET, "/", None, 200),
        (Method::GET, "/assets/none.js", None, 404),
        (Method::POST, "/", None, 401),
    ] {
        assert_eq!(status(method.clone(), path, token).await, expected, "{method} {path} {token:?}");
    }
}

#[tokio::test]
async fn where_a_runtime_is_and_why_it_is_away_is_told_to_who_may_know_and_its_password_to_nobody() {
    let dir = TempDir::new().unwrap();
    let mut runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    let viewer = Token { scope: Scope::View, secret: SecretString::from("viewer") };
    let access = AccessConfig { tokens: vec![viewer], ..AccessConfig::default() };
    let mut spec = runtime.spec("local");
    spec.url = spec.url.replace("http://", "http://ann:s3cret@");
    let plane = Plane::start_with(dir.path(), vec![spec], access).await;
    let get = async |path: &str, token: Option<&str>| {
        let mut request = reqwest::Client::new().get(plane.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let address = runtime.address.to_string();
    let listed = get("/api/runtimes", Some("viewer")).await.1;
    assert!(listed.contains(&format!("\"http://{address}\"")) && !listed.contains("s3cret"), "{listed}");
    runtime.kill().await;
    until("it is found to be away", async || get("/ready", None).await.0 == 503).await;
    let told = get("/ready", Some("viewer")).await.1;
    assert!(told.contains(&address) && !told.contains("s3cret"), "{told}");
    for token in [None, Some("guess")] {
        let told = get("/ready", token).await.1;
        assert!(told.contains("RUNTIME_UNAVAILABLE") && told.contains("`local`"), "{told}");
        assert!(!told.contains(&address) && !told.contains("s3cret"), "{told}");
    }
    let listed = get("/api/runtimes", Some("viewer")).await.1;
    assert!(listed.contains("cannot reach") && !listed.contains("s3cret"), "{listed}");
    plane.stop().await;
}

#[tokio::test]
async fn a_ticket_opens_a_socket_once_with_its_scope() {
    let (_dir, _runtime, plane) = guarded().await;
    let ticket = async |token: &str| {
        let request = reqwest::Client::new().post(plane.url("/api/tickets")).bearer_auth(token);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["ticket"].as_str().unwrap().to_owned()
    };
    let open = async |path: &str, ticket: &str| match connect_async(
        plane.socket_url(&format!("{path}ticket={ticket}")),
    )
    .await
    {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    let terminal = "/api/managed-agents/a1/terminal?";
    let events = "/api/managed-agents/events?";
    let viewing = ticket("viewer").await;
    assert_eq!((open(events, &viewing).await, open(events, &viewing).await), (101, 401), "once");
    assert_eq!(open(terminal, &ticket("viewer").await).await, 403, "who may only watch may not type");
    assert_eq!(open("/ws/agents/a1/terminal?", &ticket("viewer").await).await, 403, "by no door");
    assert_eq!(open(&format!("{terminal}mode=view&"), &ticket("viewer").await).await, 101);
    assert_eq!(open(terminal, &ticket("operator").await).await, 101);
}

#[tokio::test]
async fn the_page_comes_with_a_strict_policy() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let answer = reqwest::get(plane.url("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let page = answer.text().await.unwrap();
    assert!(page.contains("<title>Parallax</title>"));
    // Also when the page was not built: no script of its own, and a word on how to build it.
    assert!(page.contains("src=\"/assets/index-") || page.contains("make ui"), "{page}");
    assert!(!page.contains("<script>"));
    let missing = reqwest::get(plane.url("/assets/../Cargo.toml")).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

/// Where the page was built: its script comes compressed and once.
#[tokio::test]
async fn the_page_comes_compressed_and_only_when_it_changed() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = reqwest::Client::new().get(plane.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    let page = get("/", &[]).await.text().await.unwrap();
    let Some((_, script)) = page.split_once("src=\"/assets/") else { return };
    let path = format!("/assets/{}", script.split('"').next().unwrap());

    let plain = get(&path, &[("accept-encoding", "br, gzip;q=0")]).await;
    assert!(plain.headers().get("content-encoding").is_none());
    let plain_tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    let size = plain.bytes().await.unwrap().len();
    let compressed = get(&path, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert_eq!(compressed.headers()["vary"], "accept-encoding");
    // Another version of it has another name; the page itself is asked for each time.
    assert_eq!(compressed.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(get("/", &[]).await.headers()["cache-control"], "no-cache");
    let tag = compressed.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(tag, plain_tag, "other bytes, another tag");
    let bytes = compressed.bytes().await.unwrap();
    assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() * 2 < size, "{} of {size} bytes", bytes.len());
    assert!(bytes.len() < 250_000, "the first load is {} bytes", bytes.len());

    let again =
        get(&path, &[("accept-encoding", "gzip"), ("if-none-match", &format!("W/{tag}, \"other\""))]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["etag"].to_str().unwrap(), tag);
    assert!(again.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_description_names_every_route() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let document = plane.client.openapi().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, verbs)| verbs.as_object().unwrap().keys().map(move |verb| format!("{verb} {path}")))
        .collect();
    let agent = "/api/managed-agents/{id}";
    let mut expected: BTreeSet<String> = [
        "post /api/managed-agents",
        "get /api/managed-agents",
        "get /api/managed-agents/events",
        "get /api/runtimes",
        "post /api/runtimes/{name}/checks",
        "get /api/workspaces",
        "post /api/workspaces/gc",
        "get /api/presets",
        "get /api/presets/{name}",
        "put /api/presets/{name}",
        "delete /api/presets/{name}",
        "get /api/push",
        "post /api/push/devices",
        "delete /api/push/devices/{id}",
        "get /api/search",
        "get /api/usage",
        "get /api/usage/agents",
        "get /api/whoami",
        "post /api/tickets",
        "get /health",
        "get /ready",
    ]
    .map(str::to_owned)
    .into();
    let reads =
        ["", "/messages", "/messages/{message_id}", "/logs", "/screen", "/status", "/metrics", "/terminal"];
    expected.extend(reads.map(|rest| format!("get {agent}{rest}")));
    expected.extend(
        ["/changes", "/diff", "/conflicts", "/files", "/files/{path}", "/ports"]
            .map(|rest| format!("get {agent}{rest}")),
    );
    let writes = [
        "/send",
        "/input",
        "/answer",
        "/interrupt",
        "/restart",
        "/suspend",
        "/resume",
        "/commit",
        "/push",
        "/pull-request",
        "/merge",
        "/files",
        "/files/{path}",
    ];
    expected.extend(writes.map(|rest| format!("post {agent}{rest}")));
    expected.insert(format!("delete {agent}"));
    expected.insert(format!("delete {agent}/messages/{{message_id}}"));
    expected.extend(["put", "delete"].map(|verb| format!("{verb} {agent}/files/{{path}}")));
    let patterns = [
        "get /api/patterns",
        "post /api/patterns",
        "post /api/patterns/validate",
        "get /api/patterns/schema.json",
        "get /api/patterns/{name}",
        "put /api/patterns/{name}",
        "delete /api/patterns/{name}",
        "post /api/patterns/{name}/execute",
        "get /api/executions",
        "get /api/executions/{id}",
        "get /api/executions/{id}/chart",
        "get /api/executions/{id}/events",
        "post /api/executions/{id}/answer",
        "post /api/executions/{id}/budget",
        "post /api/executions/{id}/cancel",
    ];
    expected.extend(patterns.map(str::to_owned));
    assert_eq!(described, expected);

    // Every reference leads somewhere.
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    assert_eq!(schemas["SpawnRequest"]["required"], json!(["name", "type"]));
}

#[tokio::test]
async fn operations() {
    let (_dir, mut runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Busy);
    plane.client.list_all(&Default::default()).await.unwrap();
    let numbers = plane.client.prometheus().await.unwrap();
    for line in [
        r#"parallax_runtime_healthy{runtime="local"} 1"#,
        r#"parallax_agents{runtime="local",status="busy"} 1"#,
        r#"route="/api/managed-agents",status="200"} 1"#,
    ] {
        assert!(numbers.contains(line), "{line} in {numbers}");
    }
    plane.client.ready().await.unwrap();
    runtime.kill().await;
    plane.until_reachable("local", false).await;
    let problem = plane.client.ready().await.unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (503, "RUNTIME_UNAVAILABLE"));
    plane.client.health().await.unwrap();
}

#[tokio::test]
async fn the_description_says_of_every_operation_what_generators_need() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let document = plane.client.openapi().await.unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is the name of two operations");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("4XX"), "{verb} {path}: any request can be refused");
            let ends = responses.keys().any(|status| status.starts_with('2') || status == "default");
            assert!(ends, "{verb} {path}: it has an answer, or says what else comes than an upgrade");
            for (status, response) in responses {
                assert!(!response["description"].as_str().unwrap().is_empty(), "{verb} {path} {status}");
                let is_refusal = status.starts_with(['4', '5']) || status == "default";
                for media_type in
                    response["content"].as_object().into_iter().flat_map(|content| content.keys())
                {
                    assert_eq!(
                        is_refusal,
                        media_type == "application/problem+json",
                        "{verb} {path} {status}"
                    );
                }
            }
        }
    }
    let codes = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    assert!(
        codes.contains(&"VALIDATION_ERROR".into()) && codes.contains(&"STORAGE_FULL".into()),
        "{codes:?}"
    );
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let size = &document["components"]["schemas"]["TerminalSize"]["properties"]["cols"];
    assert_eq!((&size["minimum"], &size["maximum"]), (&40.into(), &1000.into()));
}

#[tokio::test]
async fn every_described_route_of_an_agent_is_served() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let document = plane.client.openapi().await.unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for verb in item.as_object().unwrap().keys() {
            if path.ends_with("/events") {
                continue;
            }
            let url = plane.url(&path.replace("{id}", "none").replace("{name}", "none"));
            let method: Method = verb.to_uppercase().parse().unwrap();
            let response = reqwest::Client::new().request(method, url).send().await.unwrap();
            let text = response.text().await.unwrap();
            assert!(
                !text.contains("there is nothing at") && !text.contains("METHOD_NOT_ALLOWED"),
                "{verb} {path}: {text}"
            );
        }
    }
}
