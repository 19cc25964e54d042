//! What is done with the work in a workspace: committed, pushed, offered as a pull request, merged.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// Pushes what is committed in a workspace, and asks that it be merged where it was pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestRequest {
    /// The title. Default: the subject of the last commit.
    #[schema(min_length = 1, max_length = 256)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The description. Default: what the commits say.
    #[schema(max_length = 65536)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The branch to be merged into. Default: the one that the workspace began with.
    #[schema(min_length = 1, max_length = 200)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// That it is not to be merged yet.
    #[serde(default)]
    pub draft: bool,
}

/// A pull request, as the configured command told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Where it is: the first `http` or `https` URL that the command printed; none when it printed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the command printed, at most 64 KiB of it.
    pub output: String,
    /// The branch that is to be merged.
    pub branch: String,
    /// The branch that it is to be merged into.
    pub base: String,
    /// The commit that the branch is at.
    pub commit: String,
    /// Whether that had to be pushed first.
    pub pushed: bool,
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
