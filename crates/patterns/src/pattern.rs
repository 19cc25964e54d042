//! A pattern file as types. The JSON Schema is made from them, and files are checked against that schema.

mod field_type;
mod structure;
mod workflow;
mod workspace;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use field_type::FieldType;
pub use structure::{
    AgentTypes, Behavior, Escalation, MaxDepthBehavior, MessageType, OneOrMany, Role, Rule, Structure,
    TopicRoute,
};
pub use workflow::{
    Aggregate, AggregateStrategy, Approve, Assign, Condition, Diff, Merge, Output, Parallel, Review, Select,
    SelectStrategy, Sequential, Step, Workflow, default_result_name, descendants,
};
pub use workspace::RoleWorkspace;

/// A team and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Parallax org-chart pattern")]
pub struct Pattern {
    /// Its name in the library: 1 to 63 lower-case letters, digits and `-`.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub name: String,
    /// Its version, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The inputs of a run. Without them every `${input.x}` in the file is a text that a run needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<BTreeMap<String, Input>>,
    /// The org chart.
    pub structure: Structure,
    /// What the team does.
    pub workflow: Workflow,
    /// What a run may cost.
    #[serde(default)]
    pub limits: Limits,
}

/// One input of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// Its type.
    #[serde(default)]
    pub r#type: FieldType,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The value when a run is given none. Without it the input is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// What a run may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Messages to agents, in all. The run fails at the one after.
    #[schemars(range(min = 1, max = 10_000))]
    pub messages: u32,
    /// Questions that one message may lead to.
    #[schemars(range(min = 0, max = 100))]
    pub questions_per_message: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 200, questions_per_message: 5 }
    }
}
