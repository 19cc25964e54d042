//! [`Launch`], the message from a runtime server to the host that it starts. It stands here, not in `parallax-api`,
//! because it carries the whole [`Profile`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use parallax_api::agent::{EnvValue, Resources};
use parallax_api::{Agent, AgentId, Approvals, TerminalSize};
use serde::{Deserialize, Serialize};

use crate::profile::Profile;

/// What a host runs. The server writes it to the host's standard input as JSON; it holds secrets. Hosts outlive servers,
/// so a new field has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The agent as it begins.
    pub agent: Agent,
    /// What is known of its CLI.
    pub profile: Profile,
    /// The request's own arguments.
    pub args: Vec<String>,
    /// What it may do unasked.
    pub approvals: Approvals,
    /// A first message.
    pub prompt: Option<String>,
    /// A command of `sh` that runs in the agent's terminal, once, before its program.
    #[serde(default)]
    pub setup: Option<String>,
    /// Its environment: what the server hands on, and what the request sets.
    pub env: BTreeMap<String, EnvValue>,
    /// Its working directory, as it sees it.
    pub workdir: PathBuf,
    /// What is mounted there, where agents have a file system of their own. None: what the runtime gives every agent.
    #[serde(default)]
    pub mount: Option<Mount>,
    /// The host makes the working directory: it is given a repository before it starts the agent.
    #[serde(default)]
    pub checkout: Option<Checkout>,
    /// The terminal's size.
    pub terminal: TerminalSize,
    /// Stop it after so many seconds in which nothing happened.
    pub idle_timeout_seconds: Option<u64>,
    /// Stop it after so many seconds.
    pub max_lifetime_seconds: Option<u64>,
    /// It is stalled when it works and nothing of it was seen for so many seconds.
    #[serde(default)]
    pub stall_seconds: Option<u64>,
    /// The image, where the runtime has images.
    pub image: Option<String>,
    /// Its limits. The host itself holds the agent to `disk`, in a container.
    pub resources: Resources,
    /// How many bytes of its output are kept on disk.
    pub log_limit: u64,
    /// What callers of the host must show, where it listens on a network.
    #[serde(default)]
    pub token: Option<EnvValue>,
}

impl Launch {
    /// An agent that works in this directory, with nothing that was not asked for.
    pub fn new(agent: Agent, profile: Profile, workdir: PathBuf) -> Self {
        Self {
            agent,
            profile,
            args: Vec::new(),
            approvals: Approvals::default(),
            prompt: None,
            setup: None,
            env: BTreeMap::new(),
            workdir,
            mount: None,
            checkout: None,
            terminal: TerminalSize::default(),
            idle_timeout_seconds: None,
            max_lifetime_seconds: None,
            stall_seconds: None,
            image: None,
            resources: Resources::default(),
            log_limit: DEFAULT_LOG_LIMIT,
            token: None,
        }
    }
}

/// The clone that an agent works in where it has a file system of its own: `root/id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// The directory that it is made in, where nothing else is.
    pub root: PathBuf,
    /// Its id: its agent's.
    pub id: AgentId,
}

/// What is mounted at an agent's working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// The agent may not write there.
    pub read_only: bool,
}

/// Where a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountSource {
    /// A directory of the machine.
    Directory(PathBuf),
    /// A named volume (Docker) or an existing claim (Kubernetes).
    Volume(String),
}

/// How long the set-up command may take: less than a spawn may.
pub const SETUP_TIMEOUT: Duration = Duration::from_mins(4);

/// How long a host waits for the repository of its agent, and how long it may take to check its files out: less than a spawn may.
pub const CHECKOUT_TIMEOUT: Duration = Duration::from_mins(4);

/// How many bytes of output are kept by default: 64 MiB.
pub const DEFAULT_LOG_LIMIT: u64 = 64 * 1024 * 1024;
