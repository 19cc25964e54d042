//! A resource is deleted: its agent is ended, what is left is collected, and only then it goes.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::agent::StopRequest;
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::host::HostClient;
use serde_json::json;

use crate::backend::KubernetesBackend;
use crate::cluster;
use crate::names::FINALIZER;
use crate::reasons::{self, Stage};
use crate::resource::{ParallaxAgent, Phase};

/// How long an agent may take to end and be collected before its pod is taken away all the same.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked when nothing tells of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(super) async fn cleanup(
    backend: &Arc<KubernetesBackend>,
    resource: &Arc<ParallaxAgent>,
    id: &AgentId,
) -> Result<Action, Problem> {
    if !resource.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(Action::await_change());
    }
    if let Some(pod) = backend.view.pod(id) {
        end(backend, resource, id, &pod).await?;
        return Ok(Action::requeue(LOOK_AGAIN));
    }
    // Nothing waits for the garbage collector that can be taken away now.
    backend.remove_launch(id).await?;
    backend.controller().tell(resource, EventType::Normal, "Deleted", String::new()).await;
    let gone = release(backend, resource).await?;
    if gone {
        backend.book.forget(id);
    }
    Ok(Action::requeue(LOOK_AGAIN))
}

/// Brings a pod to its end: the host is asked, the server collects and takes the pod away. In the end it is insisted on.
async fn end(
    backend: &Arc<KubernetesBackend>,
    resource: &ParallaxAgent,
    id: &AgentId,
    pod: &Pod,
) -> Result<(), Problem> {
    let asked = resource.meta().deletion_timestamp.as_ref().map(|asked| asked.0);
    let waited = asked.map(|asked| jiff::Timestamp::now().duration_since(asked));
    let patient =
        waited.and_then(|waited| Duration::try_from(waited).ok()).is_none_or(|waited| waited < PATIENCE);
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    match reasons::stage(pod) {
        // Nothing runs in it. What its node has to tidy up need not be waited for, and can take half a minute.
        _ if reasons::is_silent(pod) => backend.remove_pod(id).await,
        // It is going: its node has been told.
        _ if pod.meta().deletion_timestamp.is_some() && patient => Ok(()),
        Stage::Runs(ip) if patient && matches!(phase, Phase::Running | Phase::Suspending) => {
            if backend.book.of(id).stopping {
                return Ok(());
            }
            backend.book.note(id, |note| note.stopping = true);
            let host = HostClient::new(backend.reach.address(id, ip.as_deref()).await);
            if let Err(problem) = host.stop(&StopRequest::default()).await {
                tracing::debug!(agent.id = %id, %problem, "a host was asked to end its agent");
                backend.book.note(id, |note| note.stopping = false);
            }
            Ok(())
        }
        _ => backend.remove_pod(id).await,
    }
}

/// Lets the resource go. False: it has changed meanwhile.
async fn release(backend: &KubernetesBackend, resource: &ParallaxAgent) -> Result<bool, Problem> {
    let others: Vec<&String> = resource.finalizers().iter().filter(|name| *name != FINALIZER).collect();
    let patch = json!({"metadata": {"finalizers": others, "resourceVersion": resource.resource_version()}});
    let agents = backend.cluster.agents();
    match agents.patch(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(true),
        Err(error) if cluster::is_missing(&error) => Ok(true),
        Err(error) if cluster::is_conflict(&error) => Ok(false),
        Err(error) => Err(cluster::problem("let the agent's resource go", &error)),
    }
}
