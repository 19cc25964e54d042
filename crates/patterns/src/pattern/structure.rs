//! The org chart: roles, routing, escalation.

use std::collections::BTreeMap;

use parallax_api::Approvals;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workspace::RoleWorkspace;

/// The org chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Structure {
    /// The roles by name: a letter, then letters, digits, `_` and `-`. `user` is the person, and needs no role.
    pub roles: BTreeMap<String, Role>,
    /// Where messages go beside the org chart.
    #[serde(default)]
    pub routing: Vec<Rule>,
    /// Where questions go.
    #[serde(default)]
    pub escalation: Escalation,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Its purpose, which its agents are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The agent type, or several: the first that can run is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<AgentTypes>,
    /// The preset of the control plane that says what is left out here, the agent type too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub preset: Option<String>,
    /// Whether a run spawns its agents and stops them. Otherwise agents that run already are taken, by capability.
    #[serde(default)]
    pub managed: bool,
    /// What its agents are for.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The role that its questions go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports_to: Option<String>,
    /// One agent at most. The same as `maxInstances: 1`.
    #[serde(default)]
    pub singleton: bool,
    /// Agents that are there from the start of a run.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub min_instances: u32,
    /// Agents at most. Default: 1, or `minInstances` where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub max_instances: Option<u32>,
    /// That kind of runtime, or the runtime of that name, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The class of agents that they are: limits and a place that the runtime's operator gave a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The working directory. May hold `${input.x}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// A git checkout for its agents, in place of `workdir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<RoleWorkspace>,
    /// How many ports each of its agents gets for itself: `PORT` is the first, `PORTS` has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub ports: Option<u16>,
    /// What its agents may do unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ApprovalsWord>")]
    pub approvals: Option<Approvals>,
    /// The model, passed to the CLI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// More arguments for the CLI.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables. May hold `${input.x}`. Everyone who may read the pattern can read them.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The image, where the runtime has images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether its agents are told their role and how to ask. `false` for agents that are no models, such as a shell.
    #[serde(default = "yes")]
    pub briefing: bool,
    /// Roles that may answer the permission dialogs of its agents, in this order. Without it only a person does.
    #[serde(default)]
    pub permissions_answered_by: Vec<String>,
}

/// [`Approvals`] as files have it.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum ApprovalsWord {
    /// Ask before each action that the CLI holds to need it.
    Ask,
    /// Edit files of the workdir unasked.
    Edits,
    /// Do everything unasked.
    All,
}

impl Role {
    /// Agents at most.
    pub fn most(&self) -> u32 {
        if self.singleton { 1 } else { self.max_instances.unwrap_or(1).max(self.min_instances).max(1) }
    }

    /// The types to ask for in order; without any, whatever type the preset has.
    pub fn wanted_types(&self) -> Vec<String> {
        match self.types() {
            [] if self.preset.is_some() => vec![String::new()],
            types => types.to_vec(),
        }
    }

    /// Whether all its agents work in one workspace.
    pub fn shares_workspace(&self) -> bool {
        self.workspace.as_ref().is_some_and(|workspace| workspace.shared)
    }

    /// The types in order.
    pub fn types(&self) -> &[String] {
        match &self.agent_type {
            None => &[],
            Some(AgentTypes::One(name)) => std::slice::from_ref(name),
            Some(AgentTypes::Several(names)) => names,
        }
    }
}

/// One agent type, or alternatives in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AgentTypes {
    /// One.
    One(String),
    /// The first that can run.
    Several(Vec<String>),
}

/// A word, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One; `"*"` is all.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The words.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }

    /// Whether `word` is among them, or all are meant.
    pub fn includes(&self, word: &str) -> bool {
        self.as_slice().iter().any(|named| named == "*" || named == word)
    }
}

/// Where messages of some roles go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Whose messages: a role, several, or `"*"`.
    pub from: OneOrMany,
    /// To whom: a role, several (tried in this order), or `"*"`; for questions also `user`.
    pub to: OneOrMany,
    /// Only messages about one of these. Default: all.
    #[serde(default)]
    pub topics: Vec<String>,
    /// Only messages of these kinds. Default: questions.
    #[serde(default = "questions")]
    pub message_types: Vec<MessageType>,
    /// Of several rules that fit a question, the one with the highest number is used.
    #[serde(default)]
    pub priority: i32,
    /// A question goes to all of them at once; the first answer counts.
    #[serde(default)]
    pub broadcast: bool,
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// Work that a role was given. Others get a copy.
    Task,
    /// Something that a role wants to know. Goes where the rule says.
    Question,
    /// A role's result. Others get a copy.
    Response,
    /// That a role's step failed. Others get a copy.
    Status,
}

/// Where questions go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Escalation {
    /// What happens to a question that no rule matches.
    pub default_behavior: Behavior,
    /// Where questions about a topic go first.
    pub topic_routes: Vec<TopicRoute>,
    /// How long each role has to answer, in milliseconds. Then the question is passed on.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub timeout_ms: u64,
    /// How often a question is passed on at most.
    #[schemars(range(min = 1, max = 32))]
    pub max_depth: u32,
    /// What happens to a question that was passed on so often.
    pub on_max_depth: MaxDepthBehavior,
}

impl Default for Escalation {
    fn default() -> Self {
        Self {
            default_behavior: Behavior::default(),
            topic_routes: Vec::new(),
            timeout_ms: 300_000,
            max_depth: 5,
            on_max_depth: MaxDepthBehavior::default(),
        }
    }
}

/// Where questions about a topic go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicRoute {
    /// The topic.
    pub topic: String,
    /// A role, several (tried in this order), or `user`.
    pub to: OneOrMany,
}

/// What happens to a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behavior {
    /// It goes to the role that the asking one reports to; at the top, to a person.
    #[default]
    RouteToReportsTo,
    /// It goes to a person.
    SurfaceToUser,
    /// It goes to every other role at once; the first answer counts.
    Broadcast,
    /// The step fails.
    Fail,
    /// The agent is told to continue as it thinks best.
    ReturnBestEffort,
}

/// What happens to a question without an answer after `maxDepth` attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaxDepthBehavior {
    /// It goes to a person.
    #[default]
    SurfaceToUser,
    /// It goes to every other role at once; the first answer counts.
    Broadcast,
    /// The step fails.
    Fail,
    /// The agent is told to continue as it thinks best.
    ReturnBestEffort,
}

fn yes() -> bool {
    true
}

fn questions() -> Vec<MessageType> {
    vec![MessageType::Question]
}
