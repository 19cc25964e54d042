//! Rows as bytes that paint them.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use crate::attr::{Attr, Link};
use crate::buffer::Buffer;
use crate::line::{Cell, Line};
use crate::row::length;
use crate::sgr::Look;
use crate::width::{self, Preceding};

/// Two columns wide, and nothing to be seen of.
const WIDE_SPACE: char = '\u{3000}';

/// Writes what makes a terminal show cells, without saying twice what the terminal knows.
#[derive(Default)]
pub(crate) struct Painter {
    pub(crate) out: String,
    look: Look,
    /// The terminal's column, when it is sure to be known: terminals differ in how wide they take some characters to be.
    col: Option<usize>,
    /// What was painted right before, to which the next character might be joined.
    preceding: Option<Preceding>,
    /// Links are left out.
    unlinked: bool,
}

impl Painter {
    /// Paints rows one below the other, from the top left corner of an empty screen of `cols` columns. Lines that were
    /// wrapped are wrapped by the terminal, so that it can wrap them anew. Cells that were never written to stay so.
    pub(crate) fn rows(&mut self, rows: impl Iterator<Item = Line>, cols: usize) {
        self.col = Some(0);
        let mut rows = rows.peekable();
        while let Some(row) = rows.next() {
            self.row(&row, cols);
            match rows.peek() {
                Some(next) if next.wrapped => self.wrap(&row, cols),
                Some(_) => {
                    // A line that scrolls in takes the background of the moment.
                    self.plain();
                    self.out.push_str("\r\n");
                    self.moved(Some(0));
                }
                None => {}
            }
        }
        self.plain();
    }

    /// One line of text with its attributes and nothing else, from the rows it is wrapped into.
    pub(crate) fn line<'a>(rows: impl IntoIterator<Item = (&'a Line, Option<&'a Line>)>) -> String {
        let mut painter = Painter { unlinked: true, ..Painter::default() };
        for (row, next) in rows {
            for col in 0..length(row, next) {
                painter.set(&Look::of(&row.attr(col)));
                painter.text(row, col);
            }
        }
        painter.plain();
        painter.out
    }

    /// Some columns of a row with their attributes. A character that is only half in there is a blank.
    pub(crate) fn part(row: &Line, cols: Range<usize>) -> String {
        let mut part = row.clone_from_col(cols.start);
        part.cells.truncate(cols.len());
        let mut painter = Painter { unlinked: true, col: Some(0), ..Painter::default() };
        for col in 0..length(&part, None) {
            let look = Look::of(&part.attr(col));
            if part.is_shown(col) {
                painter.cell(&part, col, &look);
            } else if !part.is_second_half(col) {
                painter.go(col);
                painter.set(&look);
                painter.out.push(' ');
                painter.moved(Some(col + 1));
            }
        }
        painter.plain();
        painter.out
    }

    fn row(&mut self, row: &Line, cols: usize) {
        let end =
            row.cells.iter().take(cols).rposition(|cell| *cell != Cell::NULL).map_or(0, |last| last + 1);
        // A cell that a trick left something in.
        let mut dirty = None;
        let mut col = 0;
        while col < end || dirty == Some(col) {
            let cell = row.cells[col];
            let look = Look::of(&row.attr(col));
            if row.is_second_half(col) {
                col += 1;
            } else if row.is_shown(col) {
                self.cell(row, col, &look);
                col += usize::from(cell.width().max(1));
            } else if !look.is_plain() && col + 1 == cols {
                self.last_remnant(row, col, &look);
                break;
            } else if !look.is_plain() {
                self.remnant(col, &look);
                dirty = Some(col + 1);
                col += 1;
            } else if look == Look::default() && dirty != Some(col) {
                col += 1;
            } else {
                let same = |cell: &&Cell| {
                    !cell.has_content()
                        && !cell.is_spacer()
                        && (cell.fg, cell.bg) == (row.cells[col].fg, row.cells[col].bg)
                };
                let count = row.cells[col..cols].iter().take_while(same).count().max(1);
                let count = if look == Look::default() { 1 } else { count };
                self.go(col);
                self.set(&Look::of(&Attr { bg: look.bg, ..Attr::default() }.erased()));
                self.sequence(format_args!("\x1b[{count}X"));
                col += count;
            }
        }
    }

    /// Paints one cell that holds something.
    fn cell(&mut self, row: &Line, col: usize, look: &Look) {
        self.go(col);
        self.set(look);
        self.text(row, col);
    }

    /// The characters of a cell.
    fn text(&mut self, row: &Line, col: usize) {
        if row.is_second_half(col) {
            return;
        }
        let cell = row.cells[col];
        let mut buffer = [0; 4];
        let text = match row.cluster(col) {
            Some(cluster) => cluster,
            None => &*cell.char().unwrap_or(' ').encode_utf8(&mut buffer),
        };
        let first = text.chars().next().unwrap_or(' ');
        if self.preceding.is_some() && width::step(first.into(), self.preceding).joins {
            // It stands in a cell of its own.
            self.sequence(format_args!("\x1b[{}G", col + 1));
        }
        for ch in text.chars() {
            self.preceding = Some(width::step(ch.into(), self.preceding).state);
        }
        self.out.push_str(text);
        self.col = (cell.width() == 1 && !cell.is_combined()).then_some(col + 1);
    }

    /// Paints the characters of a cell, looking as the terminal writes by now.
    pub(crate) fn character(&mut self, row: &Line, col: usize) {
        self.moved(None);
        self.text(row, col);
    }

    /// Makes an empty cell with attributes, which is what stays of a wide character that was overwritten by half. What
    /// is in the next cell does not count any more.
    fn remnant(&mut self, col: usize, look: &Look) {
        self.go(col);
        self.plain();
        self.out.push(WIDE_SPACE);
        self.sequence(format_args!("\x1b[{}G", col + 2));
        self.set(look);
        self.out.push(' ');
        self.moved(Some(col + 2));
    }

    /// The same in the last column, where the cell before has to be painted again.
    fn last_remnant(&mut self, row: &Line, col: usize, look: &Look) {
        let before = col - 1;
        let before = if row.is_second_half(before) { before - 1 } else { before };
        let before_look = Look::of(&row.attr(before));
        if !row.is_shown(before) && !before_look.is_plain() {
            // Two of them cannot be made beside each other at the edge.
            return;
        }
        self.go(col - 1);
        self.plain();
        self.out.push(WIDE_SPACE);
        self.sequence(format_args!("\x1b[{col}G"));
        self.set(look);
        self.out.push(' ');
        self.moved(None);
        if row.is_shown(before) {
            self.cell(row, before, &before_look);
        } else {
            self.go(before);
            self.set(&before_look);
            self.sequence(format_args!("\x1b[X"));
        }
        self.moved(None);
    }

    /// Goes on in the next row as one does whose line does not fit, and leaves that row empty.
    fn wrap(&mut self, row: &Line, cols: usize) {
        let used = if row.is_shown(cols - 1) || row.is_second_half(cols - 1) {
            let col = cols - if row.is_shown(cols - 1) { 1 } else { 2 };
            if self.col != Some(cols) {
                self.go(col);
                self.set(&Look::of(&row.attr(col)));
                self.text(row, col);
            }
            self.plain();
            self.out.push(' ');
            1
        } else {
            // A wide character does not fit, and leaves the cell empty, but not without attributes.
            self.go(cols - 1);
            self.set(&Look::of(&row.attr(cols - 1)));
            self.out.push(WIDE_SPACE);
            self.plain();
            self.out.push_str("\x1b[K");
            2
        };
        self.write(format_args!("\r\x1b[{used}X"));
        self.moved(Some(0));
    }

    /// Puts the cursor where a buffer has it. `top` is the row that counts as the first.
    pub(crate) fn cursor(&mut self, buffer: &Buffer, top: usize) {
        let row = buffer.y.saturating_sub(top) + 1;
        let col = buffer.x.min(buffer.cols - 1);
        self.write(format_args!("\x1b[{row};{}H", col + 1));
        self.moved(Some(col));
        if buffer.x >= buffer.cols {
            // Only a character in the last column makes the next one wrap.
            let line = &buffer.lines[buffer.y];
            let col = if line.is_second_half(col) { col - 1 } else { col };
            let look = Look::of(&line.attr(col));
            self.cell(line, col, &look);
            if !line.cells[col].has_content() && line.cells.iter().all(|cell| *cell == line.cells[col]) {
                // The whole row was erased, which leaves the cursor there.
                self.sequence(format_args!("\x1b[1K"));
            }
            self.moved(None);
        }
    }

    /// Default attributes, no link.
    pub(crate) fn plain(&mut self) {
        self.set(&Look::default());
    }

    /// The terminal writes so by now.
    pub(crate) fn assume(&mut self, look: Look) {
        self.look = look;
        self.moved(None);
    }

    /// Makes the next character look so.
    pub(crate) fn set(&mut self, look: &Look) {
        let mut protected = self.look.is_protected();
        if !look.has_style_of(&self.look) {
            look.write_style(&mut self.out);
            self.preceding = None;
            protected = false;
        }
        if look.is_protected() != protected {
            self.sequence(format_args!("\x1b[{}\"q", u8::from(look.is_protected())));
        }
        if look.link != self.look.link && !self.unlinked {
            self.link(look.link.as_ref());
        }
        self.look = look.clone();
    }

    fn link(&mut self, link: Option<&Arc<Link>>) {
        match link.map(Arc::as_ref) {
            Some(Link { id, uri }) if id.is_empty() => self.sequence(format_args!("\x1b]8;;{uri}\x1b\\")),
            Some(Link { id, uri }) => self.sequence(format_args!("\x1b]8;id={id};{uri}\x1b\\")),
            None => self.sequence(format_args!("\x1b]8;;\x1b\\")),
        }
    }

    fn go(&mut self, col: usize) {
        if self.col != Some(col) {
            self.sequence(format_args!("\x1b[{}G", col + 1));
            self.col = Some(col);
        }
    }

    fn moved(&mut self, col: Option<usize>) {
        self.col = col;
        self.preceding = None;
    }

    fn sequence(&mut self, text: std::fmt::Arguments<'_>) {
        self.write(text);
        self.preceding = None;
    }

    pub(crate) fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to memory does not fail");
    }
}
