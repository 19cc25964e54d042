//! The place: pods of a Kubernetes cluster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::ResourceExt as _;
use parallax_api::runtime::{RuntimeKind, TypeInfo};
use parallax_api::{Agent, AgentId, Problem};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::{AgentBackend, BackendEvent, FoundHost, Health, HostAddress, Usage};
use parallax_service::metrics::Metrics;
use parallax_service::shutdown::Shutdown;
use tokio::sync::mpsc;

use crate::book::Book;
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::key::Key;
use crate::reach::Reach;
use crate::settings::{KubernetesSettings, PodSettings};
use crate::view::View;

/// Agents that may wait to be taken in. The controller asks again for one that finds no place.
const MAX_EVENTS: usize = 256;

/// Runs each agent's host in a pod of its own.
pub struct KubernetesBackend {
    pub(crate) cluster: Cluster,
    pub(crate) pods: PodSettings,
    pub(crate) key: Key,
    pub(crate) view: View,
    pub(crate) book: Book,
    pub(crate) reach: Reach,
    /// How long an agent that the API was asked for may wait for room.
    pub(crate) room_patience: Duration,
    pub(crate) events_tx: mpsc::Sender<BackendEvent>,
    events_rx: Mutex<Option<mpsc::Receiver<BackendEvent>>>,
    controller: Controller,
    profiles: Arc<Profiles>,
    shutdown: Shutdown,
}

impl KubernetesBackend {
    /// A backend over `cluster`, which begins to watch it.
    ///
    /// # Errors
    /// When the runtime's key can neither be read nor made.
    pub(crate) async fn open(
        cluster: Cluster,
        settings: &KubernetesSettings,
        profiles: Arc<Profiles>,
        shutdown: Shutdown,
    ) -> Result<Arc<Self>, Problem> {
        let key = Key::open(&cluster, &settings.pods.instance).await?;
        let (events_tx, events_rx) = mpsc::channel(MAX_EVENTS);
        Ok(Arc::new(Self {
            view: View::open(&cluster, &settings.pods.instance, &shutdown),
            reach: Reach::new(settings.reach, &cluster, key.clone()),
            controller: Controller::new(&cluster, &settings.replica),
            key,
            cluster,
            pods: settings.pods.clone(),
            book: Book::default(),
            room_patience: settings.room_patience,
            events_tx,
            events_rx: Mutex::new(Some(events_rx)),
            profiles,
            shutdown,
        }))
    }

    pub(crate) fn controller(&self) -> &Controller {
        &self.controller
    }

    /// Begins to do what resources say. To be called once, when the server has adopted everyone.
    pub(crate) fn begin_to_control(self: &Arc<Self>) {
        let (backend, shutdown) = (self.clone(), self.shutdown.clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = backend.controller.run(&backend) => {}
                () = shutdown.begun() => {}
            }
        });
    }
}

#[async_trait]
impl AgentBackend for KubernetesBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Kubernetes
    }

    async fn check(&self) -> Health {
        // Which images nodes have or can get shows when one is needed.
        let info = |name| TypeInfo { name, available: true, reason: None, version: None };
        let types = self.profiles.names().into_iter().map(info).collect();
        Health { trouble: self.view.trouble(), types }
    }

    async fn launch(&self, id: &AgentId, launch: &Launch) -> Result<HostAddress, Problem> {
        self.start(id, launch).await
    }

    async fn list_hosts(&self) -> Result<Vec<FoundHost>, Problem> {
        self.all().await
    }

    async fn find_host(&self, id: &AgentId) -> Result<Option<FoundHost>, Problem> {
        self.one(id).await
    }

    async fn remove(&self, id: &AgentId, grace: Duration) -> Result<(), Problem> {
        self.take_away(id, grace).await
    }

    /// The host counts it, and its count is taken. The cluster's metrics API is not asked: few clusters have it, it is up to a
    /// minute behind, and it would cost the API server a request each time.
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
        self.book.note(&agent.id, |note| {
            // Whoever shows it has it.
            (note.launching, note.asked) = (false, None);
            note.shown = Some(agent.clone());
        });
        if let Some(resource) = self.view.resource_of(&agent.id) {
            self.view.stir(&resource.name_any());
        }
    }

    fn register_metrics(&self, metrics: &Metrics) {
        self.cluster.requests.register(metrics);
        self.controller.register(metrics);
    }
}
