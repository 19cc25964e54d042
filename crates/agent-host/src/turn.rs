//! The output of one turn: the answers that were reported, and the range of the log that it printed.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use parallax_api::TerminalSize;
use parallax_api::message::MessageSource;
use parallax_screen::render;

use crate::excerpt::Excerpt;
use crate::inbox::Answer;
use crate::log::LogReader;

/// Answers of one turn that are kept: the newest.
const MAX_ANSWERS: usize = 64;
/// Bytes of what was said before the answer, together.
const MAX_SAID: usize = 256 * 1024;
/// Texts of one turn that are known again.
const MAX_HEARD: usize = 16 * 1024;
/// Output of one turn that is rendered as its answer, in bytes.
const MAX_OUTPUT: u64 = 4 * 1024 * 1024;

/// What one turn produced.
#[derive(Default)]
pub struct TurnOutput {
    answers: Vec<Answered>,
    /// What the agent said before its answer, in order.
    said: Vec<String>,
    /// The hashes of all that it said, also of what is not kept.
    heard: HashSet<u64>,
    output_from: Option<u64>,
    output_to: Option<u64>,
}

struct Answered {
    id: Option<String>,
    text: String,
    source: MessageSource,
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
    pub fn answer(&mut self, text: String, id: Option<String>, source: MessageSource) {
        match self.answers.iter_mut().find(|known| id.is_some() && known.id == id) {
            Some(known) => known.text = text,
            None => self.answers.push(Answered { id, text, source }),
        }
        if self.answers.len() > MAX_ANSWERS {
            self.answers.remove(0);
        }
    }

    /// Notes what was said before the answer. False when it is known already.
    pub fn say(&mut self, text: &str) -> bool {
        let is_new = !text.trim().is_empty() && self.is_new(text);
        let bytes = self.said.iter().map(String::len).sum::<usize>() + text.len();
        if is_new && self.said.len() < MAX_ANSWERS && bytes <= MAX_SAID {
            self.said.push(text.to_owned());
        }
        is_new
    }

    fn is_new(&mut self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.heard.len() >= MAX_HEARD || self.heard.insert(hasher.finish())
    }

    /// Takes the answer: the one that was reported last, with everything that was said before it.
    pub fn take_answer(&mut self) -> Option<Answer> {
        let mut answers = std::mem::take(&mut self.answers);
        let last = answers.pop();
        // An answer that was followed by another one: a hook sent the agent back to work.
        for answer in &answers {
            self.say(&answer.text);
        }
        let mut messages: Vec<String> = std::mem::take(&mut self.said);
        let last = last?;
        messages.retain(|said| *said != last.text);
        if !messages.is_empty() {
            messages.push(last.text.clone());
        }
        Some(Answer { content: last.text, messages, source: Some(last.source) })
    }

    /// What the turn printed, as plain lines of text.
    pub fn output(&self, log: &LogReader, size: TerminalSize) -> Option<String> {
        let (from, to) = (self.output_from?, self.output_to?);
        let excerpt = match Excerpt::read(log, from.max(to.saturating_sub(MAX_OUTPUT)), to) {
            Ok(excerpt) => excerpt,
            Err(error) => {
                tracing::error!(%error, "the output of a turn cannot be read");
                return None;
            }
        };
        let lines = render::text_lines(excerpt.bytes(), 0, &[render::Resize { offset: 0, size }]);
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        Some(lines.join("\n").trim_matches('\n').to_owned())
    }
}
