//! The runtime server over this backend: connect, become the leader, then build.

use std::sync::Arc;

use anyhow::Context as _;
use parallax_runtime_core::RuntimeServer;
use parallax_service::shutdown::Shutdown;

use crate::backend::KubernetesBackend;
use crate::busy_label;
use crate::classes;
use crate::cluster::Cluster;
use crate::config::KubernetesConfig;
use crate::context::Context;
use crate::controller::Controller;
use crate::leader;
use crate::lease::Lease;
use crate::pool;

/// A namespace of a cluster that a server can be built over.
pub struct ConnectedCluster {
    cluster: Cluster,
    instance: String,
    replica: String,
}

impl ConnectedCluster {
    /// The cluster that the configuration, a kubeconfig or this pod's service account name, and its lease. Sends no request.
    ///
    /// # Errors
    /// When no cluster is configured.
    pub async fn connect(config: &KubernetesConfig) -> anyhow::Result<(Self, Lease)> {
        let cluster = Cluster::connect(config.namespace.clone(), config.server_namespace.clone()).await?;
        // In the namespace of the agents: whoever is to lead them from elsewhere finds that they are led.
        let lease = Lease::new(&cluster, &config.pods.instance, &config.replica);
        let (instance, replica) = (config.pods.instance.clone(), config.replica.clone());
        Ok((Self { cluster, instance, replica }, lease))
    }

    /// Marks this replica's pod as one that stands by.
    pub async fn stand_by(&self) {
        leader::unmark(&self.cluster.servers(), &self.replica).await;
    }

    /// The Kubernetes runtime, ready to serve: its agents are adopted and the controller runs. Only the leader may call this.
    ///
    /// # Errors
    /// When the runtime's key cannot be read or made, or the state directory cannot be used.
    pub async fn build(self, config: KubernetesConfig, shutdown: Shutdown) -> anyhow::Result<RuntimeServer> {
        let opened = Context::open(self.cluster.clone(), &config, &shutdown).await;
        let (context, events_rx) = opened.context("failed to open the namespace")?;
        let backend = KubernetesBackend::new(context.clone(), events_rx);
        let building = RuntimeServer::build(config.runtime, Arc::new(backend), shutdown.clone());
        // Before agents are asked for: what a class allows is known by then.
        let (server, ()) = tokio::join!(building, classes::follow(&context, &shutdown));
        let server = server?;
        let pooled = context.clone();
        // Only now: a resource whose agent is adopted must not be launched again.
        let controller = Controller::new(context.clone());
        let ending = shutdown.clone();
        shutdown.tracker().clone().spawn(async move {
            tokio::select! {
                () = controller.run() => {}
                () = busy_label::keep(context) => {}
                () = ending.begun() => {}
            }
        });
        pool::filling::run(pooled, self.replica.clone(), shutdown);
        // Only now: the Service sends requests to the pod with the label.
        leader::mark(&self.cluster.servers(), &self.instance, &self.replica).await;
        Ok(server)
    }
}
