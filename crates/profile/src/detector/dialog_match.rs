//! What a CLI asks on its screen: the dialog, its text, its choices and the keys that make them.

use parallax_api::{AgentError, AttentionKind};
use parallax_screen::Row;

use super::block::{Line, says_something, unframed};
use super::link::{Link, last_link};
use super::option_rows::{self, OptionRow, is_scrolled, option_rows};
use crate::observation::{AttentionRequest, DialogOption, TextEntry};
use crate::profile::Profile;
use crate::profile::dialog_rule::{DialogRule, TextRule};
use crate::profile::pattern::Pattern;

/// The dialog that stands on the screen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DialogMatch {
    pub rule: String,
    /// What a person is needed for.
    pub needed: Option<AttentionRequest>,
    /// The error it tells.
    pub error: Option<AgentError>,
    /// Its last rows.
    pub evidence: String,
}

/// The dialog at the end of the screen. `rows` end with the last that is not blank.
pub(super) fn find(profile: &Profile, rows: &[Row], width: usize) -> Option<DialogMatch> {
    profile.dialogs.iter().find_map(|dialog| {
        let lines = block(dialog, rows, width)?;
        Some(asked(profile, dialog, rows, &lines, width))
    })
}

/// The lines of the block that the dialog would be, when it is.
fn block(dialog: &DialogRule, rows: &[Row], width: usize) -> Option<Vec<Line>> {
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
        .map(|(index, row)| Line::new(first + index, &row.text, width))
        .collect();
    let mut left = lines.iter();
    dialog.shows.iter().all(|shows| left.any(|line| shows.is_match(&line.text))).then_some(lines)
}

fn asked(profile: &Profile, dialog: &DialogRule, rows: &[Row], lines: &[Line], width: usize) -> DialogMatch {
    let is_entry = dialog.text.as_ref().is_some_and(TextRule::is_open);
    let rows_of_options = if is_entry { Vec::new() } else { option_rows(profile, lines) };
    let screen_rows = lines[0].row..rows.len();
    let link = dialog
        .address
        .as_ref()
        .and_then(|address| last_link(rows, screen_rows, width).filter(|link| address.is_match(&link.url)));
    let told = &lines[..rows_of_options.first().map_or(lines.len(), |offer| offer.line)];
    let mut text = text(dialog, told, link.as_ref());
    if let Some(advice) = dialog.advice.as_ref().filter(|_| link.is_some()) {
        text = format!("{text}\n{advice}");
    }
    let mut options = option_rows::options(profile, dialog, &rows_of_options, lines);
    let listed: Vec<String> = options.iter().map(|option| option.id.clone()).collect();
    let unlisted = dialog.keys.iter().filter(|choice| !listed.contains(&choice.id));
    options.extend(unlisted.map(|choice| DialogOption {
        id: choice.id.clone(),
        label: choice.label.clone(),
        keys: choice.keys.clone(),
        ..DialogOption::default()
    }));
    // It is no option but the way to own words.
    if let Some(rule) = dialog.text.as_ref().filter(|rule| rule.in_list) {
        options.retain(|option| rule.choice.as_ref().is_none_or(|label| !label.is_match(&option.label)));
    }
    let takes_text = dialog.text.as_ref().and_then(|rule| {
        let before = match rule.choice.as_ref().filter(|_| !rule.in_list) {
            Some(label) => options.iter().find(|choice| label.is_match(&choice.label))?.keys.clone(),
            None => Vec::new(),
        };
        Some(TextEntry { before, in_list: rule.in_list, after: vec!["enter".into()], waits_for_echo: true })
    });
    let passed =
        dialog.pass.as_ref().and_then(|label| options.iter().find(|choice| label.is_match(&choice.label)));
    let pass = passed.map(|choice| choice.keys.clone()).unwrap_or_default();
    let error = dialog.error.as_ref().map(|code| AgentError::new(code.as_str(), text.as_str()));
    let needed = dialog.asks.map(|kind| AttentionRequest {
        login_url: link.map(|link| link.url),
        options,
        scroll: if is_scrolled(lines) { vec!["down".into()] } else { Vec::new() },
        marked: rows_of_options.iter().position(OptionRow::is_marked),
        takes_text,
        pass,
        danger: dialog.danger.as_ref().and_then(|danger| warning(danger, told)),
        ..AttentionRequest::new(kind, text.clone())
    });
    let evidence = match dialog.asks {
        // What is typed into a login is a secret: only what is published anyway.
        Some(AttentionKind::Login) => text.clone(),
        _ => last_rows(lines),
    };
    DialogMatch { rule: format!("dialog {}", dialog.name), needed, error, evidence }
}

/// The first row that warns, with the rows that it goes on in.
fn warning(danger: &Pattern, lines: &[Line]) -> Option<String> {
    let first = lines.iter().position(|line| danger.is_match(line.text.trim()))?;
    let further = lines[first..].windows(2).take_while(|pair| pair[0].continues_in(&pair[1]));
    let further = further.map(|pair| pair[1].text.trim());
    let rows: Vec<&str> = std::iter::once(lines[first].text.trim()).chain(further).collect();
    Some(rows.join(" "))
}

fn last_rows(lines: &[Line]) -> String {
    let shown: Vec<&str> =
        lines.iter().map(|line| line.text.trim()).filter(|text| says_something(text)).collect();
    shown[shown.len().saturating_sub(EVIDENCE_ROWS)..].join("\n")
}

/// How many rows stand for a dialog in an explanation.
const EVIDENCE_ROWS: usize = 6;

/// What a dialog says before its choices.
fn text(dialog: &DialogRule, lines: &[Line], link: Option<&Link>) -> String {
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
            || skipped.is_some_and(|above| above.continues_in(line));
        skipped = is_skipped.then_some(line);
        if !is_link && !is_typed && !is_skipped && says_something(text) {
            told.push(text.trim_start_matches(FURNITURE));
        }
    }
    told.join("\n")
}

/// What may stand before a line and says nothing: a spinner (without it the line does not change), a bar.
const FURNITURE: [char; 21] =
    ['·', '✢', '✳', '✶', '✻', '✽', '*', '✘', '⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏', '●', '│', ' '];

#[cfg(test)]
mod tests {
    use parallax_api::TerminalSize;
    use parallax_screen::Screen;

    use super::*;
    use crate::Profiles;
    use crate::detector::block::filled;

    const WIDTH: u16 = 60;

    fn asked_by(profile: &str, lines: &[&str]) -> Option<DialogMatch> {
        let profile = Profiles::builtin().get(profile).unwrap();
        let mut screen = Screen::new(TerminalSize { cols: WIDTH, rows: 30 }, 0);
        screen.feed(lines.join("\r\n").replace("---", &"─".repeat(WIDTH.into())).as_bytes());
        let rows = screen.rows();
        find(&profile, &rows[filled(&rows)], WIDTH.into())
    }

    fn choices_of(asked: &DialogMatch) -> Vec<(String, String)> {
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

    /// A box of Gemini CLI around these lines.
    fn boxed(lines: &[&str]) -> Vec<String> {
        let side = "─".repeat(usize::from(WIDTH) - 2);
        let inner = lines.iter().map(|line| format!("│ {line:<56} │"));
        std::iter::once(format!("╭{side}╮")).chain(inner).chain([format!("╰{side}╯")]).collect()
    }

    fn asked_in_box(lines: &[&str]) -> AttentionRequest {
        let lines = boxed(lines);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        asked_by("gemini", &lines).expect("a dialog").needed.expect("it asks")
    }

    #[test]
    fn a_question_may_want_a_text() {
        let asked = asked_in_box(&[
            "Answer Questions",
            "",
            "What name?",
            "",
            "> a name",
            "",
            "Enter to submit · Esc to cancel",
        ]);
        assert_eq!((asked.kind, asked.text.as_str()), (AttentionKind::Question, "What name?"));
        assert_eq!(asked.options, []);
        assert_eq!(asked.takes_text.expect("a text").after, ["enter"]);
    }

    #[test]
    fn a_long_list_is_told_as_far_as_it_shows() {
        let rows = |first: &str, second: &str| {
            asked_in_box(&[
                "Answer Questions",
                "",
                "← □ Targets │ □ Name │ ≡ Review →",
                "",
                "Which targets?",
                "(Select all that apply)",
                "",
                "▲",
                first,
                second,
                "▼",
                "",
                "Enter to select · ←/→ to switch questions · Esc to cancel",
            ])
        };
        let asked = rows("● 1. [ ] macOS", "  2. [x] Linux");
        assert_eq!(asked.text, "Which targets?");
        let ticks: Vec<_> =
            asked.options.iter().map(|option| (option.id.as_str(), option.selected)).collect();
        assert_eq!(ticks, [("macos", Some(false)), ("linux", Some(true))]);
        assert_eq!(asked.scroll, ["down"]);
        assert!(asked.takes_text.is_some_and(|entry| entry.in_list), "own words");
        let further = rows("  3. [ ] Windows", "● Done");
        assert_eq!(further.options[0].id, "windows");
    }

    #[test]
    fn answers_are_reviewed_and_plans_approved() {
        let asked = asked_in_box(&[
            "Answer Questions",
            "Review your answers:",
            "Targets → Linux",
            "Enter to submit · Tab/Shift+Tab to edit answers",
        ]);
        assert_eq!(asked.options[0].id, "submit-answers");
        let asked = asked_in_box(&[
            "Ready to start implementation?",
            "1. Look",
            "2. Do",
            "",
            "● 1.  Yes, automatically accept edits",
            "  2.  Yes, manually accept edits",
            "  3.  Type your feedback...",
            "",
            "Enter to select · ↑/↓ to navigate · Esc to cancel",
        ]);
        assert_eq!(asked.kind, AttentionKind::Plan);
        assert_eq!(asked.text, "1. Look\n2. Do");
        assert_eq!(asked.options.len(), 2, "the third is for own words: {:?}", asked.options);
    }

    #[test]
    fn what_the_cli_warns_of_is_the_danger() {
        let asked = asked_by(
            "claude",
            &[
                "---",
                " Bash command",
                " rm -rf $(cat nowhere.txt)/x",
                " A nested command in this command can't be checked before it",
                " runs",
                " Do you want to proceed?",
                " ❯ 1. Yes",
                "   2. No",
                "",
                " Esc to cancel · Tab to amend",
            ],
        );
        let danger = asked.and_then(|asked| asked.needed).and_then(|needed| needed.danger);
        assert_eq!(
            danger.as_deref(),
            Some("A nested command in this command can't be checked before it runs")
        );
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
}
