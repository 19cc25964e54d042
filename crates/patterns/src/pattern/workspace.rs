//! The git checkout of a role's agents.

use parallax_api::workspace::{WorkspaceKeep, WorkspaceMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A git checkout for each agent of a role, or one for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleWorkspace {
    /// The repository. Default: the working directory of the run. May hold `${input.x}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The branch, tag or commit to begin with. Default: what is checked out in `repo`. May hold `${input.x}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// The new branch. Default: `parallax/<name>-<short id>`. May hold `${input.x}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How it is made. Default: `worktree`; of a URL, `clone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ModeWord>")]
    pub mode: Option<WorkspaceMode>,
    /// What stays of it when its agent has ended.
    #[serde(default)]
    #[schemars(with = "KeepWord")]
    pub keep: WorkspaceKeep,
    /// A command (of `sh`) that runs in it before the agent's program. `env` has what depends on inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// Commits of history, for `clone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<u32>,
    /// Whether all agents of the role work in one checkout, on one branch. Otherwise each has its own.
    #[serde(default)]
    pub shared: bool,
}

/// [`WorkspaceMode`] as files have it.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum ModeWord {
    /// A worktree of the repository.
    Worktree,
    /// A repository of its own.
    Clone,
}

/// [`WorkspaceKeep`] as files have it.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum KeepWord {
    /// Nothing.
    Never,
    /// What is not committed, or on no other branch.
    Changed,
    /// All of it.
    Always,
}
