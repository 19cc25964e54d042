//! Giving a pod that waits to an agent.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::host::HostClient;
use parallax_runtime_core::pool::Start;

use super::filling::discard;
use super::slots::{Slot, waits};
use crate::cluster;
use crate::context::Context;
use crate::names::{CLAIMED, label};
use crate::pod::adoption;
use crate::resource::{ParallaxAgent, Phase};

/// A pod that is the agent's now, and its host, which waits for the launch.
pub(crate) struct Claimed {
    pub(crate) pod: Pod,
    pub(crate) host: HostClient,
}

/// A pod that waits for agents like this one, made the agent's. None where there is none that fits.
///
/// # Errors
/// When it is not known whether a pod is the agent's now.
pub(crate) async fn claim(
    context: &Context,
    id: &AgentId,
    resource: &ParallaxAgent,
) -> Result<Option<Claimed>, Problem> {
    let pool = &context.pool;
    let Some(slot) = pool.slots.iter().find(|slot| slot.fits(resource, id, &context.pods)) else {
        return Ok(None);
    };
    let claimed = claim_from(context, slot, id, resource).await;
    let start = if matches!(claimed, Ok(Some(_))) { Start::Warm } else { Start::Cold };
    pool.metrics.count_claim(&slot.template, start);
    pool.count(&context.cache, slot);
    pool.claimed.notify_one();
    claimed
}

async fn claim_from(
    context: &Context,
    slot: &Slot,
    id: &AgentId,
    resource: &ParallaxAgent,
) -> Result<Option<Claimed>, Problem> {
    for pod in context.pool.pods(&context.cache, slot) {
        let name = pod.name_any();
        let Some(taken) = context.pool.take(&name).filter(|_| waits(&pod)) else { continue };
        let host = HostClient::new(context.connector.pool_address(&pod).await);
        if let Err(problem) = host.waits().await {
            tracing::warn!(pod = name, %problem, "a pod of the pool does not wait; it is removed");
            discard(context, &pod).await;
            continue;
        }
        // Before the cluster knows: a launch that is dropped now removes the pod.
        context.launches.update(id, |state| state.pod = Some(name.clone()));
        // It goes with that launch from here on, however this ends: nobody else may have it meanwhile.
        taken.keep();
        let patch = Patch::Merge(adoption(&pod, resource, id, &context.pods.instance));
        match context.cluster.pods().patch(&name, &PatchParams::default(), &patch).await {
            Ok(pod) => {
                return Ok(Some(Claimed { pod, host }));
            }
            Err(error) if cluster::is_conflict(&error) || cluster::is_missing(&error) => {
                tracing::debug!(pod = name, "a pod of the pool was changed meanwhile");
                context.launches.update(id, |state| state.pod = None);
                context.pool.give_back(&name);
            }
            Err(error) => return Err(cluster::problem("give the agent a pod of the pool", &error)),
        }
    }
    Ok(None)
}

/// Whether the server ended that gave this pod to an agent, before its host had the launch, or before anybody was told: the phase
/// follows the launch.
pub(crate) fn is_unfinished(context: &Context, id: &AgentId, pod: &Pod) -> bool {
    if pod.labels().get(label::POOL).is_none_or(|state| state != CLAIMED) {
        return false;
    }
    let state = context.launches.get(id);
    let phase =
        |resource: &ParallaxAgent| resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    let is_pending = context.cache.resource_of(id).is_some_and(|resource| phase(&resource) == Phase::Pending);
    is_pending && !state.launching && !state.host_answered
}
