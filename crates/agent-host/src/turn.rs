//! The output of one turn: the answers that were reported, and the range of the log that it printed.

use parallax_api::TerminalSize;
use parallax_screen::render;

use crate::log::LogReader;

/// Answers of one turn that are kept: the newest.
const MAX_ANSWERS: usize = 64;
/// Output of one turn that is rendered as its answer, in bytes.
const MAX_OUTPUT: u64 = 4 * 1024 * 1024;

/// What one turn produced.
#[derive(Default)]
pub struct TurnOutput {
    answers: Vec<(Option<String>, String)>,
    output_from: Option<u64>,
    output_to: Option<u64>,
}

impl TurnOutput {
    /// The turn begins: its output starts at `offset` of the log.
    pub fn begin(&mut self, offset: u64) {
        self.output_from = Some(offset);
        self.output_to = None;
    }

    /// The turn ends at `offset` of the log.
    pub fn over(&mut self, offset: u64) {
        self.output_to = Some(offset);
    }

    /// Whether a turn ran and is over.
    pub fn is_over(&self) -> bool {
        self.output_to.is_some()
    }

    /// Adds a reported answer; the same id again replaces it.
    pub fn answer(&mut self, text: String, id: Option<String>) {
        match self.answers.iter_mut().find(|(known, _)| id.is_some() && *known == id) {
            Some((_, known)) => *known = text,
            None => self.answers.push((id, text)),
        }
        if self.answers.len() > MAX_ANSWERS {
            self.answers.remove(0);
        }
    }

    /// Takes the answers, oldest first.
    pub fn take_answers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.answers)
            .into_iter()
            .map(|(_, text)| text)
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// What the turn printed, as plain lines of text.
    pub fn output(&self, log: &LogReader, size: TerminalSize) -> Option<String> {
        let (from, to) = (self.output_from?, self.output_to?);
        let (from, bytes) = log
            .read(from.max(to.saturating_sub(MAX_OUTPUT)), usize::try_from(MAX_OUTPUT).unwrap_or(usize::MAX))
            .ok()?;
        let len = usize::try_from(to.checked_sub(from)?).ok()?.min(bytes.len());
        let lines = render::text_lines(&bytes[..len], from, &[render::Resize { offset: from, size }]);
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        Some(lines.join("\n").trim_matches('\n').to_owned())
    }
}
