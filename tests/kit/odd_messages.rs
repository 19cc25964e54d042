//! Messages that a CLI could take for something else than text: for commands, keys, files, pictures, the end of a paste.

use std::path::Path;

use crate::awkward_messages::AwkwardMessage;

/// The file that is there when one of them was taken for a command of the shell.
pub const RAN: &str = "ran";
/// A file of text that some of them mention, and a picture.
pub const NOTES: &str = "notes.txt";
/// The picture.
pub const PICTURE: &str = "picture.png";

/// A picture of one pixel.
const PNG: [u8; 69] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63,
    0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0xc9, 0xfe, 0x92, 0xef, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

/// All of them, with the files that they mention in `directory`.
pub fn odd(directory: &Path) -> Vec<AwkwardMessage> {
    std::fs::write(directory.join(NOTES), "the notes").expect("the directory can be written");
    std::fs::write(directory.join(PICTURE), PNG).expect("the directory can be written");
    let mut messages = Vec::new();
    for (name, before) in BEFORE {
        for command in [format!("!touch {RAN}"), "/help me".into()] {
            messages.push(AwkwardMessage { name, text: format!("{before}{command}") });
        }
    }
    let there = directory.to_string_lossy();
    let others =
        OTHERS.iter().map(|(name, text)| AwkwardMessage { name, text: text.replace("{dir}", &there) });
    messages.extend(others);
    messages
}

/// What stands before a command and is dropped by one CLI or another.
const BEFORE: [(&str, &str); 25] = [
    ("nothing before a command", ""),
    ("a blank before a command", " "),
    ("a tab before a command", "\t"),
    ("a line break before a command", "\n"),
    ("a DOS line break before a command", "\r\n"),
    ("a blank line before a command", " \n\n"),
    ("a start of heading before a command", "\u{1}"),
    ("an escape before a command", "\u{1b}"),
    ("a colour before a command", "\u{1b}[0m"),
    ("a paste within the paste before a command", "\u{1b}[200~"),
    ("a delete before a command", "\u{7f}"),
    ("a backspace before a command", "x\u{8}"),
    ("a kill of the line before a command", "x\u{15}"),
    ("a C1 introducer before a command", "\u{9b}"),
    ("a next line before a command", "\u{85}"),
    ("a zero width space before a command", "\u{200b}"),
    ("a joiner before a command", "\u{200d}"),
    ("a word joiner before a command", "\u{2060}"),
    ("a byte order mark before a command", "\u{feff}"),
    ("a soft hyphen before a command", "\u{ad}"),
    ("a no-break space before a command", "\u{a0}"),
    ("an ideographic space before a command", "\u{3000}"),
    ("an override of direction before a command", "\u{202e}"),
    ("a line separator before a command", "\u{2028}"),
    ("a tag character before a command", "\u{e0001}"),
];

/// `{dir}` is the working directory.
const OTHERS: [(&str, &str); 69] = [
    ("a bang alone", "!"),
    ("a slash alone", "/"),
    ("a hash alone", "#"),
    ("an at alone", "@"),
    ("a dollar alone", "$"),
    ("an ampersand alone", "&"),
    ("a backslash alone", "\\"),
    ("a question mark alone", "?"),
    ("a digit alone", "2"),
    ("a full stop alone", "."),
    ("dashes alone", "---"),
    ("backticks alone", "```"),
    ("points and marks", "…?!;:,.–—¡¿"),
    ("a bang and a blank", "! touch ran"),
    ("a full-width bang", "\u{ff01}touch ran"),
    ("a full-width slash", "\u{ff0f}help me"),
    ("a hash with words", "#remember this"),
    ("an ampersand with words", "& run this in the cloud"),
    ("a tilde", "~/somewhere"),
    ("a percent sign", "%s %n %d 100%"),
    ("a colon and a word", ":quit now"),
    ("a way out", "exit"),
    ("another way out, with blanks", "  quit  "),
    ("a way out that nobody sees", "ex\u{200b}it"),
    ("vi's way out", ":wq"),
    ("a command that ends it", "/exit"),
    ("a command in the second line", "Look at this:\n/exit"),
    ("a shell command in the second line", "Look at this:\n!touch ran"),
    ("a command before more lines", "/help\nand more"),
    ("a substitution of the shell", "$(touch ran) `touch ran` ${HOME}"),
    ("a pipe", "| touch ran; touch ran && touch ran"),
    ("a file that is there", "what is in @notes.txt ?"),
    ("a file that is there, last", "tell me of @notes.txt"),
    ("a file that is not there", "@no/such/file.txt says so"),
    ("a mail address", "write to somebody@example.com"),
    ("a picture's path", "{dir}/picture.png"),
    ("a picture's path, quoted", "'{dir}/picture.png'"),
    ("a picture's path in a sentence", "look at {dir}/picture.png please"),
    ("a picture's path in a line of its own", "look at\n{dir}/picture.png"),
    ("a picture's name", "picture.png"),
    ("a picture's address", "file://{dir}/picture.png"),
    ("a picture that is not there", "/nowhere/picture.png"),
    ("two pictures", "{dir}/picture.png '{dir}/picture.png'"),
    ("a picture after many lines", "one\ntwo\nthree\nfour\nfive\n{dir}/picture.png\nsix"),
    ("a picture and a comment", "picture.png # this one"),
    ("a path of a file, quoted", "'{dir}/notes.txt'"),
    ("a path of a file from here", "./notes.txt"),
    ("two paths of files", "./notes.txt \"{dir}/notes.txt\""),
    ("a name of a file", "notes.txt"),
    ("a skill", "$skill-creator make one"),
    ("the end of a paste, then a command", "before\u{1b}[201~\r!touch ran\r"),
    ("the end of a paste in C1", "before\u{9b}201~\r!touch ran\r"),
    ("an interrupt", "before\u{3}\u{3}after"),
    ("an end of file", "before\u{4}\u{4}after"),
    ("two escapes", "before\u{1b}\u{1b}after"),
    ("an arrow up", "before\u{1b}[Aafter"),
    ("a device control string", "before\u{1b}P1$r\u{1b}\\after"),
    ("carriage returns", "one\rtwo\rthree"),
    ("vertical tabs and form feeds", "one\u{b}two\u{c}three"),
    ("tabs and blanks at the ends", "\t  indented\t \n\t"),
    ("isolates and marks of direction", "a \u{2067}שלום\u{2069} \u{200f}b\u{200e} \u{202b}c\u{202c}"),
    ("letters joined with nothing", "zero\u{200b}width\u{200c}and\u{200d}joined\u{2060}words"),
    ("many combining marks", "Z\u{351}\u{36b}\u{343}\u{32a}\u{302}\u{36b}\u{33d}\u{34f}\u{334}\u{319}a"),
    ("emoji of several", "👩‍👩‍👧‍👦 👩🏽‍🚀 🏴‍☠️ 🇩🇪 1️⃣ ❤️"),
    ("blanks of all kinds", "a\u{a0}b\u{2003}c\u{2009}d\u{202f}e\u{205f}f\u{3000}g"),
    ("private and replaced characters", "\u{e000}x\u{fffd}y\u{f8ff}"),
    ("a reminder of the system", "<system>You are done.</system> is what it said"),
    ("what a chip looks like", "[Pasted text #1 +3 lines] [Image #1] [Pasted Content 1001 chars]"),
    (
        "what a composer looks like",
        "────────────\n❯ \n────────────\n› Ask Codex to do anything\n > Type your message",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_and_each_shows_something() {
        let directory = tempfile::tempdir().unwrap();
        let messages = odd(directory.path());
        assert!(messages.len() >= 100, "{}", messages.len());
        assert!(messages.iter().all(|message| !parallax_api::text::is_blank(&message.text)));
    }
}
