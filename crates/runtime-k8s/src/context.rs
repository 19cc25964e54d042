//! What all parts of this backend share: the launch, the controller, discovery and removal each get an `Arc` of it.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::Problem;
use parallax_profile::Profiles;
use parallax_runtime_core::BackendEvent;
use parallax_service::shutdown::Shutdown;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;

use crate::cache::ClusterCache;
use crate::cluster::Cluster;
use crate::config::KubernetesConfig;
use crate::connector::Connector;
use crate::events::EventRecorder;
use crate::launch_tracker::LaunchTracker;
use crate::pod::PodConfig;
use crate::pool::slots::Pool;
use crate::token_key::TokenKey;
use crate::workspace_claims::WorkspaceStorage;

/// Events for the server that may wait. The controller tries again when the queue is full.
const MAX_EVENTS: usize = 256;

/// The shared state of one runtime.
pub(crate) struct Context {
    /// The API server.
    pub(crate) cluster: Cluster,
    /// Resources and pods of the namespace, kept up to date by watches.
    pub(crate) cache: ClusterCache,
    /// Launches of this server.
    pub(crate) launches: LaunchTracker,
    /// Connects to hosts.
    pub(crate) connector: Connector,
    /// Signs the tokens of hosts.
    pub(crate) token_key: TokenKey,
    /// Writes Kubernetes Events.
    pub(crate) recorder: EventRecorder,
    /// The agent types.
    pub(crate) profiles: Arc<Profiles>,
    /// What all pods have in common.
    pub(crate) pods: PodConfig,
    /// Patterns of claims that agents of the API may work in.
    pub(crate) allowed_claims: Vec<String>,
    /// What claims of git workspaces ask for.
    pub(crate) workspace_storage: WorkspaceStorage,
    /// How long an agent of the API may wait for a node.
    pub(crate) room_timeout: Duration,
    /// Events for the runtime server.
    pub(crate) events_tx: mpsc::Sender<BackendEvent>,
    /// The pods that wait for agents.
    pub(crate) pool: Pool,
    /// Counts reconciliations.
    pub(crate) reconciles: Family<ReconcileLabels, Counter>,
}

/// Labels of `parallax_kubernetes_reconciles_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReconcileLabels {
    pub(crate) outcome: &'static str,
}

impl Context {
    /// Starts the watches of `cluster`. Answers with the receiving end of `events_tx`.
    ///
    /// # Errors
    /// When the runtime's key can neither be read nor made.
    pub(crate) async fn open(
        cluster: Cluster,
        config: &KubernetesConfig,
        shutdown: &Shutdown,
    ) -> Result<(Arc<Self>, mpsc::Receiver<BackendEvent>), Problem> {
        let instance = &config.pods.instance;
        let token_key = TokenKey::open(&cluster.servers(), instance).await?;
        let (events_tx, events_rx) = mpsc::channel(MAX_EVENTS);
        let context = Self {
            cache: ClusterCache::open(&cluster, instance, shutdown),
            launches: LaunchTracker::default(),
            connector: Connector::new(config.reach, &cluster, token_key.clone()),
            token_key,
            recorder: EventRecorder::new(&cluster, &config.replica),
            profiles: config.runtime.profiles.clone(),
            pods: config.pods.clone(),
            allowed_claims: config.allow_claim.clone(),
            workspace_storage: config.workspace_storage.clone(),
            room_timeout: config.room_patience,
            events_tx,
            pool: Pool::new(config.pool.clone(), &config.pods),
            reconciles: Family::default(),
            cluster,
        };
        Ok((Arc::new(context), events_rx))
    }

    /// Whether agents of a type can go on with their conversation in another pod.
    pub(crate) fn can_resume(&self, agent_type: &str) -> bool {
        self.profiles.get(agent_type).is_some_and(|profile| !profile.start.resume.is_empty())
    }
}
