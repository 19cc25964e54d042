//! What the parts of this backend share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard::Docker;
use parallax_api::Problem;
use parallax_runtime_core::policy::Places;
use parallax_runtime_core::pool::templates;
use tokio::sync::OnceCell;

use crate::config::DockerConfig;
use crate::connector::Connector;
use crate::credentials::Credential;
use crate::egress::Egress;
use crate::engine::{self, Engine};
use crate::host_program::HostPrograms;
use crate::host_volume::HostVolume;
use crate::identity::Identity;
use crate::image::Images;
use crate::kept_launches::KeptLaunches;
use crate::layout::WORKDIR;
use crate::network::Network;
use crate::policy::ContainerPlace;
use crate::pool::slots::Pool;
use crate::storage::Storage;
use crate::user::User;
use crate::volumes::VolumePolicy;

/// The shared state of one runtime.
pub(crate) struct Context {
    engine: Engine,
    /// The name and key of this server.
    pub(crate) identity: Identity,
    /// The images of agent types.
    pub(crate) images: Images,
    /// The network of agents.
    pub(crate) network: Network,
    /// The volume with the host program.
    pub(crate) host_volume: HostVolume,
    /// Connects to hosts.
    pub(crate) connector: Connector,
    /// The user of agents, where the operator chose one.
    pub(crate) user: Option<User>,
    /// Credentials by agent type.
    pub(crate) credentials: BTreeMap<String, Vec<Credential>>,
    /// Which volumes agents may work in.
    pub(crate) volumes: VolumePolicy,
    /// The launches of suspended agents.
    pub(crate) kept_launches: KeptLaunches,
    /// This server's state, which no agent may work in.
    pub(crate) state_dir: PathBuf,
    /// Agents may write in their own volumes only.
    pub(crate) read_only: bool,
    /// What the operator set for containers, by class.
    pub(crate) places: Places<ContainerPlace>,
    /// Whether the engine limits what is written outside of volumes.
    pub(crate) storage: Storage,
    /// Containers that wait for agents.
    pub(crate) pool: Pool,
    nano_cpus: OnceCell<u64>,
    remaps_users: OnceCell<bool>,
}

impl Context {
    /// Connects to the engine that `DOCKER_HOST` names. Sends no request: an engine that is away may come back.
    ///
    /// # Errors
    /// When the configuration names what cannot be used.
    pub(crate) fn new(config: &DockerConfig) -> anyhow::Result<Self> {
        engine::check_environment()?;
        let identity = Identity::open(&config.runtime.state_dir)?;
        Ok(Self {
            engine: Engine::default(),
            images: Images::new(config.images.clone(), config.pull),
            network: Network::parse(config.network.as_deref(), Egress::parse(&config.egress)?)?,
            host_volume: HostVolume::new(HostPrograms::new(config.host_program.clone())?, &identity),
            connector: Connector::new(config.reach, identity.clone()),
            identity,
            user: config.user,
            credentials: config.credentials.clone(),
            volumes: VolumePolicy::new(config.allow_volume.clone(), config.credential_volumes()),
            kept_launches: KeptLaunches::of(&config.runtime.state_dir),
            state_dir: config.runtime.state_dir.canonicalize()?,
            read_only: config.read_only,
            places: config.places.clone(),
            storage: Storage::default(),
            pool: Pool::new(templates(&config.runtime, &config.pool, WORKDIR.as_ref())?),
            nano_cpus: OnceCell::new(),
            remaps_users: OnceCell::new(),
        })
    }

    /// The engine's client. Fails with `RUNTIME_UNAVAILABLE`.
    pub(crate) fn docker(&self) -> Result<&Docker, Problem> {
        self.engine.docker()
    }

    /// Whether users of containers are others on the engine's machine (`userns-remap`).
    pub(crate) async fn remaps_users(&self) -> Result<bool, Problem> {
        let ask = || async {
            let info =
                self.docker()?.info().await.map_err(|error| engine::problem("describe itself", &error))?;
            Ok(info.security_options.iter().flatten().any(|option| option.starts_with("name=userns")))
        };
        self.remaps_users.get_or_try_init(ask).await.copied()
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
}
