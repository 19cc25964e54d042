//! Removing what there is of an agent: its pod, its Secret, its resource.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, AgentStatus, Problem};
use parallax_runtime_core::host::HostClient;

use crate::cluster::{self, missing_is_success};
use crate::context::Context;
use crate::discovery::{find_host, node_is_lost};
use crate::launch_tracker::LaunchState;
use crate::names;
use crate::pod_state;
use crate::resource::{ParallaxAgent, Phase};

/// The reasons of exits that are the cluster's doing and not the agent's.
const DISPLACED: [&str; 3] = ["node_lost", "node_shutdown", "preempted"];

/// Ends an agent and removes its pod. The resource of an agent that the API made is deleted; a resource that a person made
/// stays, in phase `Ended`; a suspended one keeps everything but its pod.
pub(crate) async fn remove(context: &Context, id: &AgentId, grace: Duration) -> Result<(), Problem> {
    if context.launches.get(id).is_moving {
        // Its old pod is gone, and this would take the new one.
        return Ok(());
    }
    if !grace.is_zero()
        && let Some(address) = find_host(context, id).await?.and_then(|host| host.address)
    {
        HostClient::new(address).leave(grace).await;
    }
    let resource = current_resource(context, id).await?;
    let launch = context.launches.get(id);
    let is_started_here = launch.launching || launch.host_answered;
    if let Some(resource) = resource.as_ref().filter(|one| !is_started_here && is_on_its_way_back(one)) {
        // An earlier server moved it. What is seen of its old pod is being deleted; all else is the new one's.
        context.cache.enqueue(&resource.name_any());
        return Ok(());
    }
    let was_displaced = was_displaced(context, id);
    remove_pod(context, id).await?;
    let Some(resource) = resource else {
        context.launches.update(id, |state| state.is_removed = true);
        return remove_launch(context, id).await;
    };
    let name = resource.name_any();
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    if was_displaced && may_move(context, &resource) {
        context
            .launches
            .update(id, |state| *state = LaunchState { is_moving: true, ..LaunchState::default() });
        context.cluster.set_phase(&name, Phase::Creating).await?;
        let note = "its pod was taken away; another one is made on the same claim";
        context.recorder.emit_event(&resource, EventType::Normal, "Moving", note.into()).await;
        context.cache.enqueue(&name);
        return Ok(());
    }
    if resource.meta().deletion_timestamp.is_some() || matches!(phase, Phase::Suspending | Phase::Suspended) {
        // The controller has waited for the pod to go, and does the rest.
        context.cache.enqueue(&name);
        return Ok(());
    }
    remove_launch(context, id).await?;
    if names::is_by_api(&resource) {
        let deleted = context.cluster.agents().delete(&name, &DeleteParams::background()).await.map(drop);
        missing_is_success(deleted)
            .map_err(|error| cluster::problem("delete the agent's resource", &error))?;
        context.launches.update(id, |state| state.is_removed = true);
        return Ok(());
    }
    // The failure of a launch is reported by the task that waits for it; a launch whose server died begins again.
    let has_run = context.launches.get(id).host_answered
        || !matches!(phase, Phase::Pending | Phase::Creating | Phase::Starting);
    if !has_run {
        // Stopped on request, it is not begun again.
        let is_stopping = context.launches.get(id).is_stopping;
        let phase = if is_stopping { Phase::Ended } else { Phase::Pending };
        return context.cluster.set_phase(&name, phase).await;
    }
    context.cluster.set_phase(&name, Phase::Ended).await?;
    let exit = context.launches.get(id).published.and_then(|agent| agent.exit);
    let reason = exit.map(|exit| exit.reason).unwrap_or_default();
    context.recorder.emit_event(&resource, EventType::Normal, "Ended", reason).await;
    Ok(())
}

/// Whether the cluster took the agent's pod away (a drained, lost or shut down node, a pod of a higher priority), and nobody had
/// asked for its end.
fn was_displaced(context: &Context, id: &AgentId) -> bool {
    if context.launches.get(id).is_stopping {
        return false;
    }
    let pod = context.cache.pod(id);
    let exit = pod.as_ref().and_then(|pod| pod_state::exit(pod));
    let is_taken = exit.is_some_and(|exit| DISPLACED.contains(&exit.reason.as_str()));
    // A pod that is not there was deleted: what this runtime deletes comes after this.
    is_taken || pod.is_none_or(|pod| pod.meta().deletion_timestamp.is_some() || node_is_lost(&pod))
}

/// Whether an agent can go on in another pod.
fn may_move(context: &Context, resource: &ParallaxAgent) -> bool {
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    phase == Phase::Running
        && resource.meta().deletion_timestamp.is_none()
        && resource.spec.keeps_workspace()
        && context.can_resume(&resource.spec.r#type)
        && !resource.spec.suspended
}

/// Whether an agent that has ended goes on in another pod, will as soon as this one is removed, or does when its resource is
/// changed.
pub(crate) fn may_return(context: &Context, id: &AgentId) -> bool {
    let launch = context.launches.get(id);
    if launch.is_moving || launch.is_removed {
        return launch.is_moving;
    }
    let Some(resource) = context.cache.resource_of(id) else { return false };
    let is_starting = launch.launching || launch.host_answered;
    comes_back(&resource, is_starting) || (was_displaced(context, id) && may_move(context, &resource))
}

/// Whether the controller brings the agent of this resource back, now or after a change of it. `is_starting`: this server has
/// started it, and the resource may not say so yet.
fn comes_back(resource: &ParallaxAgent, is_starting: bool) -> bool {
    let Some(status) = resource.status.as_ref().filter(|_| resource.meta().deletion_timestamp.is_none())
    else {
        return false;
    };
    match status.phase {
        Phase::Suspending | Phase::Suspended => true,
        Phase::Creating | Phase::Starting => !is_starting,
        // Of one that has run, launch and claim are kept.
        Phase::Failed => status.exit.is_some(),
        Phase::Pending | Phase::Running | Phase::Ended => false,
    }
}

/// Whether the agent of this resource has ended, and its next pod is being made. One that was never launched has had no end.
fn is_on_its_way_back(resource: &ParallaxAgent) -> bool {
    let status = resource.status.as_ref().filter(|_| resource.meta().deletion_timestamp.is_none());
    status.is_some_and(|status| {
        matches!(status.phase, Phase::Creating | Phase::Starting) && status.exit.is_some()
    })
}

/// The resource of an agent as the API server has it: the cache may not have one that was made a moment ago.
pub(crate) async fn current_resource(
    context: &Context,
    id: &AgentId,
) -> Result<Option<ParallaxAgent>, Problem> {
    let cached = context.cache.resource_of(id).map(|resource| resource.name_any());
    let name = cached.unwrap_or_else(|| id.to_string());
    let found = context.cluster.agents().get_opt(&name).await;
    let found = found.map_err(|error| cluster::problem("look for the agent's resource", &error))?;
    Ok(found.filter(|resource| names::agent_id(resource).as_ref() == Some(id)))
}

/// Deletes an agent's pod: without grace when nothing runs in it, because its node may take half a minute to tidy up when
/// many pods end at once.
pub(crate) async fn remove_pod(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let pod = context.cache.pod(id);
    // A host publishes `stopped` once everything that its agent started has ended.
    let stopped =
        context.launches.get(id).published.is_some_and(|agent| agent.status == AgentStatus::Stopped);
    let is_silent = pod.as_ref().is_some_and(|pod| pod_state::has_stopped(pod) || node_is_lost(pod));
    let grace_period_seconds = Some(u32::from(!(is_silent || stopped)));
    let params = DeleteParams { grace_period_seconds, ..DeleteParams::background() };
    let name = pod_name(context, id, pod.as_deref());
    let deleted = context.cluster.pods().delete(&name, &params).await.map(drop);
    missing_is_success(deleted).map_err(|error| cluster::problem("delete the agent's pod", &error))
}

/// The pod of an agent by name. The cache may not know yet that the agent has one of the pool.
fn pod_name(context: &Context, id: &AgentId, cached: Option<&Pod>) -> String {
    let claimed = context.launches.get(id).pod;
    claimed.or_else(|| cached.map(kube::ResourceExt::name_any)).unwrap_or_else(|| names::pod(id))
}

/// Deletes the Secret with an agent's launch.
pub(crate) async fn remove_launch(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let name = names::launch_secret(id);
    let deleted = context.cluster.secrets().delete(&name, &DeleteParams::background()).await.map(drop);
    missing_is_success(deleted).map_err(|error| cluster::problem("delete the agent's launch", &error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_comes_back() {
        let resource = |phase: &str, exit: bool, deleted: bool| -> ParallaxAgent {
            let exit = exit.then(|| json!({"reason": "suspended", "at": "2026-01-01T00:00:00Z"}));
            let deleted = deleted.then_some("2026-01-01T00:00:00Z");
            serde_json::from_value(json!({"apiVersion": "parallax.io/v1alpha1", "kind": "ParallaxAgent",
                "metadata": {"name": "a", "deletionTimestamp": deleted}, "spec": {"type": "fake"},
                "status": {"phase": phase, "exit": exit}}))
            .unwrap()
        };
        for (phase, unless_started) in
            [("Creating", false), ("Starting", false), ("Suspending", true), ("Suspended", true)]
        {
            assert!(comes_back(&resource(phase, true, false), false), "{phase}");
            assert_eq!(comes_back(&resource(phase, true, false), true), unless_started, "{phase}");
            assert!(!comes_back(&resource(phase, true, true), false), "{phase}: it is deleted");
        }
        assert!(comes_back(&resource("Failed", true, false), true), "an edit brings it back");
        for phase in ["Pending", "Running", "Ended", "Failed"] {
            assert!(!comes_back(&resource(phase, false, false), false), "{phase}");
        }
    }
}
