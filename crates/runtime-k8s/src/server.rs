//! The runtime server over this backend: connect, become the leader, then build.

use std::sync::Arc;

use anyhow::Context as _;
use parallax_profile::Profiles;
use parallax_profile::launch::DEFAULT_LOG_LIMIT;
use parallax_runtime_core::server::DEFAULT_MAX_AGENTS;
use parallax_runtime_core::{Environment, RuntimeServer, RuntimeSettings, Workdirs};
use parallax_service::shutdown::Shutdown;

use crate::backend::KubernetesBackend;
use crate::cluster::Cluster;
use crate::context::Context;
use crate::controller::Controller;
use crate::lease::Lease;
use crate::pod::WorkspaceVolume;
use crate::settings::KubernetesSettings;

/// A namespace of a cluster that a server can be built over.
pub struct ConnectedCluster(Cluster);

impl ConnectedCluster {
    /// The cluster that the settings, a kubeconfig or this pod's service account name, and its lease. Sends no request.
    ///
    /// # Errors
    /// When no cluster is configured.
    pub async fn connect(settings: &KubernetesSettings) -> anyhow::Result<(Self, Lease)> {
        let cluster = Cluster::connect(settings.namespace.clone()).await?;
        let lease = Lease::new(&cluster, &settings.pods.instance, &settings.replica);
        Ok((Self(cluster), lease))
    }

    /// The Kubernetes runtime, ready to serve: its agents are adopted and the controller runs. Only the leader may call this.
    ///
    /// # Errors
    /// When a profile is not valid, the runtime's key cannot be read or made, or the state directory cannot be used.
    pub async fn build(
        self,
        settings: KubernetesSettings,
        shutdown: Shutdown,
    ) -> anyhow::Result<RuntimeServer> {
        let profiles = Arc::new(Profiles::with_more(settings.profiles.as_deref())?);
        let opened = Context::open(self.0, &settings, &shutdown).await;
        let (context, events_rx) = opened.context("failed to open the namespace")?;
        let backend = KubernetesBackend::new(context.clone(), profiles.clone(), events_rx);
        let settings = RuntimeSettings {
            name: settings.name,
            state_dir: settings.state_dir,
            profiles,
            max_agents: settings.max_agents.unwrap_or(DEFAULT_MAX_AGENTS),
            workdirs: Workdirs::Mounted { at: WorkspaceVolume::DEFAULT.into(), roots: Vec::new() },
            // An agent gets its image's environment, not this machine's.
            environment: Environment::default(),
            keep: settings.keep,
            log_limit: DEFAULT_LOG_LIMIT,
            gate: settings.gate,
        };
        let server = RuntimeServer::build(settings, Arc::new(backend), shutdown.clone()).await?;
        // Only now: a resource whose agent is adopted must not be launched again.
        let controller = Controller::new(context);
        shutdown.tracker().clone().spawn(async move {
            tokio::select! {
                () = controller.run() => {}
                () = shutdown.begun() => {}
            }
        });
        Ok(server)
    }
}
