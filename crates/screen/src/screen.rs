//! One terminal: bytes in, screen and answers out.

use std::ops::Range;

use memchr::memchr;
use parallax_api::TerminalSize;
use parallax_api::terminal::{self, Cursor};

use crate::c1::C1;
use crate::csi::{self, Csi};
use crate::emulator::Emulator;
use crate::emulator::{Mouse, link_fields};
use crate::report::{ProgramStatus, TerminalReport, clean, split_once};
use crate::row::Row;
use crate::splitter::{ESC, Piece, Splitter};
use crate::{inspect, query, snapshot};

/// Titles a program has put aside; the oldest is forgotten.
const TITLES_LIMIT: usize = 10;
/// Ends whatever is not ended, and means nothing otherwise.
const STRING_TERMINATOR: &[u8] = b"\x1b\\";

/// An emulated terminal.
pub struct Screen {
    c1: C1,
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
        Screen { c1: C1::default(), splitter: Splitter::default(), terminal }
    }

    /// Takes what the program wrote, in any chunking. What is not complete is kept back, at most 64 KiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut fed = Fed { output: Vec::with_capacity(bytes.len()), ..Fed::default() };
        let bytes = self.c1.rewrite(bytes);
        self.splitter.split(&bytes, |piece| self.terminal.take(piece, &mut fed));
        fed
    }

    /// The output ended: gives out what was kept back.
    pub fn flush(&mut self) -> Fed {
        let mut fed = Fed::default();
        self.splitter.split(self.c1.flush(), |piece| self.terminal.take(piece, &mut fed));
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
    ///
    /// In the middle of a string that is passed on in pieces (an image, a clipboard), the snapshot ends inside a string
    /// that means nothing, so that what comes next is not taken for text.
    pub fn snapshot(&self) -> String {
        let mut painted = snapshot::paint(&self.terminal);
        painted.push_str(self.splitter.opener());
        painted
    }

    /// All that there is to know, as text, for tests that hold this terminal against another. Its form may change.
    pub fn inspect(&self) -> String {
        inspect::inspect(&self.terminal)
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
        self.read(0..isize::MAX)
    }

    /// Up to `lines` rows above the screen, oldest first. The alternate screen has none.
    pub fn history(&self, lines: usize) -> Vec<Row> {
        self.read(isize::try_from(lines).map_or(isize::MIN, |lines| -lines)..0)
    }

    /// Where the cursor is.
    pub fn cursor(&self) -> Cursor {
        let (row, col) = self.terminal.emulator.cursor();
        Cursor { row, col, visible: !self.terminal.emulator.modes().cursor_hidden }
    }

    /// The window title; empty when there is none.
    pub fn title(&self) -> &str {
        &self.terminal.title
    }

    /// What the program switched on.
    pub fn modes(&self) -> Modes {
        let emulator = &self.terminal.emulator;
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

    fn read(&self, rows: Range<isize>) -> Vec<Row> {
        let lines = self.terminal.emulator.lines(rows.start..rows.end.saturating_add(1));
        let count = usize::try_from(
            rows.end.min(self.size().rows.cast_signed().into())
                - rows.start.max(-(self.terminal.emulator.history_len() as isize)),
        )
        .unwrap_or(0);
        lines
            .iter()
            .enumerate()
            .take(count)
            .map(|(index, line)| Row::read(line, lines.get(index + 1)))
            .collect()
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
            Piece::Fragment(bytes) => {
                fed.output.extend_from_slice(bytes);
                if bytes.starts_with(b"\x1b") && !is_string(bytes) {
                    // What breaks off does not come between two characters, but the controls in it do, and what cancels it.
                    let controls: Vec<u8> =
                        bytes[1..].iter().copied().filter(|byte| *byte < 0x20 && *byte != ESC).collect();
                    self.emulator.text(&controls);
                } else {
                    self.emulator.interrupt(bytes.len());
                }
            }
        }
        fed.report_starts.resize(fed.reports.len(), start);
        self.open = piece.is_open();
    }

    fn sequence(&mut self, bytes: &[u8], reports: &mut Vec<TerminalReport>) {
        let is_control = |byte: &&u8| **byte < 0x20 || **byte == 0x7f;
        if !is_string(bytes) && bytes[1..].iter().any(|byte| is_control(&byte)) {
            // Controls inside a sequence are carried out as they come.
            let (controls, rest): (Vec<u8>, Vec<u8>) = bytes[1..].iter().partition(is_control);
            self.emulator.text(&controls);
            let sequence = [b"\x1b", &rest[..]].concat();
            return self.sequence(&sequence, reports);
        }
        if let Some(csi) = Csi::parse(bytes) {
            match (csi.kind(), csi.first()) {
                ((0, 0, b't'), 22) => self.put_title_aside(csi.params().nth(1)),
                ((0, 0, b't'), 23) => self.take_title_back(csi.params().nth(1), reports),
                _ => {}
            }
            self.emulator.csi(&csi, bytes.len());
        } else if let Some((body, _)) = csi::osc(bytes) {
            self.command(body, reports);
            self.emulator.interrupt(bytes.len());
        } else if bytes == b"\x1bc" {
            self.emulator.reset();
        } else if is_string(bytes) || bytes.starts_with(b"\x1b[") {
            self.emulator.interrupt(bytes.len());
        } else {
            self.emulator.escape(bytes);
        }
    }

    /// `ESC ] …`
    fn command(&mut self, body: &[u8], reports: &mut Vec<TerminalReport>) {
        let (code, rest) = split_once(body, b';').unwrap_or((body, b""));
        match code {
            b"0" | b"2" => self.set_title(clean(rest), reports),
            b"7501" => reports.extend(ProgramStatus::parse(rest).map(TerminalReport::Status)),
            b"133" => {
                let mark = rest.first().filter(|mark| mark.is_ascii_alphabetic());
                reports.extend(mark.map(|&mark| TerminalReport::Prompt(char::from(mark))));
            }
            b"8" => {
                if let Some((parameters, address)) = link_fields(rest) {
                    self.emulator.link(parameters, address);
                }
            }
            b"4" | b"10" | b"11" | b"12" | b"104" | b"110" | b"111" | b"112" => {
                self.emulator.set_color(code, rest);
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

    /// `what` is 1 for the icon's name, which nothing shows.
    fn put_title_aside(&mut self, what: Option<u16>) {
        if what.is_some_and(|what| !matches!(what, 0 | 2)) {
            return;
        }
        if self.titles.len() == TITLES_LIMIT {
            self.titles.remove(0);
        }
        self.titles.push(self.title.clone());
    }

    fn take_title_back(&mut self, what: Option<u16>, reports: &mut Vec<TerminalReport>) {
        if what.is_none_or(|what| matches!(what, 0 | 2))
            && let Some(title) = self.titles.pop()
        {
            self.set_title(title, reports);
        }
    }
}

/// Whether it is `ESC P`, `ESC X`, `ESC ]`, `ESC ^` or `ESC _` with all that belongs to it.
fn is_string(sequence: &[u8]) -> bool {
    matches!(sequence.get(1), Some(b'P' | b'X' | b']' | b'^' | b'_'))
}
