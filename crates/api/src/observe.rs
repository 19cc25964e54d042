//! Logs, metrics, and why an agent has the status it has.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentId, AgentStatus, Attention, Time};

/// The header of raw output that names its gaps, as `FROM-TO, …` in offsets of the log: bytes that were lost.
pub const LOG_GAPS: &str = "parallax-log-gaps";
/// The header that says where in the log an answer stands: the offset of the first of raw bytes; where lines end, and what
/// comes next begins.
pub const LOG_OFFSET: &str = "parallax-log-offset";

/// How a log is written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// The lines a person would have seen, plain.
    #[default]
    Text,
    /// The same lines with colours.
    Ansi,
    /// The bytes as the program wrote them.
    Raw,
    /// An asciicast v2 recording with times.
    Asciicast,
    /// An asciicast v3 recording.
    #[serde(rename = "asciicast-v3")]
    AsciicastV3,
}

/// The query of `logs`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// The last so many lines; 1 to 10000, default 100; of raw bytes and recordings, all.
    #[param(minimum = 1, maximum = 10000)]
    #[serde(default, alias = "lines", skip_serializing_if = "Option::is_none")]
    pub tail: Option<usize>,
    /// Only what was printed after this time (RFC 3339), or from this byte offset on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Keep the answer open and stream what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
    /// How to write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<LogFormat>,
}

/// A position in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPosition {
    /// The byte with this offset.
    Offset(u64),
    /// The first byte printed after this time.
    Time(Time),
}

impl LogsQuery {
    /// From where on the log is wanted; `None`: from its start. Fails with `VALIDATION_ERROR`.
    pub fn since(&self) -> Result<Option<LogPosition>, crate::Problem> {
        let Some(since) = &self.since else { return Ok(None) };
        if let Ok(offset) = since.parse() {
            return Ok(Some(LogPosition::Offset(offset)));
        }
        let time = since
            .parse()
            .map_err(|_| crate::Problem::invalid("since", "a time (RFC 3339) or an offset in bytes"))?;
        Ok(Some(LogPosition::Time(time)))
    }

    /// How many lines are wanted. Fails with `VALIDATION_ERROR`.
    pub fn lines(&self) -> Result<usize, crate::Problem> {
        let lines = self.tail.unwrap_or(100);
        if (1..=10_000).contains(&lines) {
            Ok(lines)
        } else {
            Err(crate::Problem::invalid("tail", "1 to 10000 lines"))
        }
    }
}

/// The answer to `logs` as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// Oldest line first.
    pub logs: Vec<String>,
    /// How many lines.
    pub count: usize,
}

/// What an agent uses and has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// CPU use since the last asking, 100 is one core. None before the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// CPU time used by the processes that live, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory of all its processes, in bytes.
    pub memory_bytes: u64,
    /// How many processes it has.
    pub processes: u32,
    /// Seconds since its process started.
    pub uptime_seconds: f64,
    /// Bytes it printed.
    pub output_bytes: u64,
    /// Bytes it was sent.
    pub input_bytes: u64,
    /// Messages accepted for it.
    pub messages_sent: u64,
    /// Messages it answered.
    pub messages_answered: u64,
    /// Tokens used, where the CLI tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Cost in US dollars, where the CLI tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// The answer to `GET /api/metrics` of a runtime server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentMetricsList {
    /// In no order. An agent that has ended, that has no host yet, or whose host does not answer, is not among them.
    pub agents: Vec<AgentMetrics>,
}

/// What one of all agents uses and has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentMetrics {
    /// The agent.
    pub agent_id: AgentId,
    /// What it uses and has done.
    pub metrics: Metrics,
}

/// Tokens as the CLI counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
}

/// Why an agent has the status it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The status.
    pub status: AgentStatus,
    /// Since when.
    pub since: Time,
    /// What a person is needed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// Where it is known from: `process`, `osc7501`, `hook`, `record`, `title`, `screen`.
    pub source: String,
    /// The rule of the profile that said so.
    pub rule: String,
    /// What the rule saw: the matching lines or the report.
    pub evidence: String,
    /// More that is known and changes no status: `retrying`, `reconnecting`, `stuck`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The CLI's own version, where it told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli_version: Option<String>,
    /// The versions that the profile was checked with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked_versions: Vec<String>,
    /// The last changes, oldest first, at most 32.
    pub history: Vec<StatusChange>,
}

/// One change of status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusChange {
    /// When.
    pub at: Time,
    /// To what.
    pub status: AgentStatus,
    /// Where it was known from.
    pub source: String,
    /// The rule that said so.
    pub rule: String,
}
