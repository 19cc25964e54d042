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
    /// A row of the last block that tells how many tasks run on in the background: its group.
    #[serde(default)]
    pub background: Option<Pattern>,
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

/// A menu of the CLI's own that stands where the composer was: a picker, a pager, settings. It asks nothing for the agent,
/// so it may be closed when a message waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlayRule {
    /// The last row of the screen that is not blank.
    pub ends: Pattern,
    /// The keys that close it, changing nothing.
    pub close: Vec<String>,
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
    /// A row of the last block that is there as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Pattern>,
    /// The mode in which what is typed here would be no message: `shell`, `vim normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The keys that leave that mode. Pressed again, they must do no harm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<String>,
    /// A hint in an empty composer that is not dim.
    #[serde(default)]
    pub hint: Option<Pattern>,
}
