//! The messages and questions of a run.

use std::collections::HashMap;

use parallax_api::execution::{ExecutionEventData as Data, Fault, Question, QuestionAnswer, USER};
use parallax_api::{AgentId, Time};

use crate::run::path;

/// The state of a message.
#[derive(Clone, Debug)]
pub(crate) struct MessageState {
    /// The path of the attempt it belongs to.
    pub step: String,
    pub agent: AgentId,
    pub text: String,
    pub sent_at: Time,
    pub outcome: Option<Result<String, Fault>>,
    /// The answer is not wanted any more.
    pub abandoned: bool,
}

/// The state of a question.
#[derive(Clone, Debug)]
pub(crate) struct QuestionState {
    pub question: Question,
    pub since: Time,
    /// The roles it was routed to, with the time, in order.
    pub routed: Vec<(Vec<String>, Time)>,
    /// Roles that were asked and did not answer.
    pub declined: Vec<String>,
    pub answer: Option<(String, QuestionAnswer)>,
    pub delivered: bool,
    pub withdrawn: bool,
}

impl QuestionState {
    /// Whether it is neither answered nor withdrawn.
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && !self.withdrawn
    }

    /// Whether it was routed to a person.
    pub fn is_for_user(&self) -> bool {
        self.routed.last().is_some_and(|(to, _)| to.iter().any(|to| to == USER))
    }
}

/// The messages and questions of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversations {
    messages: HashMap<String, MessageState>,
    /// The agents of conversations.
    partners: HashMap<String, AgentId>,
    /// When each message was sent.
    sent_at: Vec<Time>,
    sent_to: HashMap<AgentId, u32>,
    questions: HashMap<String, QuestionState>,
    /// The ids of questions in the order in which they came up.
    asked: Vec<String>,
}

impl Conversations {
    pub(super) fn apply(&mut self, data: &Data, at: Time) {
        match data {
            Data::MessageSent { key, step, agent_id, text, .. } => {
                let state = MessageState {
                    step: step.clone(),
                    agent: agent_id.clone(),
                    text: text.clone(),
                    sent_at: at,
                    outcome: None,
                    abandoned: false,
                };
                self.messages.insert(key.clone(), state);
                self.partners.insert(path::conversation(key).to_owned(), agent_id.clone());
                self.sent_at.push(at);
                *self.sent_to.entry(agent_id.clone()).or_default() += 1;
            }
            Data::MessageAnswered { key, text } => self.close_message(key, Ok(text.clone())),
            Data::MessageFailed { key, error } => self.close_message(key, Err(error.clone())),
            Data::MessageAbandoned { key } => {
                if let Some(message) = self.messages.get_mut(key) {
                    message.abandoned = true;
                }
            }
            Data::QuestionAsked { question } => {
                let state = QuestionState {
                    question: Question::clone(question),
                    since: at,
                    routed: Vec::new(),
                    declined: Vec::new(),
                    answer: None,
                    delivered: false,
                    withdrawn: false,
                };
                self.questions.insert(question.id.clone(), state);
                self.asked.push(question.id.clone());
            }
            Data::QuestionRouted { id, to, .. } => {
                self.change(id, |question| question.routed.push((to.clone(), at)));
            }
            Data::QuestionDeclined { id, role, .. } => {
                self.change(id, |question| question.declined.push(role.clone()));
            }
            Data::QuestionAnswered { id, by, answer } => {
                self.change(id, |question| question.answer = Some((by.clone(), answer.clone())));
            }
            Data::QuestionDelivered { id } => self.change(id, |question| question.delivered = true),
            Data::QuestionWithdrawn { id, .. } => self.change(id, |question| question.withdrawn = true),
            Data::ExecutionStarted { .. }
            | Data::ExecutionResumed { .. }
            | Data::CancelRequested {}
            | Data::BudgetRaised { .. }
            | Data::ExecutionEnding {}
            | Data::ExecutionEnded { .. }
            | Data::StepStarted { .. }
            | Data::StepEnded { .. }
            | Data::RoleSelected { .. }
            | Data::AgentWanted { .. }
            | Data::AgentRefused { .. }
            | Data::AgentJoined { .. }
            | Data::AgentLeft { .. }
            | Data::NoteLeft { .. } => {}
        }
    }

    fn close_message(&mut self, key: &str, outcome: Result<String, Fault>) {
        if let Some(message) = self.messages.get_mut(key) {
            message.outcome = Some(outcome);
        }
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut QuestionState)) {
        if let Some(question) = self.questions.get_mut(id) {
            change(question);
        }
    }

    /// The message with this key.
    pub fn message(&self, key: &str) -> Option<&MessageState> {
        self.messages.get(key)
    }

    /// Whether this attempt at a step has sent a message.
    pub fn has_messages(&self, attempt: &str) -> bool {
        self.partners.contains_key(attempt)
    }

    /// The agent of this conversation.
    pub fn agent_of(&self, conversation: &str) -> Option<AgentId> {
        self.partners.get(conversation).cloned()
    }

    /// The messages that agents work on, by key.
    pub fn in_flight(&self) -> impl Iterator<Item = (&String, &MessageState)> {
        self.messages.iter().filter(|(_, message)| message.outcome.is_none() && !message.abandoned)
    }

    /// Whether the answer to this message is still of use: not where it hands a question on that is closed, or that its role declined.
    pub fn is_awaited(&self, key: &str) -> bool {
        let Some((question, role)) = path::asked(key) else { return true };
        let Some(question) = self.question(question) else { return true };
        question.is_open() && !question.declined.iter().any(|other| other == role)
    }

    /// Whether the agent has received a message before.
    pub fn was_sent_to(&self, agent: &AgentId) -> bool {
        self.sent_to.contains_key(agent)
    }

    /// The number of messages sent.
    pub fn message_count(&self) -> u32 {
        u32::try_from(self.sent_at.len()).unwrap_or(u32::MAX)
    }

    /// When the message with this number, from 1, was sent.
    pub fn sent_at(&self, number: u32) -> Option<Time> {
        self.sent_at.get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
    }

    /// The question with this id.
    pub fn question(&self, id: &str) -> Option<&QuestionState> {
        self.questions.get(id)
    }

    /// The questions in the order in which they came up.
    pub fn questions(&self) -> impl Iterator<Item = &QuestionState> {
        self.asked.iter().filter_map(|id| self.questions.get(id))
    }

    /// The number of questions.
    pub fn question_count(&self) -> u32 {
        u32::try_from(self.asked.len()).unwrap_or(u32::MAX)
    }
}
