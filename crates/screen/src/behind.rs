//! Output that the emulator has not had yet.
//!
//! Viewers and the log do not wait for the emulator: it catches up when somebody looks at the screen, in one go. What then
//! has scrolled away already is not emulated at all: of ten thousand lines that were printed since, only as many count
//! as the screen and its scrollback have rows. Nor is a frame that the next one paints over.

use memchr::{memchr2, memrchr_iter};

use crate::frames::{self, Frame};
use crate::run;
use crate::splitter::Piece;
use crate::terminal::Terminal;

/// Bytes that wait at most. Beyond it the emulator catches up although nobody looks.
const LIMIT: usize = 1024 * 1024;
/// So many bytes may follow on lines that have scrolled away: a prompt, and what was typed at it.
const TAIL: usize = 4096;
/// Room for so many bytes, and pieces, is kept for what comes next.
const KEPT: usize = 16 * 1024;

/// Pieces of the stream, in order.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
}

/// A piece: from the end of the one before to its own.
#[derive(Clone, Copy, Debug)]
struct Cut {
    end: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Sequence,
    Fragment,
}

impl Behind {
    pub(crate) fn push(&mut self, piece: Piece<'_>) {
        let kind = match piece {
            Piece::Text(_) => Kind::Text,
            Piece::Sequence(_) => Kind::Sequence,
            Piece::Fragment(_) => Kind::Fragment,
        };
        self.bytes.extend_from_slice(piece.bytes());
        self.cuts.push(Cut { end: self.bytes.len() as u32, kind });
    }

    /// Takes the plain pieces at the start of `bytes`, where one begins. Answers how many bytes they have.
    pub(crate) fn push_plain(&mut self, bytes: &[u8]) -> usize {
        let start = self.bytes.len();
        let taken = run::cut(bytes, |end, is_text| {
            let kind = if is_text { Kind::Text } else { Kind::Sequence };
            self.cuts.push(Cut { end: (start + end) as u32, kind });
        });
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The last piece that waits.
    pub(crate) fn last(&self) -> Option<Piece<'_>> {
        let index = self.cuts.len().checked_sub(1)?;
        Some(self.piece(Place { index, start: self.start(index) }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Whether so much waits that the emulator should catch up.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes.len() > LIMIT
    }

    /// Gives `terminal` everything that it has not had, but for what leaves no trace.
    pub(crate) fn catch_up(&mut self, terminal: &mut Terminal) {
        let next = self.skip(terminal);
        self.show_frames(next, self.cuts.len(), terminal);
        self.bytes.clear();
        self.cuts.clear();
        self.bytes.shrink_to(KEPT);
        self.cuts.shrink_to(KEPT / size_of::<Cut>());
    }

    /// Gives `terminal` what waits from `next` on, but for frames that the next one paints over. The last frame that it gives is the
    /// one before the piece `stop`.
    fn show_frames(&self, next: Place, stop: usize, terminal: &mut Terminal) {
        let (mut frame, mut following) = (Frame::default(), Frame::default());
        let mut start = self.frame_after(next);
        self.show_all(next, start, terminal);
        let mut end = self.frame_after(self.after(start));
        let mut is_known = end.index < self.cuts.len() && self.read_frame(start, end, &mut frame, terminal);
        while start.index < stop {
            let after = self.frame_after(self.after(end));
            let is_next_known =
                end.index < self.cuts.len() && self.read_frame(end, after, &mut following, terminal);
            if is_known && is_next_known && terminal.emulator.is_unchanged_by(&frame, &following) {
                self.show_traces(start, end, &frame, terminal);
            } else {
                self.show_all(start, end, terminal);
            }
            std::mem::swap(&mut frame, &mut following);
            (start, end, is_known) = (end, after, is_next_known);
        }
    }

    /// Where the next frame begins, from a place on; the end when none does.
    fn frame_after(&self, place: Place) -> Place {
        let mut next = place;
        while next.index < self.cuts.len() {
            if let Piece::Sequence(sequence) = self.piece(next)
                && frames::begins(sequence)
            {
                return next;
            }
            next = self.after(next);
        }
        next
    }

    fn read_frame(&self, start: Place, end: Place, frame: &mut Frame, terminal: &Terminal) -> bool {
        frame.read(terminal.emulator.cells(), self.pieces(start, end))
    }

    fn show_all(&self, start: Place, end: Place, terminal: &mut Terminal) {
        self.pieces(start, end).for_each(|piece| terminal.show(piece));
    }

    /// Shows what is left of a frame that is painted over: its modes and last colours, and how long it was.
    fn show_traces(&self, start: Place, end: Place, frame: &Frame, terminal: &mut Terminal) {
        let mut next = start;
        for index in frame.traces() {
            let index = start.index + index;
            let place = Place { index, start: self.start(index) };
            terminal.emulator.skip(place.start - next.start);
            terminal.show(self.piece(place));
            next = self.after(place);
        }
        terminal.emulator.skip(end.start - next.start);
    }

    fn pieces(&self, start: Place, end: Place) -> impl Iterator<Item = Piece<'_>> {
        let mut next = start;
        std::iter::from_fn(move || {
            (next.index < end.index).then(|| {
                let piece = self.piece(next);
                next = self.after(next);
                piece
            })
        })
    }

    /// Gives `terminal` most of what waits, although nobody looks: the last frames may still be painted over.
    pub(crate) fn relieve(&mut self, terminal: &mut Terminal) {
        let Some(stop) = self.last_frames().filter(|stop| self.bytes.len() - stop.start <= LIMIT / 2) else {
            return self.catch_up(terminal);
        };
        self.show_frames(Place::default(), stop.index, terminal);
        self.bytes.drain(..stop.start);
        self.cuts.drain(..stop.index);
        self.cuts.iter_mut().for_each(|cut| cut.end -= stop.start as u32);
    }

    /// Where the last frame but one begins.
    fn last_frames(&self) -> Option<Place> {
        let begins = |index: &usize| {
            let place = Place { index: *index, start: self.start(*index) };
            matches!(self.piece(place), Piece::Sequence(sequence) if frames::begins(sequence))
        };
        let index = (0..self.cuts.len()).rev().filter(begins).nth(1)?;
        Some(Place { index, start: self.start(index) })
    }

    /// Gives `terminal` what comes before the last lines, and of these no more than it can remember. Answers where it is to go on.
    fn skip(&self, terminal: &mut Terminal) -> Place {
        let mut next = Place::default();
        let Some(target) = self.row_before(terminal.emulator.memory()) else { return next };
        let mut lines = target.index;
        while lines > 0 && self.is_of_lines(lines - 1) {
            lines -= 1;
        }
        while next.index < lines {
            terminal.show(self.piece(next));
            next = self.after(next);
        }
        if !terminal.emulator.only_scrolls() {
            return next;
        }
        while next.index < target.index {
            match self.piece(next) {
                Piece::Text(text) => terminal.emulator.skip(text.len()),
                // How the text before looked is how what comes next does.
                style => terminal.show(style),
            }
            next = self.after(next);
        }
        terminal.emulator.skip(target.start - next.start);
        terminal.emulator.begin_row();
        target
    }

    /// Where a row begins after which `feeds` more follow in lines; from there on it does not matter what was on the screen. Behind
    /// these lines comes little that is none, if anything.
    fn row_before(&self, feeds: usize) -> Option<Place> {
        let mut left = feeds;
        for index in (0..self.cuts.len()).rev() {
            if !self.is_of_lines(index) {
                if self.bytes.len() - self.start(index) > TAIL {
                    return None;
                }
                left = feeds;
                continue;
            }
            if self.cuts[index].kind != Kind::Text {
                continue;
            }
            let start = self.start(index);
            let text = &self.bytes[start..self.cuts[index].end as usize];
            for feed in memrchr_iter(b'\n', text) {
                // After a carriage return it is known where the row begins.
                if left == 0 && feed > 0 && text[feed - 1] == b'\r' {
                    return Some(Place { index, start: start + feed + 1 });
                }
                left = left.saturating_sub(1);
            }
        }
        None
    }

    /// Whether a piece does nothing but write, style, and begin the next row.
    fn is_of_lines(&self, index: usize) -> bool {
        let bytes = &self.bytes[self.start(index)..self.cuts[index].end as usize];
        match self.cuts[index].kind {
            // Another character set would stay.
            Kind::Text => memchr2(0x0e, 0x0f, bytes).is_none(),
            Kind::Sequence => {
                bytes.starts_with(b"\x1b[")
                    && matches!(bytes.last(), Some(b'm' | b'K'))
                    && bytes[1..].iter().all(|byte| *byte >= 0x20)
            }
            Kind::Fragment => false,
        }
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.cuts[before].end as usize)
    }

    /// The place after a piece; the end has none.
    fn after(&self, place: Place) -> Place {
        match self.cuts.get(place.index) {
            Some(cut) => Place { index: place.index + 1, start: cut.end as usize },
            None => place,
        }
    }

    fn piece(&self, place: Place) -> Piece<'_> {
        let cut = self.cuts[place.index];
        let bytes = &self.bytes[place.start..cut.end as usize];
        match cut.kind {
            Kind::Text => Piece::Text(bytes),
            Kind::Sequence => Piece::Sequence(bytes),
            Kind::Fragment => Piece::Fragment(bytes),
        }
    }
}

/// A piece, or what of it begins at `start`.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    index: usize,
    start: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_behind_lines_does_not_make_them_all_count() {
        let mut behind = Behind::default();
        behind.push(Piece::Text(&b"y\r\n".repeat(100)));
        assert_eq!(behind.row_before(10).unwrap().start, 3 * 90);
        behind.push(Piece::Sequence(b"\x1b[?2004h"));
        behind.push(Piece::Text(b"$ "));
        assert_eq!(behind.row_before(10).unwrap().start, 3 * 90);
        behind.push(Piece::Text(&b"x\r\n".repeat(5)));
        assert_eq!(behind.row_before(10).unwrap().start, 3 * 90, "too few lines to fill what is remembered");
        (0..TAIL).for_each(|_| behind.push(Piece::Sequence(b"\x1b[?25h")));
        assert!(behind.row_before(10).is_none());
    }
}
