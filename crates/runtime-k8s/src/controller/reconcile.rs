//! The next step of one resource, by its phase.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, Problem};

use super::status::{self, StatusUpdate, Transition};
use super::{cleanup, create, lost, pending, starting, suspend};
use crate::context::Context;
use crate::names::{self, FINALIZER};
use crate::resource::{ParallaxAgent, Phase};

/// When a resource is read again that changed while it was reconciled.
const CONFLICT_INTERVAL: Duration = Duration::from_millis(300);

pub(super) async fn reconcile(
    context: &Arc<Context>,
    resource: &Arc<ParallaxAgent>,
) -> Result<Action, Problem> {
    // The definition refuses names that are no agent's id.
    let Some(id) = names::agent_id(resource).filter(|_| context.cache.is_ours(resource)) else {
        return Ok(Action::await_change());
    };
    if resource.meta().deletion_timestamp.is_some() {
        return cleanup::cleanup(context, resource, &id).await;
    }
    if resource.finalizers().iter().any(|name| name == FINALIZER) {
        let removed = cleanup::remove_finalizer(context, resource).await?;
        return Ok(if removed { Action::await_change() } else { Action::requeue(CONFLICT_INTERVAL) });
    }
    let (update, action) = transition(context, resource, &id).await?;
    let patched = status::patch_status(context, resource, &id, update).await?;
    // On a conflict the watch reports the change, or it is looked for.
    Ok(if patched { action } else { Action::requeue(CONFLICT_INTERVAL) })
}

async fn transition(context: &Arc<Context>, resource: &Arc<ParallaxAgent>, id: &AgentId) -> Transition {
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    let to = |phase| Ok((StatusUpdate::phase(phase), Action::await_change()));
    match phase {
        Phase::Pending if names::is_by_api(resource) => {
            pending::remove_abandoned(context, resource, id).await
        }
        Phase::Pending => Ok(pending::request_spawn(context, resource, id)),
        Phase::Creating => create::create(context, resource, id).await,
        Phase::Starting => starting::starting(context, resource, id).await,
        Phase::Running
            if resource.spec.suspended
                && resource.spec.keeps_workspace()
                && context.can_resume(&resource.spec.r#type) =>
        {
            to(Phase::Suspending)
        }
        Phase::Running if context.cache.pod(id).is_none() && !context.launches.get(id).is_known() => {
            lost::running(context, id).await
        }
        Phase::Suspending => suspend::suspending(context, id).await,
        Phase::Suspended if !resource.spec.suspended => suspend::resuming(context, id).await,
        // It was suspended, and could not come back: its launch and its claim are still there.
        Phase::Failed if is_edited(resource) && has_run(resource) => to(Phase::Suspended),
        Phase::Failed if is_edited(resource) => {
            context.launches.update(id, |state| state.failure = None);
            to(Phase::Pending)
        }
        Phase::Ended if lost::has_pod(context, id) => lost::ended(context, id).await,
        Phase::Running | Phase::Suspended | Phase::Ended | Phase::Failed => to(phase),
    }
}

fn has_run(resource: &ParallaxAgent) -> bool {
    resource.status.as_ref().is_some_and(|status| status.exit.is_some())
}

fn is_edited(resource: &ParallaxAgent) -> bool {
    let observed = resource.status.as_ref().and_then(|status| status.observed_generation);
    resource.meta().generation != observed
}
