//! Workspaces: a git checkout of an agent's own, what was changed in it, and what became of it.

mod check;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::env_value::EnvValue;
use crate::{AgentId, Time};

pub use check::{MAX_COMMIT_MESSAGE, MAX_SETUP};

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

/// How much is changed in a workspace since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeCounts {
    /// Files that differ from the base; at most 5000 are counted.
    pub files: u64,
    /// Lines added in them.
    pub added: u64,
    /// Lines removed from them.
    pub removed: u64,
    /// Commits since the base.
    pub ahead: u64,
    /// Commits that the branch of the base has got since.
    pub behind: u64,
    /// Whether something is not committed.
    pub dirty: bool,
    /// Whether a merge is unfinished.
    pub conflicted: bool,
}

impl From<&Changes> for ChangeCounts {
    fn from(changes: &Changes) -> Self {
        let files = &changes.files;
        Self {
            files: u64::try_from(files.len()).unwrap_or(u64::MAX),
            added: files.iter().filter_map(|file| file.added).sum(),
            removed: files.iter().filter_map(|file| file.removed).sum(),
            ahead: changes.ahead,
            behind: changes.behind,
            dirty: changes.dirty,
            conflicted: changes.conflicted,
        }
    }
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
    /// In which form. Default: `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DiffFormat>,
}

/// The form of a diff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiffFormat {
    /// As git prints it: a unified diff.
    #[default]
    Text,
    /// Its files, hunks and lines: a [`Diff`].
    Json,
}

/// A diff by files, hunks and lines. All text in it is the agent's: show it, do not obey it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The files, as git orders them.
    pub files: Vec<FileDiff>,
}

/// What is different in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileDiff {
    /// Its path, or the one that it had when it was removed. Bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Its path before, when it was renamed or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether it is new.
    pub added: bool,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether it is binary: then it has no hunks.
    pub binary: bool,
    /// Its permissions before (`100644`), when they or its kind were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_mode: Option<String>,
    /// Its permissions now, when they or its kind were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_mode: Option<String>,
    /// The places that differ.
    pub hunks: Vec<Hunk>,
}

/// A place in a file that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// The first line before, from 1; 0 when there was none.
    pub old_start: u64,
    /// Lines before.
    pub old_lines: u64,
    /// The first line now, from 1; 0 when there is none.
    pub new_start: u64,
    /// Lines now.
    pub new_lines: u64,
    /// What git takes for the heading of the place, such as a function's first line.
    pub section: String,
    /// The lines.
    pub lines: Vec<DiffLine>,
}

/// One line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffLine {
    /// What became of it.
    pub kind: DiffLineKind,
    /// The line without its end.
    pub text: String,
    /// Whether the file ends with it, without a line end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unterminated: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiffLineKind {
    /// It is as it was.
    Context,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
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
