//! ReportPointers what the CLI reports: status sequences, titles, hooks, lines of its session file.

use std::time::Duration;

use parallax_api::AttentionTool;
use parallax_screen::ProgramStatus;
use serde_json::Value;

use super::claims::Claim;
use crate::observation::Source;
use crate::profile::Profile;
use crate::profile::report::{ReportPointers, ReportedState, StatusRule};

/// What a status report claims. `None` when it is not about the agent itself.
pub(super) fn status_claim(rule: &StatusRule, status: &ProgramStatus, now: Duration) -> Option<Claim> {
    let is_its_own =
        status.id.is_none() && (rule.app.is_none() || status.app.is_none() || status.app == rule.app);
    if !is_its_own {
        return None;
    }
    let message = status.msg.clone();
    let is_login = || {
        rule.login.as_ref().is_none_or(|login| message.as_ref().is_none_or(|message| login.is_match(message)))
    };
    let means = match (status.state.as_str(), status.kind.as_deref()) {
        ("idle", _) => ReportedState::Idle,
        ("working", _) => ReportedState::Working,
        ("done", _) => ReportedState::Done,
        ("error", _) => ReportedState::Failed,
        ("blocked", Some("auth")) if is_login() => ReportedState::Login,
        ("blocked", Some("auth")) => ReportedState::Failed,
        ("blocked", _) => ReportedState::Question,
        ("clear", _) => ReportedState::Gone,
        _ => return None,
    };
    let mut evidence = format!("state={}", status.state);
    for (name, value) in [("kind", &status.kind), ("app", &status.app), ("msg", &status.msg)] {
        if let Some(value) = value {
            evidence.push_str(&format!(" {name}={value}"));
        }
    }
    let rule = format!("status {}", status.state);
    Some(Claim { means, at: now, source: Source::Osc7501, rule, evidence, message })
}

/// What a window title claims.
pub(super) fn title_claim(profile: &Profile, title: &str, now: Duration) -> Option<Claim> {
    let title = title.trim_end();
    let rule = profile.titles.iter().find(|rule| rule.pattern.is_match(title))?;
    Some(Claim {
        means: rule.means,
        at: now,
        source: Source::Title,
        rule: format!("title {}", rule.pattern.as_str()),
        evidence: title.to_owned(),
        message: None,
    })
}

/// Bytes of one text of a report. An answer is written with its agent in one line, every character of it escaped perhaps.
const MAX_TEXT: usize = 1024 * 1024;
/// Bytes of a name or an id.
const MAX_WORD: usize = 1024;

/// What a report of a hook or a session file tells, read out of it.
#[derive(Debug, Default)]
pub(super) struct ReportFields {
    pub session: Option<String>,
    pub prompt: Option<String>,
    pub answer: Option<String>,
    pub said: Option<String>,
    pub id: Option<String>,
    pub failure: Option<String>,
    pub version: Option<String>,
    pub cost: Option<f64>,
    pub continued: bool,
    /// The tool that the agent asks to use.
    pub tool: Option<AttentionTool>,
    /// How many tasks run in the background.
    pub background: Option<usize>,
}

impl ReportFields {
    /// Reads what stands at the places that the profile names.
    pub fn read(reading: &ReportPointers, value: &Value) -> Self {
        let at =
            |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| text(value.pointer(pointer)?));
        let word = |pointer| at(pointer).filter(|word| word.len() <= MAX_WORD);
        let answer = reading.answer.as_ref().and_then(|pointer| whole_text(value.pointer(pointer)?));
        Self {
            session: word(&reading.session),
            // As it is: it proves that a message was taken.
            prompt: at(&reading.prompt),
            answer: answer.map(published),
            said: at(&reading.said).map(published),
            id: word(&reading.id),
            failure: at(&reading.failure).map(published),
            version: word(&reading.version),
            tool: word(&reading.tool).map(|name| {
                let input = reading.tool_input.as_ref().and_then(|pointer| value.pointer(pointer));
                AttentionTool { name, input: input.map(structured).unwrap_or_default() }
            }),
            continued: reading.continued.as_ref().and_then(|pointer| value.pointer(pointer)?.as_bool())
                == Some(true),
            background: reading
                .background
                .as_ref()
                .and_then(|pointer| Some(value.pointer(pointer)?.as_array()?.len())),
            cost: reading.cost.as_ref().and_then(|pointer| value.pointer(pointer)?.as_f64()),
        }
    }
}

/// What a tool is called with. Some CLIs have it as JSON in a text.
fn structured(input: &Value) -> Value {
    let parsed = input.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| input.clone())
}

/// A text that is not empty.
fn text(value: &Value) -> Option<String> {
    whole_text(value).filter(|text| !text.is_empty())
}

/// A text, or the texts of a list of parts, as model APIs have them. It may be empty: a model can answer nothing.
fn whole_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()),
        _ => None,
    }
}

/// As much of a text as is published; it says how much is missing.
fn published(text: String) -> String {
    shortened(text, MAX_TEXT)
}

/// At most so many bytes of a text, and how many more there are.
pub(super) fn shortened(mut text: String, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let left_out = text.len() - end;
    if left_out > 0 {
        text.truncate(end);
        text.push_str(&format!("\n[{left_out} bytes more are left out]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading() -> ReportPointers {
        let at = |name: &str| Some(format!("/{name}"));
        ReportPointers {
            answer: at("answer"),
            prompt: at("prompt"),
            id: at("id"),
            tool: at("tool"),
            tool_input: at("input"),
            ..ReportPointers::default()
        }
    }

    #[test]
    fn what_is_published_of_a_report_is_bounded() {
        let long = "é".repeat(MAX_TEXT);
        let report = json!({
            "answer": long, "prompt": long, "id": long, "tool": "Write", "input": {"content": long},
        });
        let fields = ReportFields::read(&reading(), &report);
        let answer = fields.answer.unwrap();
        assert!(
            answer.starts_with("éé") && answer.ends_with(&format!("é\n[{MAX_TEXT} bytes more are left out]"))
        );
        assert_eq!(fields.tool.unwrap().input["content"], long, "by it the dialog is known");
        assert_eq!((fields.prompt, fields.id), (Some(long), None));
    }

    #[test]
    fn what_is_as_long_as_may_be_is_whole() {
        let text = "x".repeat(MAX_TEXT);
        let fields = ReportFields::read(&reading(), &json!({"answer": text, "input": {"a": 1}, "tool": "T"}));
        assert_eq!(fields.answer, Some(text));
        assert_eq!(fields.tool.unwrap().input, json!({"a": 1}));
    }
}
