//! How a message is typed into a CLI, and how the CLI is left.

pub mod images;

use parallax_api::text::is_invisible;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use images::ImageRule;

/// How a message is typed: pasted, waited for, entered, verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Submit {
    /// Texts that the CLI would take for something else, made plain text. The first that matches counts.
    pub guards: Vec<Guard>,
    /// Texts that the CLI takes for something else when they come in one paste, such as the path of a picture: they come in
    /// several, cut where the first group ends.
    pub cuts: Vec<Pattern>,
    /// At least this long between paste and Enter, in milliseconds. Below 20, the screen is also looked at this soon after the
    /// last output.
    pub settle_ms: u64,
    /// At most this long for the text to show in the composer, in milliseconds.
    pub echo_timeout_ms: u64,
    /// At most this long for a proof that it was taken, in milliseconds.
    pub proof_timeout_ms: u64,
    /// Keys that clear one line of the composer.
    pub clear_keys: Vec<String>,
    /// Keys that do it in a mode in which those do not, such as vim's NORMAL: pressed in turn with them.
    pub clear_keys_otherwise: Vec<String>,
    /// What a composer shows instead of a long text.
    pub chips: Vec<Pattern>,
    /// Whether a line break ends the paste. It closes what would eat the Enter: a trailing backslash, a completion.
    pub final_newline: bool,
    /// How it takes images. Without this it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageRule>,
}

impl Default for Submit {
    fn default() -> Self {
        Self {
            guards: Vec::new(),
            cuts: Vec::new(),
            settle_ms: 150,
            echo_timeout_ms: 2000,
            proof_timeout_ms: 2000,
            clear_keys: vec!["ctrl-u".into()],
            clear_keys_otherwise: Vec::new(),
            chips: Vec::new(),
            final_newline: true,
            images: None,
        }
    }
}

/// A text that would be a command, and what is put before it so that it is not. The pattern is tried on what the CLI
/// reads: without invisible characters, and without white space at the begin and the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The text.
    pub pattern: Pattern,
    /// What is put before it.
    pub prefix: String,
}

impl Submit {
    /// The text as it must be typed so that the CLI takes it for text. CLIs drop some invisible characters and white space
    /// before they look for a command, so what decides is the text without any of them; and what stands behind a guard
    /// begins with its first visible character, or the CLI might drop the guard with what follows it.
    pub fn guarded(&self, text: &str) -> String {
        let text: String = text
            .replace("\r\n", "\n")
            .replace('\r', "\n")
            .chars()
            .filter(|char| !char.is_control() || matches!(char, '\n' | '\t'))
            .collect();
        let visible: String = text.chars().filter(|char| !is_invisible(*char)).collect();
        let Some(guard) = self.guards.iter().find(|guard| guard.pattern.is_match(visible.trim())) else {
            return text;
        };
        let is_dropped = |char: char| char.is_whitespace() || is_invisible(char);
        format!("{}{}", guard.prefix, text.trim_start_matches(is_dropped))
    }

    /// The keys that clear a line of the composer, for the attempt of this number, from zero.
    pub fn keys_that_clear(&self, attempt: u32) -> &[String] {
        let is_otherwise = attempt % 2 == 1 && !self.clear_keys_otherwise.is_empty();
        if is_otherwise { &self.clear_keys_otherwise } else { &self.clear_keys }
    }

    /// The text in the pieces that are pasted by themselves: most texts are one.
    pub fn pieces<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut cuts: Vec<usize> = self.cuts.iter().flat_map(|cut| cut.group_ends(text)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let begins = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain(std::iter::once(text.len()));
        begins.zip(ends).map(|(begin, end)| &text[begin..end]).filter(|piece| !piece.is_empty()).collect()
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
    use super::*;
    use crate::Profiles;

    #[test]
    fn commands_become_text() {
        let table = [
            ("claude", "!ls", " !ls"),
            ("claude", "/clear", "Message: /clear"),
            ("claude", "/etc/hosts is wrong", "Message: /etc/hosts is wrong"),
            ("claude", " quit ", "Message: quit "),
            ("claude", "\u{1}!ls", " !ls"),
            ("claude", "\u{200b}/clear", "Message: /clear"),
            ("claude", "quit smoking", "quit smoking"),
            ("claude", "hello!\n/clear", "hello!\n/clear"),
            ("codex", "!ls", " !ls"),
            ("codex", "/quit", " /quit"),
            ("codex", "\n/help", " /help"),
            ("codex", "exit", "exit"),
            ("gemini", "/help", "Message: /help"),
            ("gemini", "!ls", "!ls"),
            ("gemini", "exit", "Message: exit"),
            ("gemini", "what is @README.md?", "what is @README.md?"),
            ("gemini", "./notes.txt", "Message: ./notes.txt"),
            ("gemini", "'/dir/my notes.txt'", "Message: '/dir/my notes.txt'"),
            ("gemini", ".gitignore", "Message: .gitignore"),
            ("gemini", "... and so on", "... and so on"),
        ];
        for (profile, text, expected) in table {
            let profile = Profiles::builtin().get(profile).unwrap();
            assert_eq!(profile.submit().guarded(text), expected, "{} {text}", profile.name);
        }
    }

    #[test]
    fn no_piece_is_the_path_of_a_picture() {
        let cut = [
            ("claude", "look at\n/dir/picture.png"),
            ("claude", "'/dir/a picture.JPEG'  "),
            ("claude", "Message: /dir/one.gif /dir/two.webp"),
            ("claude", "/dir/one.gif '/dir/two.webp'\nthen more"),
            ("claude", "picture\\.png"),
            ("claude", "(/dir/picture.png)"),
            ("codex", "picture.png"),
            ("codex", "/dir/my\\ picture.jpg"),
            ("codex", "'/dir/a picture.webp'"),
            ("codex", "picture.gif # of a cat"),
            ("codex", "file:///dir/a%20picture.png#there"),
            ("codex", "/dir/one.png '/dir/two"),
        ];
        for (name, text) in cut {
            let profile = Profiles::builtin().get(name).unwrap();
            let pieces = profile.submit().pieces(text);
            assert_eq!(pieces.concat(), text);
            let is_picture = |piece: &&str| {
                [".png", ".jpg", ".jpeg", ".gif", ".webp"]
                    .iter()
                    .any(|end| piece.to_lowercase().contains(end))
            };
            assert!(pieces.len() > 1 && !pieces.iter().any(is_picture), "{name}: {pieces:?}");
        }
        let whole = [
            ("claude", "look at /dir/picture.png please"),
            ("codex", "look at\npicture.png"),
            ("gemini", "picture.png"),
        ];
        for (name, text) in whole {
            let profile = Profiles::builtin().get(name).unwrap();
            assert_eq!(profile.submit().pieces(text), [text], "{name}");
        }
    }

    /// What each CLI would take for a command, in the text as it reads it.
    fn is_command(profile: &str, read: &str) -> bool {
        let is_exit = ["exit", "quit", ":q", ":q!", ":wq", ":wq!"].contains(&read.trim());
        match profile {
            "claude" => read.starts_with('!') || read.trim_start().starts_with('/') || is_exit,
            "codex" => read.trim_start_matches('\n').starts_with(['!', '/']),
            _ => read.trim_start().starts_with('/') || is_exit,
        }
    }

    #[test]
    fn nothing_invisible_smuggles_a_command() {
        let dropped = |char: char| char.is_whitespace() || char.is_control() || is_invisible(char);
        let all: Vec<char> =
            (0..=0x10_ffff).filter_map(char::from_u32).filter(|char| dropped(*char)).collect();
        assert!(all.len() > 4000);
        let few = ["", " ", "\n", "\u{1b}[0m", "\u{feff}", "\u{200d}\u{301}"];
        for profile in Profiles::builtin().iter() {
            for command in ["!touch x", "/clear", "/help\nthen", "exit", ":q", "quit\u{200b}"] {
                // Each alone; every hundredth also beside others.
                let beside = |index: usize| if index.is_multiple_of(100) { &few[..] } else { &few[..1] };
                let each = all.iter().enumerate();
                for (char, more) in
                    each.flat_map(|(index, char)| beside(index).iter().map(|more| (*char, *more)))
                {
                    for text in [format!("{char}{more}{command}"), format!("{more}{char}{command}{char}")] {
                        let typed = profile.submit().guarded(&text);
                        // Nobody knows which of them a CLI drops: none, all, or all at the begin.
                        let visible: String = typed.chars().filter(|char| !is_invisible(*char)).collect();
                        let trimmed = typed.trim_start_matches(is_invisible);
                        for read in [typed.as_str(), visible.as_str(), trimmed] {
                            let what = text.escape_unicode();
                            assert!(!is_command(&profile.name, read), "{}: {what}", profile.name);
                        }
                        assert!(!typed.contains(|char: char| char.is_control() && !"\n\t".contains(char)));
                    }
                }
            }
        }
    }
}
