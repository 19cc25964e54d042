//! How a message is typed into a CLI, and how the CLI is left.

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use crate::detector::Composer;

/// How a message is typed: pasted, waited for, entered, verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Submit {
    /// Texts that the CLI would take for something else, made plain text. The first that matches counts.
    pub guards: Vec<Guard>,
    /// At least this long between paste and Enter, in milliseconds.
    pub settle_ms: u64,
    /// At most this long for the text to show in the composer, in milliseconds.
    pub echo_timeout_ms: u64,
    /// At most this long for a proof that it was taken, in milliseconds.
    pub proof_timeout_ms: u64,
    /// Keys that clear one line of the composer.
    pub clear_keys: Vec<String>,
    /// What a composer shows instead of a long text.
    pub chips: Vec<Pattern>,
    /// Whether a line break ends the paste. It closes what would eat the Enter: a trailing backslash, a completion.
    pub final_newline: bool,
}

impl Default for Submit {
    fn default() -> Self {
        Self {
            guards: Vec::new(),
            settle_ms: 150,
            echo_timeout_ms: 2000,
            proof_timeout_ms: 2000,
            clear_keys: vec!["ctrl-u".into()],
            chips: Vec::new(),
            final_newline: true,
        }
    }
}

/// A text that would be a command, and what is put before it so that it is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The text.
    pub pattern: Pattern,
    /// What is put before it.
    pub prefix: String,
}

impl Submit {
    /// The text as it must be typed so that the CLI takes it for text.
    pub fn guarded(&self, text: &str) -> String {
        match self.guards.iter().find(|guard| guard.pattern.is_match(text)) {
            Some(guard) => format!("{}{text}", guard.prefix),
            None => text.to_owned(),
        }
    }

    /// Whether a composer shows the end of this text, or what stands for a long one.
    pub fn is_echoed(&self, text: &str, composer: &Composer) -> bool {
        let Composer::Holds(shown) = composer else { return false };
        if self.chips.iter().any(|chip| chip.is_match(shown)) {
            return true;
        }
        let last = text.lines().rev().map(squeezed).find(|line| !line.is_empty()).unwrap_or_default();
        // The end of a long line is enough: the composer may have scrolled.
        let start = last.char_indices().rev().nth(ECHO_CHARS - 1).map_or(0, |(index, _)| index);
        squeezed(shown).ends_with(&last[start..])
    }
}

/// How much of the last line must show: less than the narrowest composer holds.
const ECHO_CHARS: usize = 40;

/// Without white space: a composer wraps and indents as it likes.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// How the CLI is asked to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Leave {
    /// Keys to press, one write each, when the composer is there and empty.
    pub keys: Vec<String>,
    /// Text to type and enter instead, when the composer is there and empty.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profiles;

    #[test]
    fn commands_become_text() {
        let table = [
            ("claude", "!ls", " !ls"),
            ("claude", "/clear", "Message: /clear"),
            ("claude", "/etc/hosts is wrong", "Message: /etc/hosts is wrong"),
            ("claude", " quit ", "Message:  quit "),
            ("claude", "quit smoking", "quit smoking"),
            ("claude", "hello!\n/clear", "hello!\n/clear"),
            ("codex", "!ls", " !ls"),
            ("codex", "/quit", " /quit"),
            ("codex", "exit", "exit"),
            ("gemini", "/help", "Message: /help"),
            ("gemini", "!ls", "!ls"),
            ("gemini", "exit", "Message: exit"),
            ("gemini", "what is @README.md?", "what is @README.md?"),
        ];
        for (profile, text, expected) in table {
            let profile = Profiles::builtin().get(profile).unwrap();
            assert_eq!(profile.submit().guarded(text), expected, "{} {text}", profile.name);
        }
    }

    #[test]
    fn a_text_is_echoed_by_its_end_or_by_a_chip() {
        let profile = Profiles::builtin().get("claude").unwrap();
        let long = format!("{}the end", "word ".repeat(100));
        let table = [
            ("hello", "hello", true),
            ("one\ntwo\n", "one\ntwo", true),
            ("one\ntwo", "one", false),
            (long.as_str(), "word\nword word word word word word word word the\nend", true),
            ("a\nb\nc\nd", "[Pasted text #1 +3 lines]", true),
            ("hello", "", false),
        ];
        for (text, shown, expected) in table {
            let composer = if shown.is_empty() { Composer::Empty } else { Composer::Holds(shown.into()) };
            assert_eq!(profile.submit().is_echoed(text, &composer), expected, "{text:.20}");
        }
    }
}
