//! What is sent to an agent, and what it answers.

pub mod image;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agent::MAX_MESSAGE;
use crate::text::is_blank;
use crate::{AgentId, Attention, Code, Problem, Time};
pub use image::{ImageInput, ImageType, MAX_IMAGE_BYTES, MAX_IMAGES, MessageImage};

/// What to do with a message when the agent works on another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusy {
    /// Wait in the queue.
    #[default]
    Queue,
    /// Refuse with `AGENT_BUSY`.
    Reject,
    /// Interrupt the current turn, then send.
    Interrupt,
}

/// The longest `timeoutMs` (one hour), in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 3_600_000;
/// How long `expectResponse` waits unless told, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 120_000;

/// A message for an agent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendRequest {
    /// The text, 1 byte to 1 MiB; any characters, any number of lines.
    #[schema(min_length = 1, max_length = 1048576)]
    pub message: String,
    /// Wait for this message's own answer.
    #[serde(default)]
    pub expect_response: bool,
    /// How long to wait for the answer, 1 ms to 1 hour. Default two minutes.
    #[schema(minimum = 1, maximum = 3600000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What to do when the agent is busy.
    #[serde(default)]
    pub when_busy: WhenBusy,
    /// What to do when a person is needed while `expectResponse` waits.
    // Left out where it says nothing: older servers and hosts refuse fields they do not know.
    #[serde(default, skip_serializing_if = "OnQuestion::is_return")]
    pub on_question: OnQuestion,
    /// Images that the model is shown before the text, in this order: at most 8, and 5 MiB together.
    #[schema(max_items = 8)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageInput>,
}

/// What to do when a person is needed while an answer is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnQuestion {
    /// Answer at once with `QUESTION_PENDING` or `AUTH_REQUIRED`; the message goes on.
    #[default]
    Return,
    /// Wait on.
    Wait,
}

impl OnQuestion {
    /// Whether it is the default.
    fn is_return(&self) -> bool {
        *self == Self::Return
    }
}

/// The query of one message.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Wait so many seconds, at most 3600, for its answer or for a person to be needed. Default: do not wait.
    #[param(maximum = 3600)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

impl MessageQuery {
    /// How long to wait. Fails with `VALIDATION_ERROR` for more than an hour.
    pub fn duration(&self) -> Result<std::time::Duration, Problem> {
        let seconds = self.wait.unwrap_or_default();
        if seconds > MAX_TIMEOUT_MS / 1000 {
            return Err(Problem::invalid("wait", format!("at most {} seconds", MAX_TIMEOUT_MS / 1000)));
        }
        Ok(std::time::Duration::from_secs(seconds))
    }
}

/// How far one message has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageProgress {
    /// The message, with its `state`.
    pub message: Message,
    /// The agent's answer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Message>,
    /// What a person is needed for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
}

impl MessageProgress {
    /// The message with this id and its answer, in a conversation. Fails with `NOT_FOUND`.
    pub fn find<'a>(id: &str, messages: impl IntoIterator<Item = &'a Message>) -> Result<Self, Problem> {
        let (mut message, mut response) = (None, None);
        for one in messages {
            if one.id == id {
                message = Some(one.clone());
            } else if one.in_reply_to.as_deref() == Some(id) {
                response = Some(one.clone());
            }
        }
        let no_message = || Problem::new(Code::NotFound, "no message of this agent has that id");
        Ok(Self { message: message.ok_or_else(no_message)?, response, attention: None })
    }
}

impl SendRequest {
    /// Checks the bounds. Fails with `VALIDATION_ERROR` naming the field.
    pub fn check(&self) -> Result<(), Problem> {
        if is_blank(&self.message) {
            return Err(Problem::invalid("message", "a message holds at least one visible character"));
        }
        if self.message.len() > MAX_MESSAGE {
            return Err(Problem::invalid("message", format!("a message has at most {MAX_MESSAGE} bytes")));
        }
        if self.timeout_ms.is_some_and(|ms| !(1..=MAX_TIMEOUT_MS).contains(&ms)) {
            return Err(Problem::invalid("timeoutMs", format!("1 to {MAX_TIMEOUT_MS} milliseconds")));
        }
        image::decode_all(&self.images).map(drop)
    }
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sent to the agent.
    User,
    /// Said by the agent.
    Agent,
}

/// How far a message to an agent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// It waits in the queue.
    Accepted,
    /// It is written to the terminal.
    Typed,
    /// The CLI has taken it: there is proof.
    Taken,
    /// Its answer is there.
    Answered,
    /// It has no answer, and the CLI cannot take it any more; `failure` says why.
    Failed,
    /// It is not known whether the CLI took it. It is not typed again, but may still be answered.
    Unknown,
}

/// Where the text of an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageSource {
    /// A hook of the CLI.
    Hook,
    /// The CLI's session file, proved to be this agent's own.
    Record,
    /// The screen.
    Screen,
    /// What was printed between the prompt and the end of the turn.
    Output,
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names this message.
    pub id: String,
    /// The agent it was sent to or said by.
    pub agent_id: AgentId,
    /// Who said it.
    pub role: Role,
    /// The message this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// The message in whose turn the agent said this before its answer, for instance before it ran a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// The text: plain or Markdown, as it was written, without screen furniture.
    pub content: String,
    /// The images that were sent with it, without their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<MessageImage>,
    /// Everything the agent said in the turn, in order, the answer last, when it said more than its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Where an answer comes from. The screen is the last resort: it shows no Markdown and may have lost rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MessageSource>,
    /// When it was accepted or said.
    pub timestamp: Time,
    /// How far it has come (messages to the agent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<MessageState>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// True for an answer whose turn was interrupted: there may have been more to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// The answer to `send`: 200 with a response, 202 without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendResponse {
    /// Always true: what is not accepted is a problem.
    pub sent: bool,
    /// Names the message.
    pub message_id: String,
    /// The agent's answer to this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Message>,
}

/// The answer to `messages`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageList {
    /// Oldest first.
    pub messages: Vec<Message>,
}

/// The query of `messages`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// Only messages after the one with this id, or after this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// At most so many: the newest, or with `since` the next; 1 to 1000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Messages of one answer at most.
pub const MAX_LISTED: usize = 1000;
/// Messages of one answer unless told.
const DEFAULT_LISTED: usize = 100;

impl MessagesQuery {
    /// What of a conversation (oldest first) is asked for: the newest messages, or, with `since`, those that come next
    /// after it. Fails with `VALIDATION_ERROR` for a limit that is none, or a `since` that is neither a message nor a time.
    pub fn page<'a>(
        &self,
        conversation: impl IntoIterator<Item = &'a Message>,
    ) -> Result<Vec<Message>, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LISTED);
        if !(1..=MAX_LISTED).contains(&limit) {
            return Err(Problem::invalid("limit", format!("1 to {MAX_LISTED} messages")));
        }
        let all: Vec<&Message> = conversation.into_iter().collect();
        let from = match &self.since {
            None => all.len().saturating_sub(limit),
            Some(since) => match all.iter().position(|message| message.id == *since) {
                Some(index) => index + 1,
                None => {
                    let time: jiff::Timestamp = since.parse().map_err(|_| {
                        Problem::invalid("since", "the id of a message of this agent, or a time (RFC 3339)")
                    })?;
                    all.partition_point(|message| message.timestamp.0 <= time)
                }
            },
        };
        Ok(all[from..].iter().take(limit).map(|message| (*message).clone()).collect())
    }
}

/// The answer to a pending question: `option`, `text`, or `answers`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnswerRequest {
    /// The `attention.id` that this answers. Refused with `QUESTION_CHANGED` when another question stands by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_id: Option<String>,
    /// The id (or the label) of an option of `attention.options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Free text, where the question takes it (a login code, a choice of one's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// All of `attention.questions` at once, by the id of each: ids (or labels) of options, or a text of one's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, Answers>,
}

/// The answer to one of several questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Answers {
    /// One option, or a text.
    One(String),
    /// Several options.
    Several(Vec<String>),
}

impl Answers {
    /// As a list.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(answer) => std::slice::from_ref(answer),
            Self::Several(answers) => answers,
        }
    }
}

impl AnswerRequest {
    /// Chooses an option.
    pub fn option(option: impl Into<String>) -> Self {
        Self { option: Some(option.into()), ..Self::default() }
    }

    /// Gives a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// The same answer, for the question with this id alone.
    pub fn to(self, attention_id: impl Into<String>) -> Self {
        Self { attention_id: Some(attention_id.into()), ..self }
    }
}
