//! What a server found when it looked at what it needs: `POST …/checks`, `parallax doctor`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What it is, in a word or two.
    pub what: String,
    /// How it is.
    pub state: CheckState,
    /// What was found, for people.
    pub found: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How a thing is that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// As it should be.
    Good,
    /// Good to know; nothing needs it, or something else does instead.
    Note,
    /// Agents cannot run like this, or are less apart than they should be.
    Bad,
}

/// What a runtime found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckList {
    /// In the order in which they were looked at; the first that is bad may be why others are.
    pub checks: Vec<Check>,
}

impl Check {
    /// As it should be.
    pub fn good(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.into(), state: CheckState::Good, found: found.into(), advice: None }
    }

    /// Good to know.
    pub fn note(what: &str, found: impl Into<String>) -> Self {
        Self { state: CheckState::Note, ..Self::good(what, found) }
    }

    /// Not as it should be.
    pub fn bad(what: &str, found: impl Into<String>) -> Self {
        Self { state: CheckState::Bad, ..Self::good(what, found) }
    }

    /// The same with what to do.
    #[must_use]
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}
