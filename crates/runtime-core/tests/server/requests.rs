//! Spawning and asking: what is taken, what is refused, what is described.

use parallax_api::agent::{EnvValue, Resources};
use parallax_api::client::ListFilter;
use parallax_api::{AgentId, Code, Problem, SendRequest, SpawnRequest};
use serde_json::{Value, json};

use crate::server::{TestServer, shell};

#[tokio::test]
async fn a_spawn_is_resolved() {
    let server = TestServer::new().await;
    let dir = server.work_dir().join("deep");
    std::fs::create_dir(&dir).unwrap();
    let request = SpawnRequest {
        workdir: Some(dir.display().to_string()),
        env: [("TOKEN".to_owned(), EnvValue::from("t0p")), ("PATH".to_owned(), EnvValue::from("/own"))]
            .into(),
        labels: [("team".to_owned(), "x".to_owned())].into(),
        resources: Some(Resources { pids: Some(5), ..Default::default() }),
        ..shell("one")
    };
    let answer =
        server.http().post(format!("{}/api/agents", server.url())).json(&request).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let body = answer.text().await.unwrap();
    assert!(!body.contains("t0p"), "values of variables are shown to nobody");
    let agent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(location, format!("/api/agents/{}", agent["id"].as_str().unwrap()));
    assert_eq!((agent["runtime"].as_str(), agent["status"].as_str()), (Some("local"), Some("starting")));
    let launch = server.backend.launches.lock().unwrap().pop().unwrap();
    assert_eq!(launch.workdir, dir.canonicalize().unwrap());
    assert_eq!(launch.resources.pids, Some(5), "what a backend honours is for the backend to say");
    let env: Vec<_> = launch.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("PATH", "/own"), ("TOKEN", "t0p")], "the request's own win, the server's secrets stay");
}

#[tokio::test]
async fn refusals_name_the_field() {
    let server = TestServer::new().await;
    let refused = async |request: Value| {
        let url = format!("{}/api/agents", server.url());
        let answer = server.http().post(url).json(&request).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{request}");
        let problem: Problem = answer.json().await.unwrap();
        (problem.code, problem.more.get("field").and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let table = [
        (json!({"name": "a"}), Code::Validation, "type"),
        (json!({"name": "", "type": "shell"}), Code::Validation, "name"),
        (json!({"name": "a", "type": "nope"}), Code::Validation, "type"),
        (json!({"name": "a", "type": "shell", "colour": 1}), Code::Validation, "colour"),
        (json!({"name": "a", "type": "shell", "runtime": "docker"}), Code::Unsupported, "runtime"),
        (json!({"name": "a", "type": "shell", "workdir": "work"}), Code::Validation, "workdir"),
        (
            json!({"name": "a", "type": "shell", "workdir": "/nowhere/at/all"}),
            Code::WorkdirNotFound,
            "workdir",
        ),
        (json!({"name": "a", "type": "shell", "workdir": "/"}), Code::WorkdirForbidden, "workdir"),
        (json!({"name": "a", "type": "shell", "env": {"PARALLAX_AGENT_ID": "x"}}), Code::Validation, "env"),
    ];
    for (request, code, field) in table {
        assert_eq!(refused(request.clone()).await, (code, field.to_owned()), "{request}");
    }
    assert_eq!(server.backend.launches.lock().unwrap().len(), 0);
    // What the backend refuses leaves nothing behind.
    *server.backend.refusal.lock().unwrap() =
        Some(Problem::new(Code::CliNotFound, "no bash").with("field", "cli"));
    assert_eq!(refused(json!({"name": "a", "type": "shell"})).await, (Code::CliNotFound, "cli".into()));
    // It was taken back for certain, which `INTERNAL` would leave open.
    *server.backend.refusal.lock().unwrap() =
        Some(Problem::internal("the engine does not know").with("field", "engine"));
    assert_eq!(refused(json!({"name": "a", "type": "shell"})).await, (Code::SpawnFailed, "engine".into()));
    assert!(server.client().list_all(&ListFilter::default()).await.unwrap().is_empty());
    let unknown = "01234567-89ab-7cde-8f01-23456789abcd".parse().unwrap();
    assert_eq!(server.client().get(&unknown).await.unwrap_err().code, Code::AgentNotFound);
    let odd = server.get("/api/agents/Not%20An%20Id/screen").await;
    assert_eq!(odd.json::<Problem>().await.unwrap().code, Code::AgentNotFound);
}

#[tokio::test]
async fn the_same_key_is_the_same_agent_and_message() {
    let mut server = TestServer::new().await;
    let client = server.client();
    let request = shell("a");
    let (first, second) = tokio::join!(client.spawn_once("k", &request), client.spawn_once("k", &request));
    let agent = first.unwrap();
    assert_eq!(agent.id, second.unwrap().id);
    assert_eq!(client.spawn_once("k", &shell("b")).await.unwrap_err().code, Code::IdempotencyConflict);
    let message = SendRequest { message: "hi".into(), expect_response: true, ..Default::default() };
    let sent = client.send_once("m", &agent.id, &message).await.unwrap();
    server.kill();
    server.start().await;
    let again = server.client().send_once("m", &agent.id, &message).await.unwrap();
    assert_eq!(sent, again);
    assert_eq!(
        server.client().messages(&agent.id, &Default::default()).await.unwrap().len(),
        2,
        "one and its answer"
    );
}

#[tokio::test]
async fn the_server_describes_itself() {
    let server = TestServer::new().await;
    server.client().spawn(&shell("a")).await.unwrap();
    let ready: Value = server.get("/ready").await.json().await.unwrap();
    assert_eq!(
        (ready["healthy"].as_bool(), ready["agents"].as_u64(), ready["capacity"].as_u64()),
        (Some(true), Some(1), Some(10))
    );
    assert_eq!(ready["types"][0]["name"], "shell");
    assert_eq!(server.get("/health").await.status(), 200);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        r#"parallax_agents{type="shell",status="starting"} 1"#,
        "parallax_spawns_total 1",
        "parallax_terminal_viewers 0",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} in\n{metrics}");
    }
    let document: Value = server.get("/api/openapi.json").await.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let routes = [
        ("/api/agents", vec!["get", "post"]),
        ("/api/agents/{id}", vec!["delete", "get"]),
        ("/api/agents/{id}/send", vec!["post"]),
        ("/api/agents/{id}/logs", vec!["get"]),
        ("/api/agents/{id}/metrics", vec!["get"]),
        ("/api/agents/{id}/messages", vec!["get"]),
        ("/api/agents/{id}/screen", vec!["get"]),
        ("/api/agents/{id}/status", vec!["get"]),
        ("/api/agents/{id}/input", vec!["post"]),
        ("/api/agents/{id}/answer", vec!["post"]),
        ("/api/agents/{id}/interrupt", vec!["post"]),
        ("/api/agents/{id}/restart", vec!["post"]),
        ("/api/agents/{id}/suspend", vec!["post"]),
        ("/api/agents/{id}/resume", vec!["post"]),
        ("/api/agents/{id}/files", vec!["get", "post"]),
        ("/api/agents/{id}/files/{path}", vec!["delete", "get", "post", "put"]),
        ("/api/agents/{id}/changes", vec!["get"]),
        ("/api/agents/{id}/diff", vec!["get"]),
        ("/api/agents/{id}/conflicts", vec!["get"]),
        ("/api/agents/{id}/commit", vec!["post"]),
        ("/api/agents/{id}/pull-request", vec!["post"]),
        ("/api/agents/{id}/push", vec!["post"]),
        ("/api/agents/{id}/merge", vec!["post"]),
        ("/api/metrics", vec!["get"]),
        ("/api/workspaces", vec!["get"]),
        ("/api/workspaces/gc", vec!["post"]),
        ("/api/events", vec!["get"]),
        ("/ws/events", vec!["get"]),
        ("/ws/agents/{id}/terminal", vec!["get"]),
    ];
    for (path, methods) in routes {
        let mut described: Vec<&str> =
            document["paths"][path].as_object().unwrap().keys().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!(described, methods, "{path}");
    }
    let page =
        server.http().get(format!("{}/api/agents", server.url())).header("origin", "http://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403);
}

/// Only what was taken back for certain may be tried elsewhere.
#[tokio::test]
async fn a_spawn_that_is_not_taken_back_leaves_open_whether_it_was_done() {
    let server = TestServer::new().await;
    *server.backend.refusal.lock().unwrap() = Some(Problem::internal("the engine does not know"));
    for (keeps, code) in [(true, Code::Internal), (false, Code::SpawnFailed)] {
        *server.backend.keeps.lock().unwrap() = keeps;
        assert_eq!(server.client().spawn(&shell("a")).await.unwrap_err().code, code);
    }
}

/// An attempt that failed while the engine was away is removed once the engine is back. The same request, sent again meanwhile, is not
/// removed with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_attempt_left_does_not_take_the_next_one_away() {
    let server = TestServer::new().await;
    let spawn = || async {
        let body = serde_json::to_value(shell("again")).unwrap();
        let request = server.http().post(format!("{}/api/agents", server.url())).json(&body);
        let answer = request.header("idempotency-key", "one").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let away = Problem::new(Code::RuntimeUnavailable, "the engine is away");
    *server.backend.refusal.lock().unwrap() = Some(away);
    *server.backend.keeps.lock().unwrap() = true;
    assert_eq!(spawn().await.0, 503);
    *server.backend.refusal.lock().unwrap() = None;
    let (status, refused) = spawn().await;
    assert_eq!((status, server.backend.count()), (503, 0), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("still being removed"), "{refused}");
    *server.backend.keeps.lock().unwrap() = false;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let agent = loop {
        match spawn().await {
            (201, agent) => break agent,
            answer => assert!(std::time::Instant::now() < until, "{answer:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let launches = server.backend.launches.lock().unwrap().len();
    assert_eq!(launches, 2, "one that failed, and one");
    let id: AgentId = agent["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(server.client().get(&id).await.unwrap().name, "again");
}
