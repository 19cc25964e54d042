//! Where the answer of a turn is taken from.

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// Where answers come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerRule {
    /// The source.
    pub source: AnswerSource,
    /// How long a turn that is over waits for its answer from there, in milliseconds. After that it is read from the
    /// screen.
    pub wait_ms: u64,
    /// How an answer's block begins on the screen, after the echo of its prompt; the match is cut off.
    pub block: Option<Pattern>,
    /// A row that ends the conversation on the screen: completion line, composer.
    pub ends: Option<Pattern>,
}

impl Default for AnswerRule {
    fn default() -> Self {
        Self { source: AnswerSource::Screen, wait_ms: 150, block: None, ends: None }
    }
}

/// A source of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerSource {
    /// A hook tells it.
    Hook,
    /// The session file tells it.
    #[serde(rename = "record")]
    SessionFile,
    /// The screen shows it.
    Screen,
    /// It is what was printed between the prompt and the end of the turn.
    Output,
}
