//! Phase `Starting`: the pod was made, and its host does not answer yet.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use parallax_api::AgentId;
use parallax_runtime_core::host::HostClient;
use parallax_runtime_core::{BackendEvent, FoundHost};

use super::status::{StatusUpdate, Transition};
use super::suspend;
use crate::context::Context;
use crate::launch::wait::start_failure;
use crate::moving;
use crate::pod_state::{self, PodState};
use crate::removal::{remove_launch, remove_pod};
use crate::resource::{ParallaxAgent, Phase};

/// How often a host that starts is called when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// When a full event queue is tried again.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);

/// Waits for the host. Where no task of this server waits for it (an agent comes back from a suspension, or another server
/// began its launch), the server is told of the host when it answers.
pub(super) async fn starting(context: &Context, resource: &ParallaxAgent, id: &AgentId) -> Transition {
    let launch = context.launches.get(id);
    if launch.host_answered {
        return Ok((StatusUpdate::phase(Phase::Running), Action::await_change()));
    }
    let starting = StatusUpdate::phase(Phase::Starting);
    if launch.launching {
        let waiting_for = launch.waiting_for.unwrap_or_default();
        return Ok((starting.with_message(waiting_for), Action::await_change()));
    }
    let Some(pod) = context.cache.pod(id) else {
        if launch.moving.is_some() || moving::is_on_its_way_back(resource) {
            // Deleted again, as with a second node that is drained, or not seen yet.
            return Ok((StatusUpdate::phase(Phase::Creating), Action::await_change()));
        }
        return mark_ended(context, resource, id, "its pod was deleted while it started").await;
    };
    match pod_state::of(&pod) {
        PodState::Pending(reason) => {
            Ok((starting.with_message(reason.unwrap_or_default()), Action::await_change()))
        }
        PodState::Unschedulable(message) => Ok((starting.with_message(message), Action::await_change())),
        PodState::Failed(problem, _) if !pod_state::has_stopped(&pod) => {
            Ok((starting.with_problem(&problem), Action::await_change()))
        }
        ended @ (PodState::Failed(..) | PodState::Terminated) => {
            let problem = match ended {
                PodState::Failed(problem, _) => problem,
                _ => start_failure(context, &pod).await,
            };
            if resource.spec.keeps_workspace() {
                // Its launch stays: an edit brings it back to where it was, on the same claim.
                remove_pod(context, id).await?;
                tracing::warn!(agent.id = %id, resource = resource.name_any(), %problem, "an agent did not come back");
                return Ok((StatusUpdate::failed(&problem), Action::await_change()));
            }
            mark_ended(context, resource, id, &problem.detail).await
        }
        PodState::Running(_) => {
            let address = context.connector.address(id, &pod).await;
            if HostClient::new(address.clone()).agent().await.is_err() {
                return Ok((starting, Action::requeue(POLL_INTERVAL)));
            }
            // Until then, only that it is on its way keeps the settling of its first end from taking this pod.
            if launch.moving.is_some() && !suspend::end_is_settled(context, id).await {
                return Ok((starting, Action::requeue(POLL_INTERVAL)));
            }
            let host = FoundHost { id: id.clone(), address: Some(address), ended: None };
            if context.events_tx.try_send(BackendEvent::HostRestarted(host)).is_err() {
                return Ok((starting, Action::requeue(QUEUE_INTERVAL)));
            }
            context.launches.update(id, |state| (state.host_answered, state.moving) = (true, None));
            Ok((StatusUpdate::phase(Phase::Running), Action::await_change()))
        }
    }
}

/// Ends an agent that the server does not follow yet.
async fn mark_ended(context: &Context, resource: &ParallaxAgent, id: &AgentId, reason: &str) -> Transition {
    remove_pod(context, id).await?;
    remove_launch(context, id).await?;
    tracing::warn!(agent.id = %id, resource = resource.name_any(), reason, "an agent ended before it ran");
    Ok((StatusUpdate::phase(Phase::Ended).with_message(reason), Action::await_change()))
}
