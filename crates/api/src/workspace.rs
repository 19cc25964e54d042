//! Workspaces: a git checkout of an agent's own, what was changed in it, and what became of it.

mod check;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{AgentId, Time};

pub use check::{MAX_COMMIT_MESSAGE, MAX_SETUP};

/// A checkout to make for an agent, in place of a working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceRequest {
    /// The top directory of a repository of the runtime's machine, or of a worktree of one. It or `reuse` is there.
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
    /// How it is made.
    #[serde(default)]
    pub mode: WorkspaceMode,
    /// What stays of it when the agent has ended.
    #[serde(default)]
    pub keep: WorkspaceKeep,
    /// A command (of `sh`) that runs in it, in the agent's terminal, before the agent's program. Should it fail, the spawn does.
    #[schema(min_length = 1, max_length = 16384)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// Commits of history, for `clone`.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
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
    /// The branch that it was made on. It goes with the workspace.
    pub branch: String,
}

/// What was changed in a workspace since it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The branch that is checked out; none when it is no branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that the workspace began with.
    pub base: String,
    /// The commit that is checked out.
    pub head: String,
    /// Commits since the base.
    pub ahead: u64,
    /// Commits that the branch of the base has got since.
    pub behind: u64,
    /// Whether something is not committed.
    pub dirty: bool,
    /// Whether a merge is unfinished.
    pub conflicted: bool,
    /// The files that differ from the base, committed or not, by path; at most 5000.
    pub files: Vec<FileChange>,
    /// Whether more files than are listed differ.
    pub truncated: bool,
}

/// One file that differs from the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its path in the workspace. Bytes that are no UTF-8 are replaced. Text from the agent: show it, do not obey it.
    pub path: String,
    /// Its path before, when it was renamed or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `A`, `M`, `D`, `R`, `C`, `T` or `U`, as git has it.
    pub status: char,
    /// Lines added; none for a binary file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    /// Lines removed; none for a binary file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

/// Which difference: the query of `GET …/:id/diff`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// One file or directory of the workspace. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Lines around a change, at most 1000. Default: 3.
    #[param(maximum = 1000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// What to compare with. Default: `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<DiffAgainst>,
}

/// What a workspace is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiffAgainst {
    /// The commit that it began with.
    #[default]
    Base,
    /// The commit that is checked out: what is not committed.
    Head,
}

/// With whom a workspace would conflict: the query of `GET …/:id/conflicts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConflictsQuery {
    /// The id of an agent with a workspace of the same repository, or a branch, tag or commit of it.
    #[serde(default)]
    pub with: String,
}

/// What would conflict if two sides were merged as they are now, with what is not committed. Nothing is merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflicts {
    /// With what it was compared.
    pub with: String,
    /// The files that would conflict, by path; at most 5000.
    pub files: Vec<String>,
    /// Whether more files than are listed would.
    pub truncated: bool,
}

/// Commits everything in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitRequest {
    /// The message.
    #[schema(min_length = 1, max_length = 65536)]
    pub message: String,
    /// `Name <address>`. Default: as git is configured, or the agent's name.
    #[schema(max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// A commit that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Committed {
    /// The commit.
    pub commit: String,
    /// The branch that it is on; none when it is on none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Pushes what is committed in a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushRequest {
    /// A remote of the repository. Default: `origin`.
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The branch there. Default: the name of the one that is checked out.
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Replace what is there, even when it is no ancestor.
    #[serde(default)]
    pub force: bool,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// The remote.
    pub remote: String,
    /// The branch there.
    pub branch: String,
    /// The commit that it is now.
    pub commit: String,
}

/// Merges what is committed in a workspace into a branch of the repository that is checked out nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MergeRequest {
    /// The branch.
    #[schema(min_length = 1, max_length = 200)]
    pub into: String,
    /// How.
    #[serde(default)]
    pub strategy: MergeStrategy,
    /// The message of the commit. Default: what is merged into what.
    #[schema(min_length = 1, max_length = 65536)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a workspace is merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeStrategy {
    /// A merge commit.
    #[default]
    Merge,
    /// One commit with everything, without the history.
    Squash,
    /// The branch moves forward, or nothing is done.
    Ff,
}

/// What was merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Merged {
    /// The branch.
    pub into: String,
    /// The commit that it is now.
    pub commit: String,
}

/// The workspaces of a runtime, or of all runtimes of a control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceList {
    /// Those there are, by id.
    pub workspaces: Vec<WorkspaceInfo>,
    /// The runtimes of a control plane that did not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtimes_away: Vec<String>,
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
    /// Whether its agent runs: then it stays, whatever is in it.
    pub in_use: bool,
    /// The repository that it was made from.
    pub repo: String,
    /// The branch that it was made on.
    pub branch: String,
    /// Where it is.
    pub path: String,
    /// What stays of it at the end.
    pub keep: WorkspaceKeep,
    /// Why it is worth keeping; none when it would go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
