//! What a runtime server is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parallax_profile::Profiles;
use parallax_service::gate::GateConfig;

use super::environment::Environment;
use super::workdir::Workdirs;

/// Agents that run at once unless told.
pub const DEFAULT_MAX_AGENTS: usize = 100;

/// What a runtime server is told.
#[derive(Clone)]
pub struct RuntimeSettings {
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
    /// What agents may get of the variables of the server. What a request asks for wins.
    pub environment: Environment,
    /// How long ended agents stay readable.
    pub keep: Keep,
    /// How much output is kept of each agent, in bytes.
    pub log_limit: u64,
    /// Who may call.
    pub gate: GateConfig,
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
