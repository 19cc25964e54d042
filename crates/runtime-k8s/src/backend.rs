//! [`AgentBackend`] over a namespace of a Kubernetes cluster.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::ResourceExt as _;
use parallax_api::check::Check;
use parallax_api::runtime::{RuntimeKind, TypeInfo};
use parallax_api::{Agent, AgentId, Problem};
use parallax_profile::Launch;
use parallax_runtime_core::host::HostClient;
use parallax_runtime_core::{
    AgentBackend, BackendEvent, FoundHost, Health, HostAddress, KeptWorkspace, Usage,
};
use parallax_service::metrics::Metrics;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::{discovery, examine, host_files, launch, moving, names, removal, suspension, workspace_claims};

/// Runs each agent's host in a pod of its own.
pub struct KubernetesBackend {
    context: Arc<Context>,
    /// Taken by the first caller of `events`.
    events_rx: Mutex<Option<mpsc::Receiver<BackendEvent>>>,
}

impl KubernetesBackend {
    /// A backend over `context`, whose events come by `events_rx`.
    pub(crate) fn new(context: Arc<Context>, events_rx: mpsc::Receiver<BackendEvent>) -> Self {
        Self { context, events_rx: Mutex::new(Some(events_rx)) }
    }
}

#[async_trait]
impl AgentBackend for KubernetesBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Kubernetes
    }

    async fn check(&self) -> Health {
        // Whether nodes have or can pull an image is known only once a pod needs it.
        let info = |name| TypeInfo { name, available: true, reason: None, version: None };
        let types = self.context.profiles.names().into_iter().map(info).collect();
        Health { trouble: self.context.cache.watch_error(), types }
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

    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        removal::remove(&self.context, id, grace).await
    }

    async fn check_suspend(&self, agent: &Agent) -> Result<(), Problem> {
        suspension::check(&self.context, &agent.id).await
    }

    /// The controller asks the host.
    async fn suspend(&self, id: &AgentId, _host: &HostClient) -> Result<(), Problem> {
        suspension::suspend(&self.context, id).await
    }

    async fn settle_suspended(&self, id: &AgentId) -> Result<(), Problem> {
        removal::remove(&self.context, id, Duration::ZERO).await
    }

    async fn resume(&self, id: &AgentId) -> Result<HostAddress, Problem> {
        suspension::resume(&self.context, id).await
    }

    async fn holds_suspended(&self, id: &AgentId) -> Result<bool, Problem> {
        suspension::holds(&self.context, id).await
    }

    async fn discard_suspended(&self, id: &AgentId) -> Result<(), Problem> {
        suspension::discard(&self.context, id).await
    }

    fn launch_detail(&self, id: &AgentId) -> Option<String> {
        self.context.launches.get(id).waiting_for
    }

    fn agent_stopping(&self, id: &AgentId) {
        self.context.launches.update(id, |state| state.is_stopping = true);
    }

    fn agent_goes_on(&self, id: &AgentId) {
        self.context.launches.update(id, |state| state.is_stopping = state.is_over);
    }

    fn workspace_volume(&self, id: &AgentId) -> Option<String> {
        Some(names::claim(id))
    }

    async fn make_workspace(&self, agent: &Agent, kept: &KeptWorkspace) -> Result<(), Problem> {
        workspace_claims::make(&self.context, agent, kept).await
    }

    async fn note_workspace(&self, kept: &KeptWorkspace) -> Result<(), Problem> {
        workspace_claims::note(&self.context, kept).await
    }

    async fn kept_workspaces(&self) -> Result<Option<Vec<KeptWorkspace>>, Problem> {
        workspace_claims::list(&self.context).await.map(Some)
    }

    fn may_return(&self, id: &AgentId) -> bool {
        moving::may_return(&self.context, id)
    }

    async fn holds_workspace(&self, id: &AgentId) -> Result<bool, Problem> {
        workspace_claims::exists(&self.context, id).await
    }

    async fn remove_workspace(&self, id: &AgentId) -> Result<(), Problem> {
        workspace_claims::remove(&self.context, id).await
    }

    /// None: the host's own count is used. Few clusters have the metrics API, it is up to a minute behind, and each
    /// call would be a request to the API server.
    async fn usage(&self, _id: &AgentId) -> Result<Option<Usage>, Problem> {
        Ok(None)
    }

    fn events(&self) -> BoxStream<'static, BackendEvent> {
        let events_rx = self.events_rx.lock().expect("nothing panics while it is locked").take();
        match events_rx {
            Some(events_rx) => {
                stream::unfold(events_rx, async |mut events_rx| Some((events_rx.recv().await?, events_rx)))
                    .boxed()
            }
            None => stream::pending().boxed(),
        }
    }

    fn agent_changed(&self, agent: &Agent) {
        self.context.launches.update(&agent.id, |state| {
            // An agent is published when its launch has ended.
            (state.launching, state.requested_by) = (false, None);
            state.published = Some(agent.clone());
        });
        if let Some(resource) = self.context.cache.resource_of(&agent.id) {
            self.context.cache.enqueue(&resource.name_any());
        }
    }

    async fn examine(&self) -> Vec<Check> {
        examine::examine(&self.context).await
    }

    fn register_metrics(&self, metrics: &Metrics) {
        self.context.cluster.requests.register(metrics);
        self.context.pool.register(metrics);
        metrics.register(|registry| {
            registry.register(
                "kubernetes_reconciles",
                "Reconciliations of a resource, by outcome",
                self.context.reconciles.clone(),
            );
        });
    }
}
