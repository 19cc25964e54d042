//! What stands in the place where a message is typed.

use std::ops::Range;

use parallax_api::terminal::Cursor;
use parallax_api::text::visible;
use parallax_screen::Row;

use crate::observation::Composer;
use crate::profile::screen::ComposerRule;
use crate::profile::submit::Submit;

/// The composer with the cursor in it, and its rows. Quoted or echoed prompts have the look of one, but not the cursor.
pub(super) fn read(rule: &ComposerRule, rows: &[Row], cursor: Cursor) -> Option<(Composer, Range<usize>)> {
    let column = usize::from(cursor.col);
    let cursor = usize::from(cursor.row);
    let is_below = |row: &Row| rule.below.as_ref().map_or(row.is_blank(), |below| below.is_match(&row.text));
    let first =
        (0..=cursor).rev().find(|at| rows.get(*at).is_some_and(|row| rule.prompt.is_match(&row.text)))?;
    if rule.above.as_ref().is_some_and(|above| first > 0 && !above.is_match(&rows[first - 1].text)) {
        return None;
    }
    // Further lines are indented under the first; what is not belongs to the conversation.
    let is_further = |row: &Row| rule.flush || row.is_blank() || row.text.starts_with(' ');
    if cursor >= rows.len() || !rows[first + 1..=cursor].iter().all(is_further) {
        return None;
    }
    let end = (cursor + 1..rows.len()).find(|at| is_below(&rows[*at])).unwrap_or(rows.len());
    let prompt = rule.prompt.captures(&rows[first].text).and_then(|found| found.get(0))?;
    let width = rows[first].text[..prompt.end()].chars().count();
    let mut typed = String::new();
    for (at, row) in rows[first..end].iter().enumerate() {
        let text = typed_text(row, (first + at == cursor).then_some(column));
        let start = text.char_indices().nth(width).map_or(text.len(), |(index, _)| index);
        // Rows after the first stand under the text of the first; where they do not, nothing may be lost.
        let cut = text[..start].trim().is_empty() || std::ptr::eq(row, &rows[first]);
        typed.push_str(if cut { &text[start..] } else { &text });
        if !row.wrapped {
            typed.push('\n');
        }
    }
    let typed = typed.trim();
    let is_hint = rule.hint.as_ref().is_some_and(|hint| hint.is_match(typed));
    let composer = if typed.is_empty() || is_hint { Composer::Empty } else { Composer::Holds(typed.into()) };
    Some((composer, first..end))
}

impl Submit {
    /// Whether a composer shows this text and nothing else, or what stands for a long one. Of a text that does not fit the
    /// end is enough.
    pub fn is_echoed(&self, text: &str, composer: &Composer) -> bool {
        let Composer::Holds(shown) = composer else { return false };
        // One chip more is another paste.
        let chips = self.chips.iter().map(|chip| chip.count(shown)).sum::<usize>();
        let is_chip = (1..=self.pieces(text).len()).contains(&chips);
        let shown = self.chips.iter().fold(shown.clone(), |shown, chip| chip.without(&shown));
        // What is beside a chip is a piece that is shown.
        let least = if is_chip { 0 } else { SHOWN_CHARS };
        is_shown(&visible(text), &visible(&shown), least)
    }

    /// As [`Self::is_echoed`], by letters and digits alone: some CLIs show odd characters otherwise.
    pub fn is_nearly_echoed(&self, text: &str, composer: &Composer) -> bool {
        let Composer::Holds(shown) = composer else { return false };
        let letters = |text: &str| text.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
        let (text, shown) = (letters(text), letters(shown));
        is_shown(&text, &shown, if text.is_empty() { 0 } else { SHOWN_CHARS })
    }
}

/// Whether `shown` is the whole of `text`, or an end of it of `least` characters.
fn is_shown(text: &str, shown: &str, least: usize) -> bool {
    text == shown || text.ends_with(shown) && shown.chars().count() >= least
}

/// How much of the end of a text must show: less than the smallest composer holds.
const SHOWN_CHARS: usize = 40;

/// The text of a row without its dim hint. The cursor stands on the first cell of a hint, which is drawn as the cursor
/// and not dim; what follows it tells.
fn typed_text(row: &Row, cursor: Option<usize>) -> String {
    let drawn = cursor.filter(|at| !row.is_dim(*at) && row.is_dim(at + 1));
    row.without(|col| row.is_dim(col) || drawn == Some(col))
}

#[cfg(test)]
mod tests {
    use parallax_api::TerminalSize;
    use parallax_screen::Screen;

    use super::*;
    use crate::Profiles;

    const RULE: &str = r#"
        prompt = '^❯[ \x{A0}]?'
        above = '^─{10,}'
        below = '^─{10,}'
    "#;

    fn composer(output: &str) -> Option<Composer> {
        let rule: ComposerRule = toml::from_str(RULE).unwrap();
        let mut screen = Screen::new(TerminalSize { cols: 12, rows: 10 }, 0);
        screen.feed(output.replace("---", "────────────\r\n").as_bytes());
        read(&rule, &screen.rows(), screen.cursor()).map(|(composer, _)| composer)
    }

    #[test]
    fn what_is_typed() {
        let holds = |text: &str| Some(Composer::Holds(text.into()));
        let table = [
            ("empty", "---❯ \r\n---footer\x1b[2;3H", Some(Composer::Empty)),
            ("text", "---❯ hello\r\n---\x1b[2;8H", holds("hello")),
            ("no-break space", "---❯\u{a0}hello\r\n---\x1b[2;8H", holds("hello")),
            ("dim hint", "---❯ \x1b[2mTry this\x1b[m\r\n---\x1b[2;3H", Some(Composer::Empty)),
            (
                "hint under the cursor",
                "---❯ \x1b[7mT\x1b[m\x1b[2mry this\x1b[m\r\n---\x1b[2;3H",
                Some(Composer::Empty),
            ),
            ("completion", "---❯ hel\x1b[7ml\x1b[m\x1b[2mo\x1b[m\r\n---\x1b[2;6H", holds("hel")),
            ("lines", "---❯ one\r\n  two\r\n---\x1b[3;6H", holds("one\ntwo")),
            ("cursor elsewhere", "---❯ \r\n---footer", None),
            ("no frame", "● it says\r\n❯ quoted\x1b[2;5H", None),
            ("echo above a dialog", "❯ prompt\r\n\r\n---❯ 1. Yes\r\n  2. No\r\n\r\nEsc", None),
        ];
        for (name, output, expected) in table {
            assert_eq!(composer(output), expected, "{name}");
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
            ("hello", "left over hello", false),
            ("hello", "[Pasted text #1 +3 lines]hello", true),
            ("a\nb", "left over [Pasted text #1 +3 lines]", false),
            ("a\nb\nc\nd.png", "[Pasted text #1 +3 lines]png", true),
            ("a\nb\nc\nd.png\ne\nf\ng", "[Pasted text #1 +3 lines][Pasted text #2 +3 lines]", true),
            ("a\nb\nc\nd", "[Pasted text #1 +3 lines][Pasted text #2 +3 lines]", false),
            ("caf\u{e9}\u{200b}", "caf\u{e9}", true),
        ];
        for (text, shown, expected) in table {
            let composer = if shown.is_empty() { Composer::Empty } else { Composer::Holds(shown.into()) };
            assert_eq!(profile.submit().is_echoed(text, &composer), expected, "{text:.20}");
        }
    }
}
