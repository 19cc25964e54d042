//! One terminal: bytes in, screen and answers out.

use std::ops::Range;

use parallax_api::TerminalSize;
use parallax_api::terminal::{Cursor, Screen as ScreenView};

use crate::behind::Behind;
use crate::c1::C1;
use crate::emulator::{Emulator, Mouse};
use crate::painter::Painter;
use crate::row::Row;
use crate::splitter::{Piece, Sink, Splitter};
use crate::terminal::{Fed, Terminal};
use crate::{inspect, snapshot};

/// An emulated terminal.
pub struct Screen {
    c1: C1,
    splitter: Splitter,
    terminal: Terminal,
    behind: Behind,
}

/// Answers what comes, and leaves what is to be shown of it for later.
struct Hearing<'a> {
    terminal: &'a mut Terminal,
    behind: &'a mut Behind,
    fed: &'a mut Fed,
}

impl Sink for Hearing<'_> {
    fn piece(&mut self, piece: Piece<'_>) {
        let Self { terminal, behind, fed } = self;
        if terminal.hear(piece, |terminal| behind.catch_up(terminal), fed) {
            behind.push(piece);
        }
    }

    fn plain(&mut self, bytes: &[u8]) -> usize {
        let taken = self.behind.push_plain(bytes);
        if let Some(last) = self.behind.last().filter(|_| taken > 0) {
            self.terminal.hear_plain(&bytes[..taken], last, self.fed);
        }
        taken
    }
}

/// What the program switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Pasted text is marked (2004).
    pub bracketed_paste: bool,
    /// Arrow keys are sent as `ESC O` (1).
    pub app_cursor: bool,
    /// The keypad sends sequences (`ESC =`).
    pub app_keypad: bool,
    /// The alternate screen is shown (1049).
    pub alternate: bool,
    /// Some kind of mouse reporting (1000, 1002, 1003).
    pub mouse: bool,
    /// Focus reporting (1004).
    pub focus: bool,
    /// Inside a synchronised frame (2026): the screen is half painted.
    pub in_frame: bool,
    /// The kitty keyboard protocol's flags; 0 is the legacy keyboard.
    pub keyboard: u8,
}

impl Screen {
    /// A blank screen that remembers up to `scrollback` rows above itself.
    pub fn new(size: TerminalSize, scrollback: usize) -> Self {
        let emulator = Emulator::new(size, scrollback);
        Screen {
            c1: C1::default(),
            splitter: Splitter::default(),
            terminal: Terminal::new(emulator),
            behind: Behind::default(),
        }
    }

    /// Takes what the program wrote, in any chunking. What is not complete is kept back, at most 64 KiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let fed = self.hear(bytes);
        self.catch_up();
        fed
    }

    /// The same, but what there is to see stays as it was until [`Self::catch_up`]: only the answers and reports are those of
    /// now. Many lines are then cheap, because most are gone before anybody looks.
    pub fn hear(&mut self, bytes: &[u8]) -> Fed {
        let mut fed = Fed { output: Vec::with_capacity(bytes.len()), ..Fed::default() };
        let Self { c1, splitter, terminal, behind } = self;
        splitter.split(&c1.rewrite(bytes), Hearing { terminal, behind, fed: &mut fed });
        if behind.is_long() {
            behind.relieve(terminal);
        }
        fed
    }

    /// Shows everything that was heard.
    pub fn catch_up(&mut self) {
        self.behind.catch_up(&mut self.terminal);
    }

    /// The output ended: gives out what was kept back.
    pub fn flush(&mut self) -> Fed {
        let mut fed = Fed::default();
        let Self { c1, splitter, terminal, behind } = self;
        splitter.split(c1.flush(), Hearing { terminal, behind, fed: &mut fed });
        splitter.flush(Hearing { terminal, behind, fed: &mut fed });
        self.catch_up();
        fed
    }

    /// A new size; lines that were wrapped are wrapped anew.
    pub fn resize(&mut self, size: TerminalSize) {
        self.catch_up();
        self.terminal.emulator.resize(size);
    }

    /// The size in cells.
    pub fn size(&self) -> TerminalSize {
        self.terminal.emulator.size()
    }

    /// What paints this screen into any terminal of the same size: it begins with a reset, and leaves scrollback,
    /// cells, cursor, title and modes as they are here.
    ///
    /// In the middle of a string that is passed on in pieces (an image, a clipboard), the snapshot ends inside a string
    /// that means nothing, so that what comes next is not taken for text.
    pub fn snapshot(&self) -> String {
        let mut painted = snapshot::paint(self.terminal());
        painted.push_str(self.splitter.opener());
        painted
    }

    /// What is kept back of a sequence or character that is not complete.
    pub fn held(&self) -> &[u8] {
        self.splitter.held()
    }

    /// All that there is to know, as text, for tests that hold this terminal against another. Its form may change.
    pub fn inspect(&self) -> String {
        inspect::inspect(self.terminal())
    }

    /// The screen as it goes over the wire; `offset` is the output offset it stands at.
    pub fn view(&self, offset: u64) -> ScreenView {
        ScreenView {
            lines: self.rows().iter().map(|row| row.text.trim_end_matches(' ').to_owned()).collect(),
            cursor: self.cursor(),
            size: self.size(),
            title: self.terminal().title.clone(),
            alternate: self.modes().alternate,
            offset,
        }
    }

    /// What is on the screen, top to bottom.
    pub fn rows(&self) -> Vec<Row> {
        self.read(0..isize::MAX)
    }

    /// Up to `lines` rows above the screen, oldest first. The alternate screen has none.
    pub fn history(&self, lines: usize) -> Vec<Row> {
        self.read(isize::try_from(lines).map_or(isize::MIN, |lines| -lines)..0)
    }

    /// How many rows there are above the screen.
    pub fn scrollback(&self) -> usize {
        self.terminal.emulator.history_len()
    }

    /// A part of the terminal, to be painted into a smaller one: a text for each row, with colours, of at most as many columns
    /// as `cols` has. Rows count from the top of the screen; those above it are below 0. Rows that there are not are left
    /// out, blanks at the ends as well.
    pub fn window(&self, rows: Range<isize>, cols: Range<usize>) -> Vec<String> {
        self.terminal.emulator.lines(rows).iter().map(|line| Painter::part(line, cols.clone())).collect()
    }

    /// Where the cursor is.
    pub fn cursor(&self) -> Cursor {
        let (row, col) = self.terminal().emulator.cursor();
        Cursor { row, col, visible: !self.terminal().emulator.modes().cursor_hidden }
    }

    /// The window title; empty when there is none.
    pub fn title(&self) -> &str {
        &self.terminal().title
    }

    /// What the program switched on.
    pub fn modes(&self) -> Modes {
        let emulator = &self.terminal().emulator;
        let modes = emulator.modes();
        Modes {
            bracketed_paste: modes.bracketed_paste,
            app_cursor: modes.app_cursor,
            app_keypad: modes.app_keypad,
            alternate: emulator.is_alternate(),
            mouse: modes.mouse != Mouse::Off,
            focus: modes.focus,
            in_frame: emulator.in_frame(),
            keyboard: emulator.keyboard().flags(),
        }
    }

    /// The text of some rows of the screen, one line each; rows that are wrapped into each other are one line.
    pub fn text(&self, rows: Range<usize>) -> String {
        let line = |row: usize| isize::try_from(row).unwrap_or(isize::MAX);
        join(&self.read(line(rows.start)..line(rows.end))).join("\n")
    }

    /// Whether something was heard that is not shown yet.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Whether the program is known to be in the middle of a synchronised frame: not while the screen is behind.
    pub fn is_in_frame(&self) -> bool {
        !self.is_behind() && self.terminal.emulator.in_frame()
    }

    /// The terminal as it is now.
    pub(crate) fn terminal(&self) -> &Terminal {
        debug_assert!(!self.is_behind(), "the screen is read before it has caught up");
        &self.terminal
    }

    fn read(&self, rows: Range<isize>) -> Vec<Row> {
        let lines = self.terminal().emulator.rows(rows.start..rows.end.saturating_add(1));
        let count = usize::try_from(
            rows.end.min(self.size().rows.cast_signed().into())
                - rows.start.max(-(self.terminal().emulator.history_len() as isize)),
        )
        .unwrap_or(0);
        let mut lines = lines.peekable();
        let mut rows = Vec::with_capacity(count);
        while rows.len() < count
            && let Some(line) = lines.next()
        {
            rows.push(Row::new(line, lines.peek().map(|next| &**next)));
        }
        rows
    }
}

/// The lines that rows make: those that are wrapped go on in the next.
fn join(rows: &[Row]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for row in rows {
        match lines.last_mut() {
            Some(line) if goes_on => line.push_str(&row.text),
            _ => lines.push(row.text.clone()),
        }
        goes_on = row.wrapped;
    }
    lines
}
