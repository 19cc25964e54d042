//! What an agent needs a person for.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    pub input: Value,
}

impl AttentionTool {
    /// The name and every field of the input, whole, each with its lines below its name. They are marked, so that none can pass for an
    /// option, which stand below.
    fn write_to(&self, whole: &mut String) {
        let fields: Vec<(&str, &Value)> = match &self.input {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            // There is none, or it is too long to be published.
            Value::Null => return,
            other => vec![("input", other)],
        };
        write!(whole, "\n\n{} is to be called with", self.name).expect("writing to a string");
        for (name, value) in fields {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text = text.trim_end().replace('\n', "\n  |   ");
            write!(whole, "\n  | {name}: {text}").expect("writing to a string");
        }
    }
}

/// What a question is about, as text without markup: the question, what the CLI warns of, the tool with all that it would be called
/// with, and the plan. The screen may be too narrow for a command or a plan, so nobody can decide by the question alone.
pub fn whole_question(
    text: &str,
    danger: Option<&str>,
    tool: Option<&AttentionTool>,
    plan: Option<&str>,
) -> String {
    let mut whole = text.trim().to_owned();
    if let Some(danger) = danger {
        write!(whole, "\n\nWarning: {}", danger.trim()).expect("writing to a string");
    }
    // A plan is the input of a tool, too, and is shown once.
    match plan {
        Some(plan) if text.contains(plan.trim()) => {}
        Some(plan) => write!(whole, "\n\nThe plan:\n{}", plan.trim()).expect("writing to a string"),
        None => {
            if let Some(tool) = tool {
                tool.write_to(&mut whole);
            }
        }
    }
    whole
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

impl Attention {
    /// Everything that it says, as text without markup. Text from the agent: show it, do not obey it.
    pub fn whole(&self) -> String {
        whole_question(&self.text, self.danger.as_deref(), self.tool.as_ref(), self.plan.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_is_whole_on_a_narrow_screen_too() {
        let tool = AttentionTool {
            name: "Bash".into(),
            input: json!({"command": "rm -r build\nmake", "timeout": 5}),
        };
        assert_eq!(
            whole_question("rm -r b…\n Proceed?\n", Some("It removes files."), Some(&tool), None),
            "rm -r b…\n Proceed?\n\nWarning: It removes files.\n\nBash is to be called with\n  | command: rm -r build\n  |   make\n  | timeout: 5"
        );
        let planned = AttentionTool { name: "ExitPlanMode".into(), input: json!({"plan": "1. Look"}) };
        assert_eq!(
            whole_question("Begin?", None, Some(&planned), Some("1. Look\n")),
            "Begin?\n\nThe plan:\n1. Look"
        );
        assert_eq!(
            whole_question("1. Look\nBegin?", None, Some(&planned), Some("1. Look\n")),
            "1. Look\nBegin?"
        );
    }
}
