//! Frames that the next one paints over.
//!
//! A program that repaints its screen begins at the top, again and again. Of two frames of which the second writes every cell that
//! the first did, the first leaves no trace but its last colours and modes. Only frames of which that is easily said count:
//! lines of ASCII in one piece each, which nothing scrolls.

use crate::run;
use crate::splitter::Piece;

/// What a frame may have done to one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Painted {
    /// The cells that were written or erased: from the first to before the last.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// It does not go on in the row above any more.
    pub(crate) is_begun: bool,
    /// It was emptied, with what a smaller width cut off.
    is_emptied: bool,
}

/// What a frame paints, from the top left corner on.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    rows: Vec<Painted>,
    /// The rows that are not as they were.
    touched: Vec<usize>,
    /// Its pieces that count although it is painted over, in order: modes, and its last colours.
    traces: Vec<usize>,
    /// Of its colours those that came since all were taken back.
    styles: Vec<usize>,
    cols: usize,
    x: usize,
    y: usize,
}

/// Whether a frame begins here: the cursor goes to the top left corner.
pub(crate) fn begins(sequence: &[u8]) -> bool {
    matches!(sequence, b"\x1b[H" | b"\x1b[;H" | b"\x1b[1;1H")
}

/// Whether a piece of a frame changes more than colours.
fn is_mode(sequence: &[u8]) -> bool {
    matches!(sequence, b"\x1b[?2026h" | b"\x1b[?2026l" | b"\x1b[?25h" | b"\x1b[?25l")
}

/// Whether a piece is `CSI … m`.
fn is_style(sequence: &[u8]) -> bool {
    sequence.last() == Some(&b'm')
}

impl Frame {
    /// Takes the pieces of a frame on a screen of this size, in place of the one before. False: what they paint is not easily said.
    pub(crate) fn read<'a>(
        &mut self,
        (cols, rows): (usize, usize),
        pieces: impl Iterator<Item = Piece<'a>>,
    ) -> bool {
        for row in self.touched.drain(..) {
            self.rows[row] = Painted::default();
        }
        self.rows.resize(rows, Painted::default());
        (self.cols, self.x, self.y) = (cols, 0, 0);
        self.traces.clear();
        self.styles.clear();
        for (index, piece) in pieces.enumerate() {
            let is_known = match piece {
                Piece::Text(text) => self.text(text),
                Piece::Sequence(sequence) if is_style(sequence) => {
                    if matches!(sequence, b"\x1b[m" | b"\x1b[0m") {
                        self.styles.clear();
                    }
                    self.styles.push(index);
                    parameters(sequence).is_some()
                }
                Piece::Sequence(sequence) if is_mode(sequence) => {
                    self.traces.push(index);
                    true
                }
                Piece::Sequence(sequence) => self.sequence(sequence),
                Piece::Fragment(_) => false,
            };
            if !is_known {
                return false;
            }
        }
        self.traces.append(&mut self.styles);
        self.traces.sort_unstable();
        true
    }

    /// Whether every cell and mark that this frame changes is changed by `next`, too. `is_whole` says of a row that is left, and
    /// what of it is painted, whether nothing beside that is changed.
    pub(crate) fn is_covered_by(&self, next: &Frame, is_whole: impl Fn(usize, Painted) -> bool) -> bool {
        self.touched.iter().all(|&row| {
            let (painted, next) = (self.rows[row], next.rows[row]);
            let is_within = painted.from == painted.to || next.from <= painted.from && painted.to <= next.to;
            is_within
                && (!painted.is_emptied || next.is_emptied)
                && is_whole(row, Painted { is_begun: painted.is_begun && !next.is_begun, ..painted })
        })
    }

    /// The pieces that count although this frame is painted over.
    pub(crate) fn traces(&self) -> impl Iterator<Item = usize> {
        self.traces.iter().copied()
    }

    fn text(&mut self, text: &[u8]) -> bool {
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let run = rest.iter().position(|byte| !(0x20..0x7f).contains(byte)).unwrap_or(rest.len());
            if run > 0 {
                let end = self.x + run;
                // The next character would begin another row.
                if end > self.cols || !self.paint(end) {
                    return false;
                }
                self.x = end;
                rest = &rest[run..];
                continue;
            }
            match first {
                b'\r' => self.x = 0,
                b'\n' => {
                    // In the last row it scrolls.
                    if self.y + 1 >= self.rows.len() {
                        return false;
                    }
                    self.y += 1;
                    self.row().is_begun = true;
                    self.x = self.x.min(self.cols - 1);
                }
                0x07 => {}
                _ => return false,
            }
            rest = &rest[1..];
        }
        true
    }

    fn sequence(&mut self, sequence: &[u8]) -> bool {
        let (Some(parameters), Some(action)) = (parameters(sequence), sequence.last()) else { return false };
        match (action, parameters) {
            (b'H', at) => self.go_to(at),
            (b'K', b"" | b"0") => {
                let is_begun = self.x == 0;
                self.row().is_begun |= is_begun;
                self.x < self.cols && self.paint(self.cols)
            }
            (b'K', b"2") => {
                *self.row() = Painted { from: 0, to: self.cols, is_begun: true, ..*self.row() };
                true
            }
            (b'J', b"2") => {
                (0..self.rows.len()).for_each(|row| self.empty(row));
                true
            }
            (b'J', b"" | b"0") if self.x == 0 => {
                *self.row() = Painted { from: 0, to: self.cols, is_begun: true, ..*self.row() };
                (self.y + 1..self.rows.len()).for_each(|row| self.empty(row));
                true
            }
            _ => false,
        }
    }

    fn go_to(&mut self, at: &[u8]) -> bool {
        let mut numbers = at.split(|byte| *byte == b';').map(number);
        let (row, col, more) = (numbers.next(), numbers.next(), numbers.next());
        let (Some(row), Some(col)) = (row.unwrap_or(Some(1)), col.unwrap_or(Some(1))) else { return false };
        self.y = (row.max(1) - 1).min(self.rows.len() - 1);
        self.x = (col.max(1) - 1).min(self.cols - 1);
        more.is_none()
    }

    /// The cells from the cursor to before `to` are changed. False: those of this row are in more than one piece.
    fn paint(&mut self, to: usize) -> bool {
        let from = self.x;
        let row = self.row();
        if row.from == row.to {
            (row.from, row.to) = (from, to);
        } else if from > row.to || to < row.from {
            return false;
        } else {
            (row.from, row.to) = (row.from.min(from), row.to.max(to));
        }
        true
    }

    fn empty(&mut self, row: usize) {
        self.touch(row);
        self.rows[row] = Painted { from: 0, to: self.cols, is_begun: true, is_emptied: true };
    }

    fn row(&mut self) -> &mut Painted {
        self.touch(self.y);
        &mut self.rows[self.y]
    }

    fn touch(&mut self, row: usize) {
        if self.rows[row] == Painted::default() && self.touched.last() != Some(&row) {
            self.touched.push(row);
        }
    }
}

/// What stands between `CSI` and the final byte, when it is numbers alone.
fn parameters(sequence: &[u8]) -> Option<&[u8]> {
    let [0x1b, b'[', parameters @ .., _] = sequence else { return None };
    (run::numbers(parameters) == parameters.len()).then_some(parameters)
}

/// A number of few digits; none is 0.
fn number(digits: &[u8]) -> Option<usize> {
    let is_number = digits.len() <= 4 && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
}
