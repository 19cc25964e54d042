use std::time::Duration;

use parallax_api::AgentId;
use parallax_service::shutdown::Shutdown;
use serde_json::{Value, json};

use super::{Answer, agent, cluster, list, pod};
use crate::config::KubernetesConfig;
use crate::context::Context;
use crate::removal;

const ID: &str = "0f4e2d6b-0000-4000-8000-000000000000";

/// What a server deletes that has just started and is to remove an agent of the API, whose pod is being deleted, and whose resource has this
/// status.
async fn deleted(status: Value) -> Vec<String> {
    let mut resource = agent(ID, "");
    resource["status"] = status;
    resource["metadata"]["labels"] = json!({"parallax.io/origin": "api"});
    let mut old = pod(ID);
    old["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z".into();
    let (cluster, asked) = cluster(move |method, path| match (method, path) {
        ("GET", path) if path.contains("watch=true") => Answer::Watch { lines: vec![], cut: false },
        ("GET", path) if path.contains("/secrets/") => Answer::Json(
            200,
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                "data": {"key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}}),
        ),
        ("GET", path) if path.contains("/parallaxagents/") => Answer::Json(200, resource.clone()),
        ("GET", path) if path.contains("/pods") => list("10", &[old.clone()]),
        ("GET", _) => list("10", &[resource.clone()]),
        _ => Answer::Json(200, json!({"apiVersion": "v1", "kind": "Status"})),
    });
    let shutdown = Shutdown::new();
    let (context, _events_rx) =
        Context::open(cluster, &KubernetesConfig::for_tests(), &shutdown).await.unwrap();
    context.cache.wait_until_ready().await.unwrap();
    let id: AgentId = ID.parse().unwrap();
    removal::remove(&context, &id, Duration::ZERO).await.unwrap();
    shutdown.begin();
    let asked = asked.lock().unwrap();
    asked.iter().filter(|asked| asked.starts_with("DELETE")).cloned().collect()
}

#[tokio::test]
async fn an_agent_that_an_earlier_server_moved_is_not_removed() {
    let ended = json!({"reason": "node_shutdown", "at": "2026-11-22T10:00:00Z"});
    for phase in ["Creating", "Starting"] {
        assert_eq!(deleted(json!({"phase": phase, "exit": ended})).await, [""; 0], "{phase}");
        let abandoned = deleted(json!({"phase": phase})).await;
        assert!(abandoned.iter().any(|asked| asked.contains("/parallaxagents/")), "{phase}: {abandoned:?}");
    }
}
