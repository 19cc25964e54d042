//! Configuration of the Docker runtime, and this backend in a runtime server.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use parallax_api::runtime::RuntimeKind;
use parallax_profile::MountSource;
use parallax_runtime_core::args::{CommandWords, flags_or_file, name_and_value, workspace_policy};
use parallax_runtime_core::policy::{Places, PolicySection};
use parallax_runtime_core::pool::PoolSpec;
use parallax_runtime_core::{
    Environment, Policy, Repositories, RuntimeConfig, RuntimeServer, Workdirs, find_host_program,
};
use parallax_service::args::Settings;
use parallax_service::shutdown::Shutdown;
use serde::Deserialize;

use crate::DockerBackend;
use crate::connector::ConnectMode;
use crate::credentials::Credential;
use crate::image::Pull;
use crate::layout::WORKDIR;
use crate::policy::{ContainerArgs, ContainerPlace, TRAITS, places};
use crate::user::User;

/// The flags a Docker runtime has beside every server's. The configuration file has the same names.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DockerArgs {
    /// The image of an agent type, such as claude=registry.example/claude:2; repeatable [default: parallax-agent-TYPE]
    #[arg(long, value_name = "TYPE=IMAGE", env = "PARALLAX_DOCKER_IMAGES", value_delimiter = ',')]
    pub image: Vec<String>,
    /// When to fetch images: always, missing, never [default: missing]
    #[arg(long, value_enum, value_name = "WHEN")]
    pub pull: Option<Pull>,
    /// The network of the agents, or `none` [default: a bridge of their own, on which they do not see each other]
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Who agents are, in numbers [default: the owner of the workdir, else the image's user, else 1000]
    #[arg(long, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// Agents can write in their workdir, home and /tmp only
    #[arg(long)]
    pub read_only: bool,
    /// Directory that agents may mount, with all below it, besides this one and the home of the user; repeatable
    #[arg(long, value_name = "DIR")]
    pub allow_workdir: Vec<PathBuf>,
    /// Volumes that agents may work in, besides those that were made for one or have the label io.parallax.workdir=true;
    /// `*` stands for any text; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub allow_volume: Vec<String>,
    /// Host (or HOST:PORT) that this server may clone repositories from for agents, `*` for any; repeatable [default: none]
    #[arg(long, value_name = "HOST")]
    pub allow_repo_host: Vec<String>,
    /// Command that makes pull requests: words with {branch}, {base}, {title}, {body}, {body-file}, {repo}, {draft:WORD}; no shell
    #[arg(long, env = "PARALLAX_PULL_REQUEST_COMMAND", value_name = "WORDS")]
    pub pull_request_command: Option<CommandWords>,
    /// Variable of this server that this command gets; repeatable [default: those of gh and glab]
    #[arg(long, value_name = "NAME")]
    pub pull_request_env: Vec<String>,
    /// What agents may reach besides public addresses: an IPv4 address or network, with `:PORT`; or `all`; repeatable
    #[arg(long, value_name = "NETWORK[:PORT]")]
    pub egress: Vec<String>,
    /// A directory, file or volume with credentials for a type, mounted into the agent's home (at PATH in it);
    /// `:ro` at the end makes it read-only; repeatable
    #[arg(long, value_name = "TYPE=SOURCE[:PATH]")]
    pub credentials: Vec<String>,
    /// How to reach agents: auto, address, exec [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub reach: Option<ConnectMode>,
    /// The agent host's program, a static one; an engine on another kind of machine gets the one beside it that is called
    /// FILE-MACHINE, such as parallax-agent-host-aarch64 [default: beside this one, then on the PATH]
    #[arg(long, env = "PARALLAX_AGENT_HOST", value_name = "FILE")]
    pub agent_host: Option<PathBuf>,
    /// Containers that wait for agents of a type, or of a type and class, and start them at once; repeatable
    #[arg(long, value_name = "TYPE[/CLASS]=SIZE")]
    pub pool: Vec<PoolSpec>,
    /// What agents may ask for, and what they have that ask for nothing.
    #[command(flatten)]
    pub policy: PolicySection<ContainerArgs>,
    /// The same by class.
    #[arg(skip)]
    pub classes: BTreeMap<String, PolicySection<ContainerArgs>>,
}

impl DockerArgs {
    /// These flags, and what the configuration file says where they say nothing.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            image: flags_or_file(self.image, file.image),
            pull: self.pull.or(file.pull),
            network: self.network.or(file.network),
            user: self.user.or(file.user),
            read_only: self.read_only || file.read_only,
            allow_workdir: flags_or_file(self.allow_workdir, file.allow_workdir),
            allow_volume: flags_or_file(self.allow_volume, file.allow_volume),
            allow_repo_host: flags_or_file(self.allow_repo_host, file.allow_repo_host),
            pull_request_command: self.pull_request_command.or(file.pull_request_command),
            pull_request_env: flags_or_file(self.pull_request_env, file.pull_request_env),
            egress: flags_or_file(self.egress, file.egress),
            credentials: flags_or_file(self.credentials, file.credentials),
            reach: self.reach.or(file.reach),
            agent_host: self.agent_host.or(file.agent_host),
            pool: flags_or_file(self.pool, file.pool),
            policy: PolicySection {
                rules: self.policy.rules.or(file.policy.rules),
                place: self.policy.place.or(file.policy.place),
            },
            classes: file.classes,
        }
    }
}

/// Configuration of the Docker runtime.
#[derive(Clone)]
pub struct DockerConfig {
    /// What every runtime server has.
    pub runtime: RuntimeConfig,
    /// The images of types that have one of their own.
    pub images: BTreeMap<String, String>,
    /// When images are fetched.
    pub pull: Pull,
    /// The network of the agents; none: a bridge of their own.
    pub network: Option<String>,
    /// Who agents are, when the operator says.
    pub user: Option<User>,
    /// Agents can write in their own volumes only.
    pub read_only: bool,
    /// Patterns of volumes that agents may work in.
    pub allow_volume: Vec<String>,
    /// What agents may reach besides public addresses.
    pub egress: Vec<String>,
    /// Credentials by type.
    pub credentials: BTreeMap<String, Vec<Credential>>,
    /// How hosts are reached.
    pub reach: ConnectMode,
    /// The agent host's program.
    pub host_program: PathBuf,
    /// Containers that wait for agents.
    pub pool: Vec<PoolSpec>,
    pub(crate) places: Places<ContainerPlace>,
}

impl DockerConfig {
    /// The volumes among the credentials.
    pub(crate) fn credential_volumes(&self) -> Vec<String> {
        let sources = self.credentials.values().flatten().map(|credential| &credential.source);
        sources
            .filter_map(|source| match source {
                MountSource::Volume(name) => Some(name.clone()),
                MountSource::Directory(_) => None,
            })
            .collect()
    }

    /// A server's settings and the Docker runtime's own flags. For a `main`.
    ///
    /// # Errors
    /// When there is no agent host to run, a profile is not valid, or a flag makes no sense.
    pub fn resolve(settings: &Settings, docker: DockerArgs) -> anyhow::Result<Self> {
        let here = env::current_dir().context("failed to find the directory this was started in")?;
        let home = env::var_os("HOME").map(PathBuf::from);
        // A server that was started nowhere in particular (by an init system, in a container) allows nothing by that.
        let here = Some(here).filter(|here| here.parent().is_some());
        let roots = here.into_iter().chain(home).chain(docker.allow_workdir).collect();
        let images =
            docker.image.iter().map(|text| name_and_value("--image", text)).collect::<anyhow::Result<_>>()?;
        let mut credentials: BTreeMap<String, Vec<Credential>> = BTreeMap::new();
        for text in &docker.credentials {
            let (name, credential) = name_and_value("--credentials", text)?;
            credentials.entry(name).or_default().push(credential.parse()?);
        }
        // For the command that makes pull requests alone.
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let workspace_policy = workspace_policy(
            None,
            docker.pull_request_command.as_ref(),
            &docker.pull_request_env,
            &Environment::of(variables),
        )?;
        Ok(Self {
            // An agent gets its image's environment, not this machine's.
            runtime: RuntimeConfig {
                policy: Policy::new(&docker.policy, &docker.classes, TRAITS)?,
                repositories: Repositories::named(&docker.allow_repo_host),
                workspace_policy,
                ..RuntimeConfig::from_server(
                    settings,
                    RuntimeKind::Docker,
                    Workdirs::Mounted { at: WORKDIR.into(), roots },
                )?
            },
            pool: docker.pool,
            places: places(&docker.policy, &docker.classes)?,
            images,
            pull: docker.pull.unwrap_or_default(),
            network: docker.network,
            user: docker.user.map(|user| user.parse()).transpose().context("--user")?,
            read_only: docker.read_only,
            allow_volume: docker.allow_volume,
            egress: docker.egress,
            credentials,
            reach: docker.reach.unwrap_or_default(),
            host_program: find_host_program(docker.agent_host)?,
        })
    }
}

/// The Docker runtime, ready to serve: its agents are adopted and followed.
///
/// # Errors
/// When the configuration names what cannot be used, or the state directory cannot be used (another server may have it).
pub async fn build(config: DockerConfig, shutdown: Shutdown) -> anyhow::Result<RuntimeServer> {
    let backend = DockerBackend::new(&config)?;
    RuntimeServer::build(config.runtime, Arc::new(backend), shutdown).await
}
