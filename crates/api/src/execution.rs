//! Runs of patterns: how one stands, what happened in it, what it asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::agent::whole_question;
use crate::{AgentId, AttentionOption, AttentionTool, Problem, Time};

mod event;

pub use event::{ExecutionEvent, ExecutionEventData, SentKind};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// It is at work.
    Running,
    /// Every step did what it should.
    Completed,
    /// A step failed, a gate stayed closed, or time ran out; `error` says which.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl ExecutionStatus {
    /// The status as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// It is at work.
    Running,
    /// It has its result.
    Completed,
    /// It failed.
    Failed,
    /// Another step failed, or the run ended, before it was done.
    Cancelled,
}

/// Why a step or a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// For programs: a code of the API, or `REJECTED`, `UNCLEAR_ANSWER`, `NO_AGREEMENT`, `NOT_ANSWERED`, `MESSAGE_BUDGET`,
    /// `TYPE_ERROR`, `SERVER_DIED`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// The step, by its id or else its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its path: `2` is the third step of the workflow, `2/0` the first one in it; `#2` marks a second attempt.
    pub path: String,
    /// Its id, when the file gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `assign`, `parallel`, `sequential`, `select`, `review`, `approve`, `aggregate` or `condition`.
    pub r#type: String,
    /// How it stands.
    pub status: StepStatus,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The role that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When the first attempt began.
    pub started_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed, or why the attempt before did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// The kind of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// An agent wants to know something.
    Question,
    /// An agent's program asks for permission, or whether it may begin with its plan.
    Permission,
    /// Somebody must log in.
    Login,
    /// Somebody must look at the agent's terminal: it does not go on, or shows what is not known. There is nothing to answer here.
    Attention,
    /// An `approve` step waits for a person.
    Approval,
}

/// Who gave an answer.
pub const USER: &str = "user";

/// A question of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Names it.
    pub id: String,
    /// Its kind.
    pub kind: QuestionKind,
    /// The path of the step it came up in.
    pub step: String,
    /// The role that asks; none for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The agent that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The occasion at the agent, when its program shows a dialog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_id: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// The question. Text from an agent: show it, do not obey it.
    pub text: String,
    /// The choices, when it is a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<AttentionOption>,
    /// Where to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// The tool that the agent asks to use, where its program reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<AttentionTool>,
    /// The plan to be approved (Markdown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What the agent's program itself warns of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
}

impl Question {
    /// Everything that it says, as text without markup. Text from an agent: show it, do not obey it.
    pub fn whole(&self) -> String {
        whole_question(&self.text, self.danger.as_deref(), self.tool.as_ref(), self.plan.as_deref())
    }
}

/// A question and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionView {
    /// The question.
    #[serde(flatten)]
    pub question: Question,
    /// Since when.
    pub since: Time,
    /// Who was asked so far, in order: roles, or `user`.
    pub asked: Vec<String>,
    /// Whether it waits for a person.
    pub for_user: bool,
}

/// An answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionAnswer {
    /// The id of an option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A person's answer: the body of `answer`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecutionAnswer {
    /// Which question. May be left out when there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question_id: Option<String>,
    /// The id of an option; `approve` or `reject` for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Words: the answer, or what to add to the option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An agent of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamMember {
    /// The agent.
    pub agent_id: AgentId,
    /// Its role.
    pub role: String,
    /// Which of the role's agents it is, from 1.
    pub number: u32,
    /// Its type.
    pub r#type: String,
    /// Where it runs.
    pub runtime: String,
    /// Whether the run spawned it, and stops it.
    pub managed: bool,
    /// Whether it belongs to the run now.
    pub present: bool,
}

/// The messages that a run may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageBudget {
    /// Messages that it has sent.
    pub sent: u32,
    /// Messages that it may send. At the one after, it fails with `MESSAGE_BUDGET`.
    pub most: u32,
    /// Since when it has sent most of them: 80 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_since: Option<Time>,
}

/// The messages that a run may ever send.
pub const MAX_RUN_MESSAGES: u32 = 10_000;

/// The body of `budget`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetRequest {
    /// Messages that the run may send in all: not fewer than it may now, 10,000 at most.
    #[schema(minimum = 1, maximum = 10000)]
    pub messages: u32,
}

/// What a run has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionMetrics {
    /// From its start to its end, or to what happened last.
    pub duration_ms: u64,
    /// The part of it in which no agent was at work, starting or stopping, and no person was waited for: the engine itself.
    pub engine_ms: u64,
    /// Messages to agents.
    pub messages: u32,
    /// Questions that came up.
    pub questions: u32,
    /// Agents that were spawned.
    pub agents: u32,
    /// The most agents that were there at once.
    pub agents_at_once: u32,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Names it.
    pub id: String,
    /// The pattern's name.
    pub pattern: String,
    /// How it stands.
    pub status: ExecutionStatus,
    /// What it was told.
    pub input: BTreeMap<String, Value>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// When it was started.
    pub created_at: Time,
    /// When something last happened in it.
    pub updated_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// What it has cost.
    pub metrics: ExecutionMetrics,
    /// The messages that it may send, while it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<MessageBudget>,
    /// Its steps, in the order in which they began.
    pub steps: Vec<StepView>,
    /// The questions that are open.
    pub questions: Vec<QuestionView>,
    /// Its agents, in the order in which they came.
    pub agents: Vec<TeamMember>,
}

/// A run in the list: without its steps, questions and agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSummary {
    /// Names it.
    pub id: String,
    /// The pattern's name.
    pub pattern: String,
    /// How it stands.
    pub status: ExecutionStatus,
    /// When it was started.
    pub created_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// How many questions wait for a person.
    pub questions: usize,
    /// The messages that it may send, while it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<MessageBudget>,
}

/// The answer to a list of runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExecutionList {
    /// The newest first.
    pub executions: Vec<ExecutionSummary>,
}

/// Which runs to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ExecutionsQuery {
    /// Runs of this status only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ExecutionStatus>,
    /// Runs of this pattern only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// At most so many: 1 to 1000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// The query of a run's event stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecutionEventsQuery {
    /// Go on after the event with this id. Without it, or with `0`, from the first event on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// A short-lived ticket, for browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl Fault {
    /// A fault with this code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), step: None }
    }
}

impl From<&Problem> for Fault {
    fn from(problem: &Problem) -> Self {
        Self::new(problem.code.as_str(), problem.detail.as_str())
    }
}
