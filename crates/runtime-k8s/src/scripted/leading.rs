use std::time::Duration;

use parallax_api::Code;
use serde_json::{Value, json};

use super::{Answer, cluster, refusal};
use crate::lease::{Leader, Lease};
use crate::token_key::TokenKey;

fn lease(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "parallax-runtime-parallax", "namespace": "team", "resourceVersion": "3"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-22T10:00:00.000000Z"},
    })
}

#[tokio::test]
async fn of_two_who_try_one_leads() {
    let (cluster, asked) = cluster(|method, _| match method {
        "GET" => Answer::Json(200, lease("")),
        _ => refusal(409, "Conflict", "the object has been modified"),
    });
    let mut lease = Lease::new(&cluster, "parallax", "me");
    assert!(matches!(lease.take().await, Ok(Leader::Other(_))));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_replica_that_starts_again_leads_again() {
    let (cluster, _) = cluster(|method, _| match method {
        "GET" | "PUT" => Answer::Json(200, lease("me")),
        other => panic!("{other}"),
    });
    assert_eq!(Lease::new(&cluster, "parallax", "me").take().await.unwrap(), Leader::Me);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_runs_out() {
    let (cluster, _) = cluster(|method, _| match method {
        "GET" => Answer::Json(200, lease("dead")),
        _ => Answer::Json(200, lease("me")),
    });
    let mut lease = Lease::new(&cluster, "parallax", "me");
    let began = tokio::time::Instant::now();
    lease.lead(|who| assert!(who.contains("dead"), "{who}")).await;
    let waited = began.elapsed();
    assert!((Duration::from_secs(15)..Duration::from_secs(18)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_or_broken_is_away() {
    let (slow, _) = cluster(|_, _| Answer::Never);
    let problem = Lease::new(&slow, "parallax", "me").take().await.unwrap_err();
    assert_eq!(problem.code, Code::RuntimeUnavailable);
    for (code, reason) in [(429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")] {
        let (broken, _) = cluster(move |_, _| refusal(code, reason, "not now"));
        let problem = Lease::new(&broken, "parallax", "me").take().await.unwrap_err();
        assert_eq!(problem.code, Code::RuntimeUnavailable, "{code}");
    }
}

#[tokio::test]
async fn replicas_share_one_key() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}});
    let mut looked = false;
    let (cluster, asked) = cluster(move |method, _| match method {
        "GET" if !std::mem::replace(&mut looked, true) => refusal(404, "NotFound", "secrets \"s\" not found"),
        "GET" => Answer::Json(200, secret.clone()),
        _ => refusal(409, "AlreadyExists", "secrets \"s\" already exists"),
    });
    let key = TokenKey::open(&cluster, "parallax").await.unwrap();
    let id = "a".parse().unwrap();
    assert_eq!(key.token(&id).expose(), TokenKey::of("01234567890123456789012345678901").token(&id).expose());
    assert_eq!(asked.lock().unwrap().len(), 3, "looked, was too late to make one, and read the other's");
}
