//! A request that comes twice is done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use parallax_api::{Code, Problem};
use parallax_service::access::AccessConfig;
use parallax_service::extract::Json;
use parallax_service::idempotency::{Idempotency, IdempotencyKey, StoredResponse};
use parallax_store::sqlite::open_runtime;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::server::{Server, refusal};

/// A server whose work is counted and waits for a permit; `{"refuse": CODE}` refuses the first time, and `names` what
/// the refusal names besides.
struct Scene {
    server: Server,
    done: Arc<AtomicUsize>,
    begun: Arc<Notify>,
    go: Arc<Semaphore>,
    dir: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(dir: tempfile::TempDir) -> Self {
        let stores = open_runtime(dir.path()).await.unwrap();
        let idempotency = Idempotency::new(stores.idempotency);
        let (done, begun, go) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (count, told, wait) = (done.clone(), begun.clone(), go.clone());
        let spawn = move |key: IdempotencyKey, Json(request): Json<Value>| async move {
            let asked = request.clone();
            idempotency
                .respond(key, "POST /spawn", &request, move |handle| async move {
                    told.notify_one();
                    wait.acquire().await.unwrap().forget();
                    let times = count.fetch_add(1, Ordering::SeqCst) + 1;
                    if let Ok(code) = serde_json::from_value::<Code>(asked["refuse"].clone())
                        && times == 1
                    {
                        let refusal = Problem::new(code, "not now").with("handle", handle.clone());
                        return Err(match asked["names"].as_str() {
                            Some(name) => refusal.with(name, handle),
                            None => refusal,
                        });
                    }
                    Ok(StoredResponse::new(StatusCode::CREATED, &json!({"handle": handle}))?
                        .at(format!("/things/{handle}")))
                })
                .await
        };
        let server =
            Server::start(AccessConfig::default(), |_| Router::new().route("/spawn", post(spawn))).await;
        Self { server, done, begun, go, dir }
    }

    fn send(
        &self,
        key: Option<&str>,
        body: &Value,
    ) -> impl Future<Output = reqwest::Response> + Send + use<> {
        let request = self.server.post("/spawn").json(body);
        let request = if let Some(key) = key { request.header("idempotency-key", key) } else { request };
        async { request.send().await.unwrap() }
    }

    fn times(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

async fn handle(response: reqwest::Response) -> String {
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let handle = response.json::<Value>().await.unwrap()["handle"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/things/{handle}"));
    handle
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_also_from_the_next_server() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"name": "a"});
    let first = scene.send(Some("k1"), &request).await;
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let first = handle(first).await;
    let again = scene.send(Some("k1"), &request).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(handle(again).await, first);
    assert_eq!(scene.times(), 1);
    let Scene { server, dir, .. } = scene;
    server.stop().await;
    let scene = Scene::start_in(dir).await;
    assert_eq!(handle(scene.send(Some("k1"), &request).await).await, first);
    assert_eq!(scene.times(), 0);
}

#[tokio::test]
async fn without_a_key_or_with_another_it_is_another_request() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"name": "a"});
    for key in [None, None, Some("k1"), Some("k2")] {
        handle(scene.send(key, &request).await).await;
    }
    assert_eq!(scene.times(), 4);
    refusal(scene.send(Some("k1"), &json!({"name": "b"})).await, Code::IdempotencyConflict).await;
    refusal(scene.send(Some(""), &request).await, Code::Validation).await;
    refusal(scene.send(Some(&"k".repeat(256)), &request).await, Code::Validation).await;
    assert_eq!(scene.times(), 4);
}

#[tokio::test]
async fn duplicates_wait_for_the_first() {
    let scene = Scene::start().await;
    let request = json!({"name": "a"});
    let first = tokio::spawn(scene.send(Some("k"), &request));
    scene.begun.notified().await;
    let others: Vec<_> = (0..5).map(|_| tokio::spawn(scene.send(Some("k"), &request))).collect();
    scene.go.add_permits(9);
    let first = handle(first.await.unwrap()).await;
    for other in others {
        assert_eq!(handle(other.await.unwrap()).await, first);
    }
    assert_eq!(scene.times(), 1);
}

#[tokio::test]
async fn what_a_caller_began_who_hung_up_is_carried_through() {
    let scene = Scene::start().await;
    let request = json!({"name": "a"});
    let first = tokio::spawn(scene.send(Some("k"), &request));
    scene.begun.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    scene.go.add_permits(9);
    handle(scene.send(Some("k"), &request).await).await;
    assert_eq!(scene.times(), 1);
}

#[tokio::test]
async fn a_refusal_that_changed_nothing_may_be_tried_again() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"refuse": "RESOURCE_LIMIT"});
    let refused = refusal(scene.send(Some("k"), &request).await, Code::ResourceLimit).await;
    assert_ne!(handle(scene.send(Some("k"), &request).await).await, refused["handle"].as_str().unwrap());
}

#[tokio::test]
async fn a_message_that_its_agent_has_stays_that_message() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"refuse": "QUESTION_PENDING", "names": "messageId"});
    let asked = refusal(scene.send(Some("k"), &request).await, Code::QuestionPending).await;
    assert_eq!(handle(scene.send(Some("k"), &request).await).await, asked["messageId"].as_str().unwrap());
}

#[tokio::test]
async fn an_attempt_of_unknown_outcome_goes_on_under_its_name() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"refuse": "TIMEOUT"});
    let refused = refusal(scene.send(Some("k"), &request).await, Code::Timeout).await;
    assert_eq!(handle(scene.send(Some("k"), &request).await).await, refused["handle"].as_str().unwrap());
    assert_eq!(scene.times(), 2);
}

#[tokio::test]
async fn a_failed_agent_is_an_answer_too() {
    let scene = Scene::start().await;
    scene.go.add_permits(9);
    let request = json!({"refuse": "AGENT_FAILED"});
    let first = refusal(scene.send(Some("k"), &request).await, Code::AgentFailed).await;
    assert_eq!(refusal(scene.send(Some("k"), &request).await, Code::AgentFailed).await, first);
    assert_eq!(scene.times(), 1);
}
