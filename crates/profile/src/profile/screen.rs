//! Where things stand on a CLI's screen.

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// What the screen tells where no report does. Patterns are for single rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreenRule {
    /// A row of the last block that is there while the agent works.
    #[serde(default)]
    pub busy: Option<Pattern>,
    /// A row that tells the version: its group.
    #[serde(default)]
    pub version: Option<Pattern>,
    /// A row that repeats a prompt in the conversation.
    #[serde(default)]
    pub echo: Option<Pattern>,
    /// A row that tells, after the last prompt, that its turn failed: its group is the message.
    #[serde(default)]
    pub failed: Option<Pattern>,
    /// A row that tells, after the last prompt, that its turn was interrupted or denied.
    #[serde(default)]
    pub interrupted: Option<Pattern>,
    /// What a busy agent may be waiting for: rows of the last block.
    #[serde(default)]
    pub details: Vec<DetailRule>,
}

/// A row that says more about a busy agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailRule {
    /// The row.
    pub pattern: Pattern,
    /// What it is called: `retrying`, `reconnecting`.
    pub says: String,
}

/// The composer: the last block of rows with this look, with the cursor in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposerRule {
    /// How its first row begins; the match is cut off.
    pub prompt: Pattern,
    /// The row above it.
    #[serde(default)]
    pub above: Option<Pattern>,
    /// The first row below what is typed, from the cursor on. Default: a blank row, or the end.
    #[serde(default)]
    pub below: Option<Pattern>,
    /// Further lines begin at the left edge, not under the first.
    #[serde(default)]
    pub flush: bool,
    /// A hint in an empty composer that is not dim.
    #[serde(default)]
    pub hint: Option<Pattern>,
}
