//! Rows as bytes that paint them.

use std::fmt::Write as _;

use alacritty_terminal::grid::{Cursor, Dimensions, Grid, Row as GridRow};
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::{Cell, Hyperlink};
use alacritty_terminal::vte::ansi::{CharsetIndex, StandardCharset};

use crate::emulator::{Emulator, RowAndNext};
use crate::row::{Glyph, glyph, goes_on, length};
use crate::sgr::Style;

/// Writes what makes a terminal show cells, without saying twice what the terminal knows.
#[derive(Default)]
pub(crate) struct Painter {
    pub(crate) out: String,
    style: Style,
    link: Option<Hyperlink>,
    /// Links are left out.
    unlinked: bool,
}

/// What paints the main screen, up to `history` rows above it, and its cursor. For a terminal that was reset.
pub(crate) fn main_screen(emulator: &Emulator, history: i32) -> String {
    let mut painter = Painter::default();
    painter.rows(emulator.rows(-history..i32::MAX));
    painter.cursor(emulator.grid(), &emulator.grid().cursor, 0);
    painter.out
}

impl Painter {
    /// Paints rows one below the other, from the top left corner of an empty screen. Lines that were wrapped are wrapped
    /// by the terminal, so that it can wrap them anew.
    pub(crate) fn rows<'a>(&mut self, rows: impl Iterator<Item = RowAndNext<'a>>) {
        let mut continues = false;
        for (row, next) in rows {
            self.row(row, next, continues);
            continues = goes_on(row, next);
            if next.is_some() && !continues {
                // A line that scrolls in takes the background of the moment.
                self.plain();
                self.out.push_str("\r\n");
            }
        }
        self.plain();
    }

    /// One line of text with its attributes and nothing else, from the rows it is wrapped into.
    pub(crate) fn line<'a>(rows: impl IntoIterator<Item = RowAndNext<'a>>) -> String {
        let mut painter = Painter { unlinked: true, ..Painter::default() };
        for (row, next) in rows {
            for col in 0..length(row, next) {
                painter.cell(&row[..], col);
            }
        }
        painter.plain();
        painter.out
    }

    /// Paints one row. `continues`: the terminal comes here by wrapping the row before, which takes a character.
    fn row(&mut self, row: &GridRow<Cell>, next: Option<&GridRow<Cell>>, continues: bool) {
        let cells = &row[..];
        let end = length(row, next).max(usize::from(continues));
        for col in 0..end {
            let after = self.cell(cells, col);
            if let Some(after) = after.filter(|after| *after < end) {
                self.column(after);
            }
        }
        if continues && end < cells.len() && !goes_on(row, next) {
            // What the wrap scrolled in has the background of the character that wrapped.
            self.plain();
            self.out.push_str("\x1b[K");
        }
    }

    /// Paints one cell. Terminals differ in how wide they take some characters to be: after such a one, answers the
    /// column that comes next.
    fn cell(&mut self, row: &[Cell], col: usize) -> Option<usize> {
        let glyph = glyph(row, col);
        if matches!(glyph, Glyph::Spacer) {
            return None;
        }
        self.style(Style::of(&row[col]));
        self.link(row[col].hyperlink());
        let Glyph::Character { ch, wide, marks } = glyph else {
            self.out.push(' ');
            return None;
        };
        self.out.push(ch);
        self.out.extend(marks);
        (wide || !marks.is_empty()).then(|| col + 1 + usize::from(wide))
    }

    /// Puts the cursor where `cursor` is, with what it writes with. `top` is the row that counts as the first.
    pub(crate) fn cursor(&mut self, grid: &Grid<Cell>, cursor: &Cursor<Cell>, top: u16) {
        let row = cursor.point.line.0 - i32::from(top) + 1;
        let mut col = cursor.point.column.0;
        let cells = &grid[Line(cursor.point.line.0)][..];
        let wraps_next = cursor.input_needs_wrap && col + 1 == grid.columns();
        if wraps_next && matches!(glyph(cells, col), Glyph::Spacer) {
            col -= 1;
        }
        self.write(format_args!("\x1b[{};{}H", row.max(1), col + 1));
        if wraps_next {
            // Only a character in the last column makes the next one wrap.
            self.cell(cells, col);
        }
        for (index, set) in [(CharsetIndex::G0, '('), (CharsetIndex::G1, ')')] {
            if cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing {
                self.out.push('\x1b');
                self.out.push(set);
                self.out.push('0');
            }
        }
        self.style(Style::of(&cursor.template));
        self.link(cursor.template.hyperlink());
    }

    /// Default attributes and character sets, no link.
    pub(crate) fn reset(&mut self) {
        self.plain();
        self.link(None);
        self.out.push_str("\x1b(B\x1b)B\x0f");
    }

    fn plain(&mut self) {
        self.style(Style::default());
    }

    pub(crate) fn style(&mut self, style: Style) {
        if style != self.style {
            style.write(&mut self.out);
            self.style = style;
        }
    }

    fn link(&mut self, link: Option<Hyperlink>) {
        if link == self.link || self.unlinked {
            return;
        }
        match &link {
            // Without an id of its own, the emulator makes one up.
            Some(link) if link.id().ends_with("_alacritty") => {
                self.write(format_args!("\x1b]8;;{}\x1b\\", link.uri()));
            }
            Some(link) => self.write(format_args!("\x1b]8;id={};{}\x1b\\", link.id(), link.uri())),
            None => self.out.push_str("\x1b]8;;\x1b\\"),
        }
        self.link = link;
    }

    fn column(&mut self, col: usize) {
        self.write(format_args!("\x1b[{}G", col + 1));
    }

    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to memory does not fail");
    }
}
