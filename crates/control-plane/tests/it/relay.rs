//! Calls to agents: passed on as they are, answered as they are.

use crate::plane::{PATIENCE, Plane, ScriptedRuntime, one_runtime, take, until, within};
use crate::scripted_runtime;
use futures::StreamExt;
use parallax_api::client::ListFilter;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentStatus, Code, Problem};
use parallax_control_plane::RuntimeSpec;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

#[tokio::test]
async fn what_was_just_heard_is_answered_without_the_runtime() {
    let (_dir, runtime, plane) = one_runtime().await;
    let agent = plane.spawn("worker", None).await.unwrap();
    let id = agent.id.as_str();
    let asked = || runtime.script.shown.load(std::sync::atomic::Ordering::Relaxed);
    let (before, began) = (asked(), std::time::Instant::now());
    for _ in 0..200 {
        assert_eq!(plane.client.get(&agent.id).await.unwrap(), agent);
        assert_eq!(
            plane.client.list_all(&ListFilter::default()).await.unwrap(),
            std::slice::from_ref(&agent)
        );
    }
    // At most once in the time an answer is good for: each for the agent, for the list, and at the start.
    let most = 3 * (began.elapsed().as_millis() / 200 + 1);
    assert!(((asked() - before) as u128) <= most, "{} requests, not {most}", asked() - before);
    // A call that may change the agent ends that at once.
    runtime.has(id, AgentStatus::Busy);
    let send = reqwest::Client::new().post(plane.url(&format!("/api/managed-agents/{id}/send")));
    assert_eq!(send.json(&json!({"message": "work"})).send().await.unwrap().status(), 202);
    assert_eq!(plane.client.get(&agent.id).await.unwrap().status, AgentStatus::Busy);
    let listed = plane.client.list_all(&ListFilter::default()).await.unwrap();
    assert_eq!(listed[0].status, AgentStatus::Busy);
}

#[tokio::test]
async fn many_who_ask_for_an_agent_at_once_ask_its_runtime_once() {
    let (_dir, runtime, plane) = one_runtime().await;
    let agent = plane.spawn("worker", None).await.unwrap();
    // A call that may change it: what was heard of it before does not count any more.
    let send = reqwest::Client::new().post(plane.url(&format!("/api/managed-agents/{}/send", agent.id)));
    assert_eq!(send.json(&json!({"message": "work"})).send().await.unwrap().status(), 202);
    let asked = || runtime.script.shown.load(std::sync::atomic::Ordering::Relaxed);
    let (before, began) = (asked(), std::time::Instant::now());
    let many = futures::future::join_all((0..50).map(|_| plane.client.get(&agent.id)));
    for shown in many.await {
        assert_eq!(shown.unwrap(), agent);
    }
    // The list may be read meanwhile.
    let most = 2 * (began.elapsed().as_millis() / 200 + 1);
    assert!(((asked() - before) as u128) <= most, "{} requests, not {most}", asked() - before);
}

#[tokio::test]
async fn a_call_goes_on_as_it_came() {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Local).await;
    runtime.has("a1", AgentStatus::Ready);
    let spec = runtime.spec("local").with_token(SecretString::from("for-the-runtime"));
    let plane = Plane::start(dir.path(), vec![spec]).await;
    let http = reqwest::Client::new();
    let ours = "/api/managed-agents/a1";

    let body = r#"{"message": "{\"type\":\"resize\"} \u2028 🙂", "expectResponse": false}"#;
    let send = http.post(plane.url(&format!("{ours}/send"))).header("content-type", "application/json");
    let sent =
        send.header("authorization", "Bearer of-the-caller").header("idempotency-key", "k1").body(body);
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let echoed: Value = answer.json().await.unwrap();
    assert_eq!(
        echoed,
        json!({
            "method": "POST", "id": "a1", "rest": "send", "query": null, "key": "k1",
            "token": "Bearer for-the-runtime", "origin": null, "body": body,
        })
    );

    let get = async |path: &str| {
        http.get(plane.url(&format!("{ours}{path}"))).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(get("/messages?limit=3&ticket=x&since=m%201").await["query"], "limit=3&since=m%201");
    for rest in ["screen", "status", "metrics"] {
        assert_eq!(get(&format!("/{rest}")).await["rest"], rest);
    }
    for rest in ["input", "answer", "restart"] {
        let posted = http.post(plane.url(&format!("{ours}/{rest}"))).json(&json!({"keys": ["enter"]}));
        let answer = posted.send().await.unwrap();
        // Answers that should be agents and are none are not passed on as if they were.
        let expected = if rest == "input" { 202 } else { 500 };
        assert_eq!(answer.status(), expected, "{rest}");
    }
}

#[tokio::test]
async fn a_send_without_a_key_gets_one() {
    let (_dir, runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Ready);
    let send = async || {
        let request = reqwest::Client::new().post(plane.url("/api/managed-agents/a1/send"));
        request.json(&json!({"message": "x"})).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let (first, second) = (send().await, send().await);
    assert!(first["key"].is_string());
    assert_ne!(first["key"], second["key"]);
}

#[tokio::test]
async fn a_refusal_comes_back_as_it_is() {
    let (_dir, runtime, plane) = one_runtime().await;
    let id = runtime.has("a1", AgentStatus::Ready).id;
    let refusal = Problem::new(Code::QuestionPending, "it asks").with("attention", json!({"id": "q"}));
    *runtime.script.call_refusal.lock().unwrap() = Some(refusal.clone());
    assert_eq!(plane.client.screen(&id).await.unwrap_err(), refusal);
    let answer = reqwest::get(plane.url("/api/managed-agents/a1/screen")).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (409, &"application/problem+json".parse().unwrap())
    );

    for path in ["/nobody", "/nobody/screen", "/NOT%20AN%20ID/logs", "/%ff"] {
        let answer = reqwest::get(plane.url(&format!("/api/managed-agents{path}"))).await.unwrap();
        let problem: Value = answer.json().await.unwrap();
        let expected = if path == "/%ff" { "VALIDATION_ERROR" } else { "AGENT_NOT_FOUND" };
        assert_eq!(problem["code"], expected, "{path}: {problem}");
    }
}

#[tokio::test]
async fn a_runtime_that_refuses_this_server_is_not_the_callers_fault() {
    let (_dir, runtime, plane) = one_runtime().await;
    let id = runtime.has("a1", AgentStatus::Ready).id;
    *runtime.script.call_refusal.lock().unwrap() = Some(Problem::new(Code::Unauthorized, "who are you?"));
    let problem = plane.client.screen(&id).await.unwrap_err();
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    assert!(problem.detail.contains("token"), "{problem}");
}

#[tokio::test]
async fn agents_carry_the_name_their_runtime_has_here() {
    let dir = TempDir::new().unwrap();
    let runtime = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let id = runtime.has("a1", AgentStatus::Ready).id;
    let plane = Plane::start(dir.path(), vec![runtime.spec("east")]).await;
    assert_eq!(plane.client.get(&id).await.unwrap().runtime, "east");
    assert_eq!(plane.client.interrupt(&id).await.unwrap().runtime, "east");
    let stopped = plane.client.stop(&id, &Default::default()).await.unwrap();
    assert_eq!(
        (stopped.runtime.as_str(), stopped.role.as_deref()),
        ("east", Some("graceMs=5000&force=false"))
    );
    let listed = plane.client.list_all(&ListFilter::default()).await.unwrap();
    assert_eq!(listed[0].runtime, "east");
}

#[tokio::test]
async fn a_log_streams_as_it_grows() {
    let (_dir, runtime, plane) = one_runtime().await;
    runtime.has("a1", AgentStatus::Ready);
    let answer = reqwest::get(plane.url("/api/managed-agents/a1/logs?follow=true")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["content-security-policy"], "sandbox; default-src 'none'");
    let mut body = answer.bytes_stream();
    let first = within("the first line comes", body.next()).await.unwrap().unwrap();
    assert_eq!(first, "a first line\n");
    // The stream has no end of its own; the server's end is one.
    plane.stop().await;
    assert!(within("the stream ends", body.next()).await.is_none_or(|rest| rest.is_err()));
}

#[tokio::test]
async fn lists_filter_and_page_over_all_runtimes() {
    let dir = TempDir::new().unwrap();
    let local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let docker = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let plane = Plane::start(dir.path(), vec![local.spec("local"), docker.spec("east")]).await;
    for (number, runtime) in [&local, &docker, &local, &docker, &local].into_iter().enumerate() {
        let mut agent = scripted_runtime::agent(&format!("a{number}"), &format!("n{number}"));
        agent.created_at = parallax_api::Time::from_millis(1_000 + i64::try_from(number).unwrap());
        agent.status = if number < 2 { AgentStatus::Ready } else { AgentStatus::Busy };
        agent.capabilities = vec![format!("c{number}"), "code".into()];
        agent.labels = [("team".to_owned(), if number < 3 { "x" } else { "y" }.to_owned())].into();
        runtime.script.agents.lock().unwrap().insert(agent.id.to_string(), agent);
    }
    let list = async |query: &str| {
        let answer = reqwest::get(plane.url(&format!("/api/managed-agents?{query}"))).await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let names = |page: &Value| {
        let agents = page["agents"].as_array().unwrap();
        assert_eq!(page["count"], agents.len());
        agents.iter().map(|agent| agent["id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "a0 a1 a2 a3 a4"),
        ("status=ready", "a0 a1"),
        ("status=ready&status=busy&runtime=east", "a1 a3"),
        ("runtime=docker", "a1 a3"),
        ("runtime=local&label=team=y", "a4"),
        ("label=team", "a0 a1 a2 a3 a4"),
        ("capability=c1&capability=c4", "a1 a4"),
        ("type=codex", ""),
    ] {
        assert_eq!(names(&list(query).await), expected, "{query}");
    }
    let first = list("limit=2").await;
    let second = list(&format!("limit=2&cursor={}", first["nextCursor"].as_str().unwrap())).await;
    let third = list(&format!("limit=2&cursor={}", second["nextCursor"].as_str().unwrap())).await;
    assert_eq!([names(&first), names(&second), names(&third)], ["a0 a1", "a2 a3", "a4"]);
    assert_eq!(third.get("nextCursor"), None);
    for (query, field) in
        [("colour=red", "colour"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("status=well", "status[0]")]
    {
        assert_eq!(list(query).await["field"], field, "{query}");
    }
}

#[tokio::test]
async fn a_runtime_that_is_away_is_named_and_slows_nothing() {
    let dir = TempDir::new().unwrap();
    let mut local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let docker = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let (here, away) = (docker.has("here", AgentStatus::Ready).id, local.has("away", AgentStatus::Busy).id);
    // It takes connections and says nothing: the worst way to be away.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let specs = || {
        let silent = RuntimeSpec::of_kind(RuntimeKind::Kubernetes, silent_url.clone());
        vec![local.spec("local"), docker.spec("docker"), silent]
    };
    let plane = Plane::start(dir.path(), specs()).await;
    assert_eq!(plane.client.list_all(&ListFilter::default()).await.unwrap().len(), 2);
    assert!(!plane.client.get(&away).await.unwrap().stale);
    // What is told as an event is known after a restart too.
    let mut events = plane.events(Some("0")).await;
    local.becomes("away", AgentStatus::Busy).await;
    take(&mut events, 1).await;

    let specs = specs();
    local.kill().await;
    let began = std::time::Instant::now();
    let shown = plane.client.get(&away).await.unwrap();
    assert!(shown.stale && shown.status == AgentStatus::Busy);
    assert!(!plane.client.get(&here).await.unwrap().stale);
    let problem = plane.client.screen(&away).await.unwrap_err();
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    let listed = plane.client.list_all(&ListFilter::default()).await.unwrap();
    let stale: Vec<_> = listed.iter().map(|agent| (agent.name.as_str(), agent.stale)).collect();
    assert_eq!(stale.iter().filter(|(_, stale)| *stale).collect::<Vec<_>>(), [&("away", true)]);
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    plane.until_reachable("local", false).await;
    let runtimes = plane.client.runtimes().await.unwrap().runtimes;
    assert!(runtimes.iter().all(|runtime| runtime.status.healthy == (runtime.name == "docker")));
    assert!(runtimes[0].status.reason.is_some());
    plane.stop().await;

    let plane = Plane::start(dir.path(), specs).await;
    let shown = plane.client.get(&away).await.unwrap();
    assert!(shown.stale && shown.status == AgentStatus::Busy, "remembered over a restart");

    local.revive().await;
    plane.until_reachable("local", true).await;
    assert!(!plane.client.get(&away).await.unwrap().stale);
    drop(silent);
}

#[tokio::test]
async fn a_runtime_cannot_take_over_an_agent_of_another() {
    let dir = TempDir::new().unwrap();
    let local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let mut hostile = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let specs = vec![local.spec("local"), hostile.spec("hostile")];
    let plane = Plane::start(dir.path(), specs.clone()).await;
    let mut events = plane.events(Some("0")).await;
    local.becomes("victim", AgentStatus::Ready).await;
    let victim = local.has("victim", AgentStatus::Ready).id;
    take(&mut events, 1).await;
    // It says that the agent is its own, and newer than anything that may come.
    let later = parallax_api::Time::from_millis(parallax_api::Time::now().as_millis() + 3_600_000_000);
    let mut forged = scripted_runtime::agent("victim", "victim");
    forged.updated_at = later;
    hostile.script.agents.lock().unwrap().insert("victim".into(), forged);
    hostile.becomes("victim", AgentStatus::Stopped).await;
    hostile.becomes("own", AgentStatus::Ready).await;
    let told = take(&mut events, 1).await;
    assert_eq!(told[0].data.agent().unwrap().name, "own", "the end of the other's is passed over");
    let stays = async |plane: &Plane| {
        let listed = plane.client.list_all(&ListFilter::default()).await.unwrap();
        let of_victim: Vec<_> = listed.iter().filter(|agent| agent.id == victim).collect();
        assert_eq!(of_victim.len(), 1);
        assert_eq!((of_victim[0].runtime.as_str(), of_victim[0].status), ("local", AgentStatus::Ready));
        assert_eq!(plane.client.get(&victim).await.unwrap().runtime, "local");
    };
    stays(&plane).await;
    stays(&plane).await;
    // Nor by its list, which is told after a gap.
    hostile.kill().await;
    hostile.lose_events().await;
    hostile.has("other", AgentStatus::Ready);
    hostile.revive().await;
    let told = take(&mut events, 3).await;
    let told: Vec<_> = told.iter().map(|event| (event.data.name(), event.data.agent_id())).collect();
    let other = hostile.has("other", AgentStatus::Ready).id;
    assert_eq!(told, [("agent_started", Some(&other)), ("agent_ready", Some(&other)), ("reset", None)]);
    stays(&plane).await;
    plane.stop().await;
    let plane = Plane::start(dir.path(), specs).await;
    stays(&plane).await;
    // Its own runtime does not have it any more: another may.
    local.script.agents.lock().unwrap().remove("victim");
    until("the other's is shown", async || {
        plane.client.get(&victim).await.is_ok_and(|agent| agent.runtime == "hostile")
    })
    .await;
    plane.stop().await;
}

#[tokio::test]
async fn a_runtime_cannot_answer_with_an_agent_of_another() {
    let dir = TempDir::new().unwrap();
    let local = ScriptedRuntime::start(RuntimeKind::Local).await;
    let hostile = ScriptedRuntime::start(RuntimeKind::Docker).await;
    let plane = Plane::start(dir.path(), vec![local.spec("local"), hostile.spec("hostile")]).await;
    let mut events = plane.events(Some("0")).await;
    local.becomes("victim", AgentStatus::Ready).await;
    hostile.becomes("own", AgentStatus::Ready).await;
    take(&mut events, 2).await;
    let victim = local.has("victim", AgentStatus::Ready).id;
    *hostile.script.answers_as.lock().unwrap() = Some(victim.clone());
    // What its caller goes on with would be the other's.
    let problem = plane.spawn("a", Some("hostile")).await.unwrap_err();
    assert_eq!(problem.code, Code::Internal);
    assert!(problem.detail.contains("Idempotency-Key"), "it may have spawned one: {problem}");
    let own = "own".parse().unwrap();
    assert_eq!(plane.client.interrupt(&own).await.unwrap_err().code, Code::Internal);
    assert_eq!(plane.client.get(&victim).await.unwrap().runtime, "local");
    // Nor does it answer whether it has one that nobody knows.
    let problem = plane.client.get(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!((problem.code, &problem.more["runtimesAway"]), (Code::AgentNotFound, &json!(["hostile"])));
    plane.stop().await;
}

#[tokio::test]
async fn an_answer_without_an_end_is_none() {
    let (_dir, runtime, plane) = one_runtime().await;
    *runtime.script.is_endless.lock().unwrap() = true;
    let problem = within("the spawn is given up", plane.spawn("a", None)).await.unwrap_err();
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    assert!(problem.detail.contains("16 MiB") && problem.detail.contains("Idempotency-Key"), "{problem}");
    let problem = within("it is not looked for", plane.client.get(&"a1".parse().unwrap())).await.unwrap_err();
    assert_eq!((problem.code, &problem.more["runtimesAway"]), (Code::AgentNotFound, &json!(["local"])));
    plane.stop().await;
}
