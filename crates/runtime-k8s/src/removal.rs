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
use crate::moving::{self, is_on_its_way_back};
use crate::names;
use crate::pod_state;
use crate::resource::{ParallaxAgent, Phase};

/// Ends an agent and removes its pod. The resource of an agent that the API made is deleted; a resource that a person made
/// stays, in phase `Ended`; a suspended one keeps everything but its pod.
///
/// Every step can fail, and the next try sees what this one did. So it is noted first that an agent ends for good: that its pod
/// is being deleted then is no reason to move it.
pub(crate) async fn remove(context: &Context, id: &AgentId, grace: Duration) -> Result<(), Problem> {
    if context.launches.get(id).moving.is_some() {
        // Its old pod is gone, and this would take the new one.
        return moving::note(context, id).await;
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
    if let Some(resource) = &resource
        && moving::may_move(context, resource)
    {
        if moving::was_displaced(context, id) {
            return moving::begin(context, id, resource).await;
        }
        // For the next server, should this one not come to the end of it.
        context.cluster.set_phase(&resource.name_any(), Phase::Ended).await?;
    }
    let phase = resource.as_ref().and_then(|resource| resource.status.as_ref());
    let phase = phase.map(|status| status.phase).unwrap_or_default();
    // Stopped by the API before its host had suspended it, it has ended for good.
    let is_stopped =
        launch.is_stopping && launch.published.as_ref().is_none_or(|agent| !agent.is_suspended());
    let is_suspended = matches!(phase, Phase::Suspending | Phase::Suspended) && !is_stopped;
    context.launches.update(id, |state| state.is_over |= !is_suspended);
    remove_pod(context, id).await?;
    let Some(resource) = resource else {
        return remove_launch(context, id).await;
    };
    let name = resource.name_any();
    if resource.meta().deletion_timestamp.is_some() || is_suspended {
        // The controller has waited for the pod to go, and does the rest.
        context.cache.enqueue(&name);
        return Ok(());
    }
    remove_launch(context, id).await?;
    if names::is_by_api(&resource) {
        let deleted = context.cluster.agents().delete(&name, &DeleteParams::background()).await.map(drop);
        return missing_is_success(deleted)
            .map_err(|error| cluster::problem("delete the agent's resource", &error));
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
