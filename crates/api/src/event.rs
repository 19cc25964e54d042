//! What is told about agents as it happens.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Agent, AgentError, AgentId, Message, Time, beside};

/// What happened. `event` and `data` on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EventData {
    /// Spawned (or restarted).
    AgentStarted {
        /// The agent.
        agent: Box<Agent>,
    },
    /// Ready for a message: it would be taken now.
    AgentReady {
        /// The agent.
        agent: Box<Agent>,
    },
    /// It took a message and works on it.
    AgentBusy {
        /// The agent.
        agent: Box<Agent>,
    },
    /// Ended, once.
    AgentStopped {
        /// The agent.
        agent: Box<Agent>,
        /// The same as `agent.exit.reason`.
        reason: String,
    },
    /// An error.
    AgentError {
        /// The agent.
        agent: Box<Agent>,
        /// The same as `agent.error`.
        error: AgentError,
    },
    /// A person must log in.
    LoginRequired {
        /// The agent.
        agent: Box<Agent>,
        /// Where, when the CLI shows it.
        login_url: Option<String>,
    },
    /// The agent said something.
    Message {
        /// What.
        message: Message,
    },
    /// The agent needs input.
    Question {
        /// The agent; the options are in its `attention`.
        agent: Box<Agent>,
        /// The question's text.
        question: String,
    },
    /// A person should look at the agent: it is stalled, or shows something unknown.
    Attention {
        /// The agent; `attention` says what it is.
        agent: Box<Agent>,
    },
    /// Nobody is needed any more.
    AttentionCleared {
        /// The agent.
        agent: Box<Agent>,
    },
    /// What the agent has changed in its workspace is more, less or something else than before.
    Changes {
        /// The agent; the counts are in its `workspace.changes`.
        agent: Box<Agent>,
    },
    /// The id to resume from is too old or unknown: what came before the next event is not told again.
    Reset {
        /// Why.
        reason: String,
    },
}

impl EventData {
    /// The agent this is about; none for `reset`.
    pub fn agent_id(&self) -> Option<&AgentId> {
        match self {
            Self::Message { message } => Some(&message.agent_id),
            Self::Reset { .. } => None,
            _ => self.agent().map(|agent| &agent.id),
        }
    }

    /// The agent as it was then, where the event carries it.
    pub fn agent(&self) -> Option<&Agent> {
        match self {
            Self::AgentStarted { agent }
            | Self::AgentReady { agent }
            | Self::AgentBusy { agent }
            | Self::AgentStopped { agent, .. }
            | Self::AgentError { agent, .. }
            | Self::LoginRequired { agent, .. }
            | Self::Question { agent, .. }
            | Self::Attention { agent }
            | Self::AttentionCleared { agent }
            | Self::Changes { agent } => Some(agent),
            Self::Message { .. } | Self::Reset { .. } => None,
        }
    }

    /// The same, to change.
    pub fn agent_mut(&mut self) -> Option<&mut Agent> {
        match self {
            Self::AgentStarted { agent }
            | Self::AgentReady { agent }
            | Self::AgentBusy { agent }
            | Self::AgentStopped { agent, .. }
            | Self::AgentError { agent, .. }
            | Self::LoginRequired { agent, .. }
            | Self::Question { agent, .. }
            | Self::Attention { agent }
            | Self::AttentionCleared { agent }
            | Self::Changes { agent } => Some(agent),
            Self::Message { .. } | Self::Reset { .. } => None,
        }
    }

    /// The event's name as the wire has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AgentStarted { .. } => "agent_started",
            Self::AgentReady { .. } => "agent_ready",
            Self::AgentBusy { .. } => "agent_busy",
            Self::AgentStopped { .. } => "agent_stopped",
            Self::AgentError { .. } => "agent_error",
            Self::LoginRequired { .. } => "login_required",
            Self::Message { .. } => "message",
            Self::Question { .. } => "question",
            Self::Attention { .. } => "attention",
            Self::AttentionCleared { .. } => "attention_cleared",
            Self::Changes { .. } => "changes",
            Self::Reset { .. } => "reset",
        }
    }
}

/// One event of a stream: `{"id", "event", "data", "timestamp"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// What to resume from: opaque, of this server only.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub data: EventData,
    /// When.
    pub timestamp: Time,
}

impl Event {
    /// An event as the wire has it. What `Deserialize` does, without collecting the whole event first to see what is in it.
    ///
    /// # Errors
    /// When it is none that this version knows.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        beside::from_str(text, EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Event, A::Error> {
        let (mut id, mut timestamp) = (None, None);
        let data = beside::read(object, |name, object| match name {
            "id" => beside::once(&mut id, "id", object),
            "timestamp" => beside::once(&mut timestamp, "timestamp", object),
            _ => Ok(false),
        })?;
        Ok(Event {
            id: id.ok_or_else(|| A::Error::missing_field("id"))?,
            data,
            timestamp: timestamp.ok_or_else(|| A::Error::missing_field("timestamp"))?,
        })
    }
}

/// The query of an event stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Resume after the event with this id. Without it the stream starts now; `0` means from the oldest kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// A short-lived ticket, for browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}
