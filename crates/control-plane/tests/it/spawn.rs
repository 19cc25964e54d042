//! Spawning: which runtime takes an agent, and what is answered when none does.

use crate::plane::{Plane, ScriptedRuntime, one_runtime};
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Code, Problem};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn local_and_docker() -> (TempDir, ScriptedRuntime, ScriptedRuntime, Plane) {
    let dir = TempDir::new().unwrap();
    let local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let docker = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let plane = Plane::start(dir.path(), vec![docker.spec("docker-east"), local.spec("local")]).await;
    (dir, local, docker, plane)
}

#[tokio::test]
async fn the_lowest_priority_takes_it_and_the_next_when_it_cannot() {
    let (_dir, local, mut docker, plane) = local_and_docker().await;
    assert_eq!(plane.spawn("a", None).await.unwrap().runtime, "local");

    let missing = Problem::new(Code::CliNotFound, "npm install it").with("install", "npm install");
    *local.script.refusal.lock().unwrap() = Some(missing);
    assert_eq!(plane.spawn("b", None).await.unwrap().runtime, "docker-east");

    local.script.status.lock().unwrap().agents = 10;
    assert_eq!(plane.spawn("c", None).await.unwrap().runtime, "docker-east", "local is full");

    docker.kill().await;
    let problem = plane.spawn("d", None).await.unwrap_err();
    assert_eq!(problem.code, Code::NoRuntime);
    let reasons = problem.more["runtimes"].as_array().unwrap();
    assert_eq!((&reasons[0]["name"], &reasons[0]["code"]), (&json!("local"), &json!("CLI_NOT_FOUND")));
    assert_eq!(
        (&reasons[1]["name"], &reasons[1]["code"]),
        (&json!("docker-east"), &json!("RUNTIME_UNAVAILABLE"))
    );
}

#[tokio::test]
async fn a_named_runtime_or_nothing() {
    let (_dir, local, mut docker, plane) = local_and_docker().await;
    assert_eq!(plane.spawn("a", Some("docker")).await.unwrap().runtime, "docker-east");
    assert_eq!(plane.spawn("b", Some("docker-east")).await.unwrap().runtime, "docker-east");
    let taken = docker.script.spawned.lock().unwrap()[0].1.clone();
    assert_eq!(taken.get("runtime"), None, "the choice is made: {taken}");

    let full = Problem::new(Code::ResourceLimit, "ten of ten");
    *local.script.refusal.lock().unwrap() = Some(full.clone());
    assert_eq!(plane.spawn("c", Some("local")).await.unwrap_err(), full, "in its own words");

    docker.kill().await;
    let problem = plane.spawn("d", Some("docker")).await.unwrap_err();
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    assert!(problem.detail.contains("docker-east"), "{problem}");
    assert_eq!(plane.spawn("e", Some("kubernetes")).await.unwrap_err().code, Code::NoRuntime);
    assert_eq!(plane.spawn("f", Some("moon")).await.unwrap_err().more["field"], "runtime");
}

#[tokio::test]
async fn faults_of_the_request_are_not_carried_elsewhere() {
    let (_dir, local, docker, plane) = local_and_docker().await;
    let fault = Problem::new(Code::WorkdirNotFound, "no such directory").with("field", "workdir");
    *local.script.refusal.lock().unwrap() = Some(fault.clone());
    assert_eq!(plane.spawn("a", None).await.unwrap_err(), fault);
    assert!(docker.script.spawned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_answer_says_where_the_agent_is() {
    let (_dir, _runtime, plane) = one_runtime().await;
    let request = reqwest::Client::new()
        .post(plane.url("/api/managed-agents"))
        .header("content-type", "application/json")
        .body(r#"{"name": "code-reviewer", "type": "claude", "capabilities": ["code_review"]}"#);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let agent: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/api/managed-agents/{}", agent["id"].as_str().unwrap()));
    let shown: Value = reqwest::get(plane.url(&location)).await.unwrap().json().await.unwrap();
    assert_eq!(shown["name"], "code-reviewer");
}

#[tokio::test]
async fn a_key_spawns_once() {
    let (_dir, runtime, plane) = one_runtime().await;
    let spawn = async |key: &'static str, name: &'static str| {
        let request = reqwest::Client::new()
            .post(plane.url("/api/managed-agents"))
            .header("idempotency-key", key)
            .json(&json!({"name": name, "type": "claude"}));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (first, again) = tokio::join!(spawn("k", "a"), spawn("k", "a"));
    assert_eq!((first.0, &first.1["id"]), (201, &again.1["id"]));
    assert_eq!(runtime.script.spawned.lock().unwrap().len(), 1);
    assert_eq!(spawn("k", "b").await.1["code"], "IDEMPOTENCY_CONFLICT");
    assert_ne!(spawn("k2", "a").await.1["id"], first.1["id"]);
    let keys: Vec<_> =
        runtime.script.spawned.lock().unwrap().iter().map(|(key, _)| key.clone().unwrap()).collect();
    assert_ne!(keys[0], keys[1], "the runtime gets a key of its own for each agent");
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_name() {
    let (_dir, runtime, plane) = one_runtime().await;
    let cases = [
        (json!({"name": "a", "type": "claude", "colour": "red"}), "colour"),
        (json!({"type": "claude"}), "name"),
        (json!({"name": "", "type": "claude"}), "name"),
        (json!({"name": "a", "type": "claude", "terminal": {"cols": 1, "rows": 1}}), "terminal"),
    ];
    for (request, field) in cases {
        let answer = reqwest::Client::new()
            .post(plane.url("/api/managed-agents"))
            .json(&request)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{request}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            (&problem["code"], &problem["field"]),
            (&json!("VALIDATION_ERROR"), &json!(field)),
            "{request}"
        );
    }
    assert!(runtime.script.spawned.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_never_spawns_a_second_agent_elsewhere() {
    let (_dir, mut local, docker, plane) = local_and_docker().await;
    let http = reqwest::Client::new();
    let spawn = async || {
        let request = http.post(plane.url("/api/managed-agents")).header("idempotency-key", "k");
        let answer = request.json(&json!({"name": "a", "type": "claude"})).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    // It takes the agent and dies before it can say so.
    *local.script.dies_of_spawn.lock().unwrap() = true;
    let (status, problem) = spawn().await;
    assert_eq!((status, &problem["code"]), (503, &json!("RUNTIME_UNAVAILABLE")));
    assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
    local.kill().await;
    assert_eq!(spawn().await.0, 503, "docker could take it, but local may have it");
    assert!(docker.script.spawned.lock().unwrap().is_empty());

    *local.script.dies_of_spawn.lock().unwrap() = false;
    local.revive().await;
    let (status, agent) = spawn().await;
    assert_eq!((status, &agent["runtime"]), (201, &json!("local")));
    let keys: Vec<_> = local.script.spawned.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert!(keys.len() > 1 && keys.iter().all(|key| *key == keys[0]), "one agent to the runtime: {keys:?}");
}

#[tokio::test]
async fn an_answer_that_leaves_it_open_spawns_no_second_agent_elsewhere() {
    let (_dir, local, docker, plane) = local_and_docker().await;
    let spawn = async |key: &str| {
        let request = reqwest::Client::new().post(plane.url("/api/managed-agents"));
        let request = request.header("idempotency-key", key).json(&json!({"name": "a", "type": "claude"}));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let between = |status| *local.script.answered_between.lock().unwrap() = status;
    let refuses = |problem| *local.script.refusal.lock().unwrap() = problem;
    let is_open = |(status, problem): (u16, Value), expected: u16| {
        assert_eq!(status, expected, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
        assert!(docker.script.spawned.lock().unwrap().is_empty(), "{problem}");
    };
    for status in [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT] {
        between(Some(status));
        is_open(spawn("k").await, 503);
    }
    between(None);
    for code in [Code::Internal, Code::Timeout] {
        refuses(Some(Problem::new(code, "who knows")));
        is_open(spawn(code.as_str()).await, code.status());
        // It may have it since it was asked first, whatever it says now of this request.
        for again in [Code::Internal, Code::Timeout, Code::ShuttingDown, Code::RuntimeUnavailable] {
            refuses(Some(Problem::new(again, "not now")));
            is_open(spawn(code.as_str()).await, again.status());
        }
    }
    refuses(None);
    for key in ["k", "INTERNAL", "TIMEOUT"] {
        assert_eq!(spawn(key).await.1["runtime"], "local", "{key}");
    }
    // What was refused before it began another may do.
    refuses(Some(Problem::new(Code::ShuttingDown, "not now")));
    assert_eq!(spawn("going").await.1["runtime"], "docker-east");
    refuses(None);
    between(Some(StatusCode::NOT_FOUND));
    assert_eq!(spawn("nobody").await.1["runtime"], "docker-east");
}
