//! What the local runtime is told, and this backend in a runtime server.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use parallax_profile::Profiles;
use parallax_profile::launch::DEFAULT_LOG_LIMIT;
use parallax_runtime_core::server::DEFAULT_MAX_AGENTS;
use parallax_runtime_core::{Environment, Keep, RuntimeServer, RuntimeSettings, Workdirs, find_host_program};
use parallax_service::gate::GateConfig;
use parallax_service::shutdown::Shutdown;

use crate::LocalBackend;

/// The flags a local runtime has beside every server's.
#[derive(Args, Clone, Debug, Default)]
pub struct LocalArgs {
    /// Directory under which agents may work, besides this one and the home of the user; repeatable
    #[arg(long, value_name = "DIR")]
    pub allow_workdir: Vec<PathBuf>,
    /// The agent host's program [default: beside this one, then on the PATH]
    #[arg(long, env = "PARALLAX_AGENT_HOST", value_name = "FILE")]
    pub agent_host: Option<PathBuf>,
}

/// What the local runtime is told.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Its name, as agents carry it.
    pub name: String,
    /// What outlives the server.
    pub state_dir: PathBuf,
    /// A directory with more profiles.
    pub profiles: Option<PathBuf>,
    /// Agents that may run at once; none: a hundred.
    pub max_agents: Option<usize>,
    /// Where an agent works that was told no directory.
    pub workdir: PathBuf,
    /// Under which directories agents may work.
    pub roots: Vec<PathBuf>,
    /// The variables to choose from for agents.
    pub environment: Environment,
    /// The agent host's program.
    pub host_program: PathBuf,
    /// How long ended agents stay readable.
    pub keep: Keep,
    /// Who may call.
    pub gate: GateConfig,
}

impl LocalSettings {
    /// What a server's settings and the local runtime's own flags come to, in this process's directory and environment. For
    /// a `main`.
    ///
    /// # Errors
    /// When there is no agent host to run, or this directory cannot be found.
    pub fn resolve(settings: &parallax_service::args::Settings, local: LocalArgs) -> anyhow::Result<Self> {
        let workdir = env::current_dir().context("failed to find the directory this was started in")?;
        let home = env::var_os("HOME").map(PathBuf::from);
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Self {
            name: "local".into(),
            state_dir: settings.state_dir.clone(),
            profiles: settings.profiles.clone(),
            max_agents: settings.max_agents,
            roots: [workdir.clone()].into_iter().chain(home).chain(local.allow_workdir).collect(),
            workdir,
            environment: Environment::of(variables),
            host_program: find_host_program(local.agent_host)?,
            keep: Keep::default(),
            gate: settings.gate(),
        })
    }
}

/// The local runtime, ready to serve: its agents are adopted and followed.
///
/// # Errors
/// When a profile is not valid, or the state directory cannot be used (another server may have it).
pub async fn build(settings: LocalSettings, shutdown: Shutdown) -> anyhow::Result<RuntimeServer> {
    let profiles = Arc::new(Profiles::with_more(settings.profiles.as_deref())?);
    let path = settings.environment.get("PATH").unwrap_or_default().to_owned();
    let backend = LocalBackend::new(&settings.state_dir, settings.host_program, profiles.clone(), path)?;
    let settings = RuntimeSettings {
        name: settings.name,
        state_dir: settings.state_dir,
        profiles,
        max_agents: settings.max_agents.unwrap_or(DEFAULT_MAX_AGENTS),
        workdirs: Workdirs::Here { default: settings.workdir, roots: settings.roots },
        environment: settings.environment,
        keep: settings.keep,
        log_limit: DEFAULT_LOG_LIMIT,
        gate: settings.gate,
    };
    RuntimeServer::build(settings, Arc::new(backend), shutdown).await
}
