//! What an agent needs a person for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

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
    /// What the CLI itself warns of, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<String>,
    /// Since when.
    pub since: Time,
}
