//! The answer of a turn as the screen shows it, where nothing better tells it.

use parallax_screen::Row;

use crate::profile::Profile;
use crate::profile::pattern::Pattern;

impl Profile {
    /// The last answer to `prompt` that stands in scrollback (`history`) and screen (`rows`): its block after the echo of the
    /// prompt, without marker and indentation, wrapped lines joined. `None` when it does not stand there, or no more.
    pub fn screen_answer(&self, history: &[Row], rows: &[Row], prompt: &str) -> Option<String> {
        let block = self.answer.block.as_ref()?;
        let all: Vec<&Row> = history.iter().chain(rows).collect();
        let echo = last_echo(self, &all, prompt)?;
        let is_work = |row: &Row| self.screen.busy.as_ref().is_some_and(|busy| busy.is_match(&row.text));
        let begins = |row: &&Row| block.is_match(&row.text) && !is_work(row);
        let first = echo + all[echo..].iter().rposition(begins)?;
        let is_end = |row: &Row| {
            let ends = [&self.answer.ends, &self.screen.failed, &self.screen.interrupted, &self.screen.busy];
            let matches = |pattern: &Option<Pattern>| {
                pattern.as_ref().is_some_and(|pattern| pattern.is_match(&row.text))
            };
            ends.into_iter().any(matches)
        };
        let end = (first + 1..all.len()).find(|at| is_end(all[*at])).unwrap_or(all.len());
        let width = all.iter().map(|row| row.columns()).max().unwrap_or_default();
        let marker = block.captures(&all[first].text)?.get(0)?.end();
        let answer = joined(&all[first..end], marker, width);
        (!answer.is_empty()).then_some(answer)
    }
}

/// The last row that repeats the prompt; of a prompt whose echo cannot be recognised, the last echo there is.
fn last_echo(profile: &Profile, rows: &[&Row], prompt: &str) -> Option<usize> {
    let echo = profile.screen.echo.as_ref()?;
    let squeezed =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).take(ECHO_CHARS).collect::<String>();
    let wanted = squeezed(prompt.lines().next().unwrap_or_default());
    let is_echo = |row: &&Row| echo.is_match(&row.text);
    // Composers look like echoes; what answers a prompt stands below it.
    let repeats = |row: &&Row| {
        is_echo(row) && wanted.starts_with(&squeezed(&row.text)) && !squeezed(&row.text).is_empty()
    };
    rows.iter().rposition(repeats).or_else(|| rows.iter().rposition(is_echo))
}

/// How much of a prompt's first line its echo is known by.
const ECHO_CHARS: usize = 40;

fn joined(rows: &[&Row], marker: usize, width: usize) -> String {
    let indent = rows[0].text[..marker].chars().count();
    let mut answer = String::new();
    for (index, row) in rows.iter().enumerate() {
        let text = if index == 0 { &row.text[marker..] } else { dedented(&row.text, indent) };
        answer.push_str(text.trim_end());
        let next = rows.get(index + 1).map(|next| dedented(&next.text, indent));
        match next {
            Some(_) if row.wrapped => {}
            Some(next) if was_wrapped(row, next, width) => answer.push(' '),
            Some(_) => answer.push('\n'),
            None => {}
        }
    }
    answer.trim_end().to_owned()
}

/// Whether a line was broken because its next word had no room.
fn was_wrapped(row: &Row, next: &str, width: usize) -> bool {
    let starts_a_block = |text: &str| text.starts_with([' ', '-', '*', '|', '#', '•']);
    let word = next.split(' ').next().unwrap_or_default();
    !word.is_empty() && !starts_a_block(next) && row.columns() + 1 + word.chars().count() > width
}

fn dedented(text: &str, indent: usize) -> &str {
    let blanks = text.chars().take_while(|c| *c == ' ').count().min(indent);
    &text[blanks..]
}
