//! What is left of this runtime's agents: pods that run, and how others ended; and taking it away.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::events::EventType;
use kube::{Resource as _, ResourceExt as _};
use parallax_api::{AgentExit, AgentId, AgentStatus, Problem, Time};
use parallax_runtime_core::FoundHost;
use parallax_runtime_core::host::HostClient;
use serde_json::json;

use crate::backend::KubernetesBackend;
use crate::cluster;
use crate::names;
use crate::reasons::{self, Stage};
use crate::resource::{ParallaxAgent, Phase};

/// A node that has not taken a pod away this long after its grace is gone.
const NODE_GONE: Duration = Duration::from_secs(20);

impl KubernetesBackend {
    /// Every pod of this runtime whose host runs or has run.
    pub(crate) async fn all(&self) -> Result<Vec<FoundHost>, Problem> {
        self.view.is_complete().await?;
        let mut survivors = Vec::new();
        for (id, pod) in self.view.pods() {
            survivors.extend(self.survivor(&id, &pod).await);
        }
        Ok(survivors)
    }

    /// What there is of one agent. The view may be behind when the API server is away: then the host is where it was.
    pub(crate) async fn one(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        self.view.is_complete().await?;
        Ok(match self.view.pod(id) {
            Some(pod) => match self.survivor(id, &pod).await {
                Some(survivor) => Some(survivor),
                // It is asked for who runs: the cluster does not say so yet.
                None => return Err(cluster::away("it does not say yet that the agent's pod runs")),
            },
            None => {
                self.view.end(id).map(|end| FoundHost { id: id.clone(), address: None, ended: Some(end) })
            }
        })
    }

    /// None: its host does not run yet, as far as one can see.
    async fn survivor(&self, id: &AgentId, pod: &Pod) -> Option<FoundHost> {
        let ended = |end| Some(FoundHost { id: id.clone(), address: None, ended: Some(end) });
        match reasons::stage(pod) {
            Stage::Over => ended(reasons::ended(pod)?),
            Stage::Runs(_) if node_is_gone(pod) => {
                ended(AgentExit { code: None, signal: None, reason: "node_lost".into(), at: Time::now() })
            }
            Stage::Runs(ip) => {
                let address = Some(self.reach.address(id, ip.as_deref()).await);
                Some(FoundHost { id: id.clone(), address, ended: None })
            }
            Stage::Coming(_) => {
                let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
                let address = Some(self.reach.early(id, ip).await?);
                Some(FoundHost { id: id.clone(), address, ended: None })
            }
            Stage::NoRoom(_) | Stage::Stuck(_) => None,
        }
    }

    /// Ends what there is of an agent. The resource of one that the API asked for goes; somebody else's stays and says that it
    /// has ended; one that is suspended keeps everything but its pod.
    pub(crate) async fn take_away(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        if !grace.is_zero()
            && let Some(address) = self.one(id).await?.and_then(|survivor| survivor.address)
        {
            HostClient::new(address).leave(grace).await;
        }
        let resource = self.resource_now(id).await?;
        self.remove_pod(id).await?;
        let Some(resource) = resource else { return self.remove_launch(id).await };
        let name = resource.name_any();
        if resource.meta().deletion_timestamp.is_some() {
            // The controller does the rest: it has waited for this.
            self.view.stir(&name);
            return Ok(());
        }
        let phase = resource.status.as_ref().map(|status| status.phase).unwrap_or_default();
        if matches!(phase, Phase::Suspending | Phase::Suspended) {
            self.view.stir(&name);
            return Ok(());
        }
        self.remove_launch(id).await?;
        if names::is_by_api(&resource) {
            let gone = self.cluster.agents().delete(&name, &DeleteParams::background()).await.map(drop);
            return missing_is_fine(gone)
                .map_err(|error| cluster::problem("delete the agent's resource", &error));
        }
        // A launch that failed is told by whoever waits for it; one whose server died is begun again.
        let ran =
            self.book.of(id).answered || !matches!(phase, Phase::Pending | Phase::Creating | Phase::Starting);
        if !ran {
            return self.set_phase(&name, Phase::Pending).await;
        }
        self.set_phase(&name, Phase::Ended).await?;
        let exit = self.book.of(id).shown.and_then(|agent| agent.exit);
        let reason = exit.map(|exit| exit.reason).unwrap_or_default();
        self.controller().tell(&resource, EventType::Normal, "Ended", reason).await;
        Ok(())
    }

    /// The resource of an agent as the API server has it: what was made a moment ago may not have been told yet.
    async fn resource_now(&self, id: &AgentId) -> Result<Option<ParallaxAgent>, Problem> {
        let known = self.view.resource_of(id).map(|resource| resource.name_any());
        let name = known.unwrap_or_else(|| id.to_string());
        let found = self.cluster.agents().get_opt(&name).await;
        let found = found.map_err(|error| cluster::problem("look for the agent's resource", &error))?;
        Ok(found.filter(|resource| names::agent_id(resource).as_ref() == Some(id)))
    }

    /// Takes an agent's pod away. One in which nothing runs that could be in the way goes at once: its node tidies up later,
    /// which takes half a minute when many end.
    pub(crate) async fn remove_pod(&self, id: &AgentId) -> Result<(), Problem> {
        let pod = self.view.pod(id);
        // A host tells its agent's end when all that it started has ended, and goes when it is released.
        let told = self.book.of(id).shown.is_some_and(|agent| agent.status == AgentStatus::Stopped);
        let silent = pod.as_ref().is_some_and(|pod| reasons::is_silent(pod) || node_is_gone(pod));
        let silent = silent || told;
        let grace_period_seconds = Some(u32::from(!silent));
        let params = DeleteParams { grace_period_seconds, ..DeleteParams::background() };
        let gone = self.cluster.pods().delete(&names::pod(id), &params).await.map(drop);
        missing_is_fine(gone).map_err(|error| cluster::problem("delete the agent's pod", &error))
    }

    /// Takes the Secret with an agent's launch away.
    pub(crate) async fn remove_launch(&self, id: &AgentId) -> Result<(), Problem> {
        let name = names::launch_secret(id);
        let gone = self.cluster.secrets().delete(&name, &DeleteParams::background()).await.map(drop);
        missing_is_fine(gone).map_err(|error| cluster::problem("delete the agent's launch", &error))
    }

    /// Moves a resource to a phase. One that is gone needs none.
    pub(crate) async fn set_phase(&self, name: &str, phase: Phase) -> Result<(), Problem> {
        let patch = json!({ "status": { "phase": phase } });
        let moved =
            self.cluster.agents().patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        missing_is_fine(moved.map(drop)).map_err(|error| cluster::problem("note the agent's phase", &error))
    }
}

/// Whether a pod should have been gone for so long that its node cannot be there any more.
pub(crate) fn node_is_gone(pod: &Pod) -> bool {
    let lost = pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("NodeLost");
    // The time by which it was to be gone: its grace is in it.
    let due = pod.meta().deletion_timestamp.as_ref().map(|due| due.0);
    let late = due.is_some_and(|due| {
        let late = jiff::Timestamp::now().duration_since(due);
        u64::try_from(late.as_secs()).is_ok_and(|late| late >= NODE_GONE.as_secs())
    });
    lost || late
}

/// Already gone is success.
fn missing_is_fine(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if cluster::is_missing(&error) => Ok(()),
        result => result,
    }
}
