//! The emulated terminal: what each character and control sequence does to the screens.
//!
//! The reference is xterm.js 6, which is what people look at: where terminals differ, this one does what it does. The
//! files below hold one subject each: `print` characters, `control` cursor and editing, `mode` modes, `style` attributes,
//! `color` the palette.

mod color;
mod control;
mod mode;
mod print;
mod style;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr;
use parallax_api::TerminalSize;

pub(crate) use color::{Palette, Rgb};
pub(crate) use mode::{Encoding, Modes, Mouse};

use crate::attr::{Attr, Link};
use crate::buffer::Buffer;
use crate::charset::{self, Charsets};
use crate::csi::{Csi, Params};
use crate::frames::Frame;
use crate::keyboard::Keyboard;
use crate::line::Line;
use crate::width::Preceding;

/// A synchronised frame of more bytes than this is taken to be over.
const FRAME_LIMIT: usize = 1024 * 1024;

/// Both screens and what programs set.
pub(crate) struct Emulator {
    main: Buffer,
    alternate: Buffer,
    is_alternate: bool,
    attr: Attr,
    charsets: Charsets,
    modes: Modes,
    palette: Palette,
    /// What was printed right before, when nothing came between.
    preceding: Option<Preceding>,
    /// The size has changed since something was printed.
    resized: bool,
    /// A resize has moved the cursor: what is printed next is joined to nothing.
    displaced: bool,
    main_keyboard: Keyboard,
    alternate_keyboard: Keyboard,
    /// Bytes since the program began a synchronised frame.
    frame: Option<usize>,
    size: TerminalSize,
}

impl Emulator {
    pub(crate) fn new(size: TerminalSize, scrollback: usize) -> Self {
        let size = bounded(size);
        let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
        Emulator {
            main: Buffer::main(cols, rows, scrollback),
            alternate: Buffer::alternate(cols, rows),
            is_alternate: false,
            attr: Attr::default(),
            charsets: Charsets::default(),
            modes: Modes::default(),
            palette: Palette::default(),
            preceding: None,
            resized: false,
            displaced: false,
            main_keyboard: Keyboard::default(),
            alternate_keyboard: Keyboard::default(),
            frame: None,
            size,
        }
    }

    pub(crate) fn resize(&mut self, size: TerminalSize) {
        let size = bounded(size);
        if size != self.size {
            let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
            let before = self.buffer().x;
            for buffer in [&mut self.main, &mut self.alternate] {
                buffer.resize(cols, rows);
                buffer.extend_tabs();
            }
            self.size = size;
            self.resized = true;
            self.displaced |= self.buffer().x != before;
        }
    }

    /// Text and C0 controls.
    pub(crate) fn text(&mut self, bytes: &[u8]) {
        self.count_frame(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = printable(rest);
            let (text, controls) = rest.split_at(end);
            if !text.is_empty() {
                self.print(text);
            }
            let end =
                controls.iter().position(|&byte| byte >= 0x20 && byte != 0x7f).unwrap_or(controls.len());
            let (controls, after) = controls.split_at(end);
            for &control in controls {
                self.execute(control);
            }
            rest = after;
        }
    }

    /// `ESC [ …`, which is not a query.
    pub(crate) fn csi(&mut self, csi: &Csi<'_>, params: &Params, length: usize) {
        self.count_frame(length);
        self.control(csi, params);
        self.preceding = None;
    }

    /// `ESC` and what comes after it, but for strings and `ESC [`.
    pub(crate) fn escape(&mut self, sequence: &[u8]) {
        self.count_frame(sequence.len());
        match sequence.get(1..).unwrap_or_default() {
            [b'7'] => self.save_cursor(),
            [b'8'] => self.restore_cursor(),
            [b'D'] => self.index(),
            [b'E'] => {
                self.buffer_mut().x = 0;
                self.index();
            }
            [b'H'] => self.buffer_mut().set_tab(),
            [b'M'] => self.reverse_index(),
            [b'='] => self.modes.app_keypad = true,
            [b'>'] => self.modes.app_keypad = false,
            [b'n' | b'}'] => self.charsets.shift(2),
            [b'o' | b'|'] => self.charsets.shift(3),
            [b'~'] => self.charsets.shift(1),
            [b'%', b'@' | b'G'] => {
                self.charsets.shift(0);
                self.charsets.designate(0, None);
            }
            [b'#', b'8'] => self.align(),
            [set @ (b'(' | b')' | b'*' | b'+' | b'-' | b'.'), name] => {
                if let Some(charset) = charset::by_name(*name) {
                    let level = match set {
                        b'(' => 0,
                        b')' | b'-' => 1,
                        b'*' | b'.' => 2,
                        _ => 3,
                    };
                    self.charsets.designate(level, charset);
                }
            }
            _ => {}
        }
        self.preceding = None;
    }

    /// Something stood between two characters that is nothing to the screen.
    pub(crate) fn interrupt(&mut self, length: usize) {
        self.count_frame(length);
        self.preceding = None;
    }

    /// Line feeds after which nothing is left of what was shown before, when nothing but lines is written and
    /// [`Self::only_scrolls`].
    pub(crate) fn memory(&self) -> usize {
        self.main.history.limit() + 2 * self.main.rows
    }

    /// Whether lines that are written leave nothing but themselves.
    pub(crate) fn only_scrolls(&self) -> bool {
        let is_whole = self.main.top == 0 && self.main.bottom == self.main.rows - 1;
        !self.is_alternate && is_whole && !self.modes.reverse_wraparound
    }

    /// Whether it leaves no trace in the cells that `frame` was painted, once `next` is painted.
    pub(crate) fn is_unchanged_by(&self, frame: &Frame, next: &Frame) -> bool {
        let buffer = self.buffer();
        let is_plain = (buffer.top, buffer.bottom) == (0, buffer.rows - 1)
            && !self.modes.insert
            && !self.modes.origin
            && !self.modes.new_line
            && self.charsets.current.is_none();
        is_plain && frame.is_covered_by(next, |row, painted| buffer.lines[row].keeps_around(painted))
    }

    /// Columns and rows.
    pub(crate) fn cells(&self) -> (usize, usize) {
        (self.main.cols, self.main.rows)
    }

    /// Text that will not be seen any more.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.count_frame(bytes);
    }

    /// The text that comes next begins a row.
    pub(crate) fn begin_row(&mut self) {
        self.buffer_mut().x = 0;
        self.preceding = None;
    }

    /// `ESC ] 8 ; parameters ; address`.
    pub(crate) fn link(&mut self, parameters: &[u8], address: &[u8]) {
        let parameters = String::from_utf8_lossy(parameters);
        if !address.is_empty() {
            let mut ids = parameters.trim().split(':').filter_map(|parameter| parameter.strip_prefix("id="));
            let id = ids.next().unwrap_or_default().to_owned();
            let uri = String::from_utf8_lossy(address).into_owned();
            self.attr.extended.link = Some(Arc::new(Link { id, uri }));
        } else if parameters.trim().is_empty() {
            self.attr.extended.link = None;
        } else {
            return;
        }
        self.attr.update_extended();
    }

    /// `ESC ] 4`, `10` to `12`, `104` and `110` to `112`.
    pub(crate) fn set_color(&mut self, code: &[u8], body: &[u8]) {
        self.palette.apply(code, body);
    }

    /// `ESC c`. Whether the cursor is shown, LNM and the colours stay, as in xterm.js.
    pub(crate) fn reset(&mut self) {
        let (cols, rows) = (self.main.cols, self.main.rows);
        self.main = Buffer::main(cols, rows, self.main.history.limit());
        self.alternate = Buffer::alternate(cols, rows);
        self.is_alternate = false;
        self.attr = Attr::default();
        self.charsets = Charsets::default();
        self.modes = self.modes.after_reset();
        self.main_keyboard = Keyboard::default();
        self.alternate_keyboard = Keyboard::default();
        self.frame = None;
        self.preceding = None;
    }

    pub(crate) fn size(&self) -> TerminalSize {
        self.size
    }

    /// The screen that is shown.
    pub(crate) fn buffer(&self) -> &Buffer {
        if self.is_alternate { &self.alternate } else { &self.main }
    }

    fn buffer_mut(&mut self) -> &mut Buffer {
        if self.is_alternate { &mut self.alternate } else { &mut self.main }
    }

    /// The main screen, shown or covered.
    pub(crate) fn main(&self) -> &Buffer {
        &self.main
    }

    pub(crate) fn alternate(&self) -> &Buffer {
        &self.alternate
    }

    pub(crate) fn is_alternate(&self) -> bool {
        self.is_alternate
    }

    pub(crate) fn modes(&self) -> &Modes {
        &self.modes
    }

    pub(crate) fn attr(&self) -> &Attr {
        &self.attr
    }

    /// What was printed right before, when nothing came between.
    pub(crate) fn preceding(&self) -> Option<Preceding> {
        self.preceding
    }

    pub(crate) fn charsets(&self) -> &Charsets {
        &self.charsets
    }

    pub(crate) fn palette(&self) -> &Palette {
        &self.palette
    }

    /// Row and column of the cursor, from the top left corner.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        let buffer = self.buffer();
        (buffer.y as u16, buffer.x.min(buffer.cols - 1) as u16)
    }

    pub(crate) fn keyboard(&self) -> &Keyboard {
        if self.is_alternate { &self.alternate_keyboard } else { &self.main_keyboard }
    }

    pub(crate) fn main_keyboard(&self) -> &Keyboard {
        &self.main_keyboard
    }

    pub(crate) fn in_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// How many rows there are above the screen.
    pub(crate) fn history_len(&self) -> usize {
        self.buffer().history.len()
    }

    /// Rows: 0 is the first on the screen, the scrollback counts down from there; there are no others, whatever `rows`
    /// says.
    pub(crate) fn lines(&self, rows: Range<isize>) -> Vec<Line> {
        self.rows(rows).map(Cow::into_owned).collect()
    }

    /// The same, to look at.
    pub(crate) fn rows(&self, rows: Range<isize>) -> impl Iterator<Item = Cow<'_, Line>> {
        let buffer = self.buffer();
        let above = buffer.history.len() as isize;
        let rows = rows.start.max(-above)..rows.end.min(buffer.lines.len() as isize);
        let (from, to) = (rows.start.clamp(-above, 0), rows.end.min(0));
        let history = (from..to).filter_map(move |row| buffer.history.line((above + row) as usize));
        let start = usize::try_from(rows.start).unwrap_or(0);
        let count = usize::try_from(rows.end).unwrap_or(0).saturating_sub(start);
        history.map(Cow::Owned).chain(buffer.shown().skip(start).take(count))
    }

    fn count_frame(&mut self, bytes: usize) {
        if let Some(count) = &mut self.frame {
            *count += bytes;
            if *count > FRAME_LIMIT {
                self.frame = None;
            }
        }
    }
}

/// How many bytes at the start are no controls.
fn printable(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let is_control = |byte: &u8| *byte < 0x20 || *byte == 0x7f;
    // Without a way out of the loop over a block, it becomes one comparison.
    let has_none = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | is_control(byte));
    let whole = bytes.chunks_exact(BLOCK).take_while(has_none).count() * BLOCK;
    whole + bytes[whole..].iter().position(is_control).unwrap_or(bytes.len() - whole)
}

/// A size that the screens can have.
fn bounded(size: TerminalSize) -> TerminalSize {
    TerminalSize { cols: size.cols.clamp(2, 1000), rows: size.rows.clamp(2, 1000) }
}

/// The fields of an OSC 8 body.
pub(crate) fn link_fields(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    memchr(b';', rest).map(|at| (&rest[..at], &rest[at + 1..]))
}
