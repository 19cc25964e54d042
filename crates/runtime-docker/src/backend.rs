//! The place: containers of a Docker engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use parallax_api::runtime::RuntimeKind;
use parallax_api::{AgentId, Problem};
use parallax_profile::{Launch, Profiles};
use parallax_runtime_core::{AgentBackend, FoundHost, Health, HostAddress, Usage};
use tokio::sync::OnceCell;

use crate::config::{Credential, DockerConfig};
use crate::engine::{self, Engine};
use crate::host_volume::HostVolume;
use crate::identity::Identity;
use crate::image::Images;
use crate::network::Network;
use crate::ownership::User;
use crate::reach::Reach;

/// Runs each agent's host as the first process of a container.
pub struct DockerBackend {
    engine: Engine,
    pub(crate) identity: Identity,
    pub(crate) images: Images,
    pub(crate) network: Network,
    pub(crate) host_volume: HostVolume,
    pub(crate) reach: Reach,
    pub(crate) user: Option<User>,
    pub(crate) credentials: BTreeMap<String, Vec<Credential>>,
    pub(crate) read_only: bool,
    profiles: Arc<Profiles>,
    nano_cpus: OnceCell<u64>,
}

impl DockerBackend {
    /// A backend with the engine that `DOCKER_HOST` names. Talks to nobody yet: an engine that is away may come back.
    ///
    /// # Errors
    /// When the configuration names what cannot be used.
    pub fn new(config: &DockerConfig) -> anyhow::Result<Self> {
        engine::check_environment()?;
        let identity = Identity::open(&config.runtime.state_dir)?;
        Ok(Self {
            engine: Engine::default(),
            images: Images::new(config.images.clone(), config.pull),
            network: Network::parse(config.network.as_deref())?,
            host_volume: HostVolume::new(config.host_program.clone(), &identity)?,
            reach: Reach::new(config.reach, identity.clone()),
            identity,
            user: config.user,
            credentials: config.credentials.clone(),
            read_only: config.read_only,
            profiles: config.runtime.profiles.clone(),
            nano_cpus: OnceCell::new(),
        })
    }

    /// A client of the engine. Fails with `RUNTIME_UNAVAILABLE`.
    pub(crate) fn docker(&self) -> Result<&Docker, Problem> {
        self.engine.docker()
    }

    /// The CPUs of the engine's machine, in billionths.
    pub(crate) async fn engine_nano_cpus(&self) -> Result<u64, Problem> {
        let ask = || async {
            let info =
                self.docker()?.info().await.map_err(|error| engine::problem("describe itself", &error))?;
            Ok(u64::try_from(info.ncpu.unwrap_or(1)).unwrap_or(1) * 1_000_000_000)
        };
        self.nano_cpus.get_or_try_init(ask).await.copied()
    }

    async fn look(&self) -> Result<Health, Problem> {
        let info = self.docker()?.info().await.map_err(|error| engine::problem("describe itself", &error))?;
        let kind = info.os_type.unwrap_or_default();
        let trouble =
            (kind != "linux").then(|| format!("the Docker engine runs containers of {kind}, not of Linux"));
        let types = self.images.types(self.docker()?, &self.profiles).await;
        Ok(Health { trouble, types: types.map_err(|error| engine::problem("list its images", &error))? })
    }
}

#[async_trait]
impl AgentBackend for DockerBackend {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    async fn check(&self) -> Health {
        self.look()
            .await
            .unwrap_or_else(|problem| Health { trouble: Some(problem.detail), types: Vec::new() })
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

    async fn usage(&self, id: &AgentId) -> Result<Option<Usage>, Problem> {
        self.measure(id).await.map(Some)
    }
}
