//! A part of the output log, ready to be rendered: gaps say in the text what is missing.

use std::io;

use parallax_screen::render::Resize;

use crate::log::{IndexEntry, LogReader};

/// Consecutive output, with a line of text for each gap.
pub struct Excerpt {
    bytes: Vec<u8>,
    /// The offsets at which a piece begins, and where it stands in `bytes`.
    pieces: Vec<(u64, usize)>,
}

impl Excerpt {
    /// What was printed from `from` to `to`.
    pub fn read(log: &LogReader, from: u64, to: u64) -> io::Result<Self> {
        let mut excerpt = Self { bytes: Vec::new(), pieces: Vec::new() };
        let mut expected = None;
        for (start, piece) in log.pieces(from, to)? {
            if let Some(expected) = expected.filter(|expected| *expected < start) {
                let line = format!("\r\n[log_gap: bytes {expected} to {start} were lost]\r\n");
                excerpt.bytes.extend_from_slice(line.as_bytes());
            }
            expected = Some(start + piece.len() as u64);
            excerpt.pieces.push((start, excerpt.bytes.len()));
            excerpt.bytes.extend_from_slice(&piece);
        }
        Ok(excerpt)
    }

    /// The bytes. They are to be rendered from offset 0 on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The sizes of the terminal, by position in [`Self::bytes`].
    pub fn resizes(&self, index: &[IndexEntry]) -> Vec<Resize> {
        let mut resizes: Vec<Resize> = Vec::new();
        for entry in index {
            let resize = Resize { offset: self.position(entry.offset), size: entry.size };
            match resizes.last_mut() {
                Some(last) if last.size == resize.size => {}
                // Of what was printed before the excerpt only the last size counts.
                Some(last) if last.offset == resize.offset => *last = resize,
                _ => resizes.push(resize),
            }
        }
        resizes
    }

    fn position(&self, offset: u64) -> u64 {
        let next = self.pieces.partition_point(|(start, _)| *start <= offset);
        let Some((start, position)) = next.checked_sub(1).and_then(|piece| self.pieces.get(piece)) else {
            return 0;
        };
        let end = self.pieces.get(next).map_or(self.bytes.len(), |(_, position)| *position) as u64;
        (*position as u64).saturating_add(offset - start).min(end)
    }
}
