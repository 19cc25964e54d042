//! What a CLI asks on its screen: the dialog, its text, its choices and the keys that make them.

use std::ops::Range;

use parallax_api::{AgentError, AttentionKind};
use parallax_screen::Row;

use super::link::{Link, last_link};
use super::{Choice, Needed, TextEntry};
use crate::profile::Profile;
use crate::profile::dialog::{Choosing, Dialog};

/// The dialog that stands on the screen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub rule: String,
    /// What a person is needed for.
    pub needed: Option<Needed>,
    /// The error it tells.
    pub error: Option<AgentError>,
    /// Its last rows.
    pub evidence: String,
}

/// One row of a block, without the sides of the box around it.
struct Line {
    /// Which row of the screen.
    row: usize,
    text: String,
    /// How many characters the box leaves to it.
    room: usize,
    /// How many boxes it stands in.
    depth: usize,
}

/// A row that offers a choice.
struct Offer {
    line: usize,
    marked: bool,
    number: Option<usize>,
    /// Where the label begins, in characters.
    column: usize,
    label: String,
}

/// The dialog at the end of the screen. `rows` end with the last that is not blank.
pub(super) fn find(profile: &Profile, rows: &[Row], width: usize) -> Option<Asked> {
    profile.dialogs.iter().find_map(|dialog| {
        let lines = block(dialog, rows, width)?;
        Some(asked(profile, dialog, rows, &lines, width))
    })
}

/// The lines of the block that the dialog would be, when it is.
fn block(dialog: &Dialog, rows: &[Row], width: usize) -> Option<Vec<Line>> {
    let last = rows.last()?;
    if !dialog.ends.is_match(&last.text) && !dialog.ends.is_match(&unframed(&last.text, width).0) {
        return None;
    }
    let begins = dialog.begins.as_ref();
    let first =
        begins.and_then(|begins| rows.iter().rposition(|row| begins.is_match(&row.text))).unwrap_or(0);
    let lines: Vec<Line> = rows[first..]
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let (text, room, depth) = unframed(&row.text, width);
            Line { row: first + index, text, room, depth }
        })
        .collect();
    let mut left = lines.iter();
    dialog.shows.iter().all(|shows| left.any(|line| shows.is_match(&line.text))).then_some(lines)
}

fn asked(profile: &Profile, dialog: &Dialog, rows: &[Row], lines: &[Line], width: usize) -> Asked {
    let is_entry = dialog.text.as_ref().is_some_and(|rule| rule.choice.is_none());
    let offers = if is_entry { Vec::new() } else { offers(profile, lines) };
    let screen_rows = lines[0].row..rows.len();
    let link = dialog
        .address
        .as_ref()
        .and_then(|address| last_link(rows, screen_rows, width).filter(|link| address.is_match(&link.url)));
    let text = text(dialog, &lines[..offers.first().map_or(lines.len(), |offer| offer.line)], link.as_ref());
    let mut options = choices(profile, dialog, &offers, lines);
    options.extend(dialog.keys.iter().map(|choice| Choice {
        id: choice.id.clone(),
        label: choice.label.clone(),
        keys: choice.keys.clone(),
    }));
    let takes_text = dialog.text.as_ref().and_then(|rule| {
        let before = match &rule.choice {
            Some(label) => options.iter().find(|choice| label.is_match(&choice.label))?.keys.clone(),
            None => Vec::new(),
        };
        Some(TextEntry { before, after: vec!["enter".into()] })
    });
    let passed =
        dialog.pass.as_ref().and_then(|label| options.iter().find(|choice| label.is_match(&choice.label)));
    let pass = passed.map(|choice| choice.keys.clone()).unwrap_or_default();
    let error = dialog.error.as_ref().map(|code| AgentError { code: code.clone(), message: text.clone() });
    let needed = dialog.asks.map(|kind| Needed {
        kind,
        text: text.clone(),
        login_url: link.map(|link| link.url),
        options,
        on_screen: true,
        takes_text,
        pass,
    });
    let evidence = match dialog.asks {
        // What is typed into a login is a secret: only what is told anyway.
        Some(AttentionKind::Login) => text.clone(),
        _ => last_rows(lines),
    };
    Asked { rule: format!("dialog {}", dialog.name), needed, error, evidence }
}

fn last_rows(lines: &[Line]) -> String {
    let shown: Vec<&str> =
        lines.iter().map(|line| line.text.trim()).filter(|text| says_something(text)).collect();
    shown[shown.len().saturating_sub(EVIDENCE_ROWS)..].join("\n")
}

/// How many rows stand for a dialog in an explanation.
const EVIDENCE_ROWS: usize = 6;

/// What a dialog says before its choices.
fn text(dialog: &Dialog, lines: &[Line], link: Option<&Link>) -> String {
    if let Some(says) = &dialog.says {
        return says.clone();
    }
    // What is typed into a login stands in a box of its own: it is not to be shown.
    let is_entry = dialog.asks == Some(AttentionKind::Login) && dialog.text.is_some();
    let own_depth = lines.iter().find(|line| says_something(&line.text)).map_or(0, |line| line.depth);
    let mut told = Vec::new();
    let mut skipped: Option<&Line> = None;
    for line in lines {
        let text = line.text.trim();
        let is_link = link.is_some_and(|link| link.rows.contains(&line.row));
        let is_typed = is_entry && line.depth > own_depth;
        let is_skipped = dialog.skip.as_ref().is_some_and(|skip| skip.is_match(text))
            || skipped.is_some_and(|above| goes_on(above, line));
        skipped = is_skipped.then_some(line);
        if !is_link && !is_typed && !is_skipped && says_something(text) {
            told.push(text.trim_start_matches(FURNITURE));
        }
    }
    told.join("\n")
}

/// Whether a line was broken because the first word of the next had no room in it.
fn goes_on(above: &Line, below: &Line) -> bool {
    let used = above.text.trim_end().chars().count();
    below.text.split_whitespace().next().is_some_and(|word| used + 1 + word.chars().count() > above.room)
}

/// What may stand before a line and says nothing: a spinner (without it the line does not change), a bar.
const FURNITURE: [char; 21] =
    ['·', '✢', '✳', '✶', '✻', '✽', '*', '✘', '⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏', '●', '│', ' '];

/// Not blank and not a rule.
fn says_something(text: &str) -> bool {
    let is_border = text.trim_start().starts_with(['╭', '╰']);
    !is_border && !text.trim_matches(['─', '╌', '━', ' ']).is_empty()
}

/// The choices in a block: the last list numbered from one, or the rows in line with the marked one.
fn offers(profile: &Profile, lines: &[Line]) -> Vec<Offer> {
    let all: Vec<Offer> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| offer(&profile.marks, index, &line.text))
        .collect();
    let mut numbered: Vec<Offer> = Vec::new();
    let mut unnumbered: Vec<Offer> = Vec::new();
    for offer in all {
        match offer.number {
            Some(1) => numbered = vec![offer],
            Some(number) if number == numbered.len() + 1 && number > 1 => numbered.push(offer),
            Some(_) => {}
            None => unnumbered.push(offer),
        }
    }
    if !numbered.is_empty() {
        return numbered;
    }
    let Some(marked) = unnumbered.iter().rposition(|offer| offer.marked) else { return Vec::new() };
    let (line, column) = (unnumbered[marked].line, unnumbered[marked].column);
    let in_line = |offer: &&Offer| offer.column == column;
    let below =
        unnumbered[marked..].iter().zip(line..).take_while(|(offer, at)| offer.line == *at && in_line(offer));
    let end = marked + below.count();
    let above = unnumbered[..marked]
        .iter()
        .rev()
        .zip(1..)
        .take_while(|(offer, back)| offer.line + back == line && in_line(offer));
    let start = marked - above.count();
    unnumbered.drain(start..end).collect()
}

/// Reads `❯ 1. Label`: each part but the label may be missing.
fn offer(marks: &[String], line: usize, text: &str) -> Option<Offer> {
    let mut rest = text.trim_start();
    let marked =
        marks.iter().find_map(|mark| rest.strip_prefix(mark.as_str()).filter(|rest| rest.starts_with(' ')));
    rest = marked.unwrap_or(rest).trim_start();
    // What is chosen at present, in lists of settings.
    rest = rest.strip_prefix("✔ ").unwrap_or(rest);
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = rest[..digits].parse().ok().filter(|_| rest[digits..].starts_with(". "));
    if number.is_some() {
        rest = rest[digits + 1..].trim_start();
    }
    let label = rest.trim_end().trim_end_matches(" ✔").to_owned();
    let column = text.chars().count() - rest.chars().count();
    (!label.is_empty()).then_some(Offer { line, marked: marked.is_some(), number, column, label })
}

fn choices(profile: &Profile, dialog: &Dialog, offers: &[Offer], lines: &[Line]) -> Vec<Choice> {
    let marked = offers.iter().position(|offer| offer.marked).unwrap_or(0);
    let mut choices: Vec<Choice> = Vec::new();
    for (index, offer) in offers.iter().enumerate() {
        let until = offers.get(index + 1).map_or(lines.len(), |next| next.line);
        let label = whole_label(offer, &lines[offer.line..until]);
        let id = unused_id(profile, &label, &choices);
        choices.push(Choice { id, label, keys: keys(dialog, offer, index, marked) });
    }
    choices
}

/// A label that was wrapped, joined. What follows a label is part of it when its first word had no room beside it; else it
/// is a description.
fn whole_label(offer: &Offer, lines: &[Line]) -> String {
    let mut label = offer.label.clone();
    for pair in lines.windows(2) {
        let indent = pair[1].text.chars().take_while(|c| *c == ' ').count();
        if indent != offer.column || !goes_on(&pair[0], &pair[1]) {
            break;
        }
        label = format!("{label} {}", pair[1].text.trim());
    }
    label
}

/// Numbers are typed; where there are none, the marker is moved.
fn keys(dialog: &Dialog, offer: &Offer, index: usize, marked: usize) -> Vec<String> {
    let enter = || "enter".to_owned();
    match (dialog.choose, offer.number) {
        (Choosing::Number, Some(number @ 1..=9)) => vec![number.to_string()],
        (Choosing::NumberEnter, Some(number @ 1..=9)) => vec![number.to_string(), enter()],
        _ => {
            let (key, steps) = if index < marked { ("up", marked - index) } else { ("down", index - marked) };
            std::iter::repeat_n(key.to_owned(), steps).chain([enter()]).collect()
        }
    }
}

/// The profile's id for the label when it is free, else a word made from the label.
fn unused_id(profile: &Profile, label: &str, taken: &[Choice]) -> String {
    let is_free = |id: &str| taken.iter().all(|choice| choice.id != id);
    let named = profile.choices.iter().find(|name| name.label.is_match(label)).map(|name| name.id.clone());
    if let Some(id) = named.filter(|id| is_free(id)) {
        return id;
    }
    let slug = slug(label);
    let numbered = (2..).map(|number| format!("{slug}-{number}"));
    std::iter::once(slug.clone()).chain(numbered).find(|id| is_free(id)).expect("numbers do not end")
}

/// At most this many characters of a label make its id.
const SLUG_CHARS: usize = 40;

fn slug(label: &str) -> String {
    let words = label.to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = String::new();
    for word in words {
        if !slug.is_empty() {
            if slug.chars().count() + word.chars().count() >= SLUG_CHARS {
                break;
            }
            slug.push('-');
        }
        slug.extend(word.chars().take(SLUG_CHARS));
    }
    if slug.is_empty() { "choice".into() } else { slug }
}

/// A row without the sides of the boxes it stands in, how many characters they leave to it, and how many they are.
fn unframed(text: &str, width: usize) -> (String, usize, usize) {
    let (mut inner, mut room, mut depth) = (text, width, 0);
    while let Some(inside) = inner.trim().strip_prefix('│').and_then(|rest| rest.strip_suffix('│')) {
        inner = inside;
        // One blank is left free at the right side of a box.
        room = inner.chars().count().saturating_sub(1);
        depth += 1;
    }
    (inner.trim_end().to_owned(), room, depth)
}

/// The rows of a screen up to the last that is not blank.
pub(super) fn filled(rows: &[Row]) -> Range<usize> {
    0..rows.iter().rposition(|row| !row.text.trim().is_empty()).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use parallax_api::TerminalSize;
    use parallax_screen::Screen;

    use super::*;
    use crate::Profiles;

    const WIDTH: u16 = 60;

    fn asked_by(profile: &str, lines: &[&str]) -> Option<Asked> {
        let profile = Profiles::builtin().get(profile).unwrap();
        let mut screen = Screen::new(TerminalSize { cols: WIDTH, rows: 30 }, 0);
        screen.feed(lines.join("\r\n").replace("---", &"─".repeat(WIDTH.into())).as_bytes());
        let rows = screen.rows();
        find(&profile, &rows[filled(&rows)], WIDTH.into())
    }

    fn choices_of(asked: &Asked) -> Vec<(String, String)> {
        let options = &asked.needed.as_ref().unwrap().options;
        options.iter().map(|choice| (choice.id.clone(), choice.keys.join(" "))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(id, keys)| ((*id).into(), (*keys).into())).collect()
    }

    #[test]
    fn numbers_are_typed_and_labels_are_whole() {
        let asked = asked_by(
            "claude",
            &[
                "❯ 1. quoted in the conversation",
                "---",
                " Bash command",
                "   touch a",
                " Do you want to proceed?",
                " ❯ 1. Yes",
                "   2. Yes, and always allow access to /home/somebody/a-long",
                "      directory from this project",
                "   3. No",
                "",
                " Esc to cancel · Tab to amend",
            ],
        )
        .unwrap();
        assert_eq!(choices_of(&asked), pairs(&[("yes", "1"), ("always", "2"), ("no", "3")]));
        let needed = asked.needed.unwrap();
        assert_eq!(needed.text, "Bash command\ntouch a\nDo you want to proceed?");
        assert_eq!(
            needed.options[1].label,
            "Yes, and always allow access to /home/somebody/a-long directory from this project"
        );
    }

    #[test]
    fn the_marker_is_moved_where_there_are_no_numbers() {
        let trust = |marked_first: bool| {
            let (first, second) = if marked_first { ("❯", " ") } else { (" ", "❯") };
            let lines = [
                "---".to_owned(),
                " Quick safety check: do you trust this folder?".into(),
                "".into(),
                format!(" {first} No, exit"),
                format!(" {second} Yes, I trust this folder"),
                "".into(),
                " Enter to confirm · Esc to cancel".into(),
            ];
            choices_of(&asked_by("claude", &lines.each_ref().map(String::as_str)).unwrap())
        };
        assert_eq!(trust(true), pairs(&[("no", "enter"), ("yes", "down enter")]));
        assert_eq!(trust(false), pairs(&[("no", "up enter"), ("yes", "enter")]));
    }

    #[test]
    fn a_box_is_read_without_its_sides() {
        let asked = asked_by(
            "gemini",
            &[
                "╭──────────────────────────────────────────────────────────╮",
                "│ ? Shell  touch a                                         │",
                "│ ╭──────────────────────────────────────────────────────╮ │",
                "│ │ touch a                                              │ │",
                "│ ╰──────────────────────────────────────────────────────╯ │",
                "│ Allow execution of [Shell]?                              │",
                "│ ● 1. Allow once                                          │",
                "│   2. Allow for this session                              │",
                "│   3. No, suggest changes (esc)                           │",
                "╰──────────────────────────────────────────────────────────╯",
            ],
        )
        .unwrap();
        assert_eq!(choices_of(&asked), pairs(&[("yes", "1"), ("always", "2"), ("no", "3")]));
        assert_eq!(asked.needed.unwrap().text, "? Shell  touch a\ntouch a\nAllow execution of [Shell]?");
    }

    #[test]
    fn what_is_typed_into_a_login_is_not_told() {
        let asked = asked_by(
            "codex",
            &[
                "> Use your own OpenAI API key for usage-based billing",
                "  Paste or type your API key below.",
                "╭API key───────────────────────────────────────────────────╮",
                "│sk-secret                                                 │",
                "╰──────────────────────────────────────────────────────────╯",
                "  Press enter to save",
                "  Press esc to go back",
            ],
        );
        // The rule wants the hint of an empty entry; with something in it, it is still a login.
        let told = format!("{asked:?}");
        assert!(!told.contains("sk-secret"), "{told}");
    }

    #[test]
    fn a_quoted_dialog_is_none() {
        let quoted = [
            "● Like this:",
            "   Do you want to proceed?",
            "   ❯ 1. Yes",
            "     2. No",
            "   Esc to cancel · Tab to amend",
        ];
        let composer = ["---", "❯ ", "---", "  ? for shortcuts"];
        let lines: Vec<&str> = quoted.into_iter().chain(composer).collect();
        assert_eq!(asked_by("claude", &lines), None);
    }

    #[test]
    fn ids_are_words_and_each_once() {
        let profile = Profiles::builtin().get("claude").unwrap();
        let mut taken: Vec<Choice> = Vec::new();
        for (label, expected) in [
            ("Yes", "yes"),
            ("Yes, and switch to auto mode", "yes-and-switch-to-auto-mode"),
            ("No", "no"),
            ("No", "no-2"),
            ("Dark mode (ANSI colours)", "dark-mode-ansi-colours"),
            ("日本語", "日本語"),
            ("…", "choice"),
        ] {
            let id = unused_id(&profile, label, &taken);
            assert_eq!(id, expected, "{label}");
            taken.push(Choice { id, label: label.into(), keys: Vec::new() });
        }
    }
}
