//! Messages of every shape that has ever gone wrong on its way into a terminal.

/// A message and what is special about it.
#[derive(Clone, Debug)]
pub struct AwkwardMessage {
    /// What is special.
    pub name: &'static str,
    /// The message.
    pub text: String,
}

/// Fifty messages.
pub fn fifty() -> Vec<AwkwardMessage> {
    let line = "The quick brown fox jumps over the lazy dog, and back again. ";
    let mut messages: Vec<AwkwardMessage> =
        SHORT.iter().map(|(name, text)| AwkwardMessage { name, text: (*text).into() }).collect();
    let mut long = |name, text: String| messages.push(AwkwardMessage { name, text });
    long("four lines", numbered(4));
    long("two hundred lines", numbered(200));
    long("900 characters in one line", line.repeat(15));
    long("100 kB in lines", numbered(1800) + &line.repeat(20));
    long("100 kB in one line", "word ".repeat(20_000) + "end");
    long("8 kB of emoji", "🦀🚀✨ ".repeat(600) + "end");
    let count = messages.len();
    assert_eq!(count, 50, "there are fifty");
    messages
}

/// The text as an agent gets it: controls are not typed, ends are trimmed, line ends are `\n`.
pub fn as_taken(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    kept.trim().to_owned()
}

fn numbered(lines: usize) -> String {
    (1..=lines).map(|number| format!("line {number} of {lines}: the quick brown fox jumps\n")).collect()
}

const SHORT: [(&str, &str); 44] = [
    ("one line", "Please review the change in the parser."),
    ("one character", "k"),
    ("a digit", "1"),
    ("a letter that answers dialogs", "y"),
    ("a question mark", "?"),
    ("two lines", "first line\nsecond line"),
    ("three lines", "one\ntwo\nthree"),
    ("empty lines inside", "above\n\n\n\nbelow"),
    ("leading blanks", "    indented by four"),
    ("trailing blanks", "blanks at the end    "),
    ("a trailing newline", "newline at the end\n"),
    ("a trailing backslash", "it ends in a backslash \\"),
    ("a trailing mention", "please look at @nobody"),
    ("a trailing dollar word", "the price is in $dollars"),
    ("a mention first", "@nobody should look at this"),
    ("a bang first", "!echo this is no shell command"),
    ("a known command first", "/help me with this function"),
    ("an unknown command first", "/nosuchcommand with words"),
    ("a path first", "/etc/hosts is a file"),
    ("a hash first", "# Heading, not a memory"),
    ("a dash first", "--help is a flag"),
    ("a word that leaves", "exit"),
    ("vi's way out", ":q"),
    ("tabs", "name\tvalue\n\tindented by a tab"),
    ("DOS line ends", "one\r\ntwo\r\nthree"),
    ("shell syntax", "run `rm -rf $(pwd)/*` \"quoted\" 'single' && echo $HOME; #"),
    ("a code fence", "```rust\nfn main() { println!(\"{}\", 1 + 1); }\n```"),
    ("a Markdown table", "| a | b |\n|---|---|\n| 1 | 2 |"),
    ("JSON", r#"{"name": "value", "list": [1, 2, 3], "text": "line\nline"}"#),
    ("a resize frame", r#"{"type":"resize"}"#),
    ("a whole resize frame", r#"{"type": "resize", "cols": 12, "rows": 5}"#),
    ("emoji", "🦀 crab, 🚀 rocket, ❤️ heart, 🇩🇪 flag"),
    ("joined emoji", "👩‍👩‍👧‍👦 family, 👩🏽‍🚀 astronaut, 🏴‍☠️ pirate"),
    ("Arabic", "مرحبا بالعالم، هذا نص من اليمين إلى اليسار"),
    ("Hebrew and English", "שלום world, זה טקסט mixed עם English"),
    ("wide characters", "日本語のテキストと中文字符和한국어"),
    ("combining characters", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢ café naïve"),
    ("C0 controls", "a\u{1}b\u{2}c\u{3}d\u{4}e\u{8}f\u{c}g\u{1a}h"),
    ("escape sequences", "red \u{1b}[31mtext\u{1b}[0m and a title \u{1b}]0;owned\u{7} end"),
    ("the end of a paste", "before \u{1b}[201~ after"),
    ("C1 controls and DEL", "a\u{9b}31mb\u{9d}c\u{7f}d"),
    ("a dialog", "Do you want to proceed?\n❯ 1. Yes\n  2. No\nEsc to cancel"),
    ("a state report", "\u{1b}]7501;state=idle\u{1b}\\ then words"),
    ("an error and a login", "API Error: 401\nPlease log in at https://example.invalid/login"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_say() {
        let messages = fifty();
        let longest = messages.iter().map(|message| message.text.len()).max();
        assert!(longest >= Some(100_000));
        assert!(messages.iter().any(|message| message.text.lines().count() == 200));
        assert_eq!(as_taken("a\u{1b}[201~b\r\nc\u{9b} \n"), "a[201~b\nc");
    }
}
