//! [`AgentBackend`] over a Docker engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parallax_api::check::Check;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{Agent, AgentId, Problem};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::host::HostClient;
use parallax_runtime_core::{AgentBackend, BackendEvent, FoundHost, Health, HostAddress, Usage};
use parallax_service::metrics::Metrics;
use tokio::sync::mpsc;

use crate::config::DockerConfig;
use crate::context::Context;
use crate::layout::workspace_volume;
use crate::{
    discovery, engine, examine, host_files, launch, look, pauses, pool, removal, suspension, usage, volumes,
};

/// Events that wait for the server.
const MAX_EVENTS: usize = 256;

/// How long the end of the server may take for the containers that wait.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs each agent's host as the first process of a container.
pub struct DockerBackend {
    context: Arc<Context>,
    profiles: Arc<Profiles>,
}

impl DockerBackend {
    /// A backend with the engine that `DOCKER_HOST` names. Sends no request: an engine that is away may come back.
    ///
    /// # Errors
    /// When the configuration names what cannot be used.
    pub fn new(config: &DockerConfig) -> anyhow::Result<Self> {
        Ok(Self { context: Arc::new(Context::new(config)?), profiles: config.runtime.profiles.clone() })
    }

    /// Removes the containers that wait for agents. For the end of the server: agents go on.
    pub async fn drain_pool(&self) {
        if tokio::time::timeout(DRAIN_TIMEOUT, pool::filling::drain(&self.context)).await.is_err() {
            tracing::warn!("the pool could not be removed in time; the next server does it");
        }
    }

    async fn health(&self) -> Result<Health, Problem> {
        let docker = self.context.docker()?;
        let info = docker.info().await.map_err(|error| engine::problem("describe itself", &error))?;
        let kind = info.os_type.unwrap_or_default();
        let trouble = match kind.as_str() {
            "linux" => self.context.host_volume.program(docker).await.err().map(|problem| problem.detail),
            _ => Some(format!("the Docker engine runs containers of {kind}, not of Linux")),
        };
        let types = self.context.images.types(docker, &self.profiles).await;
        Ok(Health { trouble, types: types.map_err(|error| engine::problem("list its images", &error))? })
    }
}

#[async_trait]
impl AgentBackend for DockerBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    async fn check(&self) -> Health {
        let unhealthy = |problem: Problem| Health { trouble: Some(problem.detail), types: Vec::new() };
        self.health().await.unwrap_or_else(unhealthy)
    }

    async fn examine(&self) -> Vec<Check> {
        examine::examine(&self.context, &self.profiles).await
    }

    fn register_metrics(&self, metrics: &Metrics) {
        self.context.images.pulls.register(metrics);
        self.context.pool.register(metrics);
    }

    async fn launch(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        launch::launch(&self.context, id, launch).await
    }

    async fn list_hosts(&self) -> Result<Vec<FoundHost>, Problem> {
        discovery::list_hosts(&self.context).await
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        discovery::find_host(&self.context, id).await
    }

    async fn host_files(&self, id: &AgentId, scratch: &Path) -> Result<Option<PathBuf>, Problem> {
        host_files::host_files(&self.context, id, scratch).await
    }

    async fn kill(&self, id: &AgentId) -> Result<(), Problem> {
        removal::kill(&self.context, id).await
    }

    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        removal::remove(&self.context, id, grace).await
    }

    /// Every container can be started again.
    async fn check_suspend(&self, _agent: &Agent) -> Result<(), Problem> {
        Ok(())
    }

    async fn suspend(&self, id: &AgentId, host: &HostClient) -> Result<(), Problem> {
        suspension::suspend(&self.context, id, host).await
    }

    async fn settle_suspended(&self, id: &AgentId) -> Result<(), Problem> {
        suspension::settle(&self.context, id).await
    }

    async fn resume(&self, id: &AgentId) -> Result<HostAddress, Problem> {
        suspension::resume(&self.context, id).await
    }

    fn resumed(&self, id: &AgentId) {
        self.context.kept_launches.remove(id);
    }

    async fn holds_suspended(&self, id: &AgentId) -> Result<bool, Problem> {
        suspension::holds(&self.context, id).await
    }

    fn events(&self) -> BoxStream<'static, BackendEvent> {
        let (events_tx, events_rx) = mpsc::channel(MAX_EVENTS);
        tokio::spawn(pauses::report(self.context.clone(), events_tx));
        let told =
            stream::unfold(events_rx, async |mut events_rx| Some((events_rx.recv().await?, events_rx)));
        let context = self.context.clone();
        // Tells nothing, for as long as the server runs.
        let keeping = async move {
            pool::filling::keep_full(&context).await;
            std::future::pending().await
        };
        stream::select(told, stream::once(keeping)).boxed()
    }

    fn launch_detail(&self, id: &AgentId) -> Option<String> {
        self.context.images.progress.detail(id)
    }

    fn agent_stopping(&self, id: &AgentId) {
        self.context.images.progress.stop(id);
    }

    fn workspace_volume(&self, id: &AgentId) -> Option<String> {
        Some(workspace_volume(id))
    }

    fn shares_workspaces(&self) -> bool {
        true
    }

    async fn holds_workspace(&self, id: &AgentId) -> Result<bool, Problem> {
        volumes::exists(self.context.docker()?, &workspace_volume(id)).await
    }

    async fn look_into_workspace(&self, id: &AgentId) -> Result<Vec<u8>, Problem> {
        look::unpublished(&self.context, id).await
    }

    async fn remove_workspace(&self, id: &AgentId) -> Result<(), Problem> {
        volumes::remove(self.context.docker()?, &workspace_volume(id)).await
    }

    async fn usage(&self, id: &AgentId) -> Result<Option<Usage>, Problem> {
        usage::usage(&self.context, id).await.map(Some)
    }
}
