//! What changed while no server led: an agent that runs without a pod, a pod of an agent that has ended.

use std::time::Duration;

use kube::Resource as _;
use kube::api::ListParams;
use kube::runtime::controller::Action;
use parallax_api::{AgentId, Problem};

use super::status::{StatusUpdate, Transition};
use super::suspend::{SETTLE_INTERVAL, end_is_settled};
use crate::cluster;
use crate::context::Context;
use crate::names::label;
use crate::removal::{self, remove_pod};
use crate::resource::Phase;

/// Has an agent go on in another pod, or end, of which there is none and which this server does not know: a server that knows it does
/// that by itself.
pub(super) async fn running(context: &Context, id: &AgentId) -> Transition {
    // The watch of pods may be behind the one of resources.
    if end_is_settled(context, id).await && !is_in_a_pod(context, id).await? {
        removal::remove(context, id, Duration::ZERO).await?;
    }
    // The resource has another phase by now, so this is not taken.
    Ok((StatusUpdate::phase(Phase::Running), Action::requeue(SETTLE_INTERVAL)))
}

/// Whether there is a pod that nobody has deleted.
pub(super) fn has_pod(context: &Context, id: &AgentId) -> bool {
    context.cache.pod(id).is_some_and(|pod| pod.meta().deletion_timestamp.is_none())
}

/// Removes the pod of an agent that has ended: it was made at the moment in which the agent was stopped.
pub(super) async fn ended(context: &Context, id: &AgentId) -> Transition {
    // A server that still saves what is in it removes it then.
    if end_is_settled(context, id).await {
        remove_pod(context, id).await?;
    }
    Ok((StatusUpdate::phase(Phase::Ended), Action::requeue(SETTLE_INTERVAL)))
}

async fn is_in_a_pod(context: &Context, id: &AgentId) -> Result<bool, Problem> {
    let selector = format!("{}={id}", label::AGENT);
    let found = context.cluster.pods().list(&ListParams::default().labels(&selector).limit(1)).await;
    found
        .map(|pods| !pods.items.is_empty())
        .map_err(|error| cluster::problem("look for the agent's pod", &error))
}
