//! The scrollback: rows that nothing changes any more, packed.
//!
//! A row costs about as many bytes as its text, not twelve a cell: an agent that has printed for an hour is nothing but
//! scrollback.

use std::collections::VecDeque;

use crate::attr::Attr;
use crate::line::{Cell, Extra, Line};

/// The rows above the screen, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    lines: VecDeque<Packed>,
    /// Rows kept; the oldest is forgotten.
    limit: usize,
}

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        History { lines: VecDeque::new(), limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn push(&mut self, line: &mut Line) {
        if self.limit == 0 {
            return;
        }
        if self.lines.len() == self.limit {
            self.lines.pop_front();
        }
        self.lines.push_back(Packed::pack(line));
    }

    pub(crate) fn clear(&mut self) {
        self.lines = VecDeque::new();
    }

    /// The row `index` from the oldest.
    pub(crate) fn line(&self, index: usize) -> Option<Line> {
        self.lines.get(index).map(Packed::unpack)
    }

    pub(crate) fn set_wrapped(&mut self, index: usize, wrapped: bool) {
        if let Some(line) = self.lines.get_mut(index) {
            line.wrapped = wrapped;
        }
    }

    /// All rows, taken out.
    pub(crate) fn take(&mut self) -> Vec<Line> {
        self.lines.drain(..).map(|line| line.unpack()).collect()
    }
}

/// Says that a cell is empty.
const NULL: char = '\0';
/// Says that a cell is the second half of a wide character.
const SPACER: char = '\x01';
/// Says that the next one is two columns wide.
const WIDE: char = '\x02';
/// Stands for a cluster, which is in the row's [`Extra`].
const CLUSTER: char = '\x03';

#[derive(Debug)]
struct Packed {
    /// One character a cell and marks before it, without the empty cells at the end.
    text: Box<str>,
    /// How the cells look, run by run; what lies behind the last run has default attributes.
    runs: Box<[Run]>,
    extra: Option<Box<Extra>>,
    cols: u16,
    wrapped: bool,
}

/// The text of cells that are all one column wide and hold no more than ASCII, which most rows are.
fn ascii(cells: &[Cell]) -> Option<String> {
    let bytes = cells.iter().map(|cell| cell.ascii()).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

fn text(cells: &[Cell]) -> String {
    let mut text = String::with_capacity(cells.len());
    for cell in cells {
        if cell.is_spacer() {
            text.push(SPACER);
        } else {
            if cell.width() == 2 {
                text.push(WIDE);
            }
            text.push(if cell.is_combined() { CLUSTER } else { cell.char().unwrap_or(NULL) });
        }
    }
    text
}

#[derive(Debug)]
struct Run {
    cells: u16,
    fg: u32,
    bg: u32,
}

impl Packed {
    fn pack(line: &mut Line) -> Self {
        let end = line.cells.iter().rposition(|cell| *cell != Cell::NULL).map_or(0, |last| last + 1);
        let cells = &line.cells[..end];
        let text = ascii(cells).unwrap_or_else(|| text(cells));
        let mut runs: Vec<Run> = Vec::new();
        for alike in cells.chunk_by(|left, right| (left.fg, left.bg) == (right.fg, right.bg)) {
            runs.push(Run { cells: alike.len() as u16, fg: alike[0].fg, bg: alike[0].bg });
        }
        if runs.last().is_some_and(|run| (run.fg, run.bg) == (0, 0)) {
            runs.pop();
        }
        Packed {
            text: text.into_boxed_str(),
            runs: runs.into_boxed_slice(),
            extra: line.extra.take(),
            cols: line.len() as u16,
            wrapped: line.wrapped,
        }
    }

    fn unpack(&self) -> Line {
        let mut cells = Vec::with_capacity(usize::from(self.cols));
        let mut width = 1;
        let mut attr = Attr::default();
        let mut runs = self.runs.iter();
        let mut left = 0;
        for ch in self.text.chars() {
            if ch == WIDE {
                width = 2;
                continue;
            }
            if left == 0 {
                let run = runs.next();
                (attr.fg, attr.bg) = run.map_or((0, 0), |run| (run.fg, run.bg));
                left = run.map_or(u16::MAX, |run| run.cells);
            }
            left -= 1;
            cells.push(match ch {
                NULL => Cell::new(0, width, &attr),
                SPACER => Cell::new(0, 0, &attr),
                CLUSTER => Cell::cluster(width, &attr),
                ch => Cell::new(ch.into(), width, &attr),
            });
            width = 1;
        }
        cells.resize(usize::from(self.cols), Cell::NULL);
        Line { cells: cells.into(), wrapped: self.wrapped, extra: self.extra.clone() }
    }
}
