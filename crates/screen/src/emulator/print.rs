//! Characters.

use crate::charset::translate;
use crate::emulator::Emulator;
use crate::width::{self, Preceding};

/// xterm.js takes it out of its input, wherever it stands.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Emulator {
    /// Prints text without controls. What is not UTF-8 is shown as the replacement character.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.displaced) {
            self.preceding = None;
        }
        // After a resize, the cursor may stand elsewhere.
        if std::mem::take(&mut self.resized) || self.preceding.is_none() {
            self.begin_print();
        }
        if bytes.is_ascii() {
            self.print_ascii(bytes);
        } else {
            for chunk in bytes.utf8_chunks() {
                self.print_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    self.put(char::REPLACEMENT_CHARACTER.into());
                }
            }
        }
        self.end_print();
    }

    fn print_str(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
            let (run, after) = rest.split_at(ascii);
            self.print_ascii(run.as_bytes());
            let other = after.bytes().position(|byte| byte.is_ascii()).unwrap_or(after.len());
            let (run, after) = after.split_at(other);
            for ch in run.chars() {
                if ch == BYTE_ORDER_MARK {
                    continue;
                }
                // What is left of the C1 controls does nothing here.
                if u32::from(ch) < 0xa0 {
                    self.end_print();
                    self.preceding = None;
                    self.begin_print();
                } else {
                    self.put(ch.into());
                }
            }
            rest = after;
        }
    }

    fn print_ascii(&mut self, run: &[u8]) {
        let mut rest = run;
        while let Some(&first) = rest.first() {
            let is_simple = self.charsets.current.is_none()
                && !self.modes.insert
                && self.preceding.is_none_or(Preceding::is_plain);
            if !is_simple {
                self.put(first.into());
                rest = &rest[1..];
                continue;
            }
            let room = self.buffer().cols.saturating_sub(self.buffer().x);
            if room == 0 {
                self.put(first.into());
                rest = &rest[1..];
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            let attr = &self.attr;
            let buffer = if self.is_alternate { &mut self.alternate } else { &mut self.main };
            let x = buffer.x;
            buffer.lines[buffer.y].set_ascii(x, now, attr);
            buffer.x += now.len();
            self.preceding = Some(Preceding::PLAIN);
            rest = later;
        }
    }

    /// A wide character of which the second half is to be overwritten is no longer there.
    fn begin_print(&mut self) {
        let attr = &self.attr;
        let buffer = if self.is_alternate { &mut self.alternate } else { &mut self.main };
        let x = buffer.x;
        let line = buffer.line();
        if x > 0 && line.width(x - 1) == 2 {
            line.set(x - 1, 0, 1, attr);
        }
    }

    /// Nor is one of which the first half was.
    fn end_print(&mut self) {
        let attr = &self.attr;
        let buffer = if self.is_alternate { &mut self.alternate } else { &mut self.main };
        let (x, cols) = (buffer.x, buffer.cols);
        let line = buffer.line();
        if x < cols && line.cells[x].is_spacer() {
            line.set(x, 0, 1, attr);
        }
    }

    /// Prints one code point.
    fn put(&mut self, code: u32) {
        let code = match self.charsets.current {
            Some(set) if code < 0x7f => translate(set, code),
            _ => code,
        };
        let before = self.preceding;
        let step = width::step(code, before);
        let width = usize::from(step.state.width);
        let old_width = before.filter(|_| step.joins).map_or(0, |before| usize::from(before.width));
        self.preceding = Some(step.state);

        let cols = self.buffer().cols;
        if self.buffer().x + width - old_width > cols {
            if self.modes.wraparound {
                self.wrap(old_width);
            } else {
                self.buffer_mut().x = cols - 1;
                if width == 2 {
                    return;
                }
            }
        }
        let attr = &self.attr;
        let buffer = if self.is_alternate { &mut self.alternate } else { &mut self.main };
        let mut x = buffer.x;
        let line = &mut buffer.lines[buffer.y];
        if step.joins && x > 0 {
            let back = if line.width(x - 1) > 0 { 1 } else { 2 };
            line.join(x.saturating_sub(back), code, step.state.width);
            for _ in old_width..width {
                line.set(x, 0, 0, attr);
                x += 1;
            }
        } else {
            if self.modes.insert {
                line.insert(x, width - old_width, attr);
            }
            line.set(x, code, step.state.width, attr);
            for spacer in 1..width {
                line.set(x + spacer, 0, 0, attr);
            }
            x += width;
        }
        buffer.x = x;
    }

    /// Goes on in the next row, and takes along the cluster of `old_width` columns that became too wide.
    fn wrap(&mut self, old_width: usize) {
        let (attr, erased) = (&self.attr, self.attr.erased());
        let buffer = if self.is_alternate { &mut self.alternate } else { &mut self.main };
        let from = buffer.x - old_width;
        let old_row = buffer.lines[buffer.y].clone_from_col(from);
        for col in from..buffer.cols {
            buffer.lines[buffer.y].set(col, 0, 1, attr);
        }
        buffer.x = old_width;
        buffer.y += 1;
        if buffer.y == buffer.bottom + 1 {
            buffer.y -= 1;
            buffer.scroll(&erased, true);
        } else {
            buffer.y = buffer.y.min(buffer.rows - 1);
            buffer.line().wrapped = true;
        }
        if old_width > 0 {
            buffer.lines[buffer.y].copy(&old_row, 0, 0, old_width);
        }
    }
}
