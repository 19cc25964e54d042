//! What hooks report of a tool that the agent asks to use: the whole question, whatever the width of the screen.

use parallax_api::{AttentionKind, AttentionOption, AttentionQuestion, AttentionTool};
use serde_json::Value;

use super::option_rows::slug;
use super::reports::shortened;
use crate::observation::{AttentionRequest, DialogOption};

/// Tools that are kept: several may be asked for at once.
const MAX_ASKED: usize = 16;
/// What they may take together, in bytes; the newest is kept in any case, which is as long as a report may be.
const MAX_ASKED_BYTES: usize = 32 * 1024 * 1024;
/// A text of a tool's input by which its dialog is known, in characters.
pub(super) const KEY_CHARS: usize = 24;
/// The shortest line of a dialog by which a program is known, in letters and digits.
const LINE_CHARS: usize = 4;
/// Bytes of an input, as JSON, of questions and of a plan that are published.
const MAX_PUBLISHED: usize = 256 * 1024;
/// How many bytes of an input stand in a question that does not show it. That more is left out is said.
const INPUT_BYTES: usize = 2000;

/// A tool that the agent asks to use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AskedTool {
    pub tool: AttentionTool,
    /// The same without an input that is too long to be published.
    published: AttentionTool,
    /// What it takes in memory, roughly, in bytes.
    pub size: usize,
    questions: Vec<AttentionQuestion>,
    pub plan: Option<String>,
    /// The text under which its dialog was published first: the screen may become narrower.
    text: Option<String>,
    /// Its dialog was on the screen.
    pub is_shown: bool,
}

impl AskedTool {
    pub fn new(tool: AttentionTool) -> Self {
        let questions =
            tool.input.get("questions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut ids: Vec<String> = Vec::new();
        let mut bytes = 0;
        let fits = |value: &&Value| {
            bytes += value.to_string().len();
            bytes <= MAX_PUBLISHED
        };
        let questions =
            questions.iter().take_while(fits).filter_map(|value| question(value, &mut ids)).collect();
        let plan = tool.input.get("plan").and_then(Value::as_str);
        let plan = plan.map(|plan| shortened(plan.to_owned(), MAX_PUBLISHED));
        let size = tool.input.to_string().len();
        // Half of it would be another question. What the dialog shows of it is the question then.
        let input = if size > MAX_PUBLISHED { Value::Null } else { tool.input.clone() };
        let published = AttentionTool { name: tool.name.clone(), input };
        Self { tool, published, size, questions, plan, text: None, is_shown: false }
    }

    /// What of its input stands in a dialog with this text, in letters and digits.
    pub fn shown_in(&self, text: &str) -> Vec<String> {
        if let Value::String(program) = &self.tool.input {
            // A program in which the dialog's command stands somewhere, or the file that it would edit.
            let program = squeezed(program);
            let values = text.lines().filter_map(|line| line.split_once(": ").map(|(_, value)| value));
            let lines = text.lines().chain(values).map(squeezed);
            return lines
                .filter(|line| line.chars().count() >= LINE_CHARS && program.contains(line))
                .collect();
        }
        let shown = squeezed(text);
        let cut: Vec<String> =
            text.lines().filter(|line| line.trim_end().ends_with('…')).map(squeezed).collect();
        // More of a text than the dialog has cannot stand in it.
        let most = shown.chars().count() + 1;
        let part =
            |text: &str| text.chars().filter(|char| char.is_alphanumeric()).take(most).collect::<String>();
        texts(&self.tool.input).into_iter().filter_map(|text| beginning(&part(text), &shown, &cut)).collect()
    }

    /// Whether a dialog of this kind can be about it, though nothing of it is shown.
    pub fn fits(&self, needed: &AttentionRequest) -> bool {
        let is_program = self.tool.input.is_string();
        match needed.kind {
            _ if !needed.on_screen => !is_program,
            AttentionKind::Question => !self.questions.is_empty(),
            _ => self.questions.is_empty() && !is_program,
        }
    }

    /// The request with everything that the hook reported.
    pub fn complete(&mut self, mut needed: AttentionRequest) -> AttentionRequest {
        self.is_shown |= needed.on_screen;
        if !self.questions.is_empty() {
            self.complete_question(&mut needed);
            return needed;
        }
        needed.plan.clone_from(&self.plan);
        if self.plan.is_some() {
            needed.kind = AttentionKind::Plan;
        } else if needed.kind == AttentionKind::Question {
            needed.kind = AttentionKind::Permission;
        }
        if !needed.on_screen {
            needed.text = self.text.clone().unwrap_or_else(|| self.described(&needed.text));
        } else if let Some(text) = &self.text {
            needed.text.clone_from(text);
        } else {
            needed.text = self.described(&needed.text);
            self.text = Some(needed.text.clone());
        }
        needed.tool = Some(self.published.clone());
        needed
    }

    /// The question of the pane on the screen, in the words of the hook.
    fn complete_question(&self, needed: &mut AttentionRequest) {
        needed.kind = AttentionKind::Question;
        needed.questions.clone_from(&self.questions);
        let shown = squeezed(&needed.text);
        let question = self.questions.iter().find(|question| {
            let key: String = squeezed(&question.text).chars().take(KEY_CHARS).collect();
            // The review of all answers repeats the questions.
            let is_offered = |option: &DialogOption| {
                question.options.iter().any(|known| squeezed(&known.label) == squeezed(&option.label))
            };
            shown.contains(&key) && needed.options.iter().any(is_offered)
        });
        let Some(question) = question else { return };
        needed.text.clone_from(&question.text);
        for option in &mut needed.options {
            let is_it = |known: &&AttentionOption| squeezed(&known.label) == squeezed(&option.label);
            if let Some(known) = question.options.iter().find(is_it) {
                option.label.clone_from(&known.label);
                option.description.clone_from(&known.description);
                option.preview.clone_from(&known.preview);
            }
        }
        if !needed.scroll.is_empty() {
            let is_shown = |known: &&AttentionOption| {
                needed.options.iter().any(|option| squeezed(&option.label) == squeezed(&known.label))
            };
            let hidden = question.options.iter().filter(|known| !is_shown(known)).map(DialogOption::from);
            let hidden: Vec<DialogOption> = hidden.collect();
            needed.options.extend(hidden);
        }
    }

    /// The text of a dialog, with the tool and its input where the dialog does not show them whole.
    fn described(&self, text: &str) -> String {
        let shown = squeezed(text);
        if let Some(plan) = &self.plan {
            let is_whole = shown.contains(&squeezed(plan));
            return if is_whole { text.to_owned() } else { format!("{plan}\n{text}") };
        }
        let is_whole = texts(&self.tool.input).iter().all(|part| shown.contains(&squeezed(part)));
        // Of a program the dialog shows the command that it runs.
        if is_whole || self.tool.input.is_string() {
            return text.to_owned();
        }
        let mut input: Vec<String> = match &self.tool.input {
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect()
            }
            other => vec![plain(other)],
        };
        // What is too long is cut at its end: a file's content, and not the file.
        input.sort_by_key(String::len);
        format!("{}\n{}\n{text}", self.tool.name, shortened(input.join("\n"), INPUT_BYTES))
    }
}

/// Keeps this one as the newest, within bounds.
pub(super) fn keep(asked: &mut Vec<AskedTool>, tool: AttentionTool) {
    asked.retain(|asked| asked.tool != tool);
    asked.push(AskedTool::new(tool));
    let is_much = |asked: &[AskedTool]| {
        asked.len() > MAX_ASKED || asked.iter().map(|tool| tool.size).sum::<usize>() > MAX_ASKED_BYTES
    };
    while asked.len() > 1 && is_much(asked) {
        asked.remove(0);
    }
}

/// How much of a text stands in what a dialog shows; none where that is too little to know it by. `cut` are lines that a narrow screen has
/// cut off.
fn beginning(text: &str, shown: &str, cut: &[String]) -> Option<String> {
    let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
    let ends: Vec<usize> = ends.collect();
    // Whatever is shown, every beginning of it is.
    let count = ends.partition_point(|end| shown.contains(&text[..*end]));
    let is_enough = count >= 2 && count >= ends.len().min(KEY_CHARS);
    let is_cut =
        || cut.iter().any(|line| line.chars().count() >= LINE_CHARS && text.starts_with(line.as_str()));
    (is_enough || is_cut()).then(|| text[..ends[count - 1]].to_owned())
}

fn question(value: &Value, ids: &mut Vec<String>) -> Option<AttentionQuestion> {
    let text = value.get("question")?.as_str()?.to_owned();
    let header = value.get("header").and_then(Value::as_str).map(String::from);
    let word = slug(header.as_deref().unwrap_or(&text));
    let numbered = (2..100).map(|number| format!("{word}-{number}"));
    let id = std::iter::once(word.clone()).chain(numbered).find(|id| !ids.contains(id))?;
    ids.push(id.clone());
    let options = value.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Gemini CLI has kinds of questions that need no options, or have their own.
    let options = match value.get("type").and_then(Value::as_str) {
        Some("text") => Vec::new(),
        Some("yesno") => ["Yes", "No"].map(named).to_vec(),
        _ => options.iter().filter_map(option).collect(),
    };
    // Claude Code's have no type; beside its previews there is no room for an entry.
    let has_previews = value.get("type").is_none() && options.iter().any(|option| option.preview.is_some());
    Some(AttentionQuestion {
        id,
        text,
        header,
        multiple: value.get("multiSelect").and_then(Value::as_bool).unwrap_or_default(),
        options,
        free_text: !has_previews,
    })
}

fn named(label: &str) -> AttentionOption {
    AttentionOption { id: slug(label), label: label.into(), ..AttentionOption::default() }
}

fn option(value: &Value) -> Option<AttentionOption> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(String::from);
    let label = text("label")?;
    Some(AttentionOption {
        id: slug(&label),
        label,
        description: text("description"),
        preview: text("preview"),
        selected: None,
    })
}

impl From<&AttentionOption> for DialogOption {
    fn from(option: &AttentionOption) -> Self {
        Self {
            id: option.id.clone(),
            label: option.label.clone(),
            description: option.description.clone(),
            preview: option.preview.clone(),
            ..Self::default()
        }
    }
}

/// All texts in a value.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|char| char.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_kept_up_to_a_number_and_a_size() {
        let tool = |name: usize, size| AttentionTool {
            name: name.to_string(),
            input: json!({"text": "x".repeat(size)}),
        };
        let names =
            |asked: &[AskedTool]| asked.iter().map(|asked| asked.tool.name.clone()).collect::<Vec<_>>();
        let mut asked = Vec::new();
        (0..20).for_each(|name| keep(&mut asked, tool(name, 1)));
        assert_eq!((asked.len(), &names(&asked)[15][..]), (MAX_ASKED, "19"));
        keep(&mut asked, tool(19, 1));
        assert_eq!(asked.len(), MAX_ASKED, "the same one again");
        (20..23).for_each(|name| keep(&mut asked, tool(name, 12 * 1024 * 1024)));
        assert_eq!(names(&asked), ["21", "22"]);
        keep(&mut asked, tool(23, MAX_ASKED_BYTES));
        assert_eq!(names(&asked), ["23"], "the newest in any case");
        assert_eq!(asked[0].published.input, Value::Null);
    }
}
