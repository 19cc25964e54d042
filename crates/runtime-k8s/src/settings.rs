//! What the Kubernetes runtime is told, and this backend in a runtime server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parallax_profile::Profiles;
use parallax_profile::launch::DEFAULT_LOG_LIMIT;
use parallax_runtime_core::server::DEFAULT_MAX_AGENTS;
use parallax_runtime_core::{Environment, Keep, RuntimeServer, RuntimeSettings, Workdirs};
use parallax_service::args::Settings;
use parallax_service::gate::GateConfig;
use parallax_service::shutdown::Shutdown;
use serde::Deserialize;

use crate::backend::KubernetesBackend;
use crate::cluster::Cluster;
use crate::image::{Images, Pull};
use crate::lease::Lease;
use crate::names::DEFAULT_INSTANCE;
use crate::pod::Workplace;
use crate::reach::ReachBy;

/// What an agent gets that was not told: so much is set aside for it …
const REQUESTS: [(&str, &str); 2] = [("cpu", "20m"), ("memory", "128Mi")];
/// … and so much it may use.
const LIMITS: [(&str, &str); 2] = [("cpu", "2"), ("memory", "2Gi")];
/// The first user of most systems.
const USER: i64 = 1000;
/// How long an agent of the API waits for room: the scheduler has looked by then.
const ROOM_PATIENCE: u64 = 5;

/// The flags a Kubernetes runtime has beside every server's. The configuration file has the same names.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubernetesArgs {
    /// The namespace of the agents [default: this pod's, or the kubeconfig's]
    #[arg(long, env = "PARALLAX_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The name of this runtime: several share a namespace without touching each other's agents [default: parallax]
    #[arg(long, env = "PARALLAX_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// The name of this replica, the same after a restart [default: kept in the state directory]
    #[arg(long, env = "PARALLAX_REPLICA", value_name = "NAME")]
    pub replica: Option<String>,
    /// The image with the agent host [default: parallax-host:latest]
    #[arg(long, env = "PARALLAX_HOST_IMAGE", value_name = "IMAGE")]
    pub host_image: Option<String>,
    /// The image of an agent type, such as claude=registry.example/claude:2; repeatable [default: parallax-agent-TYPE]
    #[arg(long, value_name = "TYPE=IMAGE", env = "PARALLAX_KUBERNETES_IMAGES", value_delimiter = ',')]
    pub image: Vec<String>,
    /// When nodes fetch images: always, missing, never [default: missing]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub pull: Option<Pull>,
    /// A Secret to fetch images with, for agents that name none; repeatable
    #[arg(long, value_name = "SECRET")]
    pub pull_secret: Vec<String>,
    /// Who agents are, in numbers [default: 1000]
    #[arg(long, value_name = "UID")]
    pub user: Option<i64>,
    /// What is set aside for an agent that names no resources, such as cpu=100m; repeatable [default: 20m, 128Mi]
    #[arg(long, value_name = "WHAT=AMOUNT")]
    pub request: Vec<String>,
    /// What such an agent may use, such as memory=4Gi; repeatable [default: cpu=2, memory=2Gi]
    #[arg(long, value_name = "WHAT=AMOUNT")]
    pub limit: Vec<String>,
    /// Seconds that an agent of the API may wait for a node with room, such as one that an autoscaler adds [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub room_patience: Option<u64>,
    /// How to reach agents: auto, address, forward [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub reach: Option<ReachBy>,
}

impl KubernetesArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let first = |flags: Vec<String>, file| if flags.is_empty() { file } else { flags };
        Self {
            namespace: self.namespace.or(file.namespace),
            instance: self.instance.or(file.instance),
            replica: self.replica.or(file.replica),
            host_image: self.host_image.or(file.host_image),
            image: first(self.image, file.image),
            pull: self.pull.or(file.pull),
            pull_secret: first(self.pull_secret, file.pull_secret),
            user: self.user.or(file.user),
            request: first(self.request, file.request),
            limit: first(self.limit, file.limit),
            room_patience: self.room_patience.or(file.room_patience),
            reach: self.reach.or(file.reach),
        }
    }
}

/// What is the same for all pods of a runtime.
#[derive(Clone, Debug)]
pub(crate) struct PodSettings {
    /// The name of the runtime.
    pub(crate) instance: String,
    /// The image with the agent host.
    pub(crate) host_image: String,
    /// The images with the CLIs.
    pub(crate) images: Images,
    /// When images are fetched.
    pub(crate) pull: Pull,
    /// With what.
    pub(crate) pull_secrets: Vec<LocalObjectReference>,
    /// Who agents are. Never root.
    pub(crate) user: i64,
    /// What agents get that name nothing.
    pub(crate) resources: ResourceRequirements,
}

impl Default for PodSettings {
    fn default() -> Self {
        Self {
            instance: DEFAULT_INSTANCE.into(),
            host_image: "parallax-host:latest".into(),
            images: Images::default(),
            pull: Pull::default(),
            pull_secrets: Vec::new(),
            user: USER,
            resources: crate::pod::amounts(&REQUESTS, &LIMITS),
        }
    }
}

/// What the Kubernetes runtime is told.
#[derive(Clone, Debug)]
pub struct KubernetesSettings {
    /// Its name, as agents carry it.
    pub name: String,
    /// What outlives the server.
    pub state_dir: PathBuf,
    /// A directory with more profiles.
    pub profiles: Option<PathBuf>,
    /// Agents that may run at once; none: a hundred.
    pub max_agents: Option<usize>,
    /// The namespace of the agents, when it is told.
    pub namespace: Option<String>,
    /// The name of this replica.
    pub replica: String,
    /// How hosts are reached.
    pub reach: ReachBy,
    /// How long an agent of the API waits for room.
    pub room_patience: Duration,
    /// How long ended agents stay readable.
    pub keep: Keep,
    /// Who may call.
    pub gate: GateConfig,
    pub(crate) pods: PodSettings,
}

impl KubernetesSettings {
    /// What a server's settings and the Kubernetes runtime's own flags come to. For a `main`.
    ///
    /// # Errors
    /// When a flag makes no sense, or the state directory cannot be used.
    pub fn resolve(settings: &Settings, told: KubernetesArgs) -> anyhow::Result<Self> {
        let defaults = PodSettings::default();
        let images = told.image.iter().map(|text| pair("--image", text)).collect::<anyhow::Result<_>>()?;
        let instance = told.instance.unwrap_or(defaults.instance);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            (1..=40).contains(&instance.len())
                && instance.chars().all(fits)
                && !instance.starts_with('-')
                && !instance.ends_with('-'),
            "--instance is a name of 1 to 40 small letters, digits and dashes, not `{instance}`"
        );
        let user = told.user.unwrap_or(defaults.user);
        ensure!(user > 0, "agents do not run as root: --user is a number above 0");
        let mut resources = defaults.resources;
        add("--request", &told.request, resources.requests.get_or_insert_default())?;
        add("--limit", &told.limit, resources.limits.get_or_insert_default())?;
        Ok(Self {
            name: "kubernetes".into(),
            state_dir: settings.state_dir.clone(),
            profiles: settings.profiles.clone(),
            max_agents: settings.max_agents,
            namespace: told.namespace,
            replica: match told.replica {
                Some(replica) => replica,
                None => replica(&settings.state_dir).context("failed to name this replica")?,
            },
            reach: told.reach.unwrap_or_default(),
            room_patience: Duration::from_secs(told.room_patience.unwrap_or(ROOM_PATIENCE)),
            keep: Keep::default(),
            gate: settings.gate(),
            pods: PodSettings {
                instance,
                host_image: told.host_image.unwrap_or(defaults.host_image),
                images: Images::new(images),
                pull: told.pull.unwrap_or_default(),
                pull_secrets: told
                    .pull_secret
                    .into_iter()
                    .map(|name| LocalObjectReference { name })
                    .collect(),
                user,
                resources,
            },
        })
    }
}

#[cfg(test)]
impl KubernetesSettings {
    /// The default ones, for a server whose directories are never looked at.
    pub(crate) fn for_tests() -> Self {
        Self {
            name: "kubernetes".into(),
            state_dir: PathBuf::new(),
            profiles: None,
            max_agents: None,
            namespace: None,
            replica: "me".into(),
            reach: ReachBy::Address,
            room_patience: Duration::from_secs(ROOM_PATIENCE),
            keep: Keep::default(),
            gate: GateConfig::default(),
            pods: PodSettings::default(),
        }
    }
}

fn pair(flag: &str, text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or_default();
    ensure!(!name.is_empty() && !value.is_empty(), "{flag} is NAME=VALUE, not `{text}`");
    Ok((name.to_owned(), value.to_owned()))
}

fn add(flag: &str, told: &[String], to: &mut BTreeMap<String, Quantity>) -> anyhow::Result<()> {
    for text in told {
        let (name, amount) = pair(flag, text)?;
        to.insert(name, Quantity(amount));
    }
    Ok(())
}

/// The name kept in the state directory: a server that starts again is the same replica, and leads again at once.
fn replica(state_dir: &Path) -> anyhow::Result<String> {
    let file = state_dir.join("kubernetes-replica");
    if let Ok(name) = fs::read_to_string(&file)
        && !name.is_empty()
    {
        return Ok(name);
    }
    let name = uuid::Uuid::new_v4().to_string();
    fs::create_dir_all(state_dir)?;
    fs::write(&file, &name)?;
    Ok(name)
}

/// A namespace of a cluster, and who leads there.
pub struct Place {
    cluster: Cluster,
}

impl Place {
    /// The cluster that the settings, a kubeconfig or this pod's service account name. Talks to nobody yet.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect(settings: &KubernetesSettings) -> anyhow::Result<(Self, Lease)> {
        let cluster = Cluster::connect(settings.namespace.clone()).await?;
        let lease = Lease::new(&cluster, &settings.pods.instance, &settings.replica);
        Ok((Self { cluster }, lease))
    }

    /// The Kubernetes runtime, ready to serve: its agents are adopted and followed. For whoever leads.
    ///
    /// # Errors
    /// When a profile is not valid, the runtime's key cannot be had, or the state directory cannot be used.
    pub async fn build(
        self,
        settings: KubernetesSettings,
        shutdown: Shutdown,
    ) -> anyhow::Result<RuntimeServer> {
        let profiles = Arc::new(Profiles::with_more(settings.profiles.as_deref())?);
        let opened =
            KubernetesBackend::open(self.cluster, &settings, profiles.clone(), shutdown.clone()).await;
        let backend = opened.context("failed to open the namespace")?;
        let settings = RuntimeSettings {
            name: settings.name,
            state_dir: settings.state_dir,
            profiles,
            max_agents: settings.max_agents.unwrap_or(DEFAULT_MAX_AGENTS),
            workdirs: Workdirs::Mounted { at: Workplace::DEFAULT.into(), roots: Vec::new() },
            // An agent gets its image's environment, not this machine's.
            environment: Environment::default(),
            keep: settings.keep,
            log_limit: DEFAULT_LOG_LIMIT,
            gate: settings.gate,
        };
        let server = RuntimeServer::build(settings, backend.clone(), shutdown).await?;
        backend.begin_to_control();
        Ok(server)
    }
}
