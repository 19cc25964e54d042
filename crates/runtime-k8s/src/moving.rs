//! Agents whose pod the cluster takes away: which of them go on in another one, on the same claim.

use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentExit, AgentId, Code, Problem, Time};

use crate::context::Context;
use crate::discovery::node_is_lost;
use crate::launch_tracker::LaunchState;
use crate::pod_state;
use crate::removal::{current_resource, remove_pod};
use crate::resource::{ExitState, ParallaxAgent, Phase};

/// The reasons of exits that are the cluster's doing and not the agent's.
const DISPLACED: [&str; 3] = ["node_lost", "node_shutdown", "preempted"];
/// The reasons of exits that are the agent's own doing, whatever became of its pod after that.
const ITS_OWN: [&str; 3] = ["exited", "idle_timeout", "lifetime"];

/// Removes the pod of an agent that was displaced, and has the controller make another one.
pub(crate) async fn begin(context: &Context, id: &AgentId, resource: &ParallaxAgent) -> Result<(), Problem> {
    let exit = ExitState::from(&exit(context, id));
    // What is tried again after this sees a pod that is being deleted, and comes here once more.
    remove_pod(context, id).await?;
    let moving = LaunchState { moving: Some(exit), ..LaunchState::default() };
    if !context.launches.begin_anew(id, moving, |state| state.is_stopping || state.is_over) {
        // The next try ends it for good.
        return Err(Problem::new(Code::Conflict, "the agent was stopped while it was being moved"));
    }
    note(context, id).await?;
    let note = "its pod was taken away; another one is made on the same claim";
    context.recorder.emit_event(resource, EventType::Normal, "Moving", note.into()).await;
    Ok(())
}

/// Notes in the resource of an agent that is being moved that another pod is to be made, now or when it is wanted back, unless it says
/// so. In one change with how the agent ended: by that the next server tells it from one that was never launched.
pub(crate) async fn note(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let Some(resource) = current_resource(context, id).await? else { return Ok(()) };
    let name = resource.name_any();
    // It may have been deleted, noted so, or run again, since.
    if let Some(exit) = context.launches.get(id).moving.filter(|_| may_move(context, &resource)) {
        // It may be suspended by an edit that its old pod has not heard of.
        let next = if resource.spec.suspended { Phase::Suspended } else { Phase::Creating };
        context.cluster.set_moving(&name, &exit, next).await?;
    }
    context.cache.enqueue(&name);
    Ok(())
}

/// How the agent of a pod that was taken away ended: as its host said, or else as the cluster does.
fn exit(context: &Context, id: &AgentId) -> AgentExit {
    let pod = context.cache.pod(id);
    let told = context.launches.get(id).published.and_then(|agent| agent.exit);
    told.or_else(|| pod.as_ref().and_then(|pod| pod_state::exit(pod)))
        .or_else(|| context.cache.recent_exit(id))
        .unwrap_or_else(|| {
            let is_lost = pod.is_some_and(|pod| node_is_lost(&pod));
            AgentExit::for_reason(if is_lost { "node_lost" } else { "pod_deleted" }, Time::now())
        })
}

/// Whether the cluster took the agent's pod away (a drained, lost or shut down node, a pod of a higher priority), and nobody had
/// asked for its end.
pub(crate) fn was_displaced(context: &Context, id: &AgentId) -> bool {
    let launch = context.launches.get(id);
    // The server that followed it may have been another.
    let noted =
        || context.cache.resource_of(id)?.status.as_ref()?.exit.as_ref().map(|exit| exit.reason.clone());
    let reason = launch.published.map_or_else(noted, |agent| agent.exit.map(|exit| exit.reason));
    if launch.is_stopping || launch.is_over || reason.is_some_and(|reason| ITS_OWN.contains(&&*reason)) {
        return false;
    }
    let pod = context.cache.pod(id);
    let exit = pod.as_ref().and_then(|pod| pod_state::exit(pod));
    let is_taken = exit.is_some_and(|exit| DISPLACED.contains(&exit.reason.as_str()));
    // A pod that is not there was deleted, and not by this runtime: what that deletes is over.
    is_taken || pod.is_none_or(|pod| pod.meta().deletion_timestamp.is_some() || node_is_lost(&pod))
}

/// Whether an agent can go on in another pod.
pub(crate) fn may_move(context: &Context, resource: &ParallaxAgent) -> bool {
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    phase == Phase::Running
        && resource.meta().deletion_timestamp.is_none()
        && resource.spec.keeps_workspace()
        && context.can_resume(&resource.spec.r#type)
}

/// Whether an agent that has ended goes on in another pod, will as soon as this one is removed, or does when its resource is
/// changed.
pub(crate) fn may_return(context: &Context, id: &AgentId) -> bool {
    let launch = context.launches.get(id);
    if launch.moving.is_some() || launch.is_over {
        return launch.moving.is_some();
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
pub(crate) fn is_on_its_way_back(resource: &ParallaxAgent) -> bool {
    let status = resource.status.as_ref().filter(|_| resource.meta().deletion_timestamp.is_none());
    status.is_some_and(|status| {
        matches!(status.phase, Phase::Creating | Phase::Starting) && status.exit.is_some()
    })
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
