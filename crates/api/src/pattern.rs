//! Org-chart patterns: the library and what is wrong with a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Time;

/// The longest pattern file, in bytes.
pub const MAX_SOURCE: usize = 256 * 1024;

/// One thing that is wrong with a pattern file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The field: `structure.roles.developer.reportsTo`, `workflow.steps[2].task`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// The answer to `validate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// Whether the file can be run.
    pub valid: bool,
    /// Everything that is wrong, by line.
    pub errors: Vec<Finding>,
    /// The org chart of a file that can be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
}

/// What a pattern wants to be told when it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PatternInput {
    /// `text`, `number` or `boolean`.
    pub r#type: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a run needs it.
    pub required: bool,
}

/// A pattern of the library, without its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatternInfo {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// Its version, as the file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it wants to be told.
    pub inputs: BTreeMap<String, PatternInput>,
    /// When it came into the library.
    pub created_at: Time,
    /// When it was last replaced.
    pub updated_at: Time,
}

/// A pattern of the library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoredPattern {
    /// What it is.
    #[serde(flatten)]
    pub info: PatternInfo,
    /// The file as it was sent.
    pub source: String,
}

/// A role of an org chart, as a chart shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartRole {
    /// Its name.
    pub name: String,
    /// Its purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The role that its questions go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports_to: Option<String>,
    /// Whether a run spawns its agents.
    pub managed: bool,
    /// The agent types, or what the preset is called.
    pub types: Vec<String>,
    /// Agents at most.
    pub most: u32,
}

/// The org chart of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chart {
    /// Its roles, by name.
    pub roles: Vec<ChartRole>,
}

/// The library.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PatternList {
    /// By name.
    pub patterns: Vec<PatternInfo>,
}

/// What to run a pattern with.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecuteRequest {
    /// The inputs by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input: BTreeMap<String, Value>,
    /// The working directory of roles that name none. Default: the runtime's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
}

/// How to wait: the query of `execute`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ExecuteQuery {
    /// Answer when the run has ended, with output, metrics and steps.
    pub wait: bool,
    /// How long to wait, in milliseconds, at most an hour. The run goes on when that is over. Default ten minutes.
    #[param(minimum = 1, maximum = 3600000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// The answer to `execute`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Names the run.
    pub execution_id: String,
}
