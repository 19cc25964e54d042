//! One of the two screens: rows, cursor, margins, tab stops, saved cursor. The main one has a scrollback.

mod resize;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::attr::Attr;
use crate::charset::Charset;
use crate::history::History;
use crate::line::Line;

/// Columns between the tab stops there are at first.
const TAB_WIDTH: usize = 8;

/// A screen with its cursor.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) history: History,
    /// The rows on the screen. The alternate screen has none while it is not shown.
    pub(crate) lines: Vec<Line>,
    /// The cursor's column; the number of columns when the next character wraps.
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// First row that scrolls.
    pub(crate) top: usize,
    /// Last row that scrolls.
    pub(crate) bottom: usize,
    tabs: BTreeSet<usize>,
    pub(crate) saved: Saved,
    pub(crate) cols: usize,
    pub(crate) rows: usize,
    /// Lines are wrapped anew when the width changes. So only on the main screen.
    pub(crate) reflows: bool,
}

/// The cursor as DECSC saved it. Its row counts from the oldest row of the scrollback, as in xterm.js.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) x: usize,
    pub(crate) line: usize,
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    pub(crate) charset: Option<Charset>,
}

impl Buffer {
    /// The main screen.
    pub(crate) fn main(cols: usize, rows: usize, scrollback: usize) -> Self {
        let mut buffer = Buffer::new(cols, rows, History::new(scrollback), true);
        buffer.show(&Attr::default());
        buffer
    }

    /// The alternate screen, not shown.
    pub(crate) fn alternate(cols: usize, rows: usize) -> Self {
        Buffer::new(cols, rows, History::new(0), false)
    }

    fn new(cols: usize, rows: usize, history: History, reflows: bool) -> Self {
        let tabs = (0..cols).step_by(TAB_WIDTH).collect();
        let saved = Saved::default();
        Buffer {
            history,
            lines: Vec::new(),
            x: 0,
            y: 0,
            top: 0,
            bottom: rows - 1,
            tabs,
            saved,
            cols,
            rows,
            reflows,
        }
    }

    /// Fills the screen with empty rows, unless it has rows.
    pub(crate) fn show(&mut self, fill: &Attr) {
        if self.lines.is_empty() {
            self.lines = (0..self.rows).map(|_| Line::blank(self.cols, fill)).collect();
        }
    }

    /// What leaving the alternate screen does to it. The saved cursor stays.
    pub(crate) fn hide(&mut self) {
        self.lines = Vec::new();
        (self.x, self.y, self.top, self.bottom) = (0, 0, 0, self.rows - 1);
        self.tabs = (0..self.cols).step_by(TAB_WIDTH).collect();
    }

    /// The rows as far as they are on the screen: the alternate one keeps what a smaller width cut off.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Cow<'_, Line>> {
        self.lines.iter().map(|line| {
            if line.len() > self.cols { Cow::Owned(line.head(self.cols)) } else { Cow::Borrowed(line) }
        })
    }

    /// The row the cursor is in.
    pub(crate) fn line(&mut self) -> &mut Line {
        &mut self.lines[self.y]
    }

    /// Scrolls what is between the margins by one row. `wrapped`: the new row goes on the one above.
    pub(crate) fn scroll(&mut self, fill: &Attr, wrapped: bool) {
        if self.top == 0 {
            self.history.push(&mut self.lines[0]);
        }
        self.lines[self.top..=self.bottom].rotate_left(1);
        let line = &mut self.lines[self.bottom];
        line.reset(self.cols, fill);
        line.wrapped = wrapped;
    }

    /// Takes out `count` rows at `from`, and moves empty ones in at `to`.
    pub(crate) fn move_rows(&mut self, from: usize, to: usize, count: usize, fill: &Attr) {
        let (low, high) = (from.min(to), from.max(to));
        let count = count.min(high - low + 1);
        let region = &mut self.lines[low..=high];
        let length = region.len();
        let new = if from < to {
            region.rotate_left(count);
            length - count..length
        } else {
            region.rotate_right(count);
            0..count
        };
        for line in &mut region[new] {
            line.reset(self.cols, fill);
        }
    }

    pub(crate) fn set_tab(&mut self) {
        self.tabs.insert(self.x);
    }

    pub(crate) fn clear_tab(&mut self) {
        self.tabs.remove(&self.x);
    }

    pub(crate) fn clear_tabs(&mut self) {
        self.tabs.clear();
    }

    /// The columns with a tab stop, up to the one behind the last, and whether they are those there are at first.
    pub(crate) fn tabs(&self) -> (impl Iterator<Item = usize> + '_, bool) {
        let shown = || self.tabs.iter().copied().filter(|col| *col <= self.cols);
        (shown(), shown().eq((0..self.cols).step_by(TAB_WIDTH)))
    }

    pub(crate) fn next_tab(&self) -> usize {
        self.tabs.range(self.x + 1..).next().copied().unwrap_or(self.cols).min(self.cols - 1)
    }

    pub(crate) fn previous_tab(&self) -> usize {
        self.tab_before(self.x).min(self.cols - 1)
    }

    fn tab_before(&self, col: usize) -> usize {
        self.tabs.range(..col).next_back().copied().unwrap_or(0)
    }

    /// Adds the tab stops that a wider screen has more.
    pub(crate) fn extend_tabs(&mut self) {
        let from = if self.tabs.contains(&self.cols) { self.cols } else { self.tab_before(self.cols) };
        self.tabs.extend((from..self.cols).step_by(TAB_WIDTH));
    }
}
