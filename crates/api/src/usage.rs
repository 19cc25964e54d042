//! What agents use over time, as a control plane measures it.
//!
//! Every figure is one that a runtime or a CLI told. One that nobody told is left out: it is not known, and not zero.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::observe::Tokens;
use crate::{AgentId, Time};

/// How far a series goes back, and how long a point of it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageSpan {
    /// A point a minute, of the last 24 hours: 1,440 at most.
    #[default]
    Minutes,
    /// A point an hour, of the last 30 days: 720 at most.
    Hours,
}

impl UsageSpan {
    /// How long a point is, in milliseconds.
    pub fn step_millis(self) -> i64 {
        match self {
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }

    /// Points of a series at most.
    pub fn points(self) -> usize {
        match self {
            Self::Minutes => 24 * 60,
            Self::Hours => 30 * 24,
        }
    }
}

/// The query of `GET /api/usage`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Of this agent; without it, of all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// `minutes` (the newest 1,440) or `hours` (the newest 720); default `minutes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<UsageSpan>,
    /// Only points that begin then or later (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// What was used in one minute or hour. A figure that is not there is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsagePoint {
    /// When the minute or hour began.
    pub at: Time,
    /// CPU use, 100 is one core: the mean of what was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Resident memory in bytes: the most that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Tokens so far, as the CLIs count them. Of all: of every agent that was measured, those that ended among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Cost so far in US dollars, as the CLIs tell it. Of all: as `tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Of all: how many agents lived and were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
}

impl UsagePoint {
    /// A point of which nothing is known.
    pub fn unknown(at: Time) -> Self {
        Self { at, cpu_percent: None, memory_bytes: None, tokens: None, cost_usd: None, agents: None }
    }
}

/// The answer to `GET /api/usage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSeries {
    /// How long a point is.
    pub span: UsageSpan,
    /// How often agents are measured, in seconds.
    pub every_seconds: u64,
    /// Oldest first. A minute or hour in which nothing was measured has none.
    pub points: Vec<UsagePoint>,
}

/// What an agent used when it was last measured. A figure that is not there is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentUsage {
    /// The agent.
    pub agent_id: AgentId,
    /// When it was measured.
    pub at: Time,
    /// CPU use since the measurement before, 100 is one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Resident memory of all its processes, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Tokens so far, where the CLI tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Cost so far in US dollars, where the CLI tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// The answer to `GET /api/usage/agents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentUsageList {
    /// How often agents are measured, in seconds.
    pub every_seconds: u64,
    /// Every agent that was measured and is still listed; those that ended with what they had used.
    pub agents: Vec<AgentUsage>,
}
