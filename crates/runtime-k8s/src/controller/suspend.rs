//! Phase `Suspending`: the agent is ended and its pod removed; resource and claim stay. Phase `Suspended`, when it is wanted back.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::Action;
use parallax_api::agent::StopRequest;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::BackendEvent;
use parallax_runtime_core::host::HostClient;
use tokio::sync::oneshot;

use super::status::{StatusUpdate, Transition};
use crate::context::Context;
use crate::launch_tracker::LaunchState;
use crate::pod_state::{self, PodState};
use crate::removal::remove_pod;
use crate::resource::Phase;

/// How often a pod that ends is looked at when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// How often is asked whether an end is settled.
pub(super) const SETTLE_INTERVAL: Duration = Duration::from_millis(300);
/// How long the server may take to say so: it may be adopting agents.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Has the pod made again, once nothing of the old one is being settled: by the agent's name, that would take away the new one.
pub(super) async fn resuming(context: &Context, id: &AgentId) -> Transition {
    if !end_is_settled(context, id).await {
        let suspended =
            StatusUpdate::phase(Phase::Suspended).with_message("what its last pod left is being saved");
        return Ok((suspended, Action::requeue(SETTLE_INTERVAL)));
    }
    // The published agent is the one that ended with the suspension. One that is being ended for good at this moment does not come back.
    if !context.launches.begin_anew(id, LaunchState::default(), |state| state.is_over) {
        return Ok((StatusUpdate::phase(Phase::Suspended), Action::requeue(SETTLE_INTERVAL)));
    }
    Ok((StatusUpdate::phase(Phase::Creating), Action::await_change()))
}

/// Whether the server has done everything that follows from the agent's last end. A server that does not say so is asked again.
pub(super) async fn end_is_settled(context: &Context, id: &AgentId) -> bool {
    let (answer, answer_rx) = oneshot::channel();
    if context.events_tx.try_send(BackendEvent::EndSettled { id: id.clone(), answer }).is_err() {
        return false;
    }
    matches!(tokio::time::timeout(ANSWER_TIMEOUT, answer_rx).await, Ok(Ok(true)))
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
