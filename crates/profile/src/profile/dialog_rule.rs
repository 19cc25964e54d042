//! What a CLI asks a person, as it stands on the screen.

use parallax_api::AttentionKind;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

/// A dialog: the last block of the screen. Patterns are for single rows, without the sides of a box. It is there when its
/// last row is the last of the screen that is not blank, and everything it shows stands in it, in that order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialogRule {
    /// What the rule is called in explanations.
    pub name: String,
    /// What a person is needed for.
    #[serde(default)]
    pub asks: Option<AttentionKind>,
    /// It tells an error with this code.
    #[serde(default)]
    pub error: Option<String>,
    /// Its first row: the nearest above the last. Default, and when it has scrolled off: the top of the screen.
    #[serde(default)]
    pub begins: Option<Pattern>,
    /// Rows that it shows, from top to bottom.
    #[serde(default)]
    pub shows: Vec<Pattern>,
    /// Its last row.
    pub ends: Pattern,
    /// What it says to a person, where its rows are no words for one. Default: its rows.
    #[serde(default)]
    pub says: Option<String>,
    /// Rows that say nothing to a person.
    #[serde(default)]
    pub skip: Option<Pattern>,
    /// Rows that warn of what is asked for: the first is told as its danger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<Pattern>,
    /// What a person can do with the address of its login, beside what the CLI says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How the address of its login begins. Without this, addresses in it are not for logging in.
    #[serde(default)]
    pub address: Option<Pattern>,
    /// How a choice is made.
    #[serde(default)]
    pub choose: SelectionMode,
    /// How free text is given.
    #[serde(default)]
    pub text: Option<TextRule>,
    /// The choice, by its label, that is made once without asking anybody: for first-run screens.
    #[serde(default)]
    pub pass: Option<Pattern>,
    /// Choices that stand in no list: keys that the dialog names in its text.
    #[serde(default)]
    pub keys: Vec<KeyOption>,
}

/// How a choice is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectionMode {
    /// Its number acts at once. Where there are no numbers, as `marker`.
    #[default]
    Number,
    /// Its number, then Enter.
    NumberEnter,
    /// The marker is moved to it, then Enter.
    Marker,
}

/// How a dialog takes free text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRule {
    /// The choice that opens the entry, by its label. Default: it is open.
    #[serde(default)]
    pub choice: Option<Pattern>,
    /// What is pasted while the list stands opens it. The choice is then no option.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_list: bool,
}

impl TextRule {
    /// Whether the entry is open, so that the dialog has no list.
    pub fn is_open(&self) -> bool {
        self.choice.is_none() && !self.in_list
    }
}

/// A choice without a number: a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOption {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// The keys.
    pub keys: Vec<String>,
}

/// The id of choices with such a label.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionName {
    /// `yes`, `no`, `always`, …
    pub id: String,
    /// The label.
    pub label: Pattern,
}
