//! Suspending by the API: it sets `spec.suspended`, as a person does by `kubectl`, and the controller does the rest. So there is
//! one way to suspend an agent and one to bring it back.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::HostAddress;
use serde_json::json;

use crate::cluster::{self, missing_is_success};
use crate::context::Context;
use crate::discovery::find_host;
use crate::names;
use crate::removal::{current_resource, remove_launch, remove_pod};
use crate::resource::{NOTHING_KEPT, ParallaxAgent, Phase};

/// How often a resource is looked at when no watch reports a change.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// How long an agent may take to come back: less than the server waits, which does not know what it waits for.
const RESUME_TIMEOUT: Duration = Duration::from_secs(280);

/// Refuses for an agent whose workspace goes with its pod, before anything is ended.
pub(crate) async fn check(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let resource = existing(context, id).await?;
    if !resource.spec.keeps_workspace() {
        return Err(Problem::new(Code::Unsupported, format!("{NOTHING_KEPT}; this one goes on")));
    }
    match phase(&resource) {
        Phase::Running => Ok(()),
        phase => Err(Problem::new(Code::Conflict, format!("the agent's resource is in the phase {phase:?}"))),
    }
}

/// Has the controller take the pod away.
pub(crate) async fn suspend(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let resource = existing(context, id).await?;
    set_suspended(context, &resource, true).await.map(drop)
}

/// Has the controller make the pod again, and waits for its host.
pub(crate) async fn resume(context: &Context, id: &AgentId) -> Result<HostAddress, Problem> {
    let resource = existing(context, id).await?;
    context.pods.check_class(&resource.spec)?;
    let generation = set_suspended(context, &resource, false).await?;
    let mut changes = context.cache.changes();
    let mut waiting_for = None;
    let waiting = async {
        loop {
            let resource = context.cache.resource_of(id);
            let status = resource.as_ref().and_then(|resource| resource.status.as_ref());
            let is_current = status.is_some_and(|status| status.observed_generation >= generation);
            let (message, code) = status
                .map(|status| (status.message.clone().unwrap_or_default(), status.code.clone()))
                .unwrap_or_default();
            match status.map(|status| status.phase) {
                Some(Phase::Running) if is_current => {
                    if let Ok(Some(address)) = find_host(context, id).await.map(|host| host?.address) {
                        return Ok(address);
                    }
                }
                Some(Phase::Failed) if is_current => {
                    let code = code.and_then(|code| serde_json::from_value(json!(code)).ok());
                    return Err(Problem::new(code.unwrap_or(Code::SpawnFailed), message));
                }
                Some(Phase::Ended) if is_current => return Err(Problem::new(Code::AgentStopped, message)),
                None if current_resource(context, id).await?.is_none() => return Err(gone(id)),
                _ => waiting_for = Some(message).filter(|message| !message.is_empty()),
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, changes.changed()).await;
        }
    };
    match tokio::time::timeout(RESUME_TIMEOUT, waiting).await {
        Ok(Err(problem)) if problem.code != Code::AgentStopped => {
            // So that the next try is a change of the resource.
            set_suspended(context, &resource, true).await?;
            Err(problem)
        }
        Ok(answer) => answer,
        Err(_) => {
            let why = waiting_for.map(|why| format!(": {why}")).unwrap_or_default();
            let detail = format!("the agent is not back within {} s{why}", RESUME_TIMEOUT.as_secs());
            Err(Problem::new(Code::Timeout, format!("{detail}; its resource goes on asking for it")))
        }
    }
}

/// Whether the resource of a suspended agent is still there.
pub(crate) async fn holds(context: &Context, id: &AgentId) -> Result<bool, Problem> {
    let resource = current_resource(context, id).await?;
    Ok(resource.is_some_and(|resource| resource.meta().deletion_timestamp.is_none()))
}

/// Ends an agent for good that is suspended or being moved. A claim that was made for it goes with its resource, which a person
/// made and deletes.
pub(crate) async fn discard(context: &Context, id: &AgentId) -> Result<(), Problem> {
    let before = context.launches.get(id);
    // First: a pod that is being made for it meanwhile is removed by who made it.
    context.launches.update(id, |state| (state.moving, state.is_over) = (None, true));
    let discarded = discard_all(context, id).await;
    if discarded.is_err() {
        // It may still come back, so the next try is one.
        context.launches.update(id, |state| (state.moving, state.is_over) = (before.moving, before.is_over));
    }
    discarded
}

async fn discard_all(context: &Context, id: &AgentId) -> Result<(), Problem> {
    remove_pod(context, id).await?;
    let Some(resource) = current_resource(context, id).await? else {
        return remove_launch(context, id).await;
    };
    let name = resource.name_any();
    if names::is_by_api(&resource) {
        let deleted = context.cluster.agents().delete(&name, &DeleteParams::background()).await.map(drop);
        return missing_is_success(deleted)
            .map_err(|error| cluster::problem("delete the agent's resource", &error));
    }
    context.cluster.set_phase(&name, Phase::Ended).await?;
    remove_launch(context, id).await
}

/// Answers the generation of the resource.
async fn set_suspended(
    context: &Context,
    resource: &ParallaxAgent,
    suspended: bool,
) -> Result<Option<i64>, Problem> {
    let patch = json!({"spec": {"suspended": suspended}});
    let agents = context.cluster.agents();
    let patched = agents.patch(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
    let patched = patched.map_err(|error| cluster::problem("change the agent's resource", &error))?;
    Ok(patched.meta().generation)
}

async fn existing(context: &Context, id: &AgentId) -> Result<ParallaxAgent, Problem> {
    current_resource(context, id).await?.ok_or_else(|| gone(id))
}

fn phase(resource: &ParallaxAgent) -> Phase {
    resource.status.as_ref().map(|status| status.phase).unwrap_or_default()
}

fn gone(id: &AgentId) -> Problem {
    Problem::new(Code::AgentStopped, format!("the resource of the agent {id} was deleted; spawn a new agent"))
}
