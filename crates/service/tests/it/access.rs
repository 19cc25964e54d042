//! Who and what may pass.

use axum::Router;
use axum::routing::{get, post};
use parallax_api::Code;
use parallax_service::access::{AccessConfig, Admin, Caller, Scope, Token, WithoutToken};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

use crate::server::{Server, refusal};

fn routes() -> Router {
    Router::new()
        .route("/health", get(|| async { "well" }))
        .route("/page/app.js", get(|| async { "page" }))
        .route("/thing", get(|caller: Caller| async move { caller.scope().to_string() }))
        .route("/thing", post(|| async { "done" }))
        .route("/admin", post(|_: Admin| async { "changed" }))
        .route(
            "/typed",
            get(|caller: Caller| async move { caller.require(Scope::Operate).map(|()| "typed") }),
        )
}

async fn start(access: AccessConfig) -> Server {
    Server::start(access, |_| routes()).await
}

fn tokens() -> AccessConfig {
    let token = |scope, secret: &str| Token { scope, secret: secret.into() };
    AccessConfig {
        tokens: vec![token(Scope::View, "look"), token(Scope::Operate, "drive"), token(Scope::Admin, "own")],
        ..AccessConfig::default()
    }
    .open(&["/page/*"])
}

#[tokio::test]
async fn the_server_is_called_by_its_own_names_only() {
    let server =
        start(AccessConfig { allowed_hosts: vec!["Board.example".into()], ..AccessConfig::default() }).await;
    let port = server.address.port();
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]:3000", "board.example:99"] {
        let response = server.get("/thing").header("host", host).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{host}");
    }
    for host in [
        "evil.example".into(),
        format!("evil.example:{port}"),
        "localhost.evil.example".into(),
        "192.168.0.1".into(),
        "0.0.0.0".into(),
        "localhost@evil.example".into(),
        "a b".into(),
    ] {
        let response = server.get("/thing").header("host", &host).send().await.unwrap();
        refusal(response, Code::Forbidden).await;
    }
    let twice = server.get("/thing").header("host", "localhost").header("host", "evil.example");
    refusal(twice.send().await.unwrap(), Code::Forbidden).await;
}

#[tokio::test]
async fn a_page_elsewhere_neither_reads_nor_drives() {
    let server = start(AccessConfig::default()).await;
    let own = format!("http://{}", server.address);
    for method in [Method::GET, Method::POST] {
        let response = server.request(method.clone(), "/thing").header("origin", &own).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        for origin in ["http://evil.example", "http://localhost:1", "null", "https://127.0.0.1", ""] {
            let response =
                server.request(method.clone(), "/thing").header("origin", origin).send().await.unwrap();
            refusal(response, Code::Forbidden).await;
        }
        for site in ["cross-site", "same-site"] {
            let response =
                server.request(method.clone(), "/thing").header("sec-fetch-site", site).send().await.unwrap();
            refusal(response, Code::Forbidden).await;
        }
        for site in ["same-origin", "none"] {
            let response =
                server.request(method.clone(), "/thing").header("sec-fetch-site", site).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_link_opens_the_page_but_a_frame_does_not() {
    let server = start(AccessConfig::default()).await;
    let from_elsewhere = |method: Method, dest: &str| {
        server
            .request(method, "/thing")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", dest)
            .send()
    };
    assert_eq!(from_elsewhere(Method::GET, "document").await.unwrap().status(), StatusCode::OK);
    refusal(from_elsewhere(Method::GET, "iframe").await.unwrap(), Code::Forbidden).await;
    refusal(from_elsewhere(Method::POST, "document").await.unwrap(), Code::Forbidden).await;
}

#[tokio::test]
async fn an_allowed_page_gets_its_preflight_and_its_answers() {
    let allowed = "https://board.example";
    let server = start(AccessConfig { allowed_origins: vec![format!("{allowed}/")], ..tokens() }).await;
    let preflight = server
        .request(Method::OPTIONS, "/thing")
        .header("origin", allowed)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
        .unwrap();
    assert!(preflight.status().is_success(), "no token is needed to ask");
    assert_eq!(preflight.headers()["access-control-allow-origin"], allowed);
    assert_eq!(preflight.headers()["access-control-allow-headers"], "authorization,content-type");
    let answer = server.post("/thing").header("origin", allowed).bearer_auth("drive").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], allowed);
    let other = server.post("/thing").header("origin", "https://evil.example").bearer_auth("drive");
    refusal(other.send().await.unwrap(), Code::Forbidden).await;
}

#[tokio::test]
async fn tokens_are_asked_for_everywhere_but_where_it_is_open() {
    let server = start(tokens()).await;
    for open in ["/health", "/page/app.js"] {
        assert_eq!(server.get(open).send().await.unwrap().status(), StatusCode::OK, "{open}");
    }
    for closed in ["/thing", "/metrics", "/nowhere", "/health/../thing", "/pagethatisnot"] {
        let response = server.get(closed).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "{closed}");
        refusal(response, Code::Unauthorized).await;
    }
    refusal(server.post("/health").send().await.unwrap(), Code::Unauthorized).await;
    for wrong in ["Bearer nope", "Bearer ", "look", "Basic look", "Bearer lookk", "Bearer loo"] {
        let response = server.get("/thing").header("authorization", wrong).send().await.unwrap();
        refusal(response, Code::Unauthorized).await;
    }
    let twice = server.get("/thing").bearer_auth("look").header("authorization", "Bearer nope");
    refusal(twice.send().await.unwrap(), Code::Unauthorized).await;
}

#[tokio::test]
async fn a_scope_allows_its_own_and_less() {
    let server = start(tokens()).await;
    let allowed = [
        ("look", "GET", "/thing", true),
        ("look", "POST", "/thing", false),
        ("look", "GET", "/typed", false),
        ("look", "POST", "/admin", false),
        ("drive", "GET", "/thing", true),
        ("drive", "POST", "/thing", true),
        ("drive", "GET", "/typed", true),
        ("drive", "POST", "/admin", false),
        ("own", "POST", "/admin", true),
        ("own", "GET", "/typed", true),
    ];
    for (token, method, path, allowed) in allowed {
        let method = method.parse().unwrap();
        let response = server.request(method, path).bearer_auth(token).send().await.unwrap();
        if allowed {
            assert_eq!(response.status(), StatusCode::OK, "{token} {path}");
        } else {
            refusal(response, Code::Forbidden).await;
        }
    }
}

#[tokio::test]
async fn a_ticket_opens_once_what_its_owner_may() {
    let server = start(tokens()).await;
    refusal(server.post("/api/tickets").send().await.unwrap(), Code::Unauthorized).await;
    let ticket = async |token: &str| {
        let response = server.post("/api/tickets").bearer_auth(token).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = response.json().await.unwrap();
        assert!(body["expiresAt"].as_str().unwrap().ends_with('Z'));
        body["ticket"].as_str().unwrap().to_owned()
    };
    let looks = ticket("look").await;
    let path = format!("/thing?a=b&ticket={looks}");
    assert_eq!(server.get(&path).send().await.unwrap().text().await.unwrap(), "view");
    refusal(server.get(&path).send().await.unwrap(), Code::Unauthorized).await;
    let looks = ticket("look").await;
    refusal(server.get(&format!("/typed?ticket={looks}")).send().await.unwrap(), Code::Forbidden).await;
    let drives = ticket("drive").await;
    refusal(server.post(&format!("/thing?ticket={drives}")).send().await.unwrap(), Code::Unauthorized).await;
    assert_eq!(server.get(&format!("/typed?ticket={drives}")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn tickets_are_bounded() {
    let server = start(tokens()).await;
    for _ in 0..256 {
        let response = server.post("/api/tickets").bearer_auth("look").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let response = server.post("/api/tickets").bearer_auth("look").send().await.unwrap();
    refusal(response, Code::ResourceLimit).await;
    // Nobody takes those of the others.
    let other = server.post("/api/tickets").bearer_auth("drive").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_route_of_tickets_refuses_in_words_too() {
    let server = start(tokens()).await;
    let response = server.get("/api/tickets").bearer_auth("look").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    refusal(response, Code::MethodNotAllowed).await;
}

#[tokio::test]
async fn upgrades_pass_the_same_access_control() {
    use tungstenite::client::IntoClientRequest;
    let server = Server::start(tokens(), |_| {
        Router::new().route(
                "/ws",
                get(|upgrade: parallax_service::extract::Upgrade| async move {
                    upgrade.0.on_upgrade(|_| async {})
                }),
            )
    })
    .await;
    let connect = async |headers: &[(&'static str, &str)]| {
        let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    let token = ("authorization", "Bearer look");
    assert_eq!(connect(&[]).await, 401);
    assert_eq!(connect(&[token]).await, 101);
    assert_eq!(connect(&[token, ("origin", &format!("http://{}", server.address))]).await, 101);
    assert_eq!(connect(&[token, ("origin", "http://evil.example")]).await, 403);
    assert_eq!(connect(&[token, ("host", "evil.example")]).await, 403);
}

/// What a program of another account gets for this request; none when this test cannot become one.
async fn as_nobody(server: &Server, request: String) -> Option<String> {
    let port = server.address.port();
    as_nobody_runs(format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf '%b' '{request}' >&3; cat <&3")).await
}

/// What a script prints that another account runs; none when this test cannot become one.
async fn as_nobody_runs(script: String) -> Option<String> {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another account");
        return None;
    }
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new("bash")
            .args(["-c", &script])
            .current_dir("/")
            .uid(65534)
            .gid(65534)
            .output()
    });
    let output = ran.await.unwrap().expect("bash runs as nobody");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn raw_get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
}

#[tokio::test]
async fn without_a_token_another_account_of_the_machine_is_refused() {
    let server = start(AccessConfig::default()).await;
    assert_eq!(server.get("/thing").send().await.unwrap().text().await.unwrap(), "admin");
    let Some(answer) = as_nobody(&server, raw_get("/thing")).await else { return };
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("UNAUTHORIZED") && answer.contains("--token-file"), "{answer}");
    let upgrade = "GET /thing HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade, close\\r\\nUpgrade: websocket\\r\\n\
                   Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n";
    assert!(as_nobody(&server, upgrade.into()).await.unwrap().starts_with("HTTP/1.1 401 "));
    // What is open stays open.
    assert!(as_nobody(&server, raw_get("/health")).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn with_a_token_or_without_any_rule_accounts_do_not_matter() {
    let server = start(tokens()).await;
    let request = raw_get("/thing").replace("Connection", "Authorization: Bearer look\\r\\nConnection");
    if let Some(answer) = as_nobody(&server, request).await {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let server = start(AccessConfig { without_token: WithoutToken::Anyone, ..AccessConfig::default() }).await;
    if let Some(answer) = as_nobody(&server, raw_get("/thing")).await {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_socket_that_nobody_holds_any_more_is_not_roots() {
    // The kernel tells 0 as the owner of a socket that was closed.
    use std::sync::atomic::{AtomicUsize, Ordering};
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(AccessConfig::default(), |_| {
        Router::new().route(
            "/do",
            post(|| async {
                DONE.fetch_add(1, Ordering::SeqCst);
            }),
        )
    })
    .await;
    let request = "POST /do HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n";
    for _ in 0..30 {
        let port = server.address.port();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf '%b' '{request}' >&3");
        let Some(answer) = as_nobody_runs(script).await else { return };
        assert!(answer.is_empty(), "{answer}");
    }
    // A request of our own comes after all of theirs.
    server.post("/do").send().await.unwrap();
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
}
