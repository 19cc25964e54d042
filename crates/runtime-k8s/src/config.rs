//! The flags of the Kubernetes runtime and its resolved configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use k8s_openapi::api::core::v1::LocalObjectReference;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use parallax_api::runtime::RuntimeKind;
use parallax_profile::Launch;
use parallax_runtime_core::args::{flags_or_file, name_and_value};
use parallax_runtime_core::policy::PolicySection;
use parallax_runtime_core::pool::{PoolSpec, templates};
use parallax_runtime_core::{Policy, Repositories, RuntimeConfig, Workdirs};
use parallax_service::args::Settings;
use serde::Deserialize;

use crate::connector::ConnectMode;
use crate::image::{Images, Pull};
use crate::pod::{PodConfig, WorkspaceVolume, install_amounts};
use crate::policy::{PodArgs, TRAITS, add_amounts, places};
use crate::quantity;
use crate::workspace_claims::WorkspaceStorage;

/// How long an agent of the API waits for room, in seconds: the scheduler has decided by then.
const ROOM_TIMEOUT: u64 = 5;

/// The flags a Kubernetes runtime has beside every server's. The configuration file has the same names.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubernetesArgs {
    /// The namespace of the agents [default: this pod's, or the kubeconfig's]
    #[arg(long, env = "PARALLAX_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The namespace of this server's own pods and of the Secret with its key, where that is not the agents'
    #[arg(long, env = "PARALLAX_SERVER_NAMESPACE", value_name = "NAMESPACE")]
    pub server_namespace: Option<String>,
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
    /// What is set aside for an agent that names no resources, such as cpu=100m; repeatable [default: 20m, 128Mi, 64Mi of disk]
    #[arg(long, value_name = "WHAT=AMOUNT")]
    pub request: Vec<String>,
    /// What such an agent may use, such as memory=4Gi; repeatable [default: cpu=2, memory=2Gi, 10Gi of disk]
    #[arg(long, value_name = "WHAT=AMOUNT")]
    pub limit: Vec<String>,
    /// Seconds that an agent of the API may wait for a node with room, such as one that an autoscaler adds [default: 5]
    #[arg(long, value_name = "SECONDS")]
    pub room_patience: Option<u64>,
    /// Claims that agents of the API may work in, besides those that were made for one or have the label
    /// io.parallax.workdir=true; `*` stands for any text; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub allow_claim: Vec<String>,
    /// Directory of this machine that git workspaces may be cloned from, with all below it; repeatable [default: none]
    #[arg(long, value_name = "DIR")]
    pub allow_repo: Vec<PathBuf>,
    /// Host (or HOST:PORT) that this server may clone repositories from for agents, `*` for any; repeatable [default: none]
    #[arg(long, value_name = "HOST")]
    pub allow_repo_host: Vec<String>,
    /// The size of the claim that a git workspace is on [default: 10Gi]
    #[arg(long, value_name = "AMOUNT")]
    pub workspace_size: Option<String>,
    /// The storage class of that claim [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    pub workspace_storage_class: Option<String>,
    /// How to reach agents: auto, address, forward [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub reach: Option<ConnectMode>,
    /// Pods that wait for agents of a type, or of a type and class, and start them at once; repeatable
    #[arg(long, value_name = "TYPE[/CLASS]=SIZE")]
    pub pool: Vec<PoolSpec>,
    /// What agents may ask for, and what they have that ask for nothing.
    #[command(flatten)]
    pub policy: PolicySection<PodArgs>,
    /// The same by class.
    #[arg(skip)]
    pub classes: BTreeMap<String, PolicySection<PodArgs>>,
}

impl KubernetesArgs {
    /// These flags, completed by the configuration file.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            namespace: self.namespace.or(file.namespace),
            server_namespace: self.server_namespace.or(file.server_namespace),
            instance: self.instance.or(file.instance),
            replica: self.replica.or(file.replica),
            host_image: self.host_image.or(file.host_image),
            image: flags_or_file(self.image, file.image),
            pull: self.pull.or(file.pull),
            pull_secret: flags_or_file(self.pull_secret, file.pull_secret),
            user: self.user.or(file.user),
            request: flags_or_file(self.request, file.request),
            limit: flags_or_file(self.limit, file.limit),
            allow_claim: flags_or_file(self.allow_claim, file.allow_claim),
            allow_repo: flags_or_file(self.allow_repo, file.allow_repo),
            allow_repo_host: flags_or_file(self.allow_repo_host, file.allow_repo_host),
            workspace_size: self.workspace_size.or(file.workspace_size),
            workspace_storage_class: self.workspace_storage_class.or(file.workspace_storage_class),
            room_patience: self.room_patience.or(file.room_patience),
            reach: self.reach.or(file.reach),
            pool: flags_or_file(self.pool, file.pool),
            policy: PolicySection {
                rules: self.policy.rules.or(file.policy.rules),
                place: self.policy.place.or(file.policy.place),
            },
            classes: file.classes,
        }
    }
}

/// The configuration of a Kubernetes runtime.
#[derive(Clone)]
pub struct KubernetesConfig {
    /// What every runtime server has.
    pub runtime: RuntimeConfig,
    /// The namespace of the agents, when it is configured.
    pub namespace: Option<String>,
    /// The namespace of the servers, when it is another one.
    pub server_namespace: Option<String>,
    /// The name of this replica.
    pub replica: String,
    /// How to connect to hosts.
    pub reach: ConnectMode,
    /// Patterns of claims that agents of the API may work in.
    pub allow_claim: Vec<String>,
    /// What claims of git workspaces ask for.
    pub(crate) workspace_storage: WorkspaceStorage,
    /// How long an agent of the API waits for room.
    pub room_patience: Duration,
    /// What waits in the pool, and how many of each.
    pub(crate) pool: Vec<(Launch, usize)>,
    pub(crate) pods: PodConfig,
}

impl KubernetesConfig {
    /// Resolves a server's settings and the Kubernetes runtime's own flags.
    ///
    /// # Errors
    /// When a flag makes no sense, a profile is not valid, or the state directory cannot be used.
    pub fn resolve(settings: &Settings, args: KubernetesArgs) -> anyhow::Result<Self> {
        let defaults = PodConfig::default();
        let images =
            args.image.iter().map(|text| name_and_value("--image", text)).collect::<anyhow::Result<_>>()?;
        let instance = args.instance.unwrap_or(defaults.instance);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            (1..=40).contains(&instance.len())
                && instance.chars().all(fits)
                && !instance.starts_with('-')
                && !instance.ends_with('-'),
            "--instance is a name of 1 to 40 small letters, digits and dashes, not `{instance}`"
        );
        let user = args.user.unwrap_or(defaults.user);
        ensure!(user > 0, "agents do not run as root: --user is a number above 0");
        let mut resources = defaults.resources;
        add_amounts("--request", &args.request, resources.requests.get_or_insert_default())?;
        add_amounts("--limit", &args.limit, resources.limits.get_or_insert_default())?;
        let policy = Policy::new(&args.policy, &args.classes, TRAITS)?;
        // An agent gets its image's environment, not this machine's.
        let runtime = RuntimeConfig {
            policy: policy.clone(),
            repositories: Repositories::named(&args.allow_repo_host),
            ..RuntimeConfig::from_server(settings, RuntimeKind::Kubernetes, workdirs(args.allow_repo))?
        };
        Ok(Self {
            pool: templates(&runtime, &args.pool, WorkspaceVolume::DEFAULT.as_ref())?,
            runtime,
            namespace: args.namespace,
            server_namespace: args.server_namespace,
            replica: match args.replica {
                Some(replica) => replica,
                None => replica(&settings.state_dir).context("failed to name this replica")?,
            },
            reach: args.reach.unwrap_or_default(),
            allow_claim: args.allow_claim,
            workspace_storage: workspace_storage(args.workspace_size, args.workspace_storage_class)?,
            room_patience: Duration::from_secs(args.room_patience.unwrap_or(ROOM_TIMEOUT)),
            pods: PodConfig {
                instance,
                host_image: args.host_image.unwrap_or(defaults.host_image),
                images: Images::new(images),
                pull: args.pull.unwrap_or_default(),
                pull_secrets: args
                    .pull_secret
                    .into_iter()
                    .map(|name| LocalObjectReference { name })
                    .collect(),
                user,
                resources,
                places: places(&args.policy, &args.classes, &install_amounts())?,
                applied: Arc::default(),
                policy,
            },
        })
    }
}

#[cfg(test)]
impl KubernetesConfig {
    /// Defaults, for a server that uses no directory.
    pub(crate) fn for_tests() -> Self {
        Self {
            runtime: RuntimeConfig {
                name: "kubernetes".into(),
                state_dir: PathBuf::new(),
                profiles: Arc::default(),
                max_agents: 100,
                workdirs: workdirs(Vec::new()),
                repositories: Repositories::default(),
                workspace_policy: parallax_runtime_core::WorkspacePolicy::default(),
                environment: parallax_runtime_core::Environment::default(),
                ports: parallax_runtime_core::PortSpace::MACHINE,
                keep: parallax_runtime_core::Keep::default(),
                log_limit: 0,
                policy: Policy::default(),
                access: parallax_service::access::AccessConfig::default(),
            },
            namespace: None,
            server_namespace: None,
            replica: "me".into(),
            reach: ConnectMode::Address,
            allow_claim: Vec::new(),
            workspace_storage: WorkspaceStorage::default(),
            room_patience: Duration::from_secs(ROOM_TIMEOUT),
            pool: Vec::new(),
            pods: PodConfig::default(),
        }
    }
}

/// A pod works in a volume; no directory of the server's machine can be mounted. Repositories there can be cloned.
fn workdirs(repositories: Vec<PathBuf>) -> Workdirs {
    Workdirs::Mounted { at: WorkspaceVolume::DEFAULT.into(), roots: repositories }
}

fn workspace_storage(size: Option<String>, class: Option<String>) -> anyhow::Result<WorkspaceStorage> {
    let size = size.map_or_else(|| WorkspaceStorage::default().size, Quantity);
    let is_amount = quantity::value(&size).is_some_and(|value| value > 0.0);
    ensure!(is_amount, "--workspace-size {}: not an amount", size.0);
    Ok(WorkspaceStorage { size, class })
}

/// The name in the state directory: a restarted server is the same replica and leads again at once.
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
