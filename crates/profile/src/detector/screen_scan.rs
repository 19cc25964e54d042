//! What the screen shows: dialog, composer, signs of work, the end of a turn.

use parallax_screen::{Row, Screen};

use super::block::{filled, says_something};
use super::composer;
use super::dialog_match::{self, DialogMatch};
use crate::observation::{Composer, ComposerMode};
use crate::profile::Profile;
use crate::profile::pattern::Pattern;

/// How far up from the last row that is not blank the last block reaches.
const LAST_BLOCK: usize = 14;

/// One look at the screen.
#[derive(Debug, Default)]
pub(super) struct ScreenScan {
    pub dialog: Option<DialogMatch>,
    pub composer: Option<Composer>,
    /// The mode that the composer is in.
    pub mode: Option<ComposerMode>,
    /// The keys that close the menu that stands in its place.
    pub close: Option<Vec<String>>,
    /// The last rows that are not blank.
    pub last_rows: String,
    /// The screen without what moves by itself: spinners and times.
    pub look: u64,
    /// The row that shows work.
    pub busy: Option<String>,
    /// How many tasks run on in the background.
    pub background: usize,
    /// What a busy agent waits for.
    pub detail: Option<String>,
    /// The message of the failure that stands after the last prompt.
    pub failed: Option<String>,
    /// The row after the last prompt that says that it was interrupted.
    pub interrupted: bool,
    pub version: Option<String>,
}

impl ScreenScan {
    /// Looks at the screen.
    pub fn of(profile: &Profile, screen: &Screen) -> Self {
        let rows = screen.rows();
        let rows = &rows[filled(&rows)];
        let dialog = dialog_match::find(profile, rows, usize::from(screen.size().cols));
        let rule = &profile.screen;
        let last_block = &rows[rows.len().saturating_sub(LAST_BLOCK)..];
        let matching = |pattern: &Pattern| {
            last_block
                .iter()
                .rev()
                .find(|row| pattern.is_match(&row.text))
                .map(|row| row.text.trim().to_owned())
        };
        let is_there = |when: &Option<Pattern>| when.as_ref().is_none_or(|when| matching(when).is_some());
        let overlay = profile.overlays.iter().find(|overlay| {
            dialog.is_none() && rows.last().is_some_and(|last| overlay.ends.is_match(&last.text))
        });
        // What is marked in a menu may look like a composer.
        let is_free = dialog.is_none() && overlay.is_none();
        let composers = profile.composers.iter().filter(|rule| is_free && is_there(&rule.when));
        let composer = composers.into_iter().find_map(|rule| {
            let (composer, rows) = composer::read(rule, rows, screen.cursor())?;
            let mode = rule.mode.as_ref().map(|name| (name.clone(), rule.leave.clone()));
            Some((composer, rows, mode.map(|(name, leave)| ComposerMode { name, leave })))
        });
        let (composer, composer_rows, mode) = match composer {
            Some((composer, rows, mode)) => (Some(composer), Some(rows), mode),
            None => (None, None, None),
        };
        let background = rule.background.as_ref().and_then(|pattern| {
            last_block.iter().rev().find_map(|row| pattern.extract(&row.text)?.parse().ok())
        });
        let detail = rule.details.iter().find(|detail| matching(&detail.pattern).is_some());
        let conversation = &rows[..composer_rows.map_or(rows.len(), |rows| rows.start)];
        let turn = since_last_prompt(profile, conversation);
        let is_interrupted = rule
            .interrupted
            .as_ref()
            .is_some_and(|pattern| turn.iter().any(|row| pattern.is_match(&row.text)));
        let failed = turn.iter().enumerate().rev().find_map(|(at, row)| {
            let first = rule.failed.as_ref()?.extract(&row.text)?.to_owned();
            Some(paragraph(first, &turn[at + 1..]))
        });
        Self {
            close: overlay.map(|overlay| overlay.close.clone()),
            last_rows: last_rows(rows),
            look: look(rows),
            mode,
            dialog,
            composer,
            busy: rule.busy.as_ref().and_then(matching),
            background: background.unwrap_or_default(),
            detail: detail.map(|detail| detail.says.clone()),
            failed: failed.filter(|_| !is_interrupted),
            interrupted: is_interrupted,
            version: rule
                .version
                .as_ref()
                .and_then(|rule| rows.iter().find_map(|row| rule.extract(&row.text)))
                .map(Into::into),
        }
    }

    /// The composer, as an observation has it.
    pub fn composer(&self) -> Composer {
        self.composer.clone().unwrap_or(Composer::Absent)
    }
}

/// How many rows stand for a screen that is not known.
const LAST_ROWS: usize = 14;

fn last_rows(rows: &[Row]) -> String {
    let shown: Vec<&str> =
        rows.iter().map(|row| row.text.trim_end()).filter(|text| says_something(text)).collect();
    shown[shown.len().saturating_sub(LAST_ROWS)..].join("\n")
}

/// What stays the same while nothing but a spinner, a clock or a counter moves: the letters (FNV-1a). Each look at a screen hashes
/// all of it, and a program that made two screens alike would only hide its own work.
fn look(rows: &[Row]) -> u64 {
    let letters = rows.iter().flat_map(|row| row.text.chars()).filter(|char| char.is_alphabetic());
    letters
        .fold(0xcbf2_9ce4_8422_2325, |hash, letter| (hash ^ u64::from(letter)).wrapping_mul(0x0100_0000_01b3))
}

fn since_last_prompt<'a>(profile: &Profile, conversation: &'a [Row]) -> &'a [Row] {
    let echo = profile.screen.echo.as_ref();
    let last = echo.and_then(|echo| conversation.iter().rposition(|row| echo.is_match(&row.text)));
    &conversation[last.map_or(0, |last| last + 1)..]
}

/// A message and the indented rows it goes on in.
fn paragraph(first: String, rest: &[Row]) -> String {
    rest.iter()
        .take_while(|row| row.text.starts_with(' ') && !row.text.trim().is_empty())
        .fold(first, |message, row| format!("{message} {}", row.text.trim()))
}
