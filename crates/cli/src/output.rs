//! Where output goes: standard output for results, standard error for the rest; colour for terminals only.

mod table;
mod text;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

pub use table::Table;
pub use text::{ago, bytes, clean, one_line, span};

/// The look of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
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
    pub fn line(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Bytes of a result as they are.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// A result as one JSON document: spread out for a person, one line for a program.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            if self.terminal { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.line(text.expect("an answer of the API is JSON"))
    }

    /// A result as JSON on one line, of which there are many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value).expect("an answer of the API is JSON"))
    }

    /// A remark beside the result.
    pub fn note(&self, text: &str) {
        self.complain(text);
    }

    /// An error.
    pub fn complain(&self, text: &str) {
        // Nowhere is left to tell it to when even this cannot be written.
        writeln!(io::stderr(), "{text}").ok();
    }

    /// The text in this look.
    pub fn paint(&self, text: &str, look: Look) -> String {
        let code = match look {
            _ if !self.colour => return text.to_owned(),
            Look::Plain => return text.to_owned(),
            Look::Faint => "2",
            Look::Good => "32",
            Look::Wanted => "33",
            Look::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
