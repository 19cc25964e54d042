//! Where output goes: standard output for results, standard error for the rest; colour for terminals only.

mod json;
mod table;
mod text;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

pub use json::escaped;
pub use parallax_api::quantity::shown_bytes as bytes;
pub use table::Table;
pub use text::{ago, clean, one_line, span, without_sequences};

/// The style of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// For what frames the rest: headings, times.
    Faint,
    /// For what is well.
    Good,
    /// For what wants a person.
    Wanted,
    /// For what failed.
    Bad,
}

/// Prints results as text or JSON.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    terminal: bool,
    colour: bool,
}

impl Output {
    /// For this process's standard output. Colour needs a terminal, and `NO_COLOR` unset (<https://no-color.org>).
    pub fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, terminal, colour: terminal && !json && !unwanted }
    }

    /// Whether the results are to be JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether there is a person to ask: standard input and output are a terminal, and JSON was not asked for.
    pub fn may_ask(&self) -> bool {
        !self.json && self.terminal && io::stdin().is_terminal()
    }

    /// How wide a line may be; none when it is no terminal.
    pub fn width(&self) -> Option<usize> {
        self.terminal.then(|| crossterm::terminal::size().map_or(80, |(cols, _)| cols.into()))
    }

    /// One line of a result.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&self, text: impl Display) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// Bytes of a result as they are.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// A result as one JSON document: spread out for a person, one line for a program.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn document(&self, value: &impl Serialize) -> io::Result<()> {
        let text =
            if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.json_text(&text.expect("an answer of the API is JSON"))
    }

    /// A result as JSON on one line, of which there are many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json_line(&self, value: &impl Serialize) -> io::Result<()> {
        self.json_text(&serde_json::to_string(value).expect("an answer of the API is JSON"))
    }

    fn json_text(&self, json: &str) -> io::Result<()> {
        // What a terminal shows must not control it.
        if self.terminal { self.line(escaped(json)) } else { self.line(json) }
    }

    /// A remark beside the result, on standard error.
    pub fn note(&self, text: &str) {
        self.error(text);
    }

    /// An error, on standard error.
    pub fn error(&self, text: &str) {
        // When standard error is closed there is nowhere left to report to.
        writeln!(io::stderr(), "{text}").ok();
    }

    /// The text in this style.
    pub fn paint(&self, text: &str, style: Style) -> String {
        let code = match style {
            _ if !self.colour => return text.to_owned(),
            Style::Plain => return text.to_owned(),
            Style::Faint => "2",
            Style::Good => "32",
            Style::Wanted => "33",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
