//! Rows of the screen, as the detector and logs read them.

use std::sync::Arc;

use crate::attr::{bg, color, fg};
use crate::line::Line;
use crate::sgr::Look;

/// One row of the screen or of the scrollback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What stands in it. Without trailing blanks, unless the line goes on: then they are part of it.
    pub text: String,
    /// Whether the line goes on in the next row because it did not fit. Never in the last row of the screen.
    pub wrapped: bool,
    /// One cell a column, up to the last that is not blank: a column can be used as index. The second half of a wide
    /// character is a cell with [`Cell::SPACER`].
    pub cells: Vec<Cell>,
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
    /// The text without what is dim: hints and placeholders are dim, what somebody typed is not. Dim characters become
    /// blanks, so columns stay; trailing blanks are trimmed.
    pub fn undimmed(&self) -> String {
        trimmed(self.text_where(|cell| !cell.dim))
    }

    /// The addresses linked to in this row, left to right, each once.
    pub fn links(&self) -> Vec<Arc<str>> {
        let mut links: Vec<Arc<str>> = Vec::new();
        for link in self.cells.iter().filter_map(|cell| cell.link.as_ref()) {
            if !links.contains(link) {
                links.push(Arc::clone(link));
            }
        }
        links
    }

    /// Whether nothing stands in it.
    pub fn is_blank(&self) -> bool {
        self.text.trim_end_matches(' ').is_empty()
    }

    fn text_where(&self, keep: impl Fn(&Cell) -> bool) -> String {
        let mut text = String::with_capacity(self.cells.len());
        for cell in &self.cells {
            if keep(cell) {
                cell.push_to(&mut text);
            } else {
                text.push(' ');
            }
        }
        text
    }

    /// Reads a row; `next` is the one below.
    pub(crate) fn read(line: &Line, next: Option<&Line>) -> Self {
        let mut last_link = None;
        let cells = (0..length(line, next)).map(|col| Cell::read(line, col, &mut last_link)).collect();
        let mut row = Row { text: String::new(), wrapped: goes_on(next), cells };
        row.text = row.text_where(|_| true);
        if !row.wrapped {
            row.text = trimmed(row.text);
        }
        row
    }
}

fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end_matches(' ').len());
    text
}

impl Cell {
    /// The character of the second half of a wide character.
    pub const SPACER: char = '\0';

    fn push_to(&self, text: &mut String) {
        if self.ch != Cell::SPACER {
            text.push(self.ch);
        }
        if let Some(marks) = &self.marks {
            text.push_str(marks);
        }
    }

    /// `last_link` is the link of the cell before: cells of one link share it.
    fn read(line: &Line, col: usize, last_link: &mut Option<Arc<str>>) -> Self {
        let cell = line.cells[col];
        let look = Look::of(&line.attr(col));
        let uri = look.link.as_ref().map(|link| link.uri.as_str());
        if last_link.as_deref() != uri {
            *last_link = uri.map(Arc::from);
        }
        let cluster = line.cluster(col).filter(|_| line.is_shown(col)).unwrap_or_default();
        let mut cluster = cluster.chars();
        let ch = match cluster.next().or(cell.char()) {
            Some(ch) if line.is_shown(col) => ch,
            None if line.is_second_half(col) => Cell::SPACER,
            _ => ' ',
        };
        let marks = cluster.as_str();
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
        _ => (0..line.len()).rposition(|col| !is_blank(line, col)).map_or(0, |last| last + 1),
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
