//! The options of a dialog: the rows that offer them, their ids, and the keys that select them.

use super::block::Line;
use crate::observation::DialogOption;
use crate::profile::Profile;
use crate::profile::dialog_rule::{DialogRule, SelectionMode};

/// A row that offers an option.
pub(super) struct OptionRow {
    pub line: usize,
    marked: bool,
    number: Option<usize>,
    /// Where the label begins, in characters.
    column: usize,
    label: String,
    /// Whether it is ticked, where several may be.
    selected: Option<bool>,
    /// A preview is drawn beside it. Such a list takes no numbers.
    has_preview: bool,
}

impl OptionRow {
    /// Whether the marker stands at it.
    pub fn is_marked(&self) -> bool {
        self.marked
    }
}

/// What stands above and below a list that is longer than its room.
const SCROLLED: [&str; 2] = ["▲", "▼"];

/// Whether a list has more options than it shows.
pub(super) fn is_scrolled(lines: &[Line]) -> bool {
    lines.iter().any(|line| SCROLLED.contains(&line.text.trim()))
}

/// What ends a list in which several options may be ticked.
const SUBMIT: [&str; 3] = ["Submit", "Next", "Done"];
/// What frames a preview beside the options.
const FRAME: [char; 7] = ['┌', '│', '└', '├', '╭', '╰', '┐'];

/// The options in a block: the last list numbered from one (or from where it is scrolled to), or the rows in line with the
/// marked one.
pub(super) fn option_rows(profile: &Profile, lines: &[Line]) -> Vec<OptionRow> {
    let all: Vec<OptionRow> = lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| option_row(&profile.marks, index, &line.text))
        .collect();
    let mut numbered: Vec<OptionRow> = Vec::new();
    let mut unnumbered: Vec<OptionRow> = Vec::new();
    for row in all {
        match row.number {
            Some(1) => numbered = vec![row],
            Some(number) if numbered.last().is_some_and(|last| last.number == Some(number - 1)) => {
                numbered.push(row);
            }
            Some(_) if row.line > 0 && lines[row.line - 1].text.trim() == SCROLLED[0] => numbered = vec![row],
            Some(_) => {}
            None => unnumbered.push(row),
        }
    }
    if numbered.iter().any(|row| row.selected.is_some()) {
        let first = numbered[0].line;
        let submit =
            unnumbered.into_iter().find(|row| row.line > first && SUBMIT.contains(&row.label.as_str()));
        numbered.extend(submit);
        numbered.sort_by_key(|row| row.line);
        return numbered;
    }
    if !numbered.is_empty() {
        return numbered;
    }
    let Some(marked) = unnumbered.iter().rposition(|row| row.marked) else { return Vec::new() };
    let (line, column) = (unnumbered[marked].line, unnumbered[marked].column);
    let in_line = |row: &&OptionRow| row.column == column;
    let below =
        unnumbered[marked..].iter().zip(line..).take_while(|(row, at)| row.line == *at && in_line(row));
    let end = marked + below.count();
    let above = unnumbered[..marked]
        .iter()
        .rev()
        .zip(1..)
        .take_while(|(row, back)| row.line + back == line && in_line(row));
    let start = marked - above.count();
    unnumbered.drain(start..end).collect()
}

/// Reads `❯ 1. Label`: each part but the label may be missing.
fn option_row(marks: &[String], line: usize, text: &str) -> Option<OptionRow> {
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
    let ticked = ["[✔] ", "[x] ", "[X] "].iter().find_map(|tick| rest.strip_prefix(tick));
    let unticked = rest.strip_prefix("[ ] ").filter(|_| number.is_some());
    let selected = ticked.filter(|_| number.is_some()).map(|_| true).or(unticked.map(|_| false));
    rest = ticked.or(unticked).filter(|_| number.is_some()).unwrap_or(rest).trim_start();
    let bare = without_preview(rest);
    let has_preview = bare.len() < rest.len();
    let label = bare.trim_end().trim_end_matches(" ✔").to_owned();
    let column = text.chars().count() - rest.chars().count();
    let row = OptionRow { line, marked: marked.is_some(), number, column, label, selected, has_preview };
    (!row.label.is_empty()).then_some(row)
}

/// A label without the preview that is drawn beside the list.
fn without_preview(label: &str) -> &str {
    let frame = label.match_indices("  ").find(|(at, _)| label[*at..].trim_start().starts_with(FRAME));
    frame.map_or(label, |(at, _)| &label[..at])
}

/// The options that the rows offer, with the keys of each.
pub(super) fn options(
    profile: &Profile,
    dialog: &DialogRule,
    rows: &[OptionRow],
    lines: &[Line],
) -> Vec<DialogOption> {
    let marked = rows.iter().position(|row| row.marked).unwrap_or(0);
    let has_previews = rows.iter().any(|row| row.has_preview);
    let choose = if has_previews { SelectionMode::Marker } else { dialog.choose };
    let mut options: Vec<DialogOption> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let until = rows.get(index + 1).map_or(lines.len(), |next| next.line);
        let label = whole_label(row, &lines[row.line..until]);
        let id = unused_id(profile, &label, &options);
        let keys = keys(choose, row, index, marked);
        options.push(DialogOption { id, label, keys, selected: row.selected, ..DialogOption::default() });
    }
    options
}

/// A label that was wrapped, joined. What follows a label is part of it when its first word had no room beside it; else it
/// is a description.
fn whole_label(row: &OptionRow, lines: &[Line]) -> String {
    let mut label = row.label.clone();
    for pair in lines.windows(2) {
        let indent = pair[1].text.chars().take_while(|c| *c == ' ').count();
        if indent != row.column || !pair[0].continues_in(&pair[1]) {
            break;
        }
        label = format!("{label} {}", pair[1].text.trim());
    }
    label
}

/// Numbers are typed; where there are none, the marker is moved.
fn keys(choose: SelectionMode, row: &OptionRow, index: usize, marked: usize) -> Vec<String> {
    let enter = || "enter".to_owned();
    match (choose, row.number) {
        (SelectionMode::Number, Some(number @ 1..=9)) => vec![number.to_string()],
        (SelectionMode::NumberEnter, Some(number @ 1..=9)) => vec![number.to_string(), enter()],
        _ => {
            let (key, steps) = if index < marked { ("up", marked - index) } else { ("down", index - marked) };
            std::iter::repeat_n(key.to_owned(), steps).chain([enter()]).collect()
        }
    }
}

/// The profile's id for the label when it is free, else a word made from the label.
fn unused_id(profile: &Profile, label: &str, taken: &[DialogOption]) -> String {
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

pub(super) fn slug(label: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profiles;

    #[test]
    fn ids_are_words_and_each_once() {
        let profile = Profiles::builtin().get("claude").unwrap();
        let mut taken: Vec<DialogOption> = Vec::new();
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
            taken.push(DialogOption { id, label: label.into(), ..DialogOption::default() });
        }
    }
}
