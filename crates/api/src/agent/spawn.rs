//! The request that spawns an agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::env_value::EnvValue;
use crate::workspace::WorkspaceRequest;

/// What to spawn.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpawnRequest {
    /// A name for people, 1 to 63 characters.
    #[schema(min_length = 1, max_length = 63, pattern = r"\S", required = true)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The agent type: `claude`, `codex`, `gemini`, or another that the runtime has a profile for.
    /// May be left out when the preset has one.
    #[schema(min_length = 1, max_length = 63, required = true)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// The preset that says what is left out here. Known to control planes only.
    #[schema(min_length = 1, max_length = 63)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// What the agent is for: at most 64 words of 253 bytes.
    #[schema(max_items = 64)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Its working directory. Default: the runtime's own.
    #[schema(min_length = 1, max_length = 4095)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// A git checkout of its own to work in, instead of a `workdir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceRequest>,
    /// Environment variables. The values are never shown, logged or listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// That kind of runtime (or the runtime of that name), or nothing.
    #[schema(min_length = 1, max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The class of agents that it is one of: limits and a place that the runtime's operator gave a name.
    #[schema(min_length = 1, max_length = 63)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its role in a team.
    #[schema(max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Labels to list by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The model, passed to the CLI.
    #[schema(max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// More arguments for the CLI: 64 of 64 KiB each; with the variables 512 KiB in all.
    #[schema(max_items = 64)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What it may do unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// A first message, sent once when the agent is ready.
    #[schema(min_length = 1, max_length = 1048576)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The terminal's size. Default 120 x 40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// How many ports it gets for itself, 1 to 16: `PORT` in its environment is the first, `PORTS` has all. Default: none.
    #[schema(minimum = 1, maximum = 16)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u16>,
    /// Limits; a runtime that cannot hold them refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The image, where the runtime has images.
    #[schema(min_length = 1, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Stop it after so many seconds without anything printed, taken or asked.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// Stop it so many seconds after it was spawned.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
    /// Ask for a person (`attention.kind` `stalled`) when it works and nothing of it was seen for so many seconds.
    /// Default 900.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_seconds: Option<u64>,
}

/// What the agent may do without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approvals {
    /// Ask before each action that the CLI holds to need it.
    #[default]
    Ask,
    /// Edit files of the workdir unasked; ask for the rest.
    Edits,
    /// Do everything unasked. For containers and other throw-away places.
    All,
}

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Columns, 40 to 1000.
    #[schema(minimum = 40, maximum = 1000)]
    pub cols: u16,
    /// Rows, 10 to 1000.
    #[schema(minimum = 10, maximum = 1000)]
    pub rows: u16,
}

impl TerminalSize {
    /// The smallest size that an agent gets: CLIs make no sense of less.
    pub const SMALLEST: Self = Self { cols: 40, rows: 10 };

    /// This size, or as much larger as it must be for an agent.
    pub fn for_agent(self) -> Self {
        Self { cols: self.cols.max(Self::SMALLEST.cols), rows: self.rows.max(Self::SMALLEST.rows) }
    }

    /// Whether both numbers are ones a terminal can have.
    pub fn is_sane(self) -> bool {
        (2..=1000).contains(&self.cols) && (2..=1000).contains(&self.rows)
    }
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self { cols: 120, rows: 40 }
    }
}

/// A number of CPUs: a number or a quantity (`0.5`, `"0.5"`, `"500m"`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CpuQuantity {
    /// CPUs.
    Number(f64),
    /// `"0.5"` or `"500m"`.
    Text(String),
}

/// What an agent may use at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuantity>,
    /// Bytes with a unit: `512m`, `512Mi`, `1.5Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Disk space for what it writes outside of mounted volumes, in bytes with a unit: `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}
