//! One row of cells.

use std::collections::BTreeMap;

use crate::attr::{Attr, Extended, bg};
use crate::cells::Cells;
use crate::frames::Painted;

/// Code points in one cell; further ones are dropped, or a program could make one cell as large as it likes.
const CLUSTER_LIMIT: usize = 32;

const CODE: u32 = 0x1f_ffff;
const COMBINED: u32 = 1 << 21;
const WIDTH_SHIFT: u32 = 22;
const WIDTH: u32 = 3 << WIDTH_SHIFT;

/// One cell: a code point with its width, and how it looks. A cluster of several code points stands in [`Extra`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    content: u32,
    pub(crate) fg: u32,
    pub(crate) bg: u32,
}

impl Cell {
    /// Never written to, or erased.
    pub(crate) const NULL: Cell = Cell { content: 1 << WIDTH_SHIFT, fg: 0, bg: 0 };

    pub(crate) fn new(code: u32, width: u8, attr: &Attr) -> Self {
        Cell { content: code | u32::from(width) << WIDTH_SHIFT, fg: attr.fg, bg: attr.bg }
    }

    /// A cell whose code points stand in [`Extra`].
    pub(crate) fn cluster(width: u8, attr: &Attr) -> Self {
        Cell { content: COMBINED | u32::from(width) << WIDTH_SHIFT, fg: attr.fg, bg: attr.bg }
    }

    /// 2 for the first half of a wide character, 0 for its second half, else 1.
    pub(crate) fn width(self) -> u8 {
        (self.content >> WIDTH_SHIFT) as u8
    }

    /// Whether something was written into it.
    pub(crate) fn has_content(self) -> bool {
        self.content & (CODE | COMBINED) != 0
    }

    pub(crate) fn is_combined(self) -> bool {
        self.content & COMBINED != 0
    }

    /// The code point; `None` when it is empty or holds a cluster.
    pub(crate) fn char(self) -> Option<char> {
        match self.content & CODE {
            0 => None,
            code => char::from_u32(code),
        }
    }

    /// The byte that stands for it in a row of ASCII, 0 for an empty cell; `None` for what is wider or more.
    pub(crate) fn ascii(self) -> Option<u8> {
        let code = self.content ^ 1 << WIDTH_SHIFT;
        (code < 0x80).then_some(code as u8)
    }

    /// Whether it is the second half of a wide character.
    pub(crate) fn is_spacer(self) -> bool {
        self.width() == 0 && !self.has_content()
    }

    fn is_extended(self) -> bool {
        self.bg & bg::EXTENDED != 0
    }
}

/// What few rows have, by column. An entry counts only while its cell's flag is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    clusters: BTreeMap<u16, String>,
    extended: BTreeMap<u16, Extended>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) cells: Cells,
    /// It goes on where the row above ended.
    pub(crate) wrapped: bool,
    pub(crate) extra: Option<Box<Extra>>,
}

impl Line {
    pub(crate) fn blank(cols: usize, attr: &Attr) -> Self {
        let mut line = Line::default();
        line.reset(cols, attr);
        line
    }

    /// As a new row of `cols` empty cells.
    pub(crate) fn reset(&mut self, cols: usize, attr: &Attr) {
        self.cells.reset(cols, Cell::new(0, 1, attr));
        self.wrapped = false;
        self.extra = None;
        if attr.bg & bg::EXTENDED != 0 {
            self.extend(0..cols, attr);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A copy with no more than so many cells.
    pub(crate) fn head(&self, length: usize) -> Line {
        let cells = self.cells[..length.min(self.cells.len())].to_vec().into();
        Line { cells, wrapped: self.wrapped, extra: self.extra.clone() }
    }

    pub(crate) fn width(&self, col: usize) -> u8 {
        self.cells.get(col).map_or(0, |cell| cell.width())
    }

    /// Whether a cell shows something: not half of a wide character of which the other half is gone.
    pub(crate) fn is_shown(&self, col: usize) -> bool {
        let cell = self.cells[col];
        cell.has_content()
            && (cell.width() < 2 || self.cells.get(col + 1).is_some_and(|next| next.is_spacer()))
    }

    /// Whether a cell is the second half of a wide character that is there.
    pub(crate) fn is_second_half(&self, col: usize) -> bool {
        self.cells[col].is_spacer()
            && col > 0
            && self.cells[col - 1].width() == 2
            && self.cells[col - 1].has_content()
    }

    /// The text of a cell with more than one code point.
    pub(crate) fn cluster(&self, col: usize) -> Option<&str> {
        let extra = self.extra.as_ref().filter(|_| self.cells[col].is_combined())?;
        extra.clusters.get(&(col as u16)).map(String::as_str)
    }

    pub(crate) fn extended(&self, col: usize) -> Option<&Extended> {
        let extra = self.extra.as_ref().filter(|_| self.cells[col].is_extended())?;
        extra.extended.get(&(col as u16))
    }

    /// The look of a cell.
    pub(crate) fn attr(&self, col: usize) -> Attr {
        let cell = self.cells[col];
        Attr { fg: cell.fg, bg: cell.bg, extended: self.extended(col).cloned().unwrap_or_default() }
    }

    pub(crate) fn set(&mut self, col: usize, code: u32, width: u8, attr: &Attr) {
        let Some(cell) = self.cells.get_mut(col) else { return };
        *cell = Cell::new(code, width, attr);
        if attr.bg & bg::EXTENDED != 0 {
            self.extend(col..col + 1, attr);
        }
    }

    /// Puts one-column characters from `col` on.
    pub(crate) fn set_ascii(&mut self, col: usize, text: &[u8], attr: &Attr) {
        let template = Cell::new(0, 1, attr);
        for (cell, byte) in self.cells[col..col + text.len()].iter_mut().zip(text) {
            *cell = Cell { content: template.content | u32::from(*byte), ..template };
        }
        if attr.bg & bg::EXTENDED != 0 {
            self.extend(col..col + text.len(), attr);
        }
    }

    fn extend(&mut self, cols: std::ops::Range<usize>, attr: &Attr) {
        let extra = self.extra.get_or_insert_default();
        for col in cols {
            extra.extended.insert(col as u16, attr.extended.clone());
        }
    }

    /// Whether nothing beside the cells that are painted would change: no wide character is cut, no mark goes.
    pub(crate) fn keeps_around(&self, painted: Painted) -> bool {
        let Painted { from, to, .. } = painted;
        let is_cut = from < to
            && (from > 0 && self.width(from - 1) == 2
                || self.cells.get(to).is_some_and(|cell| cell.is_spacer()));
        !(is_cut || painted.is_begun && self.wrapped)
    }

    /// Adds a code point to a cell's cluster, and makes the cell `width` wide.
    pub(crate) fn join(&mut self, col: usize, code: u32, width: u8) {
        let Some(cell) = self.cells.get_mut(col) else { return };
        let added = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        if cell.has_content() {
            let clusters = &mut self.extra.get_or_insert_default().clusters;
            let cluster = clusters.entry(col as u16).or_default();
            if let Some(first) = char::from_u32(cell.content & CODE).filter(|_| !cell.is_combined()) {
                cluster.clear();
                cluster.push(first);
            }
            if cluster.chars().count() < CLUSTER_LIMIT {
                cluster.push(added);
            }
            cell.content = cell.content & WIDTH | COMBINED;
        } else {
            cell.content = code | 1 << WIDTH_SHIFT;
        }
        if width > 0 {
            cell.content = cell.content & !WIDTH | u32::from(width) << WIDTH_SHIFT;
        }
    }

    /// Copies `count` cells of another row.
    pub(crate) fn copy(&mut self, source: &Line, from: usize, to: usize, count: usize) {
        for index in 0..count {
            let Some(cell) = source.cells.get(from + index).copied() else { return };
            let Some(place) = self.cells.get_mut(to + index) else { return };
            *place = cell;
            if let Some(cluster) = source.cluster(from + index) {
                let extra = self.extra.get_or_insert_default();
                extra.clusters.insert((to + index) as u16, cluster.to_owned());
            }
            if let Some(extended) = source.extended(from + index) {
                let extra = self.extra.get_or_insert_default();
                extra.extended.insert((to + index) as u16, extended.clone());
            }
        }
    }

    /// The cells from `col` on, as a row of their own.
    pub(crate) fn clone_from_col(&self, col: usize) -> Line {
        let count = self.len().saturating_sub(col);
        let mut line = Line { cells: Cells::empty(count), ..Line::default() };
        line.copy(self, col, 0, count);
        line
    }

    /// Moves the cells from `col` on `count` to the right; empty ones come in.
    pub(crate) fn insert(&mut self, col: usize, count: usize, fill: &Attr) {
        let length = self.len();
        let col = col % length;
        self.cut_wide_before(col, fill);
        if count < length - col {
            self.cells.copy_within(col..length - count, col + count);
            self.shift(
                |key| if key >= col { (key + count < length).then_some(key + count) } else { Some(key) },
            );
            self.fill(col..col + count, fill);
        } else {
            self.fill(col..length, fill);
        }
        if self.width(length - 1) == 2 {
            self.set(length - 1, 0, 1, fill);
        }
    }

    /// Takes `count` cells out at `col`; empty ones come in at the end.
    pub(crate) fn delete(&mut self, col: usize, count: usize, fill: &Attr) {
        let length = self.len();
        let col = col % length;
        if count < length - col {
            self.cells.copy_within(col + count..length, col);
            self.shift(|key| match key {
                key if key >= col + count => Some(key - count),
                key if key >= col => None,
                key => Some(key),
            });
            self.fill(length - count..length, fill);
        } else {
            self.fill(col..length, fill);
        }
        self.cut_wide_before(col, fill);
        if self.cells[col].is_spacer() {
            self.set(col, 0, 1, fill);
        }
    }

    /// Empties the cells from `start` to before `end`, but for protected ones where they are to be respected.
    pub(crate) fn erase(&mut self, start: usize, end: usize, fill: &Attr, respect_protection: bool) {
        let length = self.len();
        let is_free = |cell: Cell| !respect_protection || cell.bg & bg::PROTECTED == 0;
        if start > 0 && self.width(start - 1) == 2 && is_free(self.cells[start - 1]) {
            self.set(start - 1, 0, 1, fill);
        }
        if end < length && end > 0 && self.width(end - 1) == 2 && is_free(self.cells[end]) {
            self.set(end, 0, 1, fill);
        }
        if respect_protection {
            for col in start..end.min(length) {
                if is_free(self.cells[col]) {
                    self.set(col, 0, 1, fill);
                }
            }
        } else {
            self.fill(start.min(length)..end.min(length), fill);
        }
    }

    /// A new number of columns; empty cells come in.
    pub(crate) fn resize(&mut self, cols: usize) {
        self.cells.resize(cols);
    }

    /// The number of cells up to the last that was written to.
    pub(crate) fn trimmed_length(&self) -> usize {
        let last = self.cells.iter().rposition(|cell| cell.has_content());
        last.map_or(0, |last| last + usize::from(self.cells[last].width()))
    }

    fn fill(&mut self, cols: std::ops::Range<usize>, attr: &Attr) {
        let cell = Cell::new(0, 1, attr);
        // A screen that is erased before anything was written to it stays as it is.
        if cell != Cell::NULL || !self.cells.is_unwritten() {
            self.cells[cols.clone()].fill(cell);
        }
        if attr.bg & bg::EXTENDED != 0 {
            self.extend(cols, attr);
        }
    }

    fn cut_wide_before(&mut self, col: usize, fill: &Attr) {
        if col > 0 && self.width(col - 1) == 2 {
            self.set(col - 1, 0, 1, fill);
        }
    }

    /// Gives the entries of [`Extra`] new columns.
    fn shift(&mut self, to: impl Fn(usize) -> Option<usize>) {
        fn moved<T>(map: &mut BTreeMap<u16, T>, to: &impl Fn(usize) -> Option<usize>) {
            let old = std::mem::take(map);
            map.extend(
                old.into_iter().filter_map(|(key, value)| Some((to(usize::from(key))? as u16, value))),
            );
        }
        if let Some(extra) = &mut self.extra {
            moved(&mut extra.clusters, &to);
            moved(&mut extra.extended, &to);
        }
    }
}
