//! What the scripted models answer: a scenario document, and which of its replies a request gets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::ask::{Api, Ask};

/// The scenario document, as a file or `POST /__fake/scenario` brings it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// How fast the model speaks, unless a reply says otherwise.
    #[serde(default)]
    pub defaults: Pace,
    /// In order: the first that holds and is not used up is played.
    #[serde(default)]
    pub replies: Vec<Reply>,
    /// What side requests (titles, routing) get; these never match `replies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Reply>,
    /// What a request that nothing matches gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Reply>,
}

/// How fast the model speaks. What is absent is inherited.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Characters in one chunk of a stream; 24 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_chars: Option<usize>,
    /// Milliseconds after each chunk; 15 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_delay_ms: Option<u64>,
    /// Milliseconds before the first; 80 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_delay_ms: Option<u64>,
}

impl Pace {
    /// This pace with `base` for what it leaves open.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            chunk_chars: self.chunk_chars.or(base.chunk_chars),
            chunk_delay_ms: self.chunk_delay_ms.or(base.chunk_delay_ms),
            first_delay_ms: self.first_delay_ms.or(base.first_delay_ms),
        }
    }

    /// A pace without delays, for tests that are not about streaming.
    pub fn instant() -> Self {
        Self { chunk_chars: Some(256), chunk_delay_ms: Some(0), first_delay_ms: Some(0) }
    }
}

/// One scripted answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reply {
    /// Names it in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it is played; everything given must hold.
    #[serde(default)]
    pub when: When,
    /// How often it is played at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<usize>,
    /// Answer with this failure instead of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// What is said and done, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// A pace of its own.
    #[serde(flatten)]
    pub pace: Pace,
}

impl Reply {
    /// A reply that says `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self { steps: vec![Step::text(text)], ..Self::default() }
    }

    /// A reply of these steps.
    pub fn steps(steps: impl Into<Vec<Step>>) -> Self {
        Self { steps: steps.into(), ..Self::default() }
    }

    /// The same, only for requests whose newest user text contains `text` and that are no tool's result.
    #[must_use]
    pub fn to(mut self, text: impl Into<String>) -> Self {
        self.when.contains = Some(text.into());
        self.when.tool_result = Some(false);
        self
    }

    /// The same, also for requests that bring a tool's result beside the text (after a refusal).
    #[must_use]
    pub fn to_any(mut self, text: impl Into<String>) -> Self {
        self.when.contains = Some(text.into());
        self
    }

    /// The same, only for requests that bring a tool's result.
    #[must_use]
    pub fn after_tool(mut self) -> Self {
        self.when.tool_result = Some(true);
        self
    }
}

/// The conditions of a reply.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Text within the newest user text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Whether the newest item is the result of a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_result: Option<bool>,
    /// The API that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Text within the model's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl When {
    fn holds(&self, ask: &Ask) -> bool {
        self.contains.as_ref().is_none_or(|want| ask.text.contains(want))
            && self.tool_result.is_none_or(|want| want == ask.tool_result)
            && self.api.is_none_or(|want| want == ask.api)
            && self.model.as_ref().is_none_or(|want| ask.model.contains(want))
    }
}

/// One step of a reply. A step may hold several of these; they happen in the order of the fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Wait so long first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Wait until this gate is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// Think this, in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Say this, in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Call a tool: one for all APIs, or one for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolStep>,
    /// Cut the connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// Fail in the middle of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_error: Option<Failure>,
}

impl Step {
    /// Says `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Waits for the gate `name`.
    pub fn gate(name: &str) -> Self {
        Self { gate: Some(name.into()), ..Self::default() }
    }

    /// Calls `tool`.
    pub fn tool(tool: ToolStep) -> Self {
        Self { tool: Some(tool), ..Self::default() }
    }
}

/// The tool of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolStep {
    /// The same for every API.
    All(ToolCall),
    /// One for each API.
    Each(BTreeMap<Api, ToolCall>),
}

impl ToolStep {
    /// The call for this API, if the step has one.
    pub fn call(&self, api: Api) -> Option<&ToolCall> {
        match self {
            Self::All(call) => Some(call),
            Self::Each(calls) => calls.get(&api),
        }
    }
}

/// A tool call as the model makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool's name as the CLI offers it.
    pub name: String,
    /// Its arguments.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// The free-form input of a Codex custom tool, instead of `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// A scripted failure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The HTTP status; 500 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The API's word for the kind of failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// The OpenAI error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// More response headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The whole document instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A scenario that is being played: what is used up, which gates are open.
#[derive(Debug)]
pub(super) struct Playing {
    scenario: Scenario,
    used: Mutex<Vec<usize>>,
    gates: Mutex<HashMap<String, watch::Sender<bool>>>,
}

impl Playing {
    pub(super) fn new(scenario: Scenario) -> Arc<Self> {
        let used = Mutex::new(vec![0; scenario.replies.len()]);
        Arc::new(Self { scenario, used, gates: Mutex::default() })
    }

    /// The reply for this request; a main request uses one up.
    pub(super) fn pick(&self, ask: &Ask) -> Reply {
        if !ask.main {
            return self.scenario.side.clone().unwrap_or_else(|| {
                Reply::text(json!({"title": "Scripted session", "isNewTopic": false}).to_string())
            });
        }
        let mut used = self.used.lock().expect("no holder of this lock panics");
        for (reply, used) in self.scenario.replies.iter().zip(used.iter_mut()) {
            if reply.times.is_none_or(|times| *used < times) && reply.when.holds(ask) {
                *used += 1;
                return reply.clone();
            }
        }
        self.scenario.fallback.clone().unwrap_or_else(|| Reply::text("(no scripted reply)"))
    }

    /// The pace of a reply.
    pub(super) fn pace(&self, reply: &Reply) -> Pace {
        reply.pace.or(self.scenario.defaults)
    }

    /// The gate of that name; true when it is open.
    pub(super) fn gate(&self, name: &str) -> watch::Sender<bool> {
        let mut gates = self.gates.lock().expect("no holder of this lock panics");
        gates.entry(name.to_owned()).or_insert_with(|| watch::Sender::new(false)).clone()
    }
}
