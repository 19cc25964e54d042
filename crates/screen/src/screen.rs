//! One terminal: bytes in, screen and answers out.

use std::ops::Range;

use memchr::memchr;
use parallax_api::TerminalSize;
use parallax_api::terminal::{self, Cursor};

use crate::csi::{self, Csi};
use crate::emulator::Emulator;
use crate::report::{ProgramStatus, TerminalReport, clean, split_once};
use crate::row::Row;
use crate::splitter::{Piece, Splitter};
use crate::{query, snapshot};
use alacritty_terminal::term::TermMode;

/// Titles a program has put aside; the oldest is forgotten.
const TITLES_LIMIT: usize = 16;
/// Ends whatever is not ended, and means nothing otherwise.
const STRING_TERMINATOR: &[u8] = b"\x1b\\";

/// An emulated terminal.
pub struct Screen {
    splitter: Splitter,
    pub(crate) terminal: Terminal,
}

/// What came of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// What the log and viewers get: everything but the queries, whole sequences and characters only.
    pub output: Vec<u8>,
    /// What to write back to the PTY, in the order of the queries.
    pub replies: Vec<u8>,
    /// What the program told about itself.
    pub reports: Vec<TerminalReport>,
    /// Where in `output` the sequence of each report begins: what was printed before it, and what after.
    pub report_starts: Vec<usize>,
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

/// What is behind the splitter.
pub(crate) struct Terminal {
    pub(crate) emulator: Emulator,
    pub(crate) title: String,
    titles: Vec<String>,
    /// The last piece of output was cut short by the sequence after it.
    open: bool,
}

impl Screen {
    /// A blank screen that remembers up to `scrollback` rows above itself.
    pub fn new(size: TerminalSize, scrollback: usize) -> Self {
        let emulator = Emulator::new(size, scrollback);
        let terminal = Terminal { emulator, title: String::new(), titles: Vec::new(), open: false };
        Screen { splitter: Splitter::default(), terminal }
    }

    /// Takes what the program wrote, in any chunking. What is not complete is kept back, at most 64 KiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut fed = Fed { output: Vec::with_capacity(bytes.len()), ..Fed::default() };
        self.splitter.split(bytes, |piece| self.terminal.take(piece, &mut fed));
        fed
    }

    /// The output ended: gives out what was kept back.
    pub fn flush(&mut self) -> Fed {
        let mut fed = Fed::default();
        self.splitter.flush(|piece| self.terminal.take(piece, &mut fed));
        fed
    }

    /// A new size; lines that were wrapped are wrapped anew.
    pub fn resize(&mut self, size: TerminalSize) {
        self.terminal.emulator.resize(size);
    }

    /// The size in cells.
    pub fn size(&self) -> TerminalSize {
        self.terminal.emulator.size()
    }

    /// What paints this screen into any terminal of the same size: it begins with a reset, and leaves scrollback,
    /// cells, cursor, title and modes as they are here.
    pub fn snapshot(&self) -> String {
        snapshot::paint(&self.terminal)
    }

    /// The screen as it goes over the wire; `offset` is the output offset it stands at.
    pub fn view(&self, offset: u64) -> terminal::Screen {
        terminal::Screen {
            lines: self.rows().iter().map(|row| row.text.trim_end_matches(' ').to_owned()).collect(),
            cursor: self.cursor(),
            size: self.size(),
            title: self.terminal.title.clone(),
            alternate: self.modes().alternate,
            offset,
        }
    }

    /// What is on the screen, top to bottom.
    pub fn rows(&self) -> Vec<Row> {
        self.read(0..i32::MAX)
    }

    /// Up to `lines` rows above the screen, oldest first. The alternate screen has none.
    pub fn history(&self, lines: usize) -> Vec<Row> {
        self.read(i32::try_from(lines).map_or(i32::MIN, |lines| -lines)..0)
    }

    /// Where the cursor is.
    pub fn cursor(&self) -> Cursor {
        let (row, col) = self.terminal.emulator.cursor();
        Cursor { row, col, visible: self.terminal.emulator.mode().contains(TermMode::SHOW_CURSOR) }
    }

    /// The window title; empty when there is none.
    pub fn title(&self) -> &str {
        &self.terminal.title
    }

    /// What the program switched on.
    pub fn modes(&self) -> Modes {
        let emulator = &self.terminal.emulator;
        let mode = emulator.mode();
        Modes {
            bracketed_paste: mode.contains(TermMode::BRACKETED_PASTE),
            app_cursor: mode.contains(TermMode::APP_CURSOR),
            app_keypad: mode.contains(TermMode::APP_KEYPAD),
            alternate: mode.contains(TermMode::ALT_SCREEN),
            mouse: mode.intersects(TermMode::MOUSE_MODE),
            focus: mode.contains(TermMode::FOCUS_IN_OUT),
            in_frame: emulator.in_frame(),
            keyboard: emulator.keyboard().flags(),
        }
    }

    /// The text of some rows of the screen, one line each; rows that are wrapped into each other are one line.
    pub fn text(&self, rows: Range<usize>) -> String {
        let line = |row: usize| i32::try_from(row).unwrap_or(i32::MAX);
        join(&self.read(line(rows.start)..line(rows.end))).join("\n")
    }

    fn read(&self, lines: Range<i32>) -> Vec<Row> {
        self.terminal.emulator.rows(lines).map(|(row, next)| Row::read(row, next)).collect()
    }
}

/// The lines that rows make: those that are wrapped go on in the next.
pub(crate) fn join(rows: &[Row]) -> Vec<String> {
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

impl Terminal {
    fn take(&mut self, piece: Piece<'_>, fed: &mut Fed) {
        let start = fed.output.len();
        match piece {
            Piece::Sequence(bytes) if query::answer(bytes, &self.emulator, &mut fed.replies) => {
                if std::mem::take(&mut self.open) {
                    // The query ended what came before. Without it, that would go on in what comes next.
                    fed.output.extend_from_slice(STRING_TERMINATOR);
                }
                return;
            }
            Piece::Sequence(bytes) => {
                fed.output.extend_from_slice(bytes);
                self.sequence(bytes, &mut fed.reports);
            }
            Piece::Text(bytes) => {
                fed.output.extend_from_slice(bytes);
                if memchr(0x07, bytes).is_some() && fed.reports.last() != Some(&TerminalReport::Bell) {
                    fed.reports.push(TerminalReport::Bell);
                }
                self.emulator.text(bytes);
            }
            Piece::Fragment(bytes) => fed.output.extend_from_slice(bytes),
        }
        fed.report_starts.resize(fed.reports.len(), start);
        self.open = piece.is_open();
        if self.open {
            // What comes next may be nothing to the emulator.
            self.emulator.sequence(STRING_TERMINATOR);
        }
    }

    fn sequence(&mut self, bytes: &[u8], reports: &mut Vec<TerminalReport>) {
        if let Some(csi) = Csi::parse(bytes) {
            match (csi.kind(), csi.first()) {
                ((0, 0, b't'), 22) => self.put_title_aside(),
                ((0, 0, b't'), 23) => {
                    if let Some(title) = self.titles.pop() {
                        self.set_title(title, reports);
                    }
                }
                _ => self.emulator.csi(&csi, bytes),
            }
        } else if let Some((body, _)) = csi::osc(bytes) {
            self.command(body, bytes, reports);
        } else if bytes == b"\x1bc" {
            self.emulator.reset();
            self.titles.clear();
            self.set_title(String::new(), reports);
        } else if !matches!(bytes.get(1), Some(b'P' | b'X' | b'^' | b'_')) {
            self.emulator.sequence(bytes);
        }
    }

    /// `ESC ] …`
    fn command(&mut self, body: &[u8], bytes: &[u8], reports: &mut Vec<TerminalReport>) {
        let (code, rest) = split_once(body, b';').unwrap_or((body, b""));
        match code {
            b"0" | b"2" => self.set_title(clean(rest), reports),
            b"7501" => reports.extend(ProgramStatus::parse(rest).map(TerminalReport::Status)),
            b"133" => {
                let mark = rest.first().filter(|mark| mark.is_ascii_alphabetic());
                reports.extend(mark.map(|&mark| TerminalReport::Prompt(char::from(mark))));
            }
            // Links and colours are all that the grid takes part in.
            b"8" | b"4" | b"10" | b"11" | b"12" | b"104" | b"110" | b"111" | b"112" => {
                self.emulator.sequence(bytes);
            }
            _ => {}
        }
    }

    fn set_title(&mut self, title: String, reports: &mut Vec<TerminalReport>) {
        if title != self.title {
            reports.push(TerminalReport::Title(title.clone()));
            self.title = title;
        }
    }

    fn put_title_aside(&mut self) {
        if self.titles.len() == TITLES_LIMIT {
            self.titles.remove(0);
        }
        self.titles.push(self.title.clone());
    }
}
