//! How a message is typed into a CLI, and how the CLI is left.

use serde::{Deserialize, Serialize};

use super::pattern::Pattern;

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
}

/// How the CLI is asked to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExitRule {
    /// Keys to press, one write each, when the composer is there and empty.
    pub keys: Vec<String>,
    /// Text to type and enter instead, when the composer is there and empty.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests {
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
}
