//! Making an agent's pod, once.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use parallax_api::{AgentId, Code, Problem};

use super::show::Shown;
use crate::backend::KubernetesBackend;
use crate::cluster;
use crate::names::{self, MANAGER};
use crate::pod;
use crate::resource::{ParallaxAgent, Phase};

/// The view is behind by less than this.
const BEHIND: Duration = Duration::from_millis(200);

/// Makes the claim, where one is asked for, and the pod.
pub(super) async fn create(
    backend: &KubernetesBackend,
    resource: &ParallaxAgent,
    id: &AgentId,
) -> Result<(Shown, Action), Problem> {
    let creating = Shown::phase(Phase::Creating);
    // A pod that is going has the name of the one that is to come.
    if backend.view.pod(id).is_some_and(|pod| pod.metadata.deletion_timestamp.is_some()) {
        return Ok((creating, Action::await_change()));
    }
    // The view may be behind, and a pod that has been and gone would be made a second time.
    let now = backend.cluster.agents().get_opt(&resource.name_any()).await;
    let now = now.map_err(|error| cluster::problem("look for the agent's resource", &error))?;
    let phase = now.as_ref().and_then(|now| now.status.as_ref()).map(|status| status.phase);
    if phase != Some(Phase::Creating) || now.is_none_or(|now| now.uid() != resource.uid()) {
        return Ok((creating, Action::requeue(BEHIND)));
    }
    match apply(backend, resource, id).await {
        Ok(()) => {
            let note = format!("made the pod {}", names::pod(id));
            backend.controller().tell(resource, EventType::Normal, "Created", note).await;
            Ok((Shown::phase(Phase::Starting), Action::await_change()))
        }
        // Whoever waits for the host hears it; with nobody waiting it is tried again.
        Err(problem) if backend.book.of(id).launching && problem.code != Code::RuntimeUnavailable => {
            backend.book.note(id, |note| note.refusal = Some(problem));
            Ok((creating, Action::await_change()))
        }
        Err(problem) => Err(problem),
    }
}

async fn apply(backend: &KubernetesBackend, resource: &ParallaxAgent, id: &AgentId) -> Result<(), Problem> {
    let instance = &backend.pods.instance;
    if let Some(asked) = resource.spec.workspace.as_ref().and_then(|workspace| workspace.claim.as_ref()) {
        let claim = pod::claim(resource, id, asked, instance);
        match backend.cluster.claims().create(&PostParams::default(), &claim).await {
            // The agent comes back, and its claim has waited.
            Err(error) if cluster::is_there(&error) => {}
            Err(error) => return Err(cluster::problem("make the agent's claim", &error)),
            Ok(_) => {}
        }
    }
    let pod = pod::pod(resource, id, &backend.pods);
    let params = PatchParams::apply(MANAGER).force();
    match backend.cluster.pods().patch(&names::pod(id), &params, &Patch::Apply(&pod)).await {
        Ok(_) => Ok(()),
        Err(error) => Err(cluster::problem("make the agent's pod", &error)),
    }
}
