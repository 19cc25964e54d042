//! The grid and everything that moves it.

use std::ops::Range;
use std::time::Duration;

use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Dimensions, Grid, Row as GridRow};
use alacritty_terminal::index::{Column, Line, Point};
use alacritty_terminal::term::cell::Cell as GridCell;
use alacritty_terminal::term::{Config, TermMode};
use alacritty_terminal::vte::ansi::{CursorStyle, Processor, Rgb, Timeout};
use memchr::memrchr2;
use parallax_api::TerminalSize;

use crate::csi::Csi;
use crate::keyboard::Keyboard;
use crate::painter;

/// Marks on one cell beyond this are dropped: the emulator would keep any number.
const MARKS_LIMIT: usize = 32;
/// Text goes to the emulator in pieces of this many bytes, so that [`MARKS_LIMIT`] is looked after in between.
const TEXT_PIECE: usize = 4096;
/// A synchronised frame of more bytes than this is taken to be over.
const FRAME_LIMIT: usize = 1024 * 1024;
/// Rows of scrollback kept for the main screen while the alternate screen covers it.
const COVERED_HISTORY: i32 = 500;

/// The emulator, and the state it does not let itself be asked for.
pub(crate) struct Emulator {
    term: Term<VoidListener>,
    parser: Processor<Unsynchronised>,
    scroll_region: Range<u16>,
    main_keyboard: Keyboard,
    alternate_keyboard: Keyboard,
    /// SO was sent: characters are of set G1.
    shifted: bool,
    /// Bytes since the program began a synchronised frame.
    frame: Option<usize>,
    /// What paints the main screen, from when the alternate screen covered it.
    covered: String,
}

/// A row and the one below it, none below the last on the screen.
pub(crate) type RowAndNext<'a> = (&'a GridRow<GridCell>, Option<&'a GridRow<GridCell>>);

impl Emulator {
    pub(crate) fn new(size: TerminalSize, scrollback: usize) -> Self {
        let config = Config { scrolling_history: scrollback, ..Config::default() };
        Emulator {
            term: Term::new(config, &GridSize::from(size), VoidListener),
            parser: Processor::new(),
            scroll_region: 0..GridSize::from(size).rows as u16,
            main_keyboard: Keyboard::default(),
            alternate_keyboard: Keyboard::default(),
            shifted: false,
            frame: None,
            covered: String::new(),
        }
    }

    pub(crate) fn resize(&mut self, size: TerminalSize) {
        if size != self.size() {
            self.term.resize(GridSize::from(size));
            self.scroll_region = 0..self.size().rows;
        }
    }

    /// Text and C0 controls.
    pub(crate) fn text(&mut self, bytes: &[u8]) {
        if let Some(control) = memrchr2(SHIFT_OUT, SHIFT_IN, bytes) {
            self.shifted = bytes[control] == SHIFT_OUT;
        }
        for piece in bytes.chunks(TEXT_PIECE) {
            self.advance(piece);
            self.bound_marks();
        }
    }

    /// A control sequence that needs no more than the emulator's own knowledge.
    pub(crate) fn sequence(&mut self, bytes: &[u8]) {
        self.advance(bytes);
    }

    /// `ESC [ …`, which is not a query.
    pub(crate) fn csi(&mut self, csi: &Csi<'_>, bytes: &[u8]) {
        match csi.kind() {
            (b'?', 0, action @ (b'h' | b'l')) => {
                for mode in csi.params() {
                    self.private_mode(mode, action == b'h');
                }
            }
            (b'<' | b'=' | b'>', 0, b'u') => self.keyboard_mut().apply(csi),
            (0, 0, b'r') => {
                self.advance(bytes);
                self.set_scroll_region(csi);
            }
            (0, b'!', b'p') => self.soft_reset(),
            _ => self.advance(bytes),
        }
    }

    /// `ESC c`.
    pub(crate) fn reset(&mut self) {
        self.advance(b"\x1bc");
        self.scroll_region = 0..self.size().rows;
        self.main_keyboard = Keyboard::default();
        self.alternate_keyboard = Keyboard::default();
        self.shifted = false;
        self.frame = None;
        self.covered.clear();
    }

    pub(crate) fn size(&self) -> TerminalSize {
        TerminalSize { cols: self.term.columns() as u16, rows: self.term.screen_lines() as u16 }
    }

    pub(crate) fn grid(&self) -> &Grid<GridCell> {
        self.term.grid()
    }

    pub(crate) fn mode(&self) -> TermMode {
        *self.term.mode()
    }

    pub(crate) fn is_alternate(&self) -> bool {
        self.mode().contains(TermMode::ALT_SCREEN)
    }

    /// The cursor, from the top left corner.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        let Point { line, column } = self.grid().cursor.point;
        (line.0 as u16, column.0 as u16)
    }

    pub(crate) fn cursor_style(&self) -> CursorStyle {
        self.term.cursor_style()
    }

    /// The colour the program gave a palette entry, or the foreground (256), background (257), cursor (258).
    pub(crate) fn color(&self, index: usize) -> Option<Rgb> {
        self.term.colors()[index]
    }

    pub(crate) fn scroll_region(&self) -> Range<u16> {
        self.scroll_region.clone()
    }

    pub(crate) fn is_shifted(&self) -> bool {
        self.shifted
    }

    pub(crate) fn keyboard(&self) -> &Keyboard {
        if self.is_alternate() { &self.alternate_keyboard } else { &self.main_keyboard }
    }

    pub(crate) fn main_keyboard(&self) -> &Keyboard {
        &self.main_keyboard
    }

    pub(crate) fn in_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// What paints the main screen under the alternate one.
    pub(crate) fn covered(&self) -> &str {
        &self.covered
    }

    fn keyboard_mut(&mut self) -> &mut Keyboard {
        if self.is_alternate() { &mut self.alternate_keyboard } else { &mut self.main_keyboard }
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.term, bytes);
        if let Some(count) = &mut self.frame {
            *count += bytes.len();
            if *count > FRAME_LIMIT {
                self.frame = None;
            }
        }
    }

    fn private_mode(&mut self, mode: u16, set: bool) {
        let action = if set { 'h' } else { 'l' };
        match mode {
            // 80 or 132 columns: terminals ignore it unless told otherwise; the emulator would clear the screen.
            3 => {}
            47 | 1047 | 1049 => self.alternate(set),
            1048 => self.advance(if set { b"\x1b7" } else { b"\x1b8" }),
            2026 => self.frame = set.then_some(0),
            _ => self.advance(format!("\x1b[?{mode}{action}").as_bytes()),
        }
    }

    fn alternate(&mut self, enter: bool) {
        if enter == self.is_alternate() {
            return;
        }
        if enter {
            self.covered = painter::main_screen(self, COVERED_HISTORY);
            self.advance(b"\x1b[?1049h");
        } else {
            self.advance(b"\x1b[?1049l");
            self.covered = String::new();
        }
    }

    /// Rows with the one below each. 0 is the first on the screen, the scrollback counts down from there; there are no
    /// others, whatever `lines` says.
    pub(crate) fn rows(&self, lines: Range<i32>) -> impl Iterator<Item = RowAndNext<'_>> {
        let grid = self.grid();
        let end = grid.screen_lines() as i32;
        let lines = lines.start.max(-(grid.history_size() as i32))..lines.end.min(end);
        lines.map(move |line| (&grid[Line(line)], (line + 1 < end).then(|| &grid[Line(line + 1)])))
    }

    /// As the emulator understands `CSI top ; bottom r`.
    fn set_scroll_region(&mut self, csi: &Csi<'_>) {
        let rows = self.size().rows;
        let mut params = csi.params().map(|param| (param != 0).then_some(param));
        let top = params.next().flatten().unwrap_or(1);
        let bottom = params.next().flatten().unwrap_or(rows);
        if top < bottom {
            self.scroll_region = (top - 1).min(rows)..bottom.min(rows);
        }
    }

    /// `CSI ! p`, which the emulator does not know.
    fn soft_reset(&mut self) {
        let (row, col) = self.cursor();
        self.advance(b"\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1004l\x1b[?6l\x1b[?7h\x1b[4l\x1b[m\x1b(B\x1b)B\x0f\x1b[r");
        self.advance(format!("\x1b[{};{}H", row + 1, col + 1).as_bytes());
        self.scroll_region = 0..self.size().rows;
        self.shifted = false;
    }

    fn bound_marks(&mut self) {
        let Point { line, column } = self.grid().cursor.point;
        for column in column.0.saturating_sub(2)..=column.0 {
            let cell = &mut self.term.grid_mut()[line][Column(column)];
            if cell.zerowidth().is_some_and(|marks| marks.len() > MARKS_LIMIT) {
                cell.extra = None;
            }
        }
    }
}

const SHIFT_OUT: u8 = 0x0e;
const SHIFT_IN: u8 = 0x0f;

/// The emulator can keep a synchronised frame back until it ends. Here it never does: who reads the screen asks
/// whether a frame is open.
#[derive(Default)]
struct Unsynchronised;

impl Timeout for Unsynchronised {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

/// A size the emulator can live with.
struct GridSize {
    cols: usize,
    rows: usize,
}

impl From<TerminalSize> for GridSize {
    fn from(size: TerminalSize) -> Self {
        GridSize { cols: usize::from(size.cols.clamp(2, 1000)), rows: usize::from(size.rows.clamp(2, 1000)) }
    }
}

impl Dimensions for GridSize {
    fn total_lines(&self) -> usize {
        self.rows
    }
    fn screen_lines(&self) -> usize {
        self.rows
    }
    fn columns(&self) -> usize {
        self.cols
    }
}
