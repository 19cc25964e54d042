//! Configuration of a runtime server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::runtime::RuntimeKind;
use parallax_profile::Profiles;
use parallax_profile::launch::DEFAULT_LOG_LIMIT;
use parallax_service::access::AccessConfig;
use parallax_service::args::Settings;
use parallax_workspace::PullRequestCommand;

use super::environment::Environment;
use super::ports::PortSpace;
use super::repositories::Repositories;
use super::workdir::Workdirs;
use crate::policy::Policy;

/// Agents that run at once unless configured.
pub const DEFAULT_MAX_AGENTS: usize = 100;

/// Configuration of a runtime server: what is the same for every backend.
#[derive(Clone)]
pub struct RuntimeConfig {
    /// The runtime's name, as agents carry it. For the three built-in kinds, the kind.
    pub name: String,
    /// Where the database and the archive are.
    pub state_dir: PathBuf,
    /// The agent types.
    pub profiles: Arc<Profiles>,
    /// Agents that may run at once.
    pub max_agents: usize,
    /// Where agents may work.
    pub workdirs: Workdirs,
    /// From where repositories may be cloned.
    pub repositories: Repositories,
    /// How much room checkouts of agents may take, and what makes pull requests of them.
    pub workspace_policy: WorkspacePolicy,
    /// What agents may get of the variables of the server. What a request asks for wins.
    pub environment: Environment,
    /// Where agents have their ports.
    pub ports: PortSpace,
    /// How long ended agents stay readable.
    pub keep: Keep,
    /// How much output is kept of each agent, in bytes.
    pub log_limit: u64,
    /// What agents may ask for, and what they have that ask for nothing.
    pub policy: Policy,
    /// Who may call.
    pub access: AccessConfig,
}

impl RuntimeConfig {
    /// The configuration of a runtime of this kind on a server with these settings. Agents get no variable of the
    /// server, and there is no policy.
    ///
    /// # Errors
    /// When a profile is not valid.
    pub fn from_server(settings: &Settings, kind: RuntimeKind, workdirs: Workdirs) -> anyhow::Result<Self> {
        Ok(Self {
            name: kind.as_str().into(),
            state_dir: settings.state_dir.clone(),
            profiles: Arc::new(Profiles::with_more(settings.profiles.as_deref())?),
            max_agents: settings.max_agents.unwrap_or(DEFAULT_MAX_AGENTS),
            workdirs,
            repositories: Repositories::default(),
            workspace_policy: WorkspacePolicy::default(),
            environment: Environment::default(),
            ports: match kind {
                RuntimeKind::Local => PortSpace::MACHINE,
                RuntimeKind::Docker | RuntimeKind::Kubernetes => PortSpace::Own,
            },
            keep: Keep::default(),
            log_limit: DEFAULT_LOG_LIMIT,
            policy: Policy::default(),
            access: settings.access(),
        })
    }
}

/// What an operator says about checkouts of agents.
#[derive(Clone, Debug, Default)]
pub struct WorkspacePolicy {
    /// Bytes that they may take together: at so many, no more are made. None: as the disk has room.
    pub max_bytes: Option<u64>,
    /// What makes pull requests; none: nothing does.
    pub pull_requests: Option<PullRequestCommand>,
}

/// How long ended agents stay readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// After their end.
    pub time: Duration,
    /// At most so many, the newest.
    pub count: usize,
}

impl Default for Keep {
    /// An hour, a thousand agents.
    fn default() -> Self {
        Self { time: Duration::from_secs(3600), count: 1000 }
    }
}
