//! The next step of one resource.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::agent::StopRequest;
use parallax_api::{AgentId, Code, Problem};
use parallax_runtime_core::host::HostClient;
use parallax_runtime_core::{BackendEvent, FoundHost};
use serde_json::json;
use tokio::sync::oneshot;

use super::show::Shown;
use super::{cleanup, create};
use crate::backend::KubernetesBackend;
use crate::book::Note;
use crate::cluster;
use crate::names::{self, FINALIZER};
use crate::reasons::{self, Stage};
use crate::resource::{ParallaxAgent, Phase};

/// When an agent that found no place is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// A launch by the API that nobody waits for any more after so long was left by a server that lost its records.
const ABANDONED: Duration = Duration::from_secs(600);
/// How often a host that starts, or ends, is asked when nothing tells of it.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// When what was waited for is insisted on.
const INSIST: Duration = Duration::from_secs(5);

pub(super) async fn reconcile(
    backend: &Arc<KubernetesBackend>,
    resource: &Arc<ParallaxAgent>,
) -> Result<Action, Problem> {
    // A name that cannot be is refused by the definition.
    let Some(id) = names::agent_id(resource).filter(|_| backend.view.is_ours(resource)) else {
        return Ok(Action::await_change());
    };
    if resource.meta().deletion_timestamp.is_some() {
        return cleanup::cleanup(backend, resource, &id).await;
    }
    if !resource.finalizers().iter().any(|name| name == FINALIZER) {
        return hold(backend, resource).await;
    }
    let (next, action) = step(backend, resource, &id).await?;
    let shown = backend.show_resource(resource, &id, next).await?;
    // Somebody else changed it: what it is now will be told, or is asked for.
    Ok(if shown { action } else { Action::requeue(LOOK_AGAIN) })
}

/// Keeps the resource until its agent was seen to its end.
async fn hold(backend: &KubernetesBackend, resource: &ParallaxAgent) -> Result<Action, Problem> {
    let finalizers: Vec<&str> = resource.finalizers().iter().map(String::as_str).chain([FINALIZER]).collect();
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": resource.resource_version(),
    }});
    match backend
        .cluster
        .agents()
        .patch(&resource.name_any(), &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Ok(_) => Ok(Action::await_change()),
        Err(error) if cluster::is_conflict(&error) => Ok(Action::requeue(LOOK_AGAIN)),
        Err(error) if cluster::is_missing(&error) => Ok(Action::await_change()),
        Err(error) => Err(cluster::problem("hold the agent's resource", &error)),
    }
}

async fn step(
    backend: &Arc<KubernetesBackend>,
    resource: &Arc<ParallaxAgent>,
    id: &AgentId,
) -> Result<(Shown, Action), Problem> {
    let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
    let stay = Ok((Shown::phase(phase), Action::await_change()));
    match phase {
        Phase::Pending if names::is_by_api(resource) => abandoned(backend, resource, id).await,
        Phase::Pending => Ok(pending(backend, resource, id)),
        Phase::Creating => create::create(backend, resource, id).await,
        Phase::Starting => starting(backend, resource, id).await,
        Phase::Running if resource.spec.suspended && resource.spec.keeps_workspace() => {
            Ok((Shown::phase(Phase::Suspending), Action::await_change()))
        }
        Phase::Suspending => suspending(backend, id).await,
        Phase::Suspended if !resource.spec.suspended => {
            // It begins anew: its end, which it shows, was that of the pod before.
            backend.book.note(id, |note| *note = Note::default());
            Ok((Shown::phase(Phase::Creating), Action::await_change()))
        }
        Phase::Failed if is_edited(resource) => {
            backend.book.note(id, |note| note.refusal = None);
            Ok((Shown::phase(Phase::Pending), Action::await_change()))
        }
        Phase::Running | Phase::Suspended | Phase::Ended | Phase::Failed => stay,
    }
}

fn is_edited(resource: &ParallaxAgent) -> bool {
    let observed = resource.status.as_ref().and_then(|status| status.observed_generation);
    resource.meta().generation != observed
}

/// An agent that the API was asked for is launched by who was asked. One that nobody launches any more goes.
async fn abandoned(
    backend: &KubernetesBackend,
    resource: &ParallaxAgent,
    id: &AgentId,
) -> Result<(Shown, Action), Problem> {
    let made = resource.creation_timestamp().map(|made| jiff::Timestamp::now().duration_since(made.0));
    let age = made.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
    if !backend.book.of(id).launching && age > ABANDONED {
        tracing::warn!(agent.id = %id, "removing an agent whose launch was abandoned");
        backend.take_away(id, Duration::ZERO).await?;
    }
    Ok((Shown::phase(Phase::Pending), Action::requeue(ABANDONED)))
}

/// Asks this server for the agent, as the API does, and waits for how that went.
fn pending(backend: &Arc<KubernetesBackend>, resource: &Arc<ParallaxAgent>, id: &AgentId) -> (Shown, Action) {
    let pending = Shown::phase(Phase::Pending);
    if resource.spec.suspended {
        return (
            pending.because("it will be started when it is no longer suspended"),
            Action::await_change(),
        );
    }
    let note = backend.book.of(id);
    match note.refusal {
        Some(problem) if may_pass(problem.code) => {
            backend.book.note(id, |note| note.refusal = None);
            (pending.because(problem.detail), Action::requeue(ASK_AGAIN))
        }
        Some(problem) => (Shown::failed(&problem), Action::await_change()),
        None if note.asked.is_some() => (pending, Action::await_change()),
        None => {
            let (answer, answered) = oneshot::channel();
            let request = Box::new(resource.spec.request(&resource.name_any()));
            if backend
                .events_tx
                .try_send(BackendEvent::SpawnRequested { id: id.clone(), request, answer })
                .is_err()
            {
                return (pending.because("many agents wait to be started"), Action::requeue(INSIST));
            }
            backend.book.note(id, |note| note.asked = Some(resource.clone()));
            let (backend, id, name) = (backend.clone(), id.clone(), resource.name_any());
            tokio::spawn(async move {
                let gone = || Err(Problem::new(Code::ShuttingDown, "the runtime went away"));
                if let Err(problem) = answered.await.unwrap_or_else(|_| gone()) {
                    backend.book.note(&id, |note| {
                        (note.asked, note.launching, note.refusal) = (None, false, Some(problem));
                    });
                    backend.view.stir(&name);
                }
            });
            (pending, Action::await_change())
        }
    }
}

/// Whether waiting may help. Otherwise the resource has to be changed first.
fn may_pass(code: Code) -> bool {
    matches!(code, Code::ResourceLimit | Code::RuntimeUnavailable | Code::ShuttingDown | Code::Timeout)
}

/// Waits for the host. Where nobody waits for it (the agent comes back, or another server began its launch), it is taken in
/// when it answers.
async fn starting(
    backend: &KubernetesBackend,
    resource: &ParallaxAgent,
    id: &AgentId,
) -> Result<(Shown, Action), Problem> {
    let note = backend.book.of(id);
    if note.answered {
        return Ok((Shown::phase(Phase::Running), Action::await_change()));
    }
    let starting = Shown::phase(Phase::Starting);
    if note.launching {
        let why = note.waits.unwrap_or_default();
        return Ok((starting.because(why), Action::await_change()));
    }
    let Some(pod) = backend.view.pod(id) else {
        return over(backend, resource, id, "its pod was deleted while it started").await;
    };
    match reasons::stage(&pod) {
        Stage::Coming(why) => Ok((starting.because(why.unwrap_or_default()), Action::await_change())),
        Stage::NoRoom(words) => Ok((starting.because(words), Action::await_change())),
        Stage::Stuck(problem) => Ok((starting.because(problem.detail), Action::await_change())),
        Stage::Over => {
            let words = reasons::words(&pod).unwrap_or_default();
            over(backend, resource, id, format!("its pod ended while it started {words}").trim_end()).await
        }
        Stage::Runs(ip) => {
            let address = backend.reach.address(id, ip.as_deref()).await;
            if HostClient::new(address.clone()).agent().await.is_err() {
                return Ok((starting, Action::requeue(LOOK_AGAIN)));
            }
            let survivor = FoundHost { id: id.clone(), address: Some(address), ended: None };
            if backend.events_tx.try_send(BackendEvent::HostRestarted(survivor)).is_err() {
                return Ok((starting, Action::requeue(INSIST)));
            }
            backend.book.note(id, |note| note.answered = true);
            Ok((Shown::phase(Phase::Running), Action::await_change()))
        }
    }
}

/// An agent that nobody follows ended.
async fn over(
    backend: &KubernetesBackend,
    resource: &ParallaxAgent,
    id: &AgentId,
    why: &str,
) -> Result<(Shown, Action), Problem> {
    backend.remove_pod(id).await?;
    backend.remove_launch(id).await?;
    tracing::warn!(agent.id = %id, resource = resource.name_any(), why, "an agent ended before it ran");
    Ok((Shown::phase(Phase::Ended).because(why), Action::await_change()))
}

/// Ends the agent like anybody who stops it: the server collects what is left and takes the pod away.
async fn suspending(backend: &KubernetesBackend, id: &AgentId) -> Result<(Shown, Action), Problem> {
    let Some(pod) = backend.view.pod(id) else {
        return Ok((Shown::phase(Phase::Suspended), Action::await_change()));
    };
    let stay = |action| Ok((Shown::phase(Phase::Suspending), action));
    if let Stage::Runs(ip) = reasons::stage(&pod)
        && !backend.book.of(id).stopping
    {
        let host = HostClient::new(backend.reach.address(id, ip.as_deref()).await);
        host.stop(&StopRequest::default()).await?;
        backend.book.note(id, |note| note.stopping = true);
        return stay(Action::requeue(INSIST));
    }
    if reasons::is_silent(&pod) {
        backend.remove_pod(id).await?;
    }
    stay(Action::requeue(INSIST))
}
