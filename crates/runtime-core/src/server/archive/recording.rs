//! A recording of an ended agent in another form, or from a later byte on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Lines};

use parallax_api::TerminalSize;
use parallax_api::observe::LogFormat;
use parallax_screen::Screen;
use serde_json::{Value, json};

use super::cast::{Header, Line, size};

/// Rows above the screen that a recording begins with at most.
const SCROLLBACK: usize = 1000;

/// Reads an asciicast v2 file and writes it line by line as it is asked for.
pub(in crate::server) struct Recording {
    lines: Lines<BufReader<File>>,
    v3: bool,
    /// Recorded bytes that are left out.
    skipped: u64,
    state: State,
}

enum State {
    /// Nothing was written.
    Begins,
    /// The time of the first event, and of the last that was written.
    Goes { began: f64, told: f64, rest: Option<Line> },
}

impl Recording {
    /// What follows `skipped` recorded bytes, as `format`, which is a recording.
    pub(super) fn new(cast: File, format: LogFormat, skipped: u64) -> Self {
        let v3 = format == LogFormat::AsciicastV3;
        Self { lines: BufReader::new(cast).lines(), v3, skipped, state: State::Begins }
    }

    fn begin(&mut self) -> Option<io::Result<String>> {
        let header: Header = match self.lines.next()?.map(|line| serde_json::from_str(&line)) {
            Ok(Ok(header)) => header,
            Ok(Err(error)) => return Some(Err(error.into())),
            Err(error) => return Some(Err(error)),
        };
        let first = TerminalSize { cols: header.width, rows: header.height };
        let mut screen = Screen::new(first, if self.skipped > 0 { SCROLLBACK } else { 0 });
        let (mut began, mut rest, mut left) = (0.0, None, self.skipped);
        while left > 0 {
            let Some((at, what, text)) = self.line() else { break };
            began = at;
            match (what.as_str(), text.as_str()) {
                ("o", Some(text)) => {
                    let cut = usize::try_from(left).unwrap_or(usize::MAX).min(text.len());
                    let (before, behind) = text.split_at(text.floor_char_boundary(cut));
                    screen.feed(before.as_bytes());
                    left -= cut as u64;
                    rest = (!behind.is_empty()).then(|| (at, what, behind.into()));
                }
                ("r", Some(text)) => {
                    if let Some(size) = size(text) {
                        screen.resize(size);
                    }
                }
                _ => {}
            }
        }
        let TerminalSize { cols, rows } = screen.size();
        #[expect(clippy::cast_possible_truncation, reason = "seconds of centuries are exact")]
        let timestamp = (header.timestamp.unwrap_or(0.0) + began).floor() as i64;
        let title = header.title;
        let mut text = match self.v3 {
            false => json!({"version": 2, "width": cols, "height": rows, "timestamp": timestamp, "title": title}),
            true => json!({"version": 3, "term": {"cols": cols, "rows": rows}, "timestamp": timestamp, "title": title}),
        }
        .to_string();
        text.push('\n');
        self.state = State::Goes { began, told: began, rest };
        if self.skipped > 0 {
            let opening = screen.snapshot() + &String::from_utf8_lossy(screen.held());
            text += &self.event(began, "o", &opening.into());
        }
        Some(Ok(text))
    }

    fn line(&mut self) -> Option<Line> {
        serde_json::from_str(&self.lines.next()?.ok()?).ok()
    }

    fn event(&mut self, at: f64, what: &str, text: &Value) -> String {
        let State::Goes { began, told, .. } = &mut self.state else { return String::new() };
        let since = if self.v3 { *told } else { *began };
        *told = at;
        // Differences of decimal fractions are rounded to what they were written with.
        let time = ((at - since).max(0.0) * 1000.0).round() / 1000.0;
        format!("{}\n", json!([time, what, text]))
    }
}

impl Iterator for Recording {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = match &mut self.state {
            State::Begins => return self.begin(),
            State::Goes { rest, .. } => rest.take(),
        };
        let (at, what, text) = rest.or_else(|| self.line())?;
        Some(Ok(self.event(at, &what, &text)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn excerpt(format: LogFormat, skipped: u64) -> Vec<Value> {
        let mut file = tempfile::tempfile().unwrap();
        for line in [
            json!({"version": 2, "width": 20, "height": 5, "timestamp": 1000, "title": "one"}),
            json!([0.0, "o", "ab"]),
            json!([1.5, "r", "30x6"]),
            json!([1.5, "o", "cé"]),
            json!([3.25, "m", "gap"]),
            json!([3.25, "o", "e"]),
        ] {
            writeln!(file, "{line}").unwrap();
        }
        file.rewind().unwrap();
        let text: String = Recording::new(file, format, skipped).map(Result::unwrap).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_whole_recording_in_the_other_form() {
        let expected = [
            json!({"version": 3, "term": {"cols": 20, "rows": 5}, "timestamp": 1000, "title": "one"}),
            json!([0.0, "o", "ab"]),
            json!([1.5, "r", "30x6"]),
            json!([0.0, "o", "cé"]),
            json!([1.75, "m", "gap"]),
            json!([0.0, "o", "e"]),
        ];
        assert_eq!(excerpt(LogFormat::AsciicastV3, 0), expected);
    }

    #[test]
    fn what_begins_later_begins_with_the_screen() {
        for (format, header, times) in [
            (
                LogFormat::AsciicastV3,
                json!({"version": 3, "term": {"cols": 30, "rows": 6}, "timestamp": 1001, "title": "one"}),
                [0.0, 0.0, 1.75, 0.0],
            ),
            (
                LogFormat::Asciicast,
                json!({"version": 2, "width": 30, "height": 6, "timestamp": 1001, "title": "one"}),
                [0.0, 0.0, 1.75, 1.75],
            ),
        ] {
            let lines = excerpt(format, 3);
            assert_eq!(lines[0], header);
            let opening = lines[1][2].as_str().unwrap();
            let mut screen = Screen::new(TerminalSize { cols: 30, rows: 6 }, 0);
            screen.feed(opening.as_bytes());
            assert_eq!(screen.view(0).lines[0], "abc");
            assert_eq!(
                lines[2..].iter().map(|line| line[2].as_str().unwrap()).collect::<Vec<_>>(),
                ["é", "gap", "e"]
            );
            assert_eq!(lines[1..].iter().map(|line| line[0].as_f64().unwrap()).collect::<Vec<_>>(), times);
        }
    }
}
