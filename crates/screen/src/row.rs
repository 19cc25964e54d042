//! Rows of the grid, as the detector and logs read them.

use std::sync::Arc;

use alacritty_terminal::grid::Row as GridRow;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::{Cell as GridCell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color as GridColor, NamedColor};

use crate::sgr::Style;

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

    /// Reads a row of the grid; `next` is the one below.
    pub(crate) fn read(row: &GridRow<GridCell>, next: Option<&GridRow<GridCell>>) -> Self {
        let mut links = None;
        let cells = (0..length(row, next)).map(|col| Cell::read(&row[..], col, &mut links)).collect();
        let mut row = Row { text: String::new(), wrapped: goes_on(row, next), cells };
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
    fn read(row: &[GridCell], col: usize, last_link: &mut Option<Arc<str>>) -> Self {
        let cell = &row[col];
        if cell.extra.is_none() {
            *last_link = None;
        } else {
            let link = cell.hyperlink();
            let uri = link.as_ref().map(Hyperlink::uri);
            if last_link.as_deref() != uri {
                *last_link = uri.map(Arc::from);
            }
        }
        let (ch, marks) = match glyph(row, col) {
            Glyph::Blank => (' ', None),
            Glyph::Spacer => (Cell::SPACER, None),
            Glyph::Character { ch, marks, .. } => (ch, (!marks.is_empty()).then(|| marks.iter().collect())),
        };
        Cell {
            ch,
            marks,
            dim: cell.flags.contains(Flags::DIM),
            bold: cell.flags.contains(Flags::BOLD),
            italic: cell.flags.contains(Flags::ITALIC),
            underline: cell.flags.intersects(Flags::ALL_UNDERLINES),
            inverse: cell.flags.contains(Flags::INVERSE),
            fg: cell.fg.into(),
            bg: cell.bg.into(),
            link: last_link.clone(),
        }
    }
}

impl From<GridColor> for Color {
    fn from(color: GridColor) -> Self {
        match color {
            GridColor::Named(NamedColor::Foreground | NamedColor::Background) => Color::Default,
            GridColor::Named(name) => u8::try_from(name as usize).map_or(Color::Default, Color::Indexed),
            GridColor::Spec(rgb) => Color::Rgb(rgb.r, rgb.g, rgb.b),
            GridColor::Indexed(index) => Color::Indexed(index),
        }
    }
}

/// What a cell shows.
pub(crate) enum Glyph<'a> {
    Blank,
    /// The second half of the wide character before.
    Spacer,
    Character {
        ch: char,
        wide: bool,
        marks: &'a [char],
    },
}

/// What column `col` shows. Half of a wide character, after the other half was overwritten, shows nothing.
pub(crate) fn glyph(row: &[GridCell], col: usize) -> Glyph<'_> {
    let is = |col: usize, flag: Flags| row.get(col).is_some_and(|cell| cell.flags.contains(flag));
    let cell = &row[col];
    let marks = cell.zerowidth().unwrap_or_default();
    if cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
        if col > 0 && is(col - 1, Flags::WIDE_CHAR) { Glyph::Spacer } else { Glyph::Blank }
    } else if cell.flags.contains(Flags::WIDE_CHAR) {
        if is(col + 1, Flags::WIDE_CHAR_SPACER) {
            Glyph::Character { ch: cell.c, wide: true, marks }
        } else {
            Glyph::Blank
        }
    } else if marks.is_empty() && matches!(cell.c, ' ' | '\t') {
        Glyph::Blank
    } else {
        let ch = if cell.c == '\t' { ' ' } else { cell.c };
        Glyph::Character { ch, wide: false, marks }
    }
}

/// Whether a row's line goes on in the next.
pub(crate) fn goes_on(row: &GridRow<GridCell>, next: Option<&GridRow<GridCell>>) -> bool {
    next.is_some() && row[Column(row.len() - 1)].flags.contains(Flags::WRAPLINE)
}

/// How many cells of a row belong to its line: up to the last that is drawn. If the line goes on in the next row, all
/// of them, but for a last column in which a wide character did not fit.
pub(crate) fn length(row: &GridRow<GridCell>, next: Option<&GridRow<GridCell>>) -> usize {
    let cells = &row[..];
    match next {
        Some(next) if goes_on(row, Some(next)) => {
            let left_out = cells[cells.len() - 1].flags.contains(Flags::LEADING_WIDE_CHAR_SPACER)
                && matches!(glyph(&next[..], 0), Glyph::Character { wide: true, .. });
            cells.len() - usize::from(left_out)
        }
        _ => drawn(cells),
    }
}

/// How many cells there are up to the last that differs from one never written to.
fn drawn(row: &[GridCell]) -> usize {
    (0..row.len()).rposition(|col| !is_blank(row, col)).map_or(0, |last| last + 1)
}

fn is_blank(row: &[GridCell], col: usize) -> bool {
    let cell = &row[col];
    Style::of(cell) == Style::default()
        && matches!(glyph(row, col), Glyph::Blank)
        && cell.hyperlink().is_none()
}
