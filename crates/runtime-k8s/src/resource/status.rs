//! What is shown of an agent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use parallax_api::text::cut;
use parallax_api::{Agent, AgentExit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParallaxAgentStatus {
    /// How far it is.
    #[serde(default)]
    pub phase: Phase,
    /// What it is doing, once it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentState>,
    /// What a person is needed for, while one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionState>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitState>,
    /// Why it is where it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The code of a refusal, as the API has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// `Ready` (a message would be taken), `Current` (the pod is as the spec says), `Suspended`, `Stalled` (a person is needed).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Something that holds or does not, as Kubernetes has conditions. Its own type: a message that is empty is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What.
    pub r#type: String,
    /// `True` or `False`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Since when.
    pub last_transition_time: Time,
}

/// How far an agent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing was started for it yet, or a start failed and is tried again.
    #[default]
    Pending,
    /// Its launch is there; its pod is next.
    Creating,
    /// Its pod was made; its host does not answer yet.
    Starting,
    /// Its host answers.
    Running,
    /// Its pod is being taken away, to come back.
    Suspending,
    /// Its pod is away; its workspace and conversation wait.
    Suspended,
    /// It has ended.
    Ended,
    /// It was not started, or did not come back, and will not before its spec is changed.
    Failed,
}

impl Phase {
    /// Whether there may be a pod, or should be one.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Creating | Self::Starting | Self::Running | Self::Suspending)
    }
}

/// What an agent is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentState {
    /// Its id, as the API has it.
    pub id: String,
    /// `starting`, `ready`, `busy`, `error` or `stopped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// What a person is needed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionState {
    /// `login` or `question`.
    pub kind: String,
    /// The question as the CLI puts it.
    pub text: String,
    /// Where to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
}

/// How an agent ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExitState {
    /// The exit code, when it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's name, when it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// `exited`, `killed`, `stopped`, `oom`, `evicted`, `node_lost`, …
    pub reason: String,
}

impl From<&AgentExit> for ExitState {
    fn from(exit: &AgentExit) -> Self {
        Self { code: exit.code, signal: exit.signal.clone(), reason: exit.reason.clone() }
    }
}

/// The longest text of an agent that its resource shows, in characters.
const MAX_TEXT: usize = 1024;

impl ParallaxAgentStatus {
    /// Takes over what the agent is.
    pub fn take(&mut self, agent: &Agent) {
        let status = Some(agent.status.to_string());
        self.agent = Some(AgentState { id: agent.id.to_string(), status });
        self.attention = agent.attention.as_ref().map(|attention| AttentionState {
            kind: attention.kind.as_str().into(),
            text: cut(attention.text.clone(), MAX_TEXT),
            login_url: attention.login_url.clone(),
        });
        self.exit = agent.exit.as_ref().map(ExitState::from);
        self.message = match (&agent.error, &agent.exit) {
            (_, Some(exit)) => Some(format!("the agent ended: {}", exit.reason)),
            (Some(error), None) => Some(cut(error.message.clone(), MAX_TEXT)),
            (None, None) => None,
        };
        self.code = None;
    }
}
