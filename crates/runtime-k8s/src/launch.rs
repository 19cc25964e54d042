//! Starting an agent: a resource, a Secret with the launch, and waiting until the host in the pod answers.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{LogParams, ObjectMeta, PostParams};
use kube::{Resource as _, ResourceExt as _};
use parallax_api::host::HostStarted;
use parallax_api::{AgentId, Code, Problem};
use parallax_profile::{Launch, MountSource};
use parallax_runtime_core::HostAddress;
use parallax_runtime_core::host::HostClient;

use crate::backend::KubernetesBackend;
use crate::cluster;
use crate::names::{self, BY_API, FINALIZER, label};
use crate::pod::{AGENT, LAUNCH, Workplace};
use crate::reasons::{self, Stage};
use crate::resource::{ExistingClaim, ParallaxAgent, ParallaxAgentSpec, Phase, Workspace, requirements};

/// The largest launch that a Secret can hold, in bytes: a mebibyte, less what is around it.
const MAX_LAUNCH: usize = 1024 * 1024 - 4096;
/// How often a pod is looked at when nothing tells of a change, and its host asked.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long a host may take to say who it is, before it is asked again.
const ASK: Duration = Duration::from_secs(5);
/// How much is read of what a host that failed said, in bytes: an agent's last words are in it.
const MAX_WORDS: i64 = 256 * 1024;

impl KubernetesBackend {
    /// Starts an agent and waits for its host. One that somebody asked for as a resource gets that resource.
    pub(crate) async fn start(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        self.book.note(id, |note| {
            (note.launching, note.answered, note.waits, note.refusal) = (true, false, None, None);
        });
        let started = self.start_noted(id, launch).await;
        self.book.note(id, |note| match &started {
            Ok(_) => note.answered = true,
            Err(_) => note.launching = false,
        });
        if let Some(resource) = self.view.resource_of(id) {
            self.view.stir(&resource.name_any());
        }
        started
    }

    async fn start_noted(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        let asked = self.book.of(id).asked;
        let resource = match asked.clone() {
            Some(resource) => resource,
            None => self.create(id, launch).await?,
        };
        self.keep_launch(id, &resource, launch).await?;
        self.set_phase(&resource.name_any(), Phase::Creating).await?;
        // Somebody who asks with a resource waits for room as for everything else in a cluster.
        self.host(id, asked.is_none()).await
    }

    /// The resource of an agent that the API was asked for. It shows what the API shows: no variables, arguments or prompt.
    async fn create(&self, id: &AgentId, launch: &Launch) -> Result<Arc<ParallaxAgent>, Problem> {
        let agent = &launch.agent;
        let seconds = |seconds: Option<u64>| seconds.and_then(|seconds| u32::try_from(seconds).ok());
        let spec = ParallaxAgentSpec {
            r#type: agent.r#type.clone(),
            name: Some(agent.name.clone()),
            role: agent.role.clone(),
            capabilities: agent.capabilities.clone(),
            labels: agent.labels.clone(),
            image: launch.image.clone(),
            model: agent.model.clone(),
            approvals: Some(launch.approvals),
            resources: requirements(&launch.resources)?,
            workspace: self.workspace(launch).await?,
            idle_timeout_seconds: seconds(launch.idle_timeout_seconds),
            max_lifetime_seconds: seconds(launch.max_lifetime_seconds),
            ..ParallaxAgentSpec::default()
        };
        let mut resource = ParallaxAgent::new(id.as_str(), spec);
        resource.metadata.labels = Some(
            [(label::RUNTIME, self.pods.instance.as_str()), (label::ORIGIN, BY_API)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        resource.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let made = self.cluster.agents().create(&PostParams::default(), &resource).await;
        Ok(Arc::new(made.map_err(|error| cluster::problem("make the agent's resource", &error))?))
    }

    /// The claim that the request's workdir names.
    async fn workspace(&self, launch: &Launch) -> Result<Option<Workspace>, Problem> {
        let Some(mount) = &launch.mount else { return Ok(None) };
        let MountSource::Volume(name) = &mount.source else {
            return Err(Problem::invalid("workdir", "a pod's working directory is the name of a claim"));
        };
        match self.cluster.claims().get_opt(name).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let detail =
                    format!("there is no claim `{name}` in the namespace {}", self.cluster.namespace);
                return Err(Problem::new(Code::WorkdirNotFound, detail).with("field", "workdir"));
            }
            Err(error) => return Err(cluster::problem("look for the claim", &error)),
        }
        let existing_claim = Some(ExistingClaim { name: name.clone(), read_only: mount.read_only });
        Ok(Some(Workspace { existing_claim, ..Workspace::default() }))
    }

    /// Keeps the launch, with everything secret in it, in a Secret that goes with the resource.
    async fn keep_launch(
        &self,
        id: &AgentId,
        resource: &ParallaxAgent,
        launch: &Launch,
    ) -> Result<(), Problem> {
        let place = Workplace::of(&resource.spec, id);
        let mut launch = launch.clone();
        launch.agent.workdir = Some(place.workdir.clone());
        launch.workdir = place.workdir.into();
        launch.token = Some(self.key.token(id));
        launch.image = Some(self.pods.images.of(&resource.spec));
        let mut line = serde_json::to_vec(&launch).map_err(Problem::internal)?;
        line.push(b'\n');
        if line.len() > MAX_LAUNCH {
            let detail = "prompt, arguments and variables come to more than a Secret of the cluster can hold (1 MiB); \
                          send the prompt as the first message";
            return Err(Problem::new(Code::PayloadTooLarge, detail).with("field", "prompt"));
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(names::launch_secret(id)),
                labels: Some(names::labels(&self.pods.instance, id, &resource.spec.r#type)),
                owner_references: resource.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some([(LAUNCH.to_owned(), ByteString(line))].into()),
            ..Secret::default()
        };
        match self.cluster.secrets().create(&PostParams::default(), &secret).await {
            // Left by a launch whose server died: what it says may be old.
            Err(error) if cluster::is_there(&error) => {
                self.remove_launch(id).await?;
                self.cluster.secrets().create(&PostParams::default(), &secret).await
            }
            made => made,
        }
        .map(drop)
        .map_err(|error| cluster::problem("keep the agent's launch", &error))
    }

    /// Waits until the agent's host answers, or it is sure that it will not.
    async fn host(&self, id: &AgentId, in_a_hurry: bool) -> Result<HostAddress, Problem> {
        let mut changes = self.view.changes();
        let mut no_room_since = None;
        let mut seen = false;
        loop {
            let resource = self.view.resource_of(id);
            seen |= resource.is_some();
            if seen && resource.as_ref().is_none_or(|resource| resource.meta().deletion_timestamp.is_some()) {
                return Err(Problem::new(
                    Code::SpawnFailed,
                    "the agent's resource was deleted while it started",
                ));
            }
            if let Some(problem) = self.book.of(id).refusal {
                return Err(problem);
            }
            let stage = self.view.pod(id).map(|pod| (reasons::stage(&pod), pod));
            let mut waits = None;
            match stage {
                None => {}
                Some((Stage::Coming(reason), pod)) => {
                    // The host may listen a second or two before the cluster says so.
                    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
                    if let Some(address) = self.reach.early(id, ip).await
                        && answers(&address).await
                    {
                        return Ok(address);
                    }
                    waits = reason;
                }
                Some((Stage::NoRoom(words), _)) => {
                    let since = *no_room_since.get_or_insert_with(tokio::time::Instant::now);
                    if in_a_hurry && since.elapsed() >= self.room_patience {
                        return Err(reasons::no_room(&words));
                    }
                    waits = Some(words);
                }
                Some((Stage::Stuck(problem), _)) => return Err(problem),
                Some((Stage::Over, pod)) => return Err(self.why_not(id, &pod).await),
                Some((Stage::Runs(ip), _)) => {
                    let address = self.reach.address(id, ip.as_deref()).await;
                    if answers(&address).await {
                        return Ok(address);
                    }
                }
            }
            if self.book.of(id).waits != waits {
                self.book.note(id, |note| note.waits = waits);
                resource.iter().for_each(|resource| self.view.stir(&resource.name_any()));
            }
            // Whichever comes first; that no change was told in time is no news.
            let _ = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
        }
    }

    /// Why a host ended before it answered: in its own words, if it had any.
    async fn why_not(&self, id: &AgentId, pod: &Pod) -> Problem {
        let asked =
            LogParams { container: Some(AGENT.into()), limit_bytes: Some(MAX_WORDS), ..LogParams::default() };
        let said = self.cluster.pods().logs(&names::pod(id), &asked).await.unwrap_or_default();
        if let Some(HostStarted::Failed(problem)) =
            said.lines().find_map(|line| serde_json::from_str(line).ok())
        {
            return problem;
        }
        let exit = reasons::ended(pod);
        let reason = exit.as_ref().map_or("container_ended", |exit| exit.reason.as_str());
        if reason == "oom" {
            let detail = "the agent's memory is too small for its host; give it more";
            return Problem::new(Code::ResourceLimit, detail).with("field", "resources.memory");
        }
        let words = reasons::words(pod).unwrap_or_default();
        let code = exit
            .as_ref()
            .and_then(|exit| exit.code)
            .map(|code| format!(" with code {code}"))
            .unwrap_or_default();
        let detail = format!("the agent's host did not start: its container ended{code} ({reason}) {words}");
        let said = &said[said.floor_char_boundary(said.len().saturating_sub(4096))..];
        Problem::new(Code::SpawnFailed, detail.trim_end()).with("output", said)
    }
}

async fn answers(address: &HostAddress) -> bool {
    let host = HostClient::new(address.clone());
    matches!(tokio::time::timeout(ASK, host.agent()).await, Ok(Ok(_)))
}
