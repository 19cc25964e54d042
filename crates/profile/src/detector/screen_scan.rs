//! What the screen shows: dialog, composer, signs of work, the end of a turn.

use parallax_screen::{Row, Screen};

use super::block::filled;
use super::composer;
use super::dialog_match::{self, DialogMatch};
use crate::observation::Composer;
use crate::profile::Profile;
use crate::profile::pattern::Pattern;

/// How far up from the last row that is not blank the last block reaches.
const LAST_BLOCK: usize = 14;

/// One look at the screen.
#[derive(Debug, Default)]
pub(super) struct ScreenScan {
    pub dialog: Option<DialogMatch>,
    pub composer: Option<Composer>,
    /// The row that shows work.
    pub busy: Option<String>,
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
        let composers = profile.composers.iter().filter(|_| dialog.is_none());
        let composer = composers.into_iter().find_map(|rule| composer::read(rule, rows, screen.cursor()));
        let (composer, composer_rows) = composer.unzip();

        let rule = &profile.screen;
        let last_block = &rows[rows.len().saturating_sub(LAST_BLOCK)..];
        let matching = |pattern: &Pattern| {
            last_block
                .iter()
                .rev()
                .find(|row| pattern.is_match(&row.text))
                .map(|row| row.text.trim().to_owned())
        };
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
            dialog,
            composer,
            busy: rule.busy.as_ref().and_then(matching),
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
