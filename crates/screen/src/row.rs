//! Rows of the screen, as the detector and logs read them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::attr::{bg, color, fg};
use crate::line::{self, Line};
use crate::sgr::Look;

/// One row of the screen or of the scrollback.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What stands in it. Without trailing blanks, unless the line goes on: then they are part of it.
    pub text: String,
    /// Whether the line goes on in the next row because it did not fit. Never in the last row of the screen.
    pub wrapped: bool,
    /// Its cells as the terminal has them, up to the last that is not blank: who looks at a screen mostly looks at the text.
    line: Line,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The character; a blank is a space.
    pub ch: char,
    /// Combining marks on it.
    pub marks: Option<Box<str>>,
    /// Faint.
    pub dim: bool,
    /// Bold.
    pub bold: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined in any way.
    pub underline: bool,
    /// Foreground and background exchanged.
    pub inverse: bool,
    /// Foreground.
    pub fg: Color,
    /// Background.
    pub bg: Color,
    /// Where it links to (OSC 8).
    pub link: Option<Arc<str>>,
}

/// A cell's colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// The terminal's own.
    #[default]
    Default,
    /// Of the palette: 0 to 7 normal, 8 to 15 bright, then cube and greys.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

impl Row {
    /// Reads a row; `next` is the one below.
    pub(crate) fn new(line: Cow<'_, Line>, next: Option<&Line>) -> Self {
        let length = length(&line, next);
        let line = match line {
            // Most rows of a screen are short, or blank.
            Cow::Borrowed(line) => line.head(length),
            Cow::Owned(mut line) => {
                line.cells.truncate(length);
                line
            }
        };
        let wrapped = goes_on(next);
        let text = text_of(&line);
        Row { text: if wrapped { text } else { trimmed(text) }, wrapped, line }
    }

    /// The text of a row alone.
    pub(crate) fn text_of(line: &Line, next: Option<&Line>) -> String {
        let mut text = String::new();
        (0..length(line, next)).for_each(|col| push_text(line, col, &mut text));
        if goes_on(next) { text } else { trimmed(text) }
    }

    /// How many columns there are up to the last that is not blank.
    pub fn columns(&self) -> usize {
        self.line.len()
    }

    /// One cell a column, up to the last that is not blank. The second half of a wide character is a cell with [`Cell::SPACER`].
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let mut last_link = None;
        (0..self.columns()).map(move |col| Cell::read(&self.line, col, &mut last_link))
    }

    /// Whether the cell in this column is faint.
    pub fn is_dim(&self, col: usize) -> bool {
        self.line.cells.get(col).is_some_and(|cell| cell.bg & bg::DIM != 0)
    }

    /// The text without what is dim: hints and placeholders are dim, what somebody typed is not. Dim characters become
    /// blanks, so columns stay; trailing blanks are trimmed.
    pub fn undimmed(&self) -> String {
        self.without(|col| self.is_dim(col))
    }

    /// The text with blanks in place of the columns for which `is_left_out`; trailing blanks are trimmed.
    pub fn without(&self, is_left_out: impl Fn(usize) -> bool) -> String {
        let mut text = String::with_capacity(self.columns());
        for col in 0..self.columns() {
            if is_left_out(col) {
                text.push(' ');
            } else {
                push_text(&self.line, col, &mut text);
            }
        }
        trimmed(text)
    }

    /// The addresses linked to in this row, left to right, each once.
    pub fn links(&self) -> Vec<Arc<str>> {
        let mut links: Vec<Arc<str>> = Vec::new();
        if self.line.extra.is_none() {
            return links;
        }
        for link in self.cells().filter_map(|cell| cell.link) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        links
    }

    /// Whether nothing stands in it.
    pub fn is_blank(&self) -> bool {
        self.text.trim_end_matches(' ').is_empty()
    }
}

/// The same to look at: how the cells came to be is left aside.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.wrapped) == (&other.text, other.wrapped) && self.cells().eq(other.cells())
    }
}

impl Eq for Row {}

fn text_of(line: &Line) -> String {
    // Most rows hold nothing but ASCII.
    let mut bytes = Vec::with_capacity(line.len());
    bytes.extend(
        line.cells.iter().map_while(|cell| cell.ascii()).map(|byte| if byte == 0 { b' ' } else { byte }),
    );
    if bytes.len() == line.len()
        && let Ok(text) = String::from_utf8(bytes)
    {
        return text;
    }
    let mut text = String::with_capacity(line.len());
    (0..line.len()).for_each(|col| push_text(line, col, &mut text));
    text
}

/// What stands in a cell; nothing for the second half of a wide character.
fn push_text(line: &Line, col: usize, text: &mut String) {
    // Most cells.
    if let Some(byte) = line.cells[col].ascii() {
        return text.push(if byte == 0 { ' ' } else { byte.into() });
    }
    let (ch, marks) = glyph(line, col);
    if ch != Cell::SPACER {
        text.push(ch);
    }
    text.push_str(marks);
}

/// The character of a cell, and the marks on it.
fn glyph(line: &Line, col: usize) -> (char, &str) {
    let is_shown = line.is_shown(col);
    let mut cluster = line.cluster(col).filter(|_| is_shown).unwrap_or_default().chars();
    let ch = match cluster.next().or(line.cells[col].char()) {
        Some(ch) if is_shown => ch,
        None if line.is_second_half(col) => Cell::SPACER,
        _ => ' ',
    };
    (ch, cluster.as_str())
}

fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end_matches(' ').len());
    text
}

impl Cell {
    /// The character of the second half of a wide character.
    pub const SPACER: char = '\0';

    /// `last_link` is the link of the cell before: cells of one link share it.
    fn read(line: &Line, col: usize, last_link: &mut Option<Arc<str>>) -> Self {
        let look = Look::of(&line.attr(col));
        let uri = look.link.as_ref().map(|link| link.uri.as_str());
        if last_link.as_deref() != uri {
            *last_link = uri.map(Arc::from);
        }
        let (ch, marks) = glyph(line, col);
        Cell {
            ch,
            marks: (!marks.is_empty()).then(|| marks.into()),
            dim: look.bg & bg::DIM != 0,
            bold: look.fg & fg::BOLD != 0,
            italic: look.bg & bg::ITALIC != 0,
            underline: look.underline != 0,
            inverse: look.fg & fg::INVERSE != 0,
            fg: Color::of(look.fg),
            bg: Color::of(look.bg),
            link: last_link.clone(),
        }
    }
}

impl Color {
    /// From the field of a cell.
    fn of(field: u32) -> Self {
        match field & color::KIND {
            color::NAMED | color::PALETTE => Color::Indexed(field as u8),
            color::RGB => Color::Rgb((field >> 16) as u8, (field >> 8) as u8, field as u8),
            _ => Color::Default,
        }
    }
}

/// Whether a row's line goes on in the next.
pub(crate) fn goes_on(next: Option<&Line>) -> bool {
    next.is_some_and(|next| next.wrapped)
}

/// How many cells of a row belong to its line: up to the last that is drawn. If the line goes on in the next row, all
/// of them, but for a last column in which a wide character did not fit.
pub(crate) fn length(line: &Line, next: Option<&Line>) -> usize {
    match next {
        Some(next) if next.wrapped => {
            let is_left_out = line.cells.last().is_some_and(|last| !last.has_content() && last.width() == 1)
                && next.width(0) == 2;
            line.len() - usize::from(is_left_out)
        }
        _ => {
            let written = line.cells.iter().rposition(|cell| *cell != line::Cell::NULL);
            let drawn = (0..written.map_or(0, |last| last + 1)).rposition(|col| !is_blank(line, col));
            drawn.map_or(0, |last| last + 1)
        }
    }
}

/// Whether a cell looks as one never written to.
fn is_blank(line: &Line, col: usize) -> bool {
    let cell = line.cells[col];
    matches!(cell.char(), None | Some(' '))
        && !cell.is_combined()
        && !line.is_second_half(col)
        && (cell.fg, cell.bg) == (0, 0)
}
