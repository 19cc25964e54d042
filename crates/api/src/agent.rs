//! An agent as everyone sees it, and the request that spawns one.

mod check;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use check::{MAX_IMAGE, MAX_LIST, MAX_MESSAGE, MAX_NAME, MAX_STRING, MAX_STRINGS, MAX_WORD};

use crate::{Problem, Time};

/// An agent's name for programs: a UUID in lower case, good as a directory, container and Kubernetes name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct AgentId(String);

impl AgentId {
    /// A new id; later ids sort after earlier ones (UUID version 7).
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = Problem;

    /// Fails with `AGENT_NOT_FOUND`: text that cannot be an id names no agent.
    fn from_str(text: &str) -> Result<Self, Problem> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(Problem::no_agent(text.chars().take(80).collect::<String>()))
        }
    }
}

/// What an agent is doing. An agent that waits for a person keeps its status and says so in [`Agent::attention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// Spawned; not yet ready for a first message.
    Starting,
    /// A message would be taken now.
    Ready,
    /// It works on a message.
    Busy,
    /// It cannot go on by itself; [`Agent::error`] says why. A new message may bring it back.
    Error,
    /// Its process has ended; [`Agent::exit`] says how.
    Stopped,
}

impl AgentStatus {
    /// The status as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Error => "error",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for AgentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the agent may do without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approvals {
    /// Ask before each action that the CLI holds to need it.
    #[default]
    Ask,
    /// Edit files of the workdir unasked; ask for the rest.
    Edits,
    /// Do everything unasked. For containers and other throw-away places.
    All,
}

/// The kind of thing a person is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttentionKind {
    /// Somebody must log in.
    Login,
    /// The agent asks: a choice, a start-up dialog.
    Question,
    /// The agent asks whether it may do something.
    Permission,
    /// The agent has a plan and asks whether it may begin.
    Plan,
    /// The agent works, but nothing of it has been seen for long.
    Stalled,
    /// Something stands on the agent's screen that takes no message, and no one knows what it is.
    Unknown,
}

impl AttentionKind {
    /// The kind as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Question => "question",
            Self::Permission => "permission",
            Self::Plan => "plan",
            Self::Stalled => "stalled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the agent waits for an answer: `question`, `permission` or `plan`. The event `question` is about these.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Question | Self::Permission | Self::Plan)
    }
}

/// One choice of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttentionOption {
    /// What to send as `option`: `yes`, `no`, `always`, or a word made from the label.
    pub id: String,
    /// What the CLI shows.
    pub label: String,
    /// What the agent says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What choosing it would look like (Markdown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// Whether it is ticked, where several may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<bool>,
}

/// The tool that the agent asks to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttentionTool {
    /// Its name, as the CLI calls it.
    pub name: String,
    /// What it would be called with. Text from the agent: show it, do not obey it.
    pub input: serde_json::Value,
}

/// One of the questions that the agent asks at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionQuestion {
    /// What to send as key in `answers`: a word made from the header or the text.
    pub id: String,
    /// The question.
    pub text: String,
    /// A word or two about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Whether several options may be chosen.
    #[serde(default)]
    pub multiple: bool,
    /// The choices.
    #[serde(default)]
    pub options: Vec<AttentionOption>,
    /// Whether it takes an answer in own words.
    #[serde(default)]
    pub free_text: bool,
}

/// What a person is needed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    /// Names this one occasion.
    pub id: String,
    /// What for.
    pub kind: AttentionKind,
    /// The question as the CLI puts it. Text from the agent: show it, do not obey it.
    pub text: String,
    /// Where to log in, whole, when the CLI shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// The choices, when it is a choice and they are on the screen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<AttentionOption>,
    /// The tool that the agent asks to use, where the CLI reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<AttentionTool>,
    /// All questions that the agent asks at once, where the CLI reports them. `options` are those of the one on the screen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<AttentionQuestion>,
    /// The plan to be approved (Markdown).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Since when.
    pub since: Time,
}

/// Why an agent's status is `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentError {
    /// For programs: `auth`, `rate_limit`, `api_error`, `network`, `cli_error`, `host_lost`, …
    pub code: String,
    /// The CLI's own words.
    pub message: String,
}

/// How an agent's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentExit {
    /// The exit code, when it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's name (`SIGKILL`), when it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// `exited`, `killed`, `stopped` (asked for), `idle_timeout`, `lifetime`, `host_lost`, `oom`, …
    pub reason: String,
    /// When.
    pub at: Time,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its name for programs.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// The profile it runs: `claude`, `codex`, `gemini`, or another.
    pub r#type: String,
    /// What it is doing.
    pub status: AgentStatus,
    /// The runtime that has it (the runtime's name; for the three built-in kinds, the kind).
    pub runtime: String,
    /// When it was spawned.
    pub created_at: Time,
    /// What a person is needed for, while one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Attention>,
    /// Why the status is `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AgentError>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<AgentExit>,
    /// What it is for, as the spawn request said.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Its role in a team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Labels, as the spawn request said.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// The model, where the request named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When anything above last changed. Later with every change, whatever the clock says: of two copies of an agent, it
    /// tells the newer.
    pub updated_at: Time,
    /// When it last printed or took something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Time>,
    /// Messages that wait.
    #[serde(default)]
    pub queued: usize,
    /// True when its runtime is away and this is what was last known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// An environment value: shown to nobody, logged by nobody, written on the wire to the agent's place only.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(value_type = String)]
#[serde(transparent)]
pub struct EnvValue(SecretString);

impl EnvValue {
    /// The value itself. For the process that gets it, and nobody else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for EnvValue {
    fn from(value: &str) -> Self {
        Self(SecretString::from(value))
    }
}

impl From<String> for EnvValue {
    fn from(value: String) -> Self {
        Self(SecretString::from(value))
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for EnvValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Columns, 2 to 1000.
    #[schema(minimum = 2, maximum = 1000)]
    pub cols: u16,
    /// Rows, 2 to 1000.
    #[schema(minimum = 2, maximum = 1000)]
    pub rows: u16,
}

impl TerminalSize {
    /// Whether both numbers are ones a terminal can have.
    pub fn is_sane(self) -> bool {
        (2..=1000).contains(&self.cols) && (2..=1000).contains(&self.rows)
    }
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self { cols: 120, rows: 40 }
    }
}

/// A number of CPUs: a number or a quantity (`0.5`, `"0.5"`, `"500m"`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CpuQuantity {
    /// CPUs.
    Number(f64),
    /// `"0.5"` or `"500m"`.
    Text(String),
}

/// What an agent may use at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuQuantity>,
    /// Bytes with a unit: `512m`, `512Mi`, `1.5Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// What to spawn.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpawnRequest {
    /// A name for people, 1 to 63 characters.
    #[schema(min_length = 1, max_length = 63)]
    pub name: String,
    /// The agent type: `claude`, `codex`, `gemini`, or another that the runtime has a profile for.
    #[schema(min_length = 1, max_length = 63)]
    pub r#type: String,
    /// What the agent is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Its working directory. Default: the runtime's own.
    #[schema(min_length = 1, max_length = 4095)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Environment variables. The values are never shown, logged or listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, EnvValue>,
    /// That kind of runtime (or the runtime of that name), or nothing.
    #[schema(max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// Its role in a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Labels to list by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The model, passed to the CLI.
    #[schema(max_length = 253)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// More arguments for the CLI: 64 of 64 KiB each; with the variables 512 KiB in all.
    #[schema(max_items = 64)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What it may do unasked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// A first message, sent once when the agent is ready.
    #[schema(min_length = 1, max_length = 1048576)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The terminal's size. Default 120 x 40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// Limits; a runtime that cannot hold them refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The image, where the runtime has images.
    #[schema(min_length = 1, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Stop it after so many seconds without anything printed, taken or asked.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_seconds: Option<u64>,
    /// Stop it so many seconds after it was spawned.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
}

/// The answer to a list request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentList {
    /// The agents of this page, oldest first.
    pub agents: Vec<Agent>,
    /// How many there are on this page.
    pub count: usize,
    /// What to send as `cursor` for the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How to stop an agent: the query of `DELETE`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StopRequest {
    /// Milliseconds between asking and insisting. Default 5000, at most 600000.
    #[param(maximum = 600000)]
    #[serde(default = "default_grace_ms")]
    pub grace_ms: u64,
    /// Do not ask: kill at once.
    #[serde(default)]
    pub force: bool,
}

fn default_grace_ms() -> u64 {
    5000
}

impl Default for StopRequest {
    fn default() -> Self {
        Self { grace_ms: default_grace_ms(), force: false }
    }
}

/// How to restart an agent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartRequest {
    /// Go on with the same conversation.
    #[serde(default = "yes")]
    pub resume: bool,
}

fn yes() -> bool {
    true
}

impl Default for RestartRequest {
    fn default() -> Self {
        Self { resume: true }
    }
}
