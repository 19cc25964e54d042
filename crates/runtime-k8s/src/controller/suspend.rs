//! Phase `Suspending`: the agent is ended and its pod removed; resource and claim stay.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::Action;
use parallax_api::agent::StopRequest;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::host::HostClient;

use super::status::{StatusUpdate, Transition};
use crate::context::Context;
use crate::pod_state::{self, PodState};
use crate::removal::remove_pod;
use crate::resource::Phase;

/// How often a pod that ends is looked at when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Asks the host to end its agent: the server archives what is left and removes the pod.
pub(super) async fn suspending(context: &Context, id: &AgentId) -> Transition {
    let Some(pod) = context.cache.pod(id) else {
        return Ok((StatusUpdate::phase(Phase::Suspended), Action::await_change()));
    };
    let suspending = Ok((StatusUpdate::phase(Phase::Suspending), Action::requeue(POLL_INTERVAL)));
    if let PodState::Running(_) = pod_state::of(&pod)
        && !context.launches.get(id).stop_requested
    {
        request_stop(context, id, &pod).await?;
        return suspending;
    }
    if pod_state::has_stopped(&pod) {
        remove_pod(context, id).await?;
    }
    suspending
}

async fn request_stop(context: &Context, id: &AgentId, pod: &Pod) -> Result<(), Problem> {
    let host = HostClient::new(context.connector.address(id, pod).await);
    match host.suspend().await {
        // A host of an earlier version: its agent comes back all the same, and is told ended meanwhile.
        Err(problem) if problem.code == Code::Unsupported => host.stop(&StopRequest::default()).await?,
        suspended => suspended?,
    };
    context.launches.update(id, |state| state.stop_requested = true);
    Ok(())
}
