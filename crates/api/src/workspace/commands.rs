//! What is done with the work in a workspace: committed, pushed, merged.

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
