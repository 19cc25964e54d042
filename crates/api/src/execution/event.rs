//! What happens in a run, one event a change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ExecutionStatus, Fault, Question, QuestionAnswer, StepStatus, TeamMember};
use crate::{AgentId, Time};

/// What a message to an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SentKind {
    /// Work to do.
    Task,
    /// Another agent's question.
    Question,
    /// The answer to its own question.
    Answer,
    /// The last answer was not in the form that was asked for.
    Again,
}

/// What happened in a run. These are the run: whoever reads them from the first on knows how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ExecutionEventData {
    /// It began.
    ExecutionStarted {
        /// The pattern's name.
        pattern: String,
        /// What it was told.
        input: BTreeMap<String, Value>,
        /// The working directory of roles that name none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workdir: Option<String>,
    },
    /// A server took it up again.
    ExecutionResumed {
        /// Whether the server before it died, instead of being stopped.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        crashed: bool,
    },
    /// Somebody wants it to end.
    CancelRequested {},
    /// A person lets it send more messages.
    BudgetRaised {
        /// So many in all.
        messages: u32,
    },
    /// Its steps are over; its agents are being stopped.
    ExecutionEnding {},
    /// It ended; its agents are gone.
    ExecutionEnded {
        /// How.
        status: ExecutionStatus,
        /// What came out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Fault>,
    },
    /// An attempt at a step began.
    StepStarted {
        /// Its path.
        step: String,
        /// Its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Its type.
        r#type: String,
        /// The attempt, from 1.
        attempt: u32,
        /// The role that does it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
    },
    /// An attempt at a step ended.
    StepEnded {
        /// Its path.
        step: String,
        /// The attempt.
        attempt: u32,
        /// How.
        status: StepStatus,
        /// Its result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Fault>,
        /// Whether it is tried again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// A `select` step chose.
    RoleSelected {
        /// The step's path.
        step: String,
        /// The role.
        role: String,
    },
    /// An agent is about to be spawned.
    AgentWanted {
        /// The `Idempotency-Key` it is spawned with.
        key: String,
        /// The role.
        role: String,
        /// Which of the role's agents, from 1.
        number: u32,
        /// The type.
        r#type: String,
        /// The agent whose workspace it is to work in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<AgentId>,
    },
    /// It was not spawned.
    AgentRefused {
        /// The key.
        key: String,
        /// The role.
        role: String,
        /// Why.
        error: Fault,
    },
    /// An agent belongs to the run.
    AgentJoined {
        /// The agent.
        member: TeamMember,
    },
    /// An agent does not belong to the run any more. A managed one is stopped.
    AgentLeft {
        /// The agent.
        agent_id: AgentId,
        /// Its role.
        role: String,
        /// Why.
        reason: String,
    },
    /// A message goes to an agent.
    MessageSent {
        /// The `Idempotency-Key` it is sent with.
        key: String,
        /// The path of the attempt it belongs to.
        step: String,
        /// What it is.
        kind: SentKind,
        /// The agent's role.
        role: String,
        /// The agent.
        agent_id: AgentId,
        /// The text.
        text: String,
        /// How many notes it carries.
        #[serde(default)]
        notes: usize,
    },
    /// The agent answered.
    MessageAnswered {
        /// The message's key.
        key: String,
        /// The answer.
        text: String,
    },
    /// It did not.
    MessageFailed {
        /// The message's key.
        key: String,
        /// Why.
        error: Fault,
    },
    /// Nobody waits for the answer any more.
    MessageAbandoned {
        /// The message's key.
        key: String,
    },
    /// A question came up.
    QuestionAsked {
        /// The question.
        question: Box<Question>,
    },
    /// A question goes to somebody.
    QuestionRouted {
        /// The question.
        id: String,
        /// How often it was passed on, from 1.
        depth: u32,
        /// The roles, or `user`.
        to: Vec<String>,
        /// Why them.
        why: String,
    },
    /// Whoever was asked did not answer.
    QuestionDeclined {
        /// The question.
        id: String,
        /// The role.
        role: String,
        /// Why.
        why: String,
    },
    /// A question was answered.
    QuestionAnswered {
        /// The question.
        id: String,
        /// The role, or `user`.
        by: String,
        /// The answer.
        answer: QuestionAnswer,
    },
    /// Whoever asked has the answer.
    QuestionDelivered {
        /// The question.
        id: String,
    },
    /// Nobody needs the answer any more.
    QuestionWithdrawn {
        /// The question.
        id: String,
        /// Why.
        why: String,
    },
    /// A copy of what one role said or got waits for another.
    NoteLeft {
        /// Names it.
        key: String,
        /// Whose it was.
        from: String,
        /// Who will get it with the next message.
        to: String,
        /// The text.
        text: String,
    },
}

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionEvent {
    /// What to resume from.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub data: ExecutionEventData,
    /// When.
    pub timestamp: Time,
}

impl ExecutionEventData {
    /// The event's name as the wire has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExecutionStarted { .. } => "execution_started",
            Self::ExecutionResumed { .. } => "execution_resumed",
            Self::CancelRequested {} => "cancel_requested",
            Self::BudgetRaised { .. } => "budget_raised",
            Self::ExecutionEnding {} => "execution_ending",
            Self::ExecutionEnded { .. } => "execution_ended",
            Self::StepStarted { .. } => "step_started",
            Self::StepEnded { .. } => "step_ended",
            Self::RoleSelected { .. } => "role_selected",
            Self::AgentWanted { .. } => "agent_wanted",
            Self::AgentRefused { .. } => "agent_refused",
            Self::AgentJoined { .. } => "agent_joined",
            Self::AgentLeft { .. } => "agent_left",
            Self::MessageSent { .. } => "message_sent",
            Self::MessageAnswered { .. } => "message_answered",
            Self::MessageFailed { .. } => "message_failed",
            Self::MessageAbandoned { .. } => "message_abandoned",
            Self::QuestionAsked { .. } => "question_asked",
            Self::QuestionRouted { .. } => "question_routed",
            Self::QuestionDeclined { .. } => "question_declined",
            Self::QuestionAnswered { .. } => "question_answered",
            Self::QuestionDelivered { .. } => "question_delivered",
            Self::QuestionWithdrawn { .. } => "question_withdrawn",
            Self::NoteLeft { .. } => "note_left",
        }
    }
}
