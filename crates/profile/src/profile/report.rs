//! How what a CLI reports by itself is read: status sequences, titles, hooks, its session file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pattern::Pattern;
use crate::observation::Outcome;
use crate::template::Template;

/// What a report says the agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportedState {
    /// It works.
    Working,
    /// It waits for a message.
    Idle,
    /// It has finished a turn and waits for a message.
    Done,
    /// A turn has failed.
    Failed,
    /// It asks.
    Question,
    /// Somebody must log in.
    Login,
    /// It restarts or ends.
    Gone,
}

/// How OSC 7501 reports are read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRule {
    /// Only reports of this `app` count: a program that the agent runs may report too.
    #[serde(default)]
    pub app: Option<String>,
    /// Of the messages of `blocked:kind=auth`, those that a login mends. Others are errors (a wrong key in the
    /// environment). Without this, all are.
    #[serde(default)]
    pub login: Option<Pattern>,
}

/// What a window title means.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TitleRule {
    /// The title.
    pub pattern: Pattern,
    /// What it says.
    pub means: ReportedState,
}

/// What a hook tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookRule {
    /// The hook as the CLI calls it.
    pub name: String,
    /// What it says about the status, when it does.
    #[serde(default)]
    pub means: Option<ReportedState>,
    /// It ends a turn, this way.
    #[serde(default)]
    pub over: Option<Outcome>,
    /// Its end counts only once the CLI is idle as well: another hook may send the agent back to work.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_idle: bool,
    /// Where in its payload things stand.
    #[serde(default)]
    pub read: ReportPointers,
}

/// A session file and what its lines tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFileRule {
    /// Where such files are: paths with `*` for a part of a name and `**` for any directories. One with a variable that
    /// is not set is left out.
    pub paths: Vec<Template>,
    /// What the first line of the agent's own file holds: JSON pointers and values. For CLIs whose files lie together.
    #[serde(default)]
    pub first: BTreeMap<String, Template>,
    /// Its lines (JSON, one a line); every rule that matches counts.
    #[serde(default)]
    pub lines: Vec<LineRule>,
}

/// What a line of a session file tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRule {
    /// What such a line holds: JSON pointers and values.
    pub when: BTreeMap<String, Value>,
    /// It ends a turn, this way.
    #[serde(default)]
    pub over: Option<Outcome>,
    /// Where in it things stand.
    #[serde(default)]
    pub read: ReportPointers,
}

/// JSON pointers into a report. A pointer that does not resolve is ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportPointers {
    /// The conversation's id.
    #[serde(default)]
    pub session: Option<String>,
    /// The prompt that was taken.
    #[serde(default)]
    pub prompt: Option<String>,
    /// The whole answer of the turn.
    #[serde(default)]
    pub answer: Option<String>,
    /// Something the model said in this turn. The last of it is the answer of a turn that ends without a whole one.
    #[serde(default)]
    pub said: Option<String>,
    /// The id of what was said: the same id again replaces.
    #[serde(default)]
    pub id: Option<String>,
    /// The name of the tool that the agent asks to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What the tool would be called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_input: Option<String>,
    /// Whether the turn goes on after an end that was reported before. A boolean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<String>,
    /// Tasks that run on in the background: an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// Why the turn failed.
    #[serde(default)]
    pub failure: Option<String>,
    /// Tokens read for one answer of the model (all that stand there are added up).
    #[serde(default)]
    pub input_tokens: Vec<String>,
    /// Tokens written in one answer of the model.
    #[serde(default)]
    pub output_tokens: Vec<String>,
    /// Tokens read in the whole conversation so far.
    #[serde(default)]
    pub total_input_tokens: Option<String>,
    /// Tokens written in the whole conversation so far.
    #[serde(default)]
    pub total_output_tokens: Option<String>,
    /// Cost of the whole conversation so far, in US dollars.
    #[serde(default)]
    pub cost: Option<String>,
    /// The CLI's version.
    #[serde(default)]
    pub version: Option<String>,
}

impl LineRule {
    /// Whether the rule is about this line.
    pub fn matches(&self, line: &Value) -> bool {
        self.when.iter().all(|(pointer, value)| line.pointer(pointer) == Some(value))
    }
}
