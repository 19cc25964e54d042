//! The line being written: what is typed, what is pasted, and when an Enter counts.

use std::fs;
use std::time::{Duration, Instant};

/// Longer pastes than this show as a chip.
const CHIP_CHARS: usize = 400;
/// Pastes of more lines than this show as a chip.
const CHIP_LINES: usize = 4;

/// The composer.
#[derive(Debug, Default)]
pub(super) struct Composer {
    parts: Vec<Part>,
    images: usize,
    pasted_at: Option<Instant>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Chip(String),
    /// What stands for an image: its number and its bytes.
    Image(String),
}

impl Composer {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
    }

    pub(super) fn type_char(&mut self, character: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(character),
            _ => self.parts.push(Part::Text(character.into())),
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        self.pasted_at = Some(Instant::now());
        // Terminals send a carriage return for a line's end within a paste.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if text.is_empty() {
            return;
        }
        if let Some(bytes) = image(text) {
            self.images += 1;
            self.parts.push(Part::Image(format!("[Image #{}, {bytes} bytes]", self.images)));
        } else if text.chars().count() > CHIP_CHARS || text.lines().count() > CHIP_LINES {
            self.parts.push(Part::Chip(text.to_owned()));
        } else {
            text.chars().for_each(|character| self.type_char(character));
        }
    }

    pub(super) fn erase(&mut self) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            text.pop();
            if !text.is_empty() {
                return;
            }
        }
        self.parts.pop();
    }

    /// Whether an Enter now comes too soon after a paste.
    pub(super) fn swallows_enter(&self, within: Duration) -> bool {
        self.pasted_at.is_some_and(|at| at.elapsed() < within)
    }

    /// Takes the whole text out. `None` when there is nothing but blanks.
    pub(super) fn submit(&mut self) -> Option<String> {
        let text: String = self
            .parts
            .drain(..)
            .map(|(Part::Text(text) | Part::Chip(text) | Part::Image(text))| text)
            .collect();
        if text.trim().is_empty() { None } else { Some(text) }
    }

    /// What is shown, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        let shown: String = self.parts.iter().map(Part::shown).collect();
        shown.split('\n').map(str::to_owned).collect()
    }
}

impl Part {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.replace('\t', "    "),
            Self::Image(mark) => mark.clone(),
            Self::Chip(text) => format!("[Pasted text: {} lines]", text.lines().count()),
        }
    }
}

/// The bytes of the image whose path this is, with the escapes of a shell.
fn image(path: &str) -> Option<u64> {
    let path = path.replace('\\', "");
    let is_image = [".png", ".jpg", ".gif", ".webp"].iter().any(|end| path.ends_with(end));
    fs::metadata(path).ok().filter(|file| is_image && file.is_file()).map(|file| file.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_pastes_are_chips_and_whole_when_submitted() {
        let mut composer = Composer::default();
        composer.paste("one\ntwo\n");
        assert_eq!(composer.lines(), ["one", "two"]);
        composer.paste(&"line\n".repeat(200));
        assert_eq!(composer.lines(), ["one", "two[Pasted text: 200 lines]"]);
        let text = composer.submit().expect("text");
        assert_eq!(text.len(), "one\ntwo".len() + 5 * 200 - 1);
        assert!(composer.is_empty() && composer.submit().is_none());
    }
}
