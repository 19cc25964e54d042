//! The scrollback: rows that nothing changes any more, packed.
//!
//! A row costs about as many bytes as its text, not twelve a cell: an agent that has printed for an hour is nothing but
//! scrollback.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::attr::Attr;
use crate::line::{Cell, Extra, Line};

/// Rows that share their memory. A row of its own would cost half as much again as its text.
const BLOCK: usize = 64;

/// The rows above the screen, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    /// All but the last are full.
    blocks: VecDeque<Block>,
    /// Rows of the first block that are forgotten.
    forgotten: usize,
    /// Rows kept; the oldest is forgotten.
    limit: usize,
}

impl History {
    pub(crate) fn new(limit: usize) -> Self {
        History { blocks: VecDeque::new(), forgotten: 0, limit }
    }

    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.back().map_or(0, |block| block.rows.len());
        self.blocks.len().saturating_sub(1) * BLOCK + last - self.forgotten
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn push(&mut self, line: &mut Line) {
        if self.limit == 0 {
            return;
        }
        if self.len() == self.limit {
            self.forget_oldest();
        }
        match self.blocks.back_mut() {
            Some(block) if block.rows.len() < BLOCK => block.push(line),
            _ => {
                let mut block = Block::default();
                block.push(line);
                self.blocks.push_back(block);
            }
        }
    }

    fn forget_oldest(&mut self) {
        self.forgotten += 1;
        if self.blocks.front().is_some_and(|block| self.forgotten == block.rows.len()) {
            self.blocks.pop_front();
            self.forgotten = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = History::new(self.limit);
    }

    /// The row `index` from the oldest.
    pub(crate) fn line(&self, index: usize) -> Option<Line> {
        let (block, row) = self.place(index);
        let block = self.blocks.get(block).filter(|block| row < block.rows.len())?;
        Some(block.line(row))
    }

    pub(crate) fn set_wrapped(&mut self, index: usize, wrapped: bool) {
        let (block, row) = self.place(index);
        if let Some(row) = self.blocks.get_mut(block).and_then(|block| block.rows.get_mut(row)) {
            row.wrapped = wrapped;
        }
    }

    /// All rows, taken out.
    pub(crate) fn take(&mut self) -> Vec<Line> {
        let lines = (0..self.len()).filter_map(|index| self.line(index)).collect();
        self.clear();
        lines
    }

    /// The block of a row, and where it is in that.
    fn place(&self, index: usize) -> (usize, usize) {
        let index = self.forgotten + index;
        (index / BLOCK, index % BLOCK)
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

/// Rows that follow one another.
#[derive(Debug, Default)]
struct Block {
    rows: Vec<Packed>,
    /// One character a cell and marks before it, without the empty cells at the end of a row: row after row, in UTF-8.
    text: Vec<u8>,
    /// How the cells look, run by run; what lies behind the last run of a row has default attributes.
    runs: Vec<Run>,
    extra: BTreeMap<usize, Box<Extra>>,
}

/// Where a row ends in its block.
#[derive(Debug)]
struct Packed {
    text: u32,
    runs: u32,
    cols: u16,
    wrapped: bool,
}

#[derive(Debug)]
struct Run {
    cells: u16,
    fg: u32,
    bg: u32,
}

impl Block {
    fn push(&mut self, line: &mut Line) {
        let end = line.cells.iter().rposition(|cell| *cell != Cell::NULL).map_or(0, |last| last + 1);
        let cells = &line.cells[..end];
        push_text(&mut self.text, cells);
        let first = self.runs.len();
        for alike in cells.chunk_by(|left, right| (left.fg, left.bg) == (right.fg, right.bg)) {
            self.runs.push(Run { cells: alike.len() as u16, fg: alike[0].fg, bg: alike[0].bg });
        }
        if self.runs[first..].last().is_some_and(|run| (run.fg, run.bg) == (0, 0)) {
            self.runs.pop();
        }
        if let Some(extra) = line.extra.take() {
            self.extra.insert(self.rows.len(), extra);
        }
        self.rows.push(Packed {
            text: self.text.len() as u32,
            runs: self.runs.len() as u32,
            cols: line.len() as u16,
            wrapped: line.wrapped,
        });
        if self.rows.len() == BLOCK {
            self.rows.shrink_to_fit();
            self.text.shrink_to_fit();
            self.runs.shrink_to_fit();
        }
    }

    fn line(&self, row: usize) -> Line {
        let packed = &self.rows[row];
        let text = &self.text[self.range(row, |row| row.text)];
        let text = std::str::from_utf8(text).expect("rows are packed as text");
        let mut runs = self.runs[self.range(row, |row| row.runs)].iter();
        let mut cells = Vec::with_capacity(usize::from(packed.cols));
        let mut width = 1;
        let mut attr = Attr::default();
        let mut left = 0;
        for ch in text.chars() {
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
        cells.resize(usize::from(packed.cols), Cell::NULL);
        Line { cells: cells.into(), wrapped: packed.wrapped, extra: self.extra.get(&row).cloned() }
    }

    fn range(&self, row: usize, end: impl Fn(&Packed) -> u32) -> Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| end(&self.rows[before]));
        start as usize..end(&self.rows[row]) as usize
    }
}

fn push_text(text: &mut Vec<u8>, cells: &[Cell]) {
    let start = text.len();
    text.reserve(cells.len());
    // Most rows are all one column wide and hold no more than ASCII.
    text.extend(cells.iter().map_while(|cell| cell.ascii()));
    if text.len() == start + cells.len() {
        return;
    }
    text.truncate(start);
    let mut push = |ch: char| text.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
    for cell in cells {
        if cell.is_spacer() {
            push(SPACER);
        } else {
            if cell.width() == 2 {
                push(WIDE);
            }
            push(if cell.is_combined() { CLUSTER } else { cell.char().unwrap_or(NULL) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 99;

    fn line(number: usize) -> Line {
        let mut line = Line::blank(COLS, &Attr::default());
        line.set_ascii(0, format!("{number:0COLS$}").as_bytes(), &Attr::default());
        line
    }

    #[test]
    fn the_oldest_rows_are_forgotten() {
        let limit = 2 * BLOCK + 3;
        let mut history = History::new(limit);
        for number in 0..5 * BLOCK {
            history.push(&mut line(number));
            let kept = (number + 1).min(limit);
            assert_eq!(history.len(), kept);
            assert_eq!(history.line(0), Some(line(number + 1 - kept)));
            assert_eq!(history.line(kept - 1), Some(line(number)));
            assert_eq!(history.line(kept), None);
        }
        history.set_wrapped(1, true);
        assert!(history.line(1).is_some_and(|line| line.wrapped));
        let taken = history.take();
        assert_eq!((taken.len(), history.len()), (limit, 0));
        assert_eq!(taken.last(), Some(&line(5 * BLOCK - 1)));
    }

    #[test]
    fn a_row_costs_little_more_than_its_text() {
        let mut history = History::new(4 * BLOCK);
        (0..4 * BLOCK).for_each(|number| history.push(&mut line(number)));
        let size = |block: &Block| {
            block.text.capacity()
                + block.rows.capacity() * size_of::<Packed>()
                + block.runs.capacity() * size_of::<Run>()
        };
        let all: usize = history.blocks.iter().map(size).sum();
        assert!(all <= 4 * BLOCK * (COLS + size_of::<Packed>()), "{all}");
    }
}
