//! Which text may be a name: shown beside others, it neither controls nor turns nor hides anything.
//!
//! The page has the same rule (`ui/plain.ts`), and both are tested with `plain.json`.

/// Whether text holds nothing that controls a terminal, turns the direction of what is shown beside it, or cannot be seen. What joins or shapes
/// signs that can be seen, as in 👩‍💻, is part of them.
pub fn is_plain(text: &str) -> bool {
    signs(text).all(|(_, is_plain)| is_plain)
}

/// The text without what makes it not plain.
pub fn plain(text: &str) -> String {
    signs(text).filter(|(_, is_plain)| *is_plain).map(|(sign, _)| sign).collect()
}

/// As much of the beginning of the plain text as has at most so many characters. A sign that was joined to one behind loses that.
pub fn plain_start(text: &str, most: usize) -> String {
    plain(&plain(text).chars().take(most).collect::<String>())
}

/// Whether a character is plain wherever it stands.
pub fn is_plain_char(c: char) -> bool {
    let breaks_line = matches!(c, '\u{2028}' | '\u{2029}');
    !c.is_control() && !breaks_line && !is_in(c, &IGNORABLE)
}

/// Each character, and whether it is plain where it stands.
pub fn signs(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut rest = text.chars().peekable();
    let (mut before, mut shaped) = (None, None);
    std::iter::from_fn(move || {
        let sign = rest.next()?;
        let next = rest.peek().copied();
        let is_plain = match sign {
            _ if is_in(sign, &SELECTORS) => shapes(before, sign, next),
            '\u{200c}' | '\u{200d}' => joins(shaped, next),
            _ => is_plain_char(sign),
        };
        before = Some(sign);
        if !is_in(sign, &SELECTORS) {
            shaped = before;
        }
        Some((sign, is_plain))
    })
}

/// Whether a joiner joins: pictographs to one, or letters of a script that writes them joined or apart.
fn joins(before: Option<char>, after: Option<char>) -> bool {
    let both = |ranges: &[_]| {
        [before, after].iter().all(|sign| sign.is_some_and(|sign| is_plain_char(sign) && is_in(sign, ranges)))
    };
    both(&PICTOGRAPHS) || both(&JOINED_SCRIPTS)
}

/// Whether a selector has something to shape: a keycap's sign or a pictograph as text or emoji, an ideograph, a Mongolian letter. With
/// others it would hide in a name that looks like another one.
fn shapes(before: Option<char>, selector: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match selector {
        '\u{fe0f}' if matches!(before, '0'..='9' | '#' | '*') => after == Some('\u{20e3}'),
        '\u{fe0e}' | '\u{fe0f}' => is_in(before, &PICTOGRAPHS) || is_in(before, &SYMBOLS),
        '\u{180b}'..='\u{180f}' => is_in(before, &MONGOLIAN),
        _ => is_in(before, &IDEOGRAPHS),
    }
}

fn is_in(c: char, ranges: &[(char, char)]) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// `Default_Ignorable_Code_Point` of Unicode: what shows nothing, or turns the direction of text; the marks of annotations; Braille without a dot.
const IGNORABLE: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];
/// Of these, what chooses the shape of the sign before it.
const SELECTORS: [(char, char); 4] = [
    ('\u{180b}', '\u{180d}'),
    ('\u{180f}', '\u{180f}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{e0100}', '\u{e01ef}'),
];
/// The blocks of the signs that emoji are joined of.
const PICTOGRAPHS: [(char, char); 4] = [
    ('\u{2190}', '\u{21ff}'),
    ('\u{2600}', '\u{27bf}'),
    ('\u{2b00}', '\u{2bff}'),
    ('\u{1f000}', '\u{1faff}'),
];
/// Other signs that are shown as text or as emoji (`emoji-variation-sequences.txt` of Unicode), with the blocks of most.
const SYMBOLS: [(char, char); 12] = [
    ('\u{a9}', '\u{a9}'),
    ('\u{ae}', '\u{ae}'),
    ('\u{203c}', '\u{203c}'),
    ('\u{2049}', '\u{2049}'),
    ('\u{2122}', '\u{2122}'),
    ('\u{2139}', '\u{2139}'),
    ('\u{2300}', '\u{23ff}'),
    ('\u{24c2}', '\u{24c2}'),
    ('\u{25a0}', '\u{25ff}'),
    ('\u{3030}', '\u{303d}'),
    ('\u{3297}', '\u{3297}'),
    ('\u{3299}', '\u{3299}'),
];
/// Letters that `U+180B` to `U+180F` shape.
const MONGOLIAN: [(char, char); 1] = [('\u{1820}', '\u{18af}')];
/// Ideographs, of which there are registered variants, and those for compatibility.
const IDEOGRAPHS: [(char, char); 4] = [
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{9fff}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{20000}', '\u{3ffff}'),
];
/// From Arabic to Sinhala.
const JOINED_SCRIPTS: [(char, char); 1] = [('\u{600}', '\u{dff}')];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names() {
        let table: BTreeMap<String, Vec<String>> =
            serde_json::from_str(include_str!("plain.json")).expect("a table");
        assert!(table.keys().map(String::as_str).eq(["plain", "refused"]));
        for (is_good, texts) in [(true, &table["plain"]), (false, &table["refused"])] {
            for text in texts {
                assert_eq!(is_plain(text), is_good, "{}", text.escape_unicode());
                assert_eq!(plain(text) == *text, is_good, "{}", text.escape_unicode());
                assert!(is_plain(&plain(text)), "{}", text.escape_unicode());
            }
        }
    }
}
