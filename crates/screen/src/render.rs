//! A log replayed into lines, also long after the agent ended.

use parallax_api::TerminalSize;

use crate::csi::Csi;
use crate::emulator::Emulator;
use crate::line::Line;
use crate::painter::Painter;
use crate::row::{Row, goes_on, length};
use crate::screen::Screen;
use crate::splitter::{Piece, Splitter};

/// Rows a rendered log has at most; older ones are forgotten.
const SCROLLBACK: usize = 10_000;

/// The terminal had this size from this offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// The output offset at which it took this size.
    pub offset: u64,
    /// The size.
    pub size: TerminalSize,
}

/// The lines of a log, plain: scrollback and final screen, wrapped rows joined, without blank lines at the end.
///
/// `start` is the offset of the first of `bytes`; `resizes` are in order. What a program showed last on the alternate
/// screen stands where it left it.
pub fn text_lines(bytes: &[u8], start: u64, resizes: &[Resize]) -> Vec<String> {
    let rows = Replay::new(start, resizes).run(bytes, start, resizes);
    lines(rows, |rows| with_next(rows).map(|(row, next)| Row::text_of(row, next)).collect())
}

/// The same with colours and attributes; each line stands alone.
pub fn ansi_lines(bytes: &[u8], start: u64, resizes: &[Resize]) -> Vec<String> {
    let rows = Replay::new(start, resizes).run(bytes, start, resizes);
    lines(rows, |rows| Painter::line(with_next(rows)))
}

/// The lines that rows make, without blank ones at the end. One line's rows are unpacked at a time: all of them would be a
/// hundred times the text.
fn lines(rows: impl Iterator<Item = Line>, text: impl Fn(&[Line]) -> String) -> Vec<String> {
    let mut rows = rows.peekable();
    let mut lines = Vec::new();
    while let Some(first) = rows.next() {
        let mut line = vec![first];
        while let Some(next) = rows.next_if(|next| goes_on(Some(next))) {
            line.push(next);
        }
        lines.push(text(&line));
    }
    without_blank_end(lines)
}

/// What paints the terminal as a log leaves it. What the log's end cut off of a sequence or a character stands behind it,
/// as it is: what follows the log may be written behind that.
pub fn snapshot(bytes: &[u8], start: u64, resizes: &[Resize]) -> Vec<u8> {
    let before = resizes.iter().take_while(|resize| resize.offset <= start).last();
    let mut screen = Screen::new(before.map_or_else(TerminalSize::default, |resize| resize.size), SCROLLBACK);
    let (mut rest, mut at) = (bytes, start);
    for resize in resizes.iter().filter(|resize| resize.offset > start) {
        let length = usize::try_from(resize.offset.saturating_sub(at)).unwrap_or(usize::MAX);
        let Some((now, later)) = rest.split_at_checked(length) else { break };
        screen.feed(now);
        screen.resize(resize.size);
        (rest, at) = (later, resize.offset.max(at));
    }
    screen.feed(rest);
    let mut painted = screen.snapshot().into_bytes();
    painted.extend_from_slice(screen.held());
    painted
}

fn with_next(rows: &[Line]) -> impl Iterator<Item = (&Line, Option<&Line>)> {
    rows.iter().enumerate().map(|(index, row)| (row, rows.get(index + 1)))
}

fn without_blank_end(mut lines: Vec<String>) -> Vec<String> {
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    lines.truncate(end);
    lines
}

/// A screen that remembers what the alternate screen showed last: it is what such a program leaves to be read.
struct Replay {
    splitter: Splitter,
    screen: Screen,
    /// The alternate screen before it was cleared. Programs clear it before they leave.
    shown: Vec<Line>,
    /// The alternate screen that was left last, and how many rows of the main screen are above it.
    left: Option<(usize, Vec<Line>)>,
}

impl Replay {
    fn new(start: u64, resizes: &[Resize]) -> Self {
        let before = resizes.iter().take_while(|resize| resize.offset <= start).last();
        let size = before.map_or_else(TerminalSize::default, |resize| resize.size);
        let screen = Screen::new(size, SCROLLBACK);
        Replay { splitter: Splitter::default(), screen, shown: Vec::new(), left: None }
    }

    /// All rows there are in the end, oldest first.
    fn run(mut self, bytes: &[u8], start: u64, resizes: &[Resize]) -> impl Iterator<Item = Line> + use<> {
        let (mut rest, mut at) = (bytes, start);
        for resize in resizes.iter().filter(|resize| resize.offset > start) {
            let length = usize::try_from(resize.offset.saturating_sub(at)).unwrap_or(usize::MAX);
            let Some((now, later)) = rest.split_at_checked(length) else { break };
            self.feed(now);
            self.screen.resize(resize.size);
            (rest, at) = (later, resize.offset.max(at));
        }
        self.feed(rest);
        self.screen.catch_up();
        let Replay { screen, left, .. } = self;
        let above = screen.terminal().emulator.history_len();
        let (at, left) = left.unwrap_or_default();
        let at = at.min(above + usize::from(screen.size().rows));
        let (mut left, mut index) = (left.into_iter(), 0_usize);
        std::iter::from_fn(move || {
            if index == at
                && let Some(row) = left.next()
            {
                return Some(row);
            }
            let row = index.cast_signed() - above.cast_signed();
            index += 1;
            screen.terminal().emulator.lines(row..row + 1).pop()
        })
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.split(bytes, |piece: Piece<'_>| self.take(piece));
        self.splitter = splitter;
    }

    fn take(&mut self, piece: Piece<'_>) {
        if !may_switch(piece) {
            self.screen.hear(piece.bytes());
            return;
        }
        self.screen.catch_up();
        let emulator = &self.screen.terminal().emulator;
        let was_alternate = emulator.is_alternate();
        if was_alternate && takes_away(piece, emulator) {
            let mut rows = all(emulator, 0);
            let end = rows.iter().rposition(|row| length(row, None) > 0).map_or(0, |last| last + 1);
            rows.truncate(end);
            if !rows.is_empty() {
                self.shown = rows;
            }
        }
        self.screen.feed(piece.bytes());
        let emulator = &self.screen.terminal().emulator;
        if was_alternate && !emulator.is_alternate() {
            let above = emulator.history_len() + usize::from(emulator.cursor().0);
            self.left = Some((above, std::mem::take(&mut self.shown)));
        }
    }
}

/// Whether this may clear, enter or leave the alternate screen.
fn may_switch(piece: Piece<'_>) -> bool {
    matches!(piece, Piece::Sequence([_, b'[', .., b'J' | b'h' | b'l'] | [_, .., b'c']))
}

/// Whether this clears or leaves the alternate screen.
fn takes_away(piece: Piece<'_>, emulator: &Emulator) -> bool {
    let Piece::Sequence(bytes) = piece else { return false };
    let Some(csi) = Csi::parse(bytes) else { return false };
    match csi.kind() {
        (0, 0, b'J') => csi.first() == 2 || csi.first() == 0 && emulator.cursor() == (0, 0),
        (b'?', 0, b'l') => csi.params().any(|mode| matches!(mode, 47 | 1047 | 1049)),
        _ => false,
    }
}

fn all(emulator: &Emulator, from: isize) -> Vec<Line> {
    emulator.lines(from..isize::MAX)
}
