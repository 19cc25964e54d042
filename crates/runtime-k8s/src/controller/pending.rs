//! Phase `Pending`: the runtime server is asked to launch the agent, as a request to the API does.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use parallax_api::problem::Recovery;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::BackendEvent;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::status::{StatusUpdate, Transition};
use crate::context::Context;
use crate::launch_tracker::LaunchState;
use crate::removal;
use crate::resource::{ParallaxAgent, Phase};

/// When a launch is tried again that failed with what may pass: twice as long each time, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// When a full event queue is tried again.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);
/// A resource of the API that no server launches for this long was left by a server that lost its records.
const ABANDONED_TIMEOUT: Duration = Duration::from_secs(600);

/// The server that made a resource for the API launches it. One that is not launched any more is removed.
pub(super) async fn remove_abandoned(
    context: &Context,
    resource: &ParallaxAgent,
    id: &AgentId,
) -> Transition {
    let created = resource.creation_timestamp().map(|at| jiff::Timestamp::now().duration_since(at.0));
    let age = created.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
    if !context.launches.get(id).launching && age > ABANDONED_TIMEOUT {
        tracing::warn!(agent.id = %id, "removing an agent whose launch was abandoned");
        removal::remove(context, id, Duration::ZERO).await?;
    }
    Ok((StatusUpdate::phase(Phase::Pending), Action::requeue(ABANDONED_TIMEOUT)))
}

/// Asks the server for the agent, and handles the answer when it is there.
pub(super) fn request_spawn(
    context: &Arc<Context>,
    resource: &Arc<ParallaxAgent>,
    id: &AgentId,
) -> (StatusUpdate, Action) {
    let pending = StatusUpdate::phase(Phase::Pending);
    if resource.spec.suspended {
        return (
            pending.with_message("it will be started when it is no longer suspended"),
            Action::await_change(),
        );
    }
    // Classes are applied as agents are, in no order: whoever applies one has the resource looked at once more.
    if let Err(problem) = context.pods.check_class(&resource.spec) {
        return (pending.with_problem(&problem), Action::await_change());
    }
    let state = context.launches.get(id);
    match &state.failure {
        Some(problem) if state.is_transient || problem.code.recovery() == Recovery::Later => {
            let delay = retry_delay(context, id, &state);
            if !delay.is_zero() {
                return (pending.with_problem(problem), Action::requeue(delay));
            }
            context.launches.update(id, |state| (state.failure, state.retry_at) = (None, None));
        }
        Some(problem) => return (StatusUpdate::failed(problem), Action::await_change()),
        None if state.requested_by.is_some() => return (pending, Action::await_change()),
        None => {}
    }
    let (answer, answered) = oneshot::channel();
    let request = Box::new(resource.spec.request(&resource.name_any()));
    if context.events_tx.try_send(BackendEvent::SpawnRequested { id: id.clone(), request, answer }).is_err() {
        return (pending.with_message("many agents wait to be started"), Action::requeue(QUEUE_INTERVAL));
    }
    context.launches.update(id, |state| state.requested_by = Some(resource.clone()));
    let (context, id, name) = (context.clone(), id.clone(), resource.name_any());
    tokio::spawn(async move {
        let dropped = || Err(Problem::new(Code::ShuttingDown, "the runtime server ended"));
        if let Err(problem) = answered.await.unwrap_or_else(|_| dropped()) {
            context.launches.update(&id, |state| {
                (state.requested_by, state.launching, state.failure) = (None, false, Some(problem));
            });
            context.cache.enqueue(&name);
        }
    });
    (pending, Action::await_change())
}

/// How long a launch that failed still waits before the next attempt.
fn retry_delay(context: &Context, id: &AgentId, state: &LaunchState) -> Duration {
    let now = Instant::now();
    if let Some(at) = state.retry_at {
        return at.saturating_duration_since(now);
    }
    let delay = FIRST_RETRY.saturating_mul(1 << state.failed_attempts.min(16)).min(LONGEST_RETRY);
    context.launches.update(id, |state| {
        (state.retry_at, state.failed_attempts) =
            (Some(now + delay), state.failed_attempts.saturating_add(1));
    });
    delay
}
