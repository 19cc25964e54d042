use std::sync::{Arc, Mutex};
use std::time::Duration;

use parallax_api::AgentId;
use parallax_profile::Profiles;
use parallax_service::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Answer, Asked, agent, cluster, list, pod, refusal};
use crate::config::KubernetesConfig;
use crate::context::Context;
use crate::{moving, removal, suspension};

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
        ("GET", path) if path.contains("/secrets/") => Answer::Json(200, secret()),
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

fn secret() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}})
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

/// A runtime with an agent that runs, on a claim, with an agent that can go on in another pod.
struct Cluster {
    context: Arc<Context>,
    id: AgentId,
    asked: Asked,
    /// The requests that are refused: a method, and what the path has.
    refused: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
    /// What the watch of pods says.
    pods_tx: mpsc::UnboundedSender<Value>,
    shutdown: Shutdown,
}

impl Cluster {
    async fn new(its_pod: Value) -> Self {
        let mut resource = agent(ID, "Running");
        resource["metadata"]["labels"] = json!({"parallax.io/origin": "api"});
        resource["spec"] = json!({"type": "claude", "workspace": {"claim": {"size": "1Gi"}}});
        let (pods_tx, pods_rx) = mpsc::unbounded_channel();
        let mut pods_rx = Some(pods_rx);
        let refused = Arc::new(Mutex::new(Vec::new()));
        let refusals = refused.clone();
        let (cluster, asked) = cluster(move |method, path| match (method, path) {
            ("GET", path) if path.contains("watch=true") && path.contains("/pods") => match pods_rx.take() {
                Some(pods_rx) => Answer::Lines(pods_rx),
                None => Answer::Never,
            },
            ("GET", path) if path.contains("watch=true") => Answer::Watch { lines: vec![], cut: false },
            ("GET", path) if path.contains("/secrets/") => Answer::Json(200, secret()),
            ("GET", path) if path.contains("/parallaxagents/") => Answer::Json(200, resource.clone()),
            ("GET", path) if path.contains("/pods") => list("10", std::slice::from_ref(&its_pod)),
            ("GET", _) => list("10", &[resource.clone()]),
            _ if refusals.lock().unwrap().iter().any(|(m, p)| method == *m && path.contains(p)) => {
                refusal(500, "InternalError", "etcdserver: request timed out")
            }
            ("PATCH", _) => Answer::Json(200, resource.clone()),
            _ => Answer::Json(200, json!({"apiVersion": "v1", "kind": "Status"})),
        });
        let (shutdown, mut settings) = (Shutdown::new(), KubernetesConfig::for_tests());
        settings.runtime.profiles = Arc::new(Profiles::builtin());
        let (context, _events_rx) = Context::open(cluster, &settings, &shutdown).await.unwrap();
        context.cache.wait_until_ready().await.unwrap();
        let id: AgentId = ID.parse().unwrap();
        context.launches.update(&id, |state| state.host_answered = true);
        Self { context, id, asked, refused, pods_tx, shutdown }
    }

    fn refuse(&self, refused: &[(&'static str, &'static str)]) {
        *self.refused.lock().unwrap() = refused.to_vec();
    }

    async fn remove(&self) -> Result<(), parallax_api::Problem> {
        removal::remove(&self.context, &self.id, Duration::ZERO).await
    }

    /// The pod is being deleted, and the cache knows it.
    async fn pod_is_being_deleted(&self) {
        let mut changes = self.context.cache.changes();
        changes.mark_unchanged();
        let mut pod = pod(ID);
        pod["metadata"]["deletionTimestamp"] = jiff::Timestamp::now().to_string().into();
        self.pods_tx.send(json!({"type": "MODIFIED", "object": pod})).unwrap();
        let is_known =
            || self.context.cache.pod(&self.id).is_some_and(|pod| pod.metadata.deletion_timestamp.is_some());
        while !is_known() {
            tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
        }
    }

    /// What was asked for with this method.
    fn asked(&self, method: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.starts_with(method)).cloned().collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

#[tokio::test]
async fn a_removal_that_is_tried_again_does_not_move_the_agent() {
    let cluster = Cluster::new(pod(ID)).await;
    cluster.refuse(&[("DELETE", "/secrets/")]);
    assert!(cluster.remove().await.is_err());
    // The next server finds this, whatever it finds of the pod.
    let before = cluster.asked.lock().unwrap().clone();
    let at = |what: &str| before.iter().position(|asked| asked.contains(what)).expect(what);
    assert!(
        at("{\"status\":{\"phase\":\"Ended\"}}") < at("DELETE /api/v1/namespaces/team/pods/"),
        "{before:#?}"
    );
    cluster.pod_is_being_deleted().await;
    assert!(!moving::may_return(&cluster.context, &cluster.id));
    cluster.refuse(&[]);
    cluster.remove().await.unwrap();
    let deleted = cluster.asked("DELETE");
    assert!(deleted.iter().any(|asked| asked.contains("/parallaxagents/")), "{deleted:#?}");
    let phases = cluster.asked("PATCH");
    assert!(!phases.iter().any(|asked| asked.contains("Creating")), "{phases:#?}");
}

#[tokio::test]
async fn a_move_that_fails_half_way_is_tried_again() {
    let mut evicted = pod(ID);
    evicted["metadata"]["deletionTimestamp"] = jiff::Timestamp::now().to_string().into();
    let cluster = Cluster::new(evicted).await;
    cluster.refuse(&[("PATCH", "/status")]);
    assert!(cluster.remove().await.is_err());
    assert!(moving::may_return(&cluster.context, &cluster.id));
    cluster.refuse(&[]);
    cluster.remove().await.unwrap();
    let phases = cluster.asked("PATCH");
    let noted = phases.iter().filter(|asked| asked.contains("\"phase\":\"Creating\""));
    // With the end of the agent: by that a server that comes next knows that it was launched.
    let noted: Vec<_> = noted.filter(|asked| asked.contains("\"reason\":\"pod_deleted\"")).collect();
    assert_eq!(noted.len(), 2, "{phases:#?}");
    let deleted = cluster.asked("DELETE");
    assert!(!deleted.iter().any(|asked| asked.contains("/parallaxagents/")), "{deleted:#?}");
}

#[tokio::test]
async fn an_agent_that_ended_by_itself_is_not_moved() {
    let cluster = Cluster::new(pod(ID)).await;
    let agent = json!({"id": ID, "name": "a", "type": "claude", "status": "stopped", "runtime": "kubernetes",
        "createdAt": "2026-11-22T10:00:00.000Z", "updatedAt": "2026-11-22T10:00:00.000Z",
        "exit": {"code": 0, "reason": "exited", "at": "2026-11-22T10:00:00.000Z"}});
    let agent = serde_json::from_value(agent).unwrap();
    cluster.context.launches.update(&cluster.id, |state| state.published = Some(agent));
    // Its node is drained at that moment.
    cluster.pod_is_being_deleted().await;
    cluster.remove().await.unwrap();
    let deleted = cluster.asked("DELETE");
    assert!(deleted.iter().any(|asked| asked.contains("/parallaxagents/")), "{deleted:#?}");
}

#[tokio::test]
async fn an_agent_that_is_stopped_while_it_is_moved_does_not_come_back() {
    let mut evicted = pod(ID);
    evicted["metadata"]["deletionTimestamp"] = jiff::Timestamp::now().to_string().into();
    let cluster = Cluster::new(evicted).await;
    cluster.remove().await.unwrap();
    assert!(moving::may_return(&cluster.context, &cluster.id));
    suspension::discard(&cluster.context, &cluster.id).await.unwrap();
    assert!(!moving::may_return(&cluster.context, &cluster.id));
    let deleted = cluster.asked("DELETE");
    assert!(deleted.iter().any(|asked| asked.contains("/parallaxagents/")), "{deleted:#?}");
}
