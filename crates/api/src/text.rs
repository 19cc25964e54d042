//! What a person sees of a text.

mod plain;

pub use plain::{is_plain, is_plain_char, plain, plain_start, signs};

/// Whether a character shows nothing by itself: controls, format characters (zero width, bidirectional, tags), variation
/// selectors, fillers and combining marks. White space is not among them.
pub fn is_invisible(char: char) -> bool {
    if char.is_whitespace() {
        return false;
    }
    char.is_control() || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&char))
}

/// Whether nothing of a text is visible: it is empty, or only white space and invisible characters.
pub fn is_blank(text: &str) -> bool {
    // A braille pattern without dots looks like a space.
    text.chars().all(|char| char.is_whitespace() || is_invisible(char) || char == '\u{2800}')
}

/// What a person sees of a text, without white space: terminal programs wrap and indent as they like, and drop what shows nothing.
pub fn visible(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && !is_invisible(*char)).collect()
}

/// The text, or as much of its beginning as has, with the mark that the rest is missing, at most so many characters.
pub fn cut(mut text: String, most: usize) -> String {
    if text.char_indices().nth(most).is_some() {
        let (end, _) = text.char_indices().nth(most.saturating_sub(1)).unwrap_or_default();
        text.truncate(end);
        text.push(CUT);
    }
    text
}

/// Stands where the rest of a text is missing.
pub const CUT: char = '…';

/// The categories Cf and Mn of Unicode, as far as terminal programs drop or merge them, and the letters that show nothing.
const INVISIBLE: [(char, char); 35] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{600}', '\u{605}'),
    ('\u{610}', '\u{61a}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{302a}', '\u{302f}'),
    ('\u{3099}', '\u{309a}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d165}', '\u{1d169}'),
    ('\u{1d16d}', '\u{1d182}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        let table = [("", ""), ("abc", "abc"), ("日本語", "日本語"), ("abcd", "ab…"), ("日本語の", "日本…")];
        for (text, expected) in table {
            let short = cut(text.into(), 3);
            assert_eq!(short, expected);
            assert_eq!(cut(short, 3), expected, "once is enough");
        }
        assert_eq!(cut("abc".into(), 1), "…");
    }

    #[test]
    fn nothing_to_see() {
        for text in [
            "",
            " \n\t",
            "\u{1}\u{2}",
            "\u{200b}",
            "\u{feff}\u{2066}",
            "\u{e0041}",
            "\u{301}",
            "\u{7f}\u{9b}",
            "\u{2800}",
        ] {
            assert!(is_blank(text), "{}", text.escape_unicode());
        }
        for text in ["a", ".", "\u{200b}a", "e\u{301}", "é", "日", "👍\u{fe0f}", "#"] {
            assert!(!is_blank(text), "{}", text.escape_unicode());
        }
    }
}
