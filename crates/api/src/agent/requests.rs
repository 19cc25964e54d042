//! How an agent is stopped and restarted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to stop an agent: the query of `DELETE`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StopRequest {
    /// Milliseconds between asking and insisting. Default 5000, at most 600000.
    #[param(maximum = 600000)]
    #[serde(default = "default_grace_ms")]
    pub grace_ms: u64,
    /// Do not ask: kill at once.
    #[serde(default)]
    pub force: bool,
}

fn default_grace_ms() -> u64 {
    5000
}

impl Default for StopRequest {
    fn default() -> Self {
        Self { grace_ms: default_grace_ms(), force: false }
    }
}

/// How to restart an agent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartRequest {
    /// Go on with the same conversation.
    #[serde(default = "yes")]
    pub resume: bool,
}

fn yes() -> bool {
    true
}

impl Default for RestartRequest {
    fn default() -> Self {
        Self { resume: true }
    }
}
