//! The cells of a row. Empty ones take no memory until something is written to the row: most of an agent's screen may stay empty for as
//! long as the agent lives.

use std::ops::{Deref, DerefMut};

use crate::line::Cell;

/// What rows look like to which nothing was written: none on a screen is longer.
static EMPTY: [Cell; 1000] = [Cell::NULL; 1000];

/// The cells of one row, left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// Without any while [`Self::empty`] says how many there are.
    written: Vec<Cell>,
    /// Nothing was written to the row, which has so many cells.
    empty: usize,
}

impl Cells {
    /// So many that are empty.
    pub(crate) fn empty(count: usize) -> Self {
        let mut cells = Self::default();
        cells.reset(count, Cell::NULL);
        cells
    }

    /// So many that look like this one, in place of those there are.
    pub(crate) fn reset(&mut self, count: usize, cell: Cell) {
        self.written.clear();
        self.empty = 0;
        if cell == Cell::NULL && count <= EMPTY.len() {
            self.empty = count;
        } else {
            self.written.resize(count, cell);
        }
    }

    /// A new number; empty ones come in.
    pub(crate) fn resize(&mut self, count: usize) {
        if self.empty > 0 && count <= EMPTY.len() {
            self.empty = count;
        } else {
            self.write().resize(count, Cell::NULL);
        }
    }

    /// Leaves at most so many.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.empty = self.empty.min(count);
        self.written.truncate(count);
    }

    /// Whether nothing was written to the row.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.written.is_empty()
    }

    /// All of them, in memory of their own.
    fn write(&mut self) -> &mut Vec<Cell> {
        if self.empty > 0 {
            self.fill();
        }
        &mut self.written
    }

    /// Once for each row; what writes cells does not carry it along.
    #[cold]
    fn fill(&mut self) {
        self.written.resize(self.empty, Cell::NULL);
        self.empty = 0;
    }
}

impl From<Vec<Cell>> for Cells {
    fn from(written: Vec<Cell>) -> Self {
        Self { written, empty: 0 }
    }
}

impl Deref for Cells {
    type Target = [Cell];

    fn deref(&self) -> &[Cell] {
        if self.empty == 0 { &self.written } else { &EMPTY[..self.empty] }
    }
}

impl DerefMut for Cells {
    fn deref_mut(&mut self) -> &mut [Cell] {
        self.write()
    }
}

/// The same to look at.
impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Cells {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::Attr;

    const COLS: usize = 80;

    fn letter() -> Cell {
        Cell::new('a'.into(), 1, &Attr::default())
    }

    #[test]
    fn an_empty_row_takes_no_memory_until_it_is_written_to() {
        let mut cells = Cells::empty(COLS);
        assert_eq!((cells.len(), cells.written.capacity()), (COLS, 0));
        assert!(cells.iter().all(|cell| *cell == Cell::NULL));
        cells.resize(COLS / 2);
        cells.resize(COLS);
        assert_eq!((cells.len(), cells.written.capacity()), (COLS, 0));
        cells[3] = letter();
        assert_eq!((cells.len(), cells[3], cells[4]), (COLS, letter(), Cell::NULL));
        cells.resize(COLS + 1);
        assert_eq!((cells.len(), cells[3], cells[COLS]), (COLS + 1, letter(), Cell::NULL));
        cells.reset(COLS, Cell::NULL);
        assert_eq!(cells, Cells::from(vec![Cell::NULL; COLS]));
    }

    #[test]
    fn a_row_that_is_longer_than_any_screen_is_one_like_others() {
        let mut cells = Cells::empty(2 * EMPTY.len());
        assert_eq!(cells.len(), 2 * EMPTY.len());
        cells.truncate(COLS);
        assert_eq!(cells, Cells::empty(COLS));
        cells.resize(2 * EMPTY.len());
        assert_eq!(cells, Cells::empty(2 * EMPTY.len()));
    }
}
