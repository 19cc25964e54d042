//! Cursor movement and editing.

use crate::attr::{Attr, bg};
use crate::buffer::Saved;
use crate::csi::{Csi, Params};
use crate::emulator::Emulator;

/// Characters that one REP prints, unless the screen has more cells: a few bytes must not cost more than a whole text.
const REPEAT_LIMIT: usize = 16 * 1024;

impl Emulator {
    /// One C0 control.
    pub(super) fn execute(&mut self, control: u8) {
        match control {
            0x08 => self.backspace(),
            b'\t' => {
                let buffer = self.buffer_mut();
                if buffer.x < buffer.cols {
                    buffer.x = buffer.next_tab();
                }
            }
            b'\n' | 0x0b | 0x0c => self.line_feed(),
            b'\r' => self.buffer_mut().x = 0,
            0x0e => self.charsets.shift(1),
            0x0f => self.charsets.shift(0),
            // DEL does not even come between two characters.
            0x7f => return,
            _ => {}
        }
        self.preceding = None;
    }

    /// One `ESC [` sequence.
    pub(super) fn control(&mut self, csi: &Csi<'_>, params: &Params) {
        if csi.intermediates.len() > 1 {
            return;
        }
        let count = params.count();
        match csi.kind() {
            (0, 0, b'A') => self.up(count),
            (0, 0, b'B') => self.down(count),
            (0, 0, b'C' | b'a') => self.go_by(count as isize, 0),
            (0, 0, b'D') => self.go_by(-(count as isize), 0),
            (0, 0, b'E') => {
                self.down(count);
                self.buffer_mut().x = 0;
            }
            (0, 0, b'F') => {
                self.up(count);
                self.buffer_mut().x = 0;
            }
            (0, 0, b'G' | b'`') => self.go_to(count - 1, self.buffer().y),
            (0, 0, b'H' | b'f') => {
                let col = if params.len() > 1 { params.get(1).max(1) as usize - 1 } else { 0 };
                self.go_to(col, count - 1);
            }
            (0, 0, b'd') => self.go_to(self.buffer().x, count - 1),
            (0, 0, b'e') => self.go_by(0, count as isize),
            (0, 0, b'I' | b'Z') => self.tab(csi.action == b'I', count),
            (0, 0, b'g') => match params.get(0) {
                0 => self.buffer_mut().clear_tab(),
                3 => self.buffer_mut().clear_tabs(),
                _ => {}
            },
            (marker @ (0 | b'?'), 0, b'J') => self.erase_display(params.get(0), marker == b'?'),
            (marker @ (0 | b'?'), 0, b'K') => self.erase_line(params.get(0), marker == b'?'),
            (0, 0, b'X') => self.erase_characters(count),
            (0, 0, b'@' | b'P') => self.edit_characters(csi.action == b'@', count),
            (0, 0, b'L' | b'M') => self.edit_lines(csi.action == b'L', count),
            (0, 0, b'S') => {
                let erased = self.attr.erased();
                let buffer = self.buffer_mut();
                buffer.move_rows(buffer.top, buffer.bottom, count, &erased);
            }
            (0, 0, b'T') => {
                let buffer = self.buffer_mut();
                buffer.move_rows(buffer.bottom, buffer.top, count, &Attr::default());
            }
            (0, b' ', b'@') => self.edit_columns(false, Some(0), count),
            (0, b' ', b'A') => self.edit_columns(true, Some(0), count),
            (0, b'\'', b'}') => self.edit_columns(true, None, count),
            (0, b'\'', b'~') => self.edit_columns(false, None, count),
            (0, 0, b'b') => self.repeat(count),
            (0, 0, b'm') => self.style(params),
            (0, b'"', b'q') => match params.get(0) {
                1 => self.attr.bg |= bg::PROTECTED,
                0 | 2 => self.attr.bg &= !bg::PROTECTED,
                _ => {}
            },
            (0, b' ', b'q') => {
                self.modes.cursor_style = style_of_cursor(params.get(0), self.modes.cursor_style);
            }
            (0, 0, b'r') => self.set_margins(params),
            (0, 0, b's') => self.save_cursor(),
            (0, 0, b'u') => self.restore_cursor(),
            (0, 0, b'h' | b'l') => params.iter().for_each(|mode| self.set_mode(mode, csi.action == b'h')),
            (b'?', 0, b'h' | b'l') => {
                params.iter().for_each(|mode| self.set_private_mode(mode, csi.action == b'h'));
            }
            (b'<' | b'=' | b'>', 0, b'u') => {
                let keyboard =
                    if self.is_alternate { &mut self.alternate_keyboard } else { &mut self.main_keyboard };
                keyboard.apply(csi);
            }
            (0, b'!', b'p') => self.soft_reset(),
            _ => {}
        }
    }

    /// Brings the cursor back onto the screen: `cols` columns, or between the margins in origin mode.
    fn restrict(&mut self, last_col: usize) {
        let origin = self.modes.origin;
        let buffer = self.buffer_mut();
        buffer.x = buffer.x.min(last_col);
        buffer.y =
            if origin { buffer.y.clamp(buffer.top, buffer.bottom) } else { buffer.y.min(buffer.rows - 1) };
    }

    fn restrict_to_columns(&mut self) {
        self.restrict(self.buffer().cols - 1);
    }

    /// The cursor may stand behind the last column.
    fn restrict_behind_columns(&mut self) {
        self.restrict(self.buffer().cols);
    }

    /// Rows count from the upper margin in origin mode.
    pub(super) fn go_to(&mut self, col: usize, row: usize) {
        let origin = self.modes.origin;
        let buffer = self.buffer_mut();
        buffer.x = col;
        buffer.y = if origin { buffer.top.saturating_add(row) } else { row };
        self.restrict_to_columns();
    }

    fn go_by(&mut self, cols: isize, rows: isize) {
        self.restrict_to_columns();
        let buffer = self.buffer();
        let (col, row) = (buffer.x.saturating_add_signed(cols), buffer.y.saturating_add_signed(rows));
        self.go_to(col, row);
    }

    fn up(&mut self, count: usize) {
        let buffer = self.buffer();
        let count = buffer.y.checked_sub(buffer.top).map_or(count, |room| room.min(count));
        self.go_by(0, -(count as isize));
    }

    fn down(&mut self, count: usize) {
        let buffer = self.buffer();
        let count = buffer.bottom.checked_sub(buffer.y).map_or(count, |room| room.min(count));
        self.go_by(0, count as isize);
    }

    fn line_feed(&mut self) {
        let (erased, to_start) = (self.attr.erased(), self.modes.new_line);
        let buffer = self.buffer_mut();
        if to_start {
            buffer.x = 0;
        }
        buffer.y += 1;
        if buffer.y == buffer.bottom + 1 {
            buffer.y -= 1;
            buffer.scroll(&erased, false);
        } else if buffer.y >= buffer.rows {
            buffer.y = buffer.rows - 1;
        } else {
            buffer.line().wrapped = false;
        }
        if buffer.x >= buffer.cols {
            buffer.x -= 1;
        }
    }

    /// `ESC D`.
    pub(super) fn index(&mut self) {
        self.restrict_to_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        buffer.y += 1;
        if buffer.y == buffer.bottom + 1 {
            buffer.y -= 1;
            buffer.scroll(&erased, false);
        } else if buffer.y >= buffer.rows {
            buffer.y = buffer.rows - 1;
        }
        self.restrict_to_columns();
    }

    /// `ESC M`.
    pub(super) fn reverse_index(&mut self) {
        self.restrict_to_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        if buffer.y == buffer.top {
            buffer.move_rows(buffer.bottom, buffer.top, 1, &erased);
        } else {
            buffer.y = buffer.y.saturating_sub(1);
            self.restrict_to_columns();
        }
    }

    fn backspace(&mut self) {
        if !self.modes.reverse_wraparound {
            self.restrict_to_columns();
            let buffer = self.buffer_mut();
            buffer.x = buffer.x.saturating_sub(1);
            return;
        }
        self.restrict_behind_columns();
        let buffer = self.buffer_mut();
        if buffer.x > 0 {
            buffer.x -= 1;
        } else if buffer.y > buffer.top && buffer.y <= buffer.bottom && buffer.line().wrapped {
            buffer.line().wrapped = false;
            buffer.y -= 1;
            buffer.x = buffer.cols - 1;
            let x = buffer.x;
            let cell = buffer.line().cells[x];
            if cell.width() > 0 && !cell.has_content() {
                // A wide character did not fit there.
                buffer.x -= 1;
            }
        }
        self.restrict_to_columns();
    }

    fn tab(&mut self, forward: bool, count: usize) {
        let buffer = self.buffer_mut();
        if buffer.x >= buffer.cols {
            return;
        }
        for _ in 0..count.min(buffer.cols) {
            buffer.x = if forward { buffer.next_tab() } else { buffer.previous_tab() };
        }
    }

    fn erase_display(&mut self, what: u32, respect_protection: bool) {
        self.restrict_behind_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        let (x, y, cols, rows) = (buffer.x, buffer.y, buffer.cols, buffer.rows);
        match what {
            0 => {
                buffer.lines[y].erase(x, cols, &erased, respect_protection);
                if x == 0 {
                    buffer.lines[y].wrapped = false;
                }
                self.erase_rows(y + 1..rows, &erased, respect_protection);
            }
            1 => {
                buffer.lines[y].erase(0, x + 1, &erased, respect_protection);
                buffer.lines[y].wrapped = false;
                if x + 1 >= cols {
                    // xterm.js takes the row's number for one that counts the scrollback.
                    let above = buffer.history.len();
                    if y + 1 < above {
                        buffer.history.set_wrapped(y + 1, false);
                    } else if let Some(line) = buffer.lines.get_mut(y + 1 - above) {
                        line.wrapped = false;
                    }
                }
                self.erase_rows(0..y, &erased, respect_protection);
            }
            2 => self.erase_rows(0..rows, &erased, respect_protection),
            3 => buffer.history.clear(),
            _ => {}
        }
    }

    fn erase_rows(&mut self, rows: std::ops::Range<usize>, erased: &Attr, respect_protection: bool) {
        let cols = self.buffer().cols;
        for line in &mut self.buffer_mut().lines[rows] {
            if respect_protection {
                line.erase(0, line.len(), erased, true);
                line.wrapped = false;
            } else {
                line.reset(line.len().max(cols), erased);
            }
        }
    }

    fn erase_line(&mut self, what: u32, respect_protection: bool) {
        self.restrict_behind_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        let (x, cols) = (buffer.x, buffer.cols);
        let line = buffer.line();
        match what {
            0 => {
                line.erase(x, cols, &erased, respect_protection);
                line.wrapped &= x != 0;
            }
            1 => line.erase(0, x + 1, &erased, respect_protection),
            2 => {
                line.erase(0, cols, &erased, respect_protection);
                line.wrapped = false;
            }
            _ => {}
        }
    }

    fn erase_characters(&mut self, count: usize) {
        self.restrict_to_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        let x = buffer.x;
        buffer.line().erase(x, x.saturating_add(count), &erased, false);
    }

    fn edit_characters(&mut self, insert: bool, count: usize) {
        self.restrict_to_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        let x = buffer.x;
        if insert {
            buffer.line().insert(x, count, &erased);
        } else {
            buffer.line().delete(x, count, &erased);
        }
    }

    fn edit_lines(&mut self, insert: bool, count: usize) {
        self.restrict_to_columns();
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        if !(buffer.top..=buffer.bottom).contains(&buffer.y) {
            return;
        }
        let (from, to) = if insert { (buffer.bottom, buffer.y) } else { (buffer.y, buffer.bottom) };
        buffer.move_rows(from, to, count, &erased);
        buffer.x = 0;
    }

    /// In all rows between the margins; at the cursor unless `col` says where.
    fn edit_columns(&mut self, insert: bool, col: Option<usize>, count: usize) {
        let erased = self.attr.erased();
        let buffer = self.buffer_mut();
        if !(buffer.top..=buffer.bottom).contains(&buffer.y) {
            return;
        }
        let col = col.unwrap_or(buffer.x);
        for line in &mut buffer.lines[buffer.top..=buffer.bottom] {
            if insert {
                line.insert(col, count, &erased);
            } else {
                line.delete(col, count, &erased);
            }
            line.wrapped = false;
        }
    }

    /// REP. More often than [`REPEAT_LIMIT`] it makes a difference to the scrollback only, and where the cursor ends.
    fn repeat(&mut self, count: usize) {
        let Some(preceding) = self.preceding else { return };
        let buffer = self.buffer();
        let line = &buffer.lines[buffer.y];
        let Some(col) = buffer.x.checked_sub(usize::from(preceding.width)) else { return };
        let text = match (line.cluster(col), line.cells.get(col).and_then(|cell| cell.char())) {
            (Some(cluster), _) => cluster.to_owned(),
            (None, Some(ch)) => ch.to_string(),
            (None, None) => return,
        };
        let limit = REPEAT_LIMIT.max(buffer.cols * buffer.rows);
        let count = if count > limit { limit + (count - limit) % buffer.cols } else { count };
        self.print(text.repeat(count).as_bytes());
    }

    fn set_margins(&mut self, params: &Params) {
        let rows = self.buffer().rows;
        let top = params.get(0).max(1) as usize;
        let bottom = match params.get(1) as usize {
            bottom if params.len() < 2 || bottom == 0 || bottom > rows => rows,
            bottom => bottom,
        };
        if bottom > top {
            let buffer = self.buffer_mut();
            (buffer.top, buffer.bottom) = (top - 1, bottom - 1);
            self.go_to(0, 0);
        }
    }

    pub(super) fn save_cursor(&mut self) {
        let (fg, bg, charset) = (self.attr.fg, self.attr.bg, self.charsets.current);
        let buffer = self.buffer_mut();
        buffer.saved = Saved { x: buffer.x, line: buffer.history.len() + buffer.y, fg, bg, charset };
    }

    pub(super) fn restore_cursor(&mut self) {
        let buffer = self.buffer_mut();
        buffer.x = buffer.saved.x;
        buffer.y = buffer.saved.line.saturating_sub(buffer.history.len());
        let Saved { fg, bg, charset, .. } = buffer.saved;
        (self.attr.fg, self.attr.bg, self.charsets.current) = (fg, bg, charset);
        self.restrict_to_columns();
    }

    /// `ESC # 8`.
    pub(super) fn align(&mut self) {
        self.go_to(0, 0);
        let attr = Attr { fg: self.attr.fg, bg: self.attr.bg, ..Attr::default() };
        let buffer = self.buffer_mut();
        let first = buffer.y;
        for line in &mut buffer.lines[first..] {
            let length = line.len();
            line.reset(length, &Attr::default());
            line.set_ascii(0, &vec![b'E'; length], &attr);
        }
        self.go_to(0, 0);
    }

    /// `CSI ! p`.
    fn soft_reset(&mut self) {
        self.modes = self.modes.after_soft_reset();
        self.frame = None;
        self.attr = Attr::default();
        self.charsets = Default::default();
        let buffer = self.buffer_mut();
        (buffer.top, buffer.bottom) = (0, buffer.rows - 1);
        buffer.saved = Saved { line: buffer.history.len(), ..Saved::default() };
    }
}

/// What `CSI n SP q` makes of the cursor: 0 is the terminal's own.
fn style_of_cursor(param: u32, before: u8) -> u8 {
    match param {
        0..=6 => param as u8,
        // An unknown one sets only whether it blinks, be it of the terminal's own shape: then it is 7 or 8.
        unknown => match before {
            0 | 7 | 8 => 8 - (unknown % 2) as u8,
            shape => shape + shape % 2 - (unknown % 2) as u8,
        },
    }
}
