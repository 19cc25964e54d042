//! A deleted resource: its agent is ended. The pod's grace period is long enough to archive the agent.

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

use crate::cluster;
use crate::context::Context;
use crate::names::FINALIZER;
use crate::pod_state::{self, PodState};
use crate::removal::{remove_launch, remove_pod};
use crate::resource::{ParallaxAgent, Phase};

/// How long an agent may take to end and be archived before its pod is deleted all the same.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a pod that ends is looked at when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) async fn cleanup(
    context: &Context,
    resource: &ParallaxAgent,
    id: &AgentId,
) -> Result<Action, Problem> {
    if !resource.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(Action::await_change());
    }
    if let Some(pod) = context.cache.pod(id) {
        end(context, resource, id, &pod).await?;
        return Ok(Action::requeue(POLL_INTERVAL));
    }
    // The garbage collector would do it later.
    remove_launch(context, id).await?;
    context.recorder.emit_event(resource, EventType::Normal, "Deleted", String::new()).await;
    let removed = remove_finalizer(context, resource).await?;
    if removed {
        context.launches.remove(id);
    }
    Ok(Action::requeue(POLL_INTERVAL))
}

/// Ends the agents of a resource that is gone. The garbage collector deletes their pods as well, unless the resource was
/// deleted with `--cascade=orphan`; asked by the server, a host ends its agent sooner.
pub(super) async fn end_orphans(context: &Context, resource: &str) {
    context.launches.retain(|id, state| {
        state.launching || context.cache.resource_of(id).is_some() || context.cache.pod(id).is_some()
    });
    for (id, pod) in context.cache.agents_of(resource) {
        if context.cache.resource_of(&id).is_some() || pod.meta().deletion_timestamp.is_some() {
            continue;
        }
        let is_asked = match pod_state::of(&pod) {
            PodState::Running(_) => request_stop(context, &id, &pod).await,
            _ => false,
        };
        if !is_asked && let Err(problem) = remove_pod(context, &id).await {
            tracing::warn!(agent.id = %id, %problem, "failed to remove the pod of a deleted resource");
        }
    }
}

/// Asks a host to end its agent, once. False: it did not take the request.
async fn request_stop(context: &Context, id: &AgentId, pod: &Pod) -> bool {
    if context.launches.get(id).stop_requested {
        return true;
    }
    context.launches.update(id, |state| state.stop_requested = true);
    let host = HostClient::new(context.connector.address(id, pod).await);
    let stopped = host.stop(&StopRequest::default()).await;
    if let Err(problem) = &stopped {
        tracing::debug!(agent.id = %id, %problem, "a host did not take the request to stop");
        context.launches.update(id, |state| state.stop_requested = false);
    }
    stopped.is_ok()
}

/// Ends what runs in the pod: first by asking the host, after the timeout by deleting the pod.
async fn end(context: &Context, resource: &ParallaxAgent, id: &AgentId, pod: &Pod) -> Result<(), Problem> {
    let deleted = resource.meta().deletion_timestamp.as_ref().map(|at| at.0);
    let waited = deleted.map(|at| jiff::Timestamp::now().duration_since(at));
    let may_wait =
        waited.and_then(|waited| Duration::try_from(waited).ok()).is_none_or(|waited| waited < STOP_TIMEOUT);
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    match pod_state::of(pod) {
        // Nothing runs in it. The node's tidying up need not be waited for, and can take half a minute.
        _ if pod_state::has_stopped(pod) => remove_pod(context, id).await,
        // Deleted already: the kubelet ends it.
        _ if pod.meta().deletion_timestamp.is_some() && may_wait => Ok(()),
        PodState::Running(_) if may_wait && matches!(phase, Phase::Running | Phase::Suspending) => {
            request_stop(context, id, pod).await;
            Ok(())
        }
        _ => remove_pod(context, id).await,
    }
}

/// Removes the finalizer of an earlier version. False: the resource has changed meanwhile.
pub(super) async fn remove_finalizer(context: &Context, resource: &ParallaxAgent) -> Result<bool, Problem> {
    let others: Vec<&String> = resource.finalizers().iter().filter(|name| *name != FINALIZER).collect();
    let patch = json!({"metadata": {"finalizers": others, "resourceVersion": resource.resource_version()}});
    let agents = context.cluster.agents();
    match agents.patch(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(true),
        Err(error) if cluster::is_missing(&error) => Ok(true),
        Err(error) if cluster::is_conflict(&error) => Ok(false),
        Err(error) => Err(cluster::problem("remove the finalizer of the agent's resource", &error)),
    }
}
