//! An agent as everyone sees it.

mod attention;
mod check;
mod id;
mod requests;
mod spawn;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::env_value::EnvValue;
pub use attention::{
    Attention, AttentionKind, AttentionOption, AttentionQuestion, AttentionTool, whole_question,
};
pub use check::{MAX_IMAGE, MAX_LIST, MAX_MESSAGE, MAX_NAME, MAX_STRING, MAX_STRINGS, MAX_WORD, is_class};
pub use id::AgentId;
pub use requests::{RestartRequest, StopRequest};
pub use spawn::{Approvals, CpuQuantity, Resources, SpawnRequest, TerminalSize};

use crate::Time;
use crate::ports::PortRange;
use crate::workspace::{AgentWorkspace, WorkspaceEnd};

/// What an agent is doing. An agent that waits for a person keeps its status and says so in [`Agent::attention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// Spawned; not yet ready for a first message.
    Starting,
    /// A message would be taken now.
    Ready,
    /// It works on a message.
    Busy,
    /// It cannot go on by itself; [`Agent::error`] says why. A new message may bring it back.
    Error,
    /// Its process has ended; [`Agent::exit`] says how.
    Stopped,
}

impl AgentStatus {
    /// The status as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Error => "error",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for AgentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an agent's status is `error`, or what its last turn failed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentError {
    /// For programs: `auth`, `rate_limit`, `api_error`, `network`, `cli_error`, `host_lost`, `log_lost`, …
    pub code: String,
    /// The CLI's own words.
    pub message: String,
    /// Since when, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl AgentError {
    /// An error with this code, of which it is not said since when.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), since: None }
    }

    /// Whether it is the same error, whenever it was told.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.code, &self.message) == (&other.code, &other.message)
    }
}

/// How an agent's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentExit {
    /// The exit code, when it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's name (`SIGKILL`), when it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// `exited`, `killed`, `stopped` (asked for), `suspended` (to be resumed), `idle_timeout`, `lifetime`, `disk_limit`,
    /// `host_lost`, `oom`, …
    pub reason: String,
    /// When.
    pub at: Time,
    /// What became of its workspace, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceEnd>,
}

impl AgentExit {
    /// The end of a process without code and signal, for `reason`.
    pub fn for_reason(reason: impl Into<String>, at: Time) -> Self {
        Self { code: None, signal: None, reason: reason.into(), at, workspace: None }
    }

    /// Whether the agent was suspended: it can be resumed, and what it needs for that is kept.
    pub fn is_suspended(&self) -> bool {
        self.reason == SUSPENDED
    }

    /// Whether this is the same end of the same process, whatever is known of the workspace: that may be found out later.
    pub fn is_same_end(&self, other: &Self) -> bool {
        let end = |exit: &Self| Self { workspace: None, ..exit.clone() };
        end(self) == end(other)
    }
}

/// The reason of the exit of an agent that was suspended.
pub const SUSPENDED: &str = "suspended";

/// What goes on beside an agent's turns. It takes messages meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// Commands and tasks of the agent that run on in the background, as its CLI said at the end of its last turn.
    pub background: usize,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its name for programs.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// The profile it runs: `claude`, `codex`, `gemini`, or another.
    pub r#type: String,
    /// What it is doing.
    pub status: AgentStatus,
    /// The runtime that has it (the runtime's name; for the three built-in kinds, the kind).
    pub runtime: String,
    /// When it was spawned.
    pub created_at: Time,
    /// What a person is needed for, while one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// Why the status is `error`. Of one that is `ready` again: what its last turn failed with, until the next begins. Of an agent that
    /// has ended: what was lost with its host (`log_lost`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AgentError>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<AgentExit>,
    /// What it waits for while it is being started, for people: `pulling registry.example/claude:2 … 40 %`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What it is for, as the spawn request said.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Its role in a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The class of agents that it is one of, where one was named or is the runtime's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Labels, as the spawn request said.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// The git checkout that its working directory is, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<AgentWorkspace>,
    /// The ports that are its own, where it asked for some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortRange>,
    /// The model, where the request named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When anything above last changed. Later with every change, whatever the clock says: of two copies of an agent, it
    /// tells the newer.
    pub updated_at: Time,
    /// When it last printed or took something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Time>,
    /// What goes on beside its turns, while something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Messages that wait.
    #[serde(default)]
    pub queued: usize,
    /// True when its runtime is away and this is what was last known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl Agent {
    /// An agent that starts, of which nothing more is known.
    pub fn new(
        id: AgentId,
        name: impl Into<String>,
        r#type: impl Into<String>,
        runtime: impl Into<String>,
        at: Time,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            r#type: r#type.into(),
            status: AgentStatus::Starting,
            runtime: runtime.into(),
            created_at: at,
            attention: None,
            error: None,
            exit: None,
            detail: None,
            capabilities: Vec::new(),
            role: None,
            class: None,
            labels: BTreeMap::new(),
            workdir: None,
            workspace: None,
            ports: None,
            model: None,
            updated_at: at,
            last_activity_at: None,
            activity: None,
            queued: 0,
            stale: false,
        }
    }
}

impl Agent {
    /// Of two copies of an agent, the one with more is newer. Copies with the same are equal.
    pub fn age(&self) -> (Time, Option<Time>) {
        (self.updated_at, self.last_activity_at)
    }

    /// Whether it was suspended and can be resumed.
    pub fn is_suspended(&self) -> bool {
        self.status == AgentStatus::Stopped && self.exit.as_ref().is_some_and(AgentExit::is_suspended)
    }
}

/// The answer to a list request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentList {
    /// The agents of this page, oldest first.
    pub agents: Vec<Agent>,
    /// How many there are on this page.
    pub count: usize,
    /// What to send as `cursor` for the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
