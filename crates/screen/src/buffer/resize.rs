//! A new size: rows come and go at the scrollback, lines are wrapped anew.
//!
//! Step by step what xterm.js does, also where another way would be as good: a viewer's terminal makes the same step by
//! itself, and what it shows afterwards is to be what the screen says.

use crate::attr::Attr;
use crate::buffer::Buffer;
use crate::line::Line;

impl Buffer {
    /// Takes a new size.
    pub(crate) fn resize(&mut self, cols: usize, rows: usize) {
        if self.lines.is_empty() {
            // The alternate screen while it is not shown.
            self.bottom = rows - 1;
        } else {
            let mut all = self.unfold();
            all.set_rows(rows, cols, self.cols);
            self.saved.x = self.saved.x.min(cols - 1);
            (self.top, self.bottom) = (0, rows - 1);
            if self.reflows {
                if cols > self.cols {
                    all.widen(self.cols, cols);
                } else if cols < self.cols {
                    all.narrow(self.cols, cols);
                    for line in &mut all.lines {
                        line.resize(cols);
                    }
                }
            }
            self.fold(all, cols);
        }
        (self.cols, self.rows) = (cols, rows);
    }

    fn unfold(&mut self) -> Unfolded {
        let mut lines = self.history.take();
        let base = lines.len();
        lines.append(&mut self.lines);
        let limit = self.history.limit() + self.rows;
        Unfolded {
            lines,
            base,
            x: self.x,
            y: self.y,
            saved_line: self.saved.line,
            limit,
            rows: self.rows,
            scrollback: self.history.limit(),
        }
    }

    fn fold(&mut self, all: Unfolded, cols: usize) {
        let Unfolded { mut lines, base, x, y, saved_line, rows, .. } = all;
        let missing = (base + rows).saturating_sub(lines.len());
        lines.extend((0..missing).map(|_| Line::blank(cols, &Attr::default())));
        lines.truncate(base + rows);
        self.lines = lines.split_off(base);
        for line in &mut lines {
            self.history.push(line);
        }
        (self.x, self.y, self.saved.line) = (x, y, saved_line);
    }
}

/// Scrollback and screen in one.
struct Unfolded {
    lines: Vec<Line>,
    /// The first row on the screen.
    base: usize,
    x: usize,
    y: usize,
    saved_line: usize,
    /// Rows there may be.
    limit: usize,
    rows: usize,
    scrollback: usize,
}

impl Unfolded {
    fn set_rows(&mut self, rows: usize, cols: usize, old_cols: usize) {
        self.limit = self.limit.max(self.scrollback + rows);
        if old_cols < cols {
            for line in &mut self.lines {
                line.resize(cols);
            }
        }
        let mut down = 0;
        for _ in self.rows..rows {
            if self.lines.len() < rows + self.base {
                if self.base > 0 && self.lines.len() <= self.base + self.y + down + 1 {
                    self.base -= 1;
                    down += 1;
                } else {
                    self.lines.push(Line::blank(cols, &Attr::default()));
                }
            }
        }
        for _ in rows..self.rows {
            if self.lines.len() > rows + self.base {
                if self.lines.len() > self.base + self.y + 1 {
                    self.lines.pop();
                } else {
                    self.base += 1;
                }
            }
        }
        self.limit = self.scrollback + rows;
        let over = self.lines.len().saturating_sub(self.limit);
        self.lines.drain(..over);
        self.base = self.base.saturating_sub(over);
        self.saved_line = self.saved_line.saturating_sub(over);
        self.x = self.x.min(cols - 1);
        self.y = self.y.min(rows - 1) + down;
        self.rows = rows;
    }

    /// The rows of the line that begins at or goes through `row`, when that line is to be wrapped anew. The one with the
    /// cursor is not: its program is about to paint it.
    fn has_cursor(&self, rows: &std::ops::Range<usize>) -> bool {
        rows.contains(&(self.base + self.y))
    }

    fn widen(&mut self, old: usize, new: usize) {
        let mut gone = vec![false; self.lines.len()];
        let mut start = 0;
        while start + 1 < self.lines.len() {
            let mut end = start + 1;
            while end < self.lines.len() && self.lines[end].wrapped {
                end += 1;
            }
            let rows = start..end;
            if rows.len() > 1 && !self.has_cursor(&rows) {
                let removed = unwrap(&mut self.lines[rows.clone()], old, new);
                gone[end - removed..end].fill(true);
            }
            start = end;
        }
        let removed = gone.iter().filter(|gone| **gone).count();
        let mut gone = gone.into_iter();
        self.lines.retain(|_| !gone.next().unwrap_or(false));
        for _ in 0..removed {
            if self.base == 0 {
                self.y = self.y.saturating_sub(1);
                if self.lines.len() < self.rows {
                    self.lines.push(Line::blank(new, &Attr::default()));
                }
            } else {
                self.base -= 1;
            }
        }
        self.saved_line = self.saved_line.saturating_sub(removed);
    }

    fn narrow(&mut self, old: usize, new: usize) {
        let mut inserts: Vec<(usize, Vec<Line>)> = Vec::new();
        let mut inserted = 0;
        // Rows at the bottom go when the screen moves down. What they would be wrapped into comes all the same.
        let mut count = self.lines.len();
        let mut end = count;
        while end > 0 {
            let mut start = end - 1;
            if !self.lines[start].wrapped && self.lines[start].trimmed_length() <= new {
                end = start;
                continue;
            }
            while start > 0 && self.lines[start].wrapped {
                start -= 1;
            }
            let rows = start..end;
            end = start;
            if self.has_cursor(&rows) {
                continue;
            }
            let lengths = narrow_lengths(&self.lines[rows.clone()], old, new);
            let added = lengths.len().saturating_sub(rows.len());
            let surplus = if self.base == 0 && self.y + 1 != count {
                (self.y + added).saturating_sub(self.limit)
            } else {
                (count + added).saturating_sub(self.limit)
            };
            let new_lines = wrap(&mut self.lines[rows.clone()], &lengths, old, new);
            if added > 0 {
                inserts.push((rows.end, new_lines));
                inserted += added;
            }
            for _ in 0..added.saturating_sub(surplus) {
                if self.base == 0 {
                    if self.y + 1 < self.rows {
                        self.y += 1;
                        count = count.saturating_sub(1);
                    } else {
                        self.base += 1;
                    }
                } else if self.base < self.limit.min(count + inserted).saturating_sub(self.rows) {
                    self.base += 1;
                }
            }
            self.saved_line = (self.saved_line + added).min(self.base + self.rows - 1);
        }
        count = count.min(self.lines.len());
        self.lines.truncate(count);
        for (at, lines) in inserts {
            let at = at.min(count);
            self.lines.splice(at..at, lines);
        }
        let over = self.lines.len().saturating_sub(self.limit);
        self.lines.drain(..over);
    }
}

/// The cells of one row of a line: all of them but, in the last row, those after the text; and but the last cell, when a
/// wide character did not fit into it.
fn length(rows: &[Line], index: usize, cols: usize) -> usize {
    if index + 1 == rows.len() {
        return rows[index].trimmed_length();
    }
    let last = rows[index].cells[cols - 1];
    let is_left_out = !last.has_content() && last.width() == 1 && rows[index + 1].width(0) == 2;
    cols - usize::from(is_left_out)
}

/// Moves the text of a line up into fewer rows. Answers how many are no longer needed.
fn unwrap(rows: &mut [Line], old: usize, new: usize) -> usize {
    let mut to = 0;
    let mut to_col = length(rows, 0, old);
    let (mut from, mut from_col) = (1, 0);
    while from < rows.len() {
        let from_length = length(rows, from, old);
        let count = (from_length - from_col.min(from_length)).min(new - to_col);
        copy_between(rows, from, from_col, to, to_col, count);
        to_col += count;
        if to_col == new {
            to += 1;
            to_col = 0;
        }
        from_col += count;
        if from_col >= from_length {
            from += 1;
            from_col = 0;
        }
        if to_col == 0 && to != 0 && rows[to - 1].width(new - 1) == 2 {
            copy_between(rows, to - 1, new - 1, to, to_col, 1);
            to_col += 1;
            rows[to - 1].set(new - 1, 0, 1, &Attr::default());
        }
    }
    if let Some(row) = rows.get_mut(to) {
        row.erase(to_col, new, &Attr::default(), false);
    }
    let mut unneeded = 0;
    for index in (1..rows.len()).rev() {
        if index > to || rows[index].trimmed_length() == 0 {
            unneeded += 1;
        } else {
            break;
        }
    }
    unneeded
}

/// How long the rows of a line are when there are only `new` columns.
fn narrow_lengths(rows: &[Line], old: usize, new: usize) -> Vec<usize> {
    let needed: usize = (0..rows.len()).map(|index| length(rows, index, old)).sum();
    let mut lengths = Vec::new();
    let (mut col, mut row, mut placed) = (0, 0, 0);
    while placed < needed {
        if needed - placed < new {
            lengths.push(needed - placed);
            break;
        }
        col += new;
        let row_length = if row < rows.len() { length(rows, row, old) } else { col };
        if col > row_length {
            col -= row_length;
            row += 1;
        }
        let ends_wide = rows.get(row).is_some_and(|row| col > 0 && row.width(col - 1) == 2);
        col -= usize::from(ends_wide);
        let length = new - usize::from(ends_wide);
        lengths.push(length);
        placed += length;
    }
    lengths
}

/// Moves the text of a line down into rows of these lengths, from its end to its start. Answers the rows that come
/// after those there are.
fn wrap(rows: &mut [Line], lengths: &[usize], old: usize, new: usize) -> Vec<Line> {
    let mut wrapped: Vec<Line> = rows.to_vec();
    let count = rows.len();
    let mut from_col = rows[count - 1].trimmed_length();
    for _ in count..lengths.len() {
        // As wide as the others were: all are cut to the new width in the end.
        let mut line = Line::blank(new, &Attr::default());
        line.wrapped = true;
        wrapped.push(line);
    }
    let mut to = lengths.len();
    let mut to_col = 0;
    let previous = |to: &mut usize| -> usize {
        *to = to.wrapping_sub(1);
        lengths.get(*to).copied().unwrap_or(0)
    };
    if to > 0 {
        to_col = previous(&mut to);
        if to_col == 0 {
            to_col = previous(&mut to);
        }
    }
    let mut from = count;
    while from > 0 && to < wrapped.len() {
        let cells = from_col.min(to_col);
        copy_backwards(&mut wrapped, from - 1, from_col - cells, to, to_col - cells, cells);
        to_col -= cells;
        if to_col == 0 {
            to_col = previous(&mut to);
        }
        from_col -= cells;
        if from_col == 0 {
            from -= 1;
            if from > 0 {
                from_col = length(&wrapped, from - 1, old);
            }
        }
    }
    for (line, length) in wrapped.iter_mut().zip(lengths) {
        if *length < new {
            line.set(*length, 0, 1, &Attr::default());
        }
    }
    let added = wrapped.split_off(count);
    for (row, line) in rows.iter_mut().zip(wrapped) {
        *row = line;
    }
    added
}

fn copy_between(rows: &mut [Line], from: usize, from_col: usize, to: usize, to_col: usize, count: usize) {
    if from == to {
        let source = rows[from].clone();
        rows[to].copy(&source, from_col, to_col, count);
    } else if let Ok([source, target]) = rows.get_disjoint_mut([from, to]) {
        target.copy(source, from_col, to_col, count);
    }
}

fn copy_backwards(rows: &mut [Line], from: usize, from_col: usize, to: usize, to_col: usize, count: usize) {
    copy_between(rows, from, from_col, to, to_col, count);
}
