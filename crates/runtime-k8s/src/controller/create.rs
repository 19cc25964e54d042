//! Phase `Creating`: the claim, where one is asked for, and the pod are made, once.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use parallax_api::{AgentId, Code, Problem};

use super::status::{StatusUpdate, Transition};
use crate::context::Context;
use crate::names::{self, MANAGER};
use crate::pod;
use crate::removal::remove_pod;
use crate::resource::{ParallaxAgent, Phase};
use crate::{claims, cluster};

/// The cache is behind the API server by less than this.
const CACHE_DELAY: Duration = Duration::from_millis(200);

/// Makes the claim and the pod.
pub(super) async fn create(context: &Context, resource: &ParallaxAgent, id: &AgentId) -> Transition {
    let creating = StatusUpdate::phase(Phase::Creating);
    // A pod that is being deleted still has the name.
    if context.cache.pod(id).is_some_and(|pod| pod.metadata.deletion_timestamp.is_some()) {
        return Ok((creating, Action::await_change()));
    }
    // With an outdated cache, a pod that was made and has ended would be made a second time.
    let current = context.cluster.agents().get_opt(&resource.name_any()).await;
    let current = current.map_err(|error| cluster::problem("look for the agent's resource", &error))?;
    let phase = current.as_ref().and_then(|current| current.status.as_ref()).map(|status| status.phase);
    if phase != Some(Phase::Creating) || current.is_none_or(|current| current.uid() != resource.uid()) {
        return Ok((creating, Action::requeue(CACHE_DELAY)));
    }
    match apply(context, resource, id).await {
        Ok(()) if context.launches.get(id).is_over => {
            // Stopped at that moment: nobody else knows of this pod.
            remove_pod(context, id).await?;
            Ok((creating, Action::requeue(CACHE_DELAY)))
        }
        Ok(()) => {
            let note = format!("made the pod {}", names::pod(id));
            context.recorder.emit_event(resource, EventType::Normal, "Created", note).await;
            Ok((StatusUpdate::phase(Phase::Starting), Action::await_change()))
        }
        // The task that waits for the host reports it; without one it is tried again.
        Err(problem) if context.launches.get(id).launching && problem.code != Code::RuntimeUnavailable => {
            context.launches.update(id, |state| state.failure = Some(problem));
            Ok((creating, Action::await_change()))
        }
        // It may come again: who changes classes has the resource looked at once more.
        Err(problem) if context.pods.check_class(&resource.spec).is_err() => {
            Ok((creating.with_problem(&problem), Action::await_change()))
        }
        Err(problem) => Err(problem),
    }
}

async fn apply(context: &Context, resource: &ParallaxAgent, id: &AgentId) -> Result<(), Problem> {
    let existing = resource.spec.workspace.as_ref().and_then(|workspace| workspace.existing_claim.as_ref());
    // That of its own git workspace is nobody else's.
    if let Some(claim) = existing.filter(|claim| claim.name != names::claim(id)) {
        claims::check_unprotected(&context.cluster, &claim.name).await?;
    }
    if let Some(asked) = resource.spec.workspace.as_ref().and_then(|workspace| workspace.claim.as_ref()) {
        let claim = pod::claim(resource, id, asked, &context.pods.instance);
        match context.cluster.claims().create(&PostParams::default(), &claim).await {
            // Kept from before a suspension.
            Err(error) if cluster::already_exists(&error) => {}
            Err(error) => return Err(cluster::problem("make the agent's claim", &error)),
            Ok(_) => {}
        }
    }
    let pod = pod::pod(resource, id, &context.pods);
    // The class may have gone since the agent was asked for, and its limits with it.
    context.pods.check_class(&resource.spec)?;
    let params = PatchParams::apply(MANAGER).force();
    match context.cluster.pods().patch(&names::pod(id), &params, &Patch::Apply(&pod)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(cluster::problem("make the agent's pod", &error)),
    }
}
