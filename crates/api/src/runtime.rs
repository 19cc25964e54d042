//! The runtimes behind a control plane.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::workspace::WorkspaceSpace;

/// The header in which a control plane names itself to its runtimes: each serves one control plane at a time.
pub const CONTROL_PLANE_HEADER: &str = "parallax-control-plane";
/// The file with that name in the state directory of a control plane.
pub const CONTROL_PLANE_FILE: &str = "control-plane.id";

/// A kind of backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Processes of this machine.
    Local,
    /// Containers of a Docker engine.
    Docker,
    /// Pods of a cluster.
    Kubernetes,
}

impl RuntimeKind {
    /// The kind as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// The priority unless told otherwise: the lowest is tried first.
    pub fn default_priority(self) -> u32 {
        match self {
            Self::Local => 10,
            Self::Docker => 20,
            Self::Kubernetes => 30,
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuntimeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "local" => Ok(Self::Local),
            "docker" => Ok(Self::Docker),
            "kubernetes" => Ok(Self::Kubernetes),
            _ => Err(format!("a runtime is `local`, `docker` or `kubernetes`, not `{text}`")),
        }
    }
}

/// An agent type and whether a runtime can run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TypeInfo {
    /// The type's name.
    pub name: String,
    /// Whether it can be run here.
    pub available: bool,
    /// Why not, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The CLI's version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A class of agents: limits and a place that a runtime's operator gave a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassInfo {
    /// Its name, as `class` of a spawn request.
    pub name: String,
    /// What it is for, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its agents may have at most.
    pub maximum: AgentLimits,
    /// What its agents have that name nothing.
    pub default: AgentLimits,
}

/// Limits of an agent. What is left out is not limited by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentLimits {
    /// CPUs, such as `0.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory, in bytes with a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Disk space, in bytes with a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Seconds from the spawn to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
    /// Seconds without anything printed, taken or asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
}

/// What a runtime server says of itself: `GET /ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeStatus {
    /// The kind of its backend.
    pub kind: RuntimeKind,
    /// Whether an agent could be spawned now.
    pub healthy: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Agents that run.
    pub agents: usize,
    /// Agents that may run at once.
    pub capacity: usize,
    /// The agent types it has profiles for.
    pub types: Vec<TypeInfo>,
    /// The classes of agents that it knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassInfo>,
    /// The version of the server.
    pub version: String,
    /// What is wrong with the server's disk, when something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageStatus>,
    /// How much room the workspaces of its agents take; none where there are none, and before they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspaces: Option<WorkspaceSpace>,
}

/// What is wrong with a server's storage. The server goes on with what is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageStatus {
    /// Why the disk takes no writes, while it takes none. Requests that need it are refused with `STORAGE_FULL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// What was found damaged since the server started: files that were set aside, rows that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// A runtime as the control plane sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeInfo {
    /// Its name, unique; for the three built-in ones the kind.
    pub name: String,
    /// Where it answers.
    pub url: String,
    /// The lowest is tried first.
    pub priority: u32,
    /// What it last said, or, when it does not answer, that.
    #[serde(flatten)]
    pub status: RuntimeStatus,
}

/// The answer to `runtimes`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuntimeList {
    /// By priority.
    pub runtimes: Vec<RuntimeInfo>,
}
