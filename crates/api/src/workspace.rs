//! Workspaces: a git checkout of an agent's own, what was changed in it, and what became of it.

mod changes;
mod check;
mod commands;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::env_value::EnvValue;
use crate::{AgentId, Time};

pub use changes::{
    ChangeCounts, Changes, Conflicts, ConflictsQuery, Diff, DiffAgainst, DiffFormat, DiffLine, DiffLineKind,
    DiffQuery, FileChange, FileDiff, Hunk,
};
pub use check::{MAX_COMMIT_MESSAGE, MAX_PULL_REQUEST_BODY, MAX_PULL_REQUEST_TITLE, MAX_SETUP};
pub use commands::{
    CommitRequest, Committed, MergeRequest, MergeStrategy, Merged, PullRequest, PullRequestRequest,
    PushRequest, Pushed,
};

/// A checkout to make for an agent, in place of a working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceRequest {
    /// The top directory of a repository of the runtime's machine (or of a worktree of one), or a URL, which is cloned: `https`,
    /// `http`, `ssh` or `git`. It or `reuse` is there.
    #[schema(min_length = 1, max_length = 4095)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repo: String,
    /// A workspace that is there already, by its id (that of the agent that it was made for): one that was kept, or one that
    /// another agent works in. In place of `repo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<AgentId>,
    /// The branch, tag or commit to begin with. Default: what is checked out in `repo`.
    #[schema(min_length = 1, max_length = 255)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// The new branch. Default: `parallax/<name>-<short id>`.
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How it is made. Default: `worktree`; of a URL, `clone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<WorkspaceMode>,
    /// What stays of it when the agent has ended.
    #[serde(default)]
    pub keep: WorkspaceKeep,
    /// Who git says it is to the server of a URL, for fetching and for pushing back. The agent does not get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<WorkspaceCredentials>,
    /// A command (of `sh`) that runs in it, in the agent's terminal, before the agent's program. Should it fail, the spawn does.
    #[schema(min_length = 1, max_length = 16384)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// Commits of history, for `clone`.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
}

/// A name and a password or token for the server of a repository.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceCredentials {
    /// The name. Default: `git`, as where a token alone counts.
    #[schema(min_length = 1, max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password or token.
    #[schema(min_length = 1, max_length = 16384)]
    pub password: EnvValue,
}

impl PartialEq for WorkspaceCredentials {
    fn eq(&self, other: &Self) -> bool {
        self.username == other.username && self.password.expose() == other.password.expose()
    }
}

impl Eq for WorkspaceCredentials {}

impl WorkspaceRequest {
    /// Whether the repository is at a URL.
    pub fn is_remote(&self) -> bool {
        self.repo.contains("://")
    }

    /// How it is made.
    pub fn mode(&self) -> WorkspaceMode {
        self.mode.unwrap_or(if self.is_remote() { WorkspaceMode::Clone } else { WorkspaceMode::Worktree })
    }
}

/// How a workspace is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceMode {
    /// A worktree of the repository, which shares its objects and branches.
    #[default]
    Worktree,
    /// A repository of its own.
    Clone,
}

/// What stays of a workspace when its agent has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkspaceKeep {
    /// Nothing, whatever is in it.
    Never,
    /// All of it, when something is not committed, or its commits are on no other branch.
    #[default]
    Changed,
    /// All of it.
    Always,
}

/// The workspace of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentWorkspace {
    /// Its id: that of the agent that it was made for. None: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AgentId>,
    /// The repository that it was made from.
    pub repo: String,
    /// The branch that it was made on. The agent may be on another by now: see `changes`.
    pub branch: String,
    /// The commit that it began with.
    pub base: String,
    /// How much is changed in it, as last looked at: none before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<ChangeCounts>,
}

/// What became of the workspace of an agent that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceEnd {
    /// Whether it is still there.
    pub kept: bool,
    /// Why it is, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it is, or was.
    pub path: String,
    /// The volume that `path` is on, where the agent had a file system of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The branch that it was made on. It goes with the workspace.
    pub branch: String,
}

impl WorkspaceEnd {
    /// Where to look for it: its volume, or else its path.
    pub fn place(&self) -> &str {
        self.volume.as_ref().unwrap_or(&self.path)
    }
}

/// The workspaces of a runtime, or of all runtimes of a control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceList {
    /// Those there are, by id.
    pub workspaces: Vec<WorkspaceInfo>,
    /// How much room they take together, by the name of the runtime.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub space: BTreeMap<String, WorkspaceSpace>,
    /// The runtimes of a control plane that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtimes_away: Vec<String>,
}

/// How much room the workspaces of a runtime take together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSpace {
    /// Bytes, as last counted.
    pub bytes: u64,
    /// Bytes that they may take: at so many, no more workspaces are made (`RESOURCE_LIMIT`). None: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// That they take most of it, from 80 % on, and what helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Since when they do, as far as this server saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_since: Option<Time>,
}

/// One workspace, with or without its agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceInfo {
    /// Its agent's id, which is its own.
    pub id: AgentId,
    /// Its agent's name.
    pub name: String,
    /// The runtime that has it.
    pub runtime: String,
    /// Whether its agent runs: then it stays, whatever is in it. None: nobody has found out yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<bool>,
    /// The repository that it was made from.
    pub repo: String,
    /// The branch that it was made on.
    pub branch: String,
    /// Where it is.
    pub path: String,
    /// The volume that `path` is on, where its agent has a file system of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// What stays of it at the end.
    pub keep: WorkspaceKeep,
    /// Why it is worth keeping; none when it would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it takes on the disk, in bytes, as last counted: none before it was. Of a worktree without what it has in its
    /// repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was made.
    pub created_at: Time,
}

/// What a clean-up of workspaces came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceCleanup {
    /// Those that are gone.
    pub removed: Vec<WorkspaceInfo>,
    /// Those that stay, each with its `reason` or `inUse`.
    pub kept: Vec<WorkspaceInfo>,
    /// The runtimes of a control plane that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtimes_away: Vec<String>,
}
