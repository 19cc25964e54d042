//! The output log as an asciicast v2 recording (<https://docs.asciinema.org/manual/asciicast/v2/>).

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::json;

use crate::characters;
use crate::log::IndexEntry;

/// The header, then an `o` event for each piece (split where times change), an `r` event for each new size, and an `m`
/// event (a marker) for each gap.
pub fn encode(
    title: String,
    index: Vec<IndexEntry>,
    from: u64,
    pieces: impl Stream<Item = std::io::Result<(u64, Bytes)>> + Send + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let first = index.partition_point(|entry| entry.offset <= from).saturating_sub(1);
    let begin = index.get(first).copied();
    let size = begin.map_or_else(Default::default, |entry| entry.size);
    let timestamp = begin.map_or(0, |entry| entry.at.as_millis() / 1000);
    let header = json!({"version": 2, "width": size.cols, "height": size.rows, "timestamp": timestamp, "title": title});
    let mut encoder = Encoder { index, next: first, begin, at: 0.0, expected: None, carry: Vec::new() };
    let head = futures::stream::once(async move { Ok(Bytes::from(format!("{header}\n"))) });
    head.chain(pieces.map(move |piece| piece.map(|(offset, bytes)| encoder.events(offset, &bytes))))
}

struct Encoder {
    index: Vec<IndexEntry>,
    /// The index entry that is reached next.
    next: usize,
    begin: Option<IndexEntry>,
    at: f64,
    /// The offset that follows what was encoded.
    expected: Option<u64>,
    /// The beginning of a character that ends in the next event: JSON strings hold complete ones.
    carry: Vec<u8>,
}

impl Encoder {
    fn events(&mut self, mut offset: u64, mut bytes: &[u8]) -> Bytes {
        let mut lines = String::new();
        if let Some(expected) = self.expected.filter(|expected| *expected < offset) {
            let marker = format!("log_gap: bytes {expected} to {offset} were lost");
            lines += &format!("{}\n", json!([self.at, "m", marker]));
        }
        self.expected = Some(offset + bytes.len() as u64);
        while !bytes.is_empty() {
            while let Some(entry) = self.index.get(self.next).filter(|entry| entry.offset <= offset) {
                self.reach(*entry, &mut lines);
            }
            let until = self.index.get(self.next).map_or(u64::MAX, |entry| entry.offset - offset);
            let cut = usize::try_from(until).unwrap_or(usize::MAX).min(bytes.len());
            self.output(&bytes[..cut], &mut lines);
            (offset, bytes) = (offset + cut as u64, &bytes[cut..]);
        }
        lines.into()
    }

    fn reach(&mut self, entry: IndexEntry, lines: &mut String) {
        let begin = *self.begin.get_or_insert(entry);
        self.at = (entry.at.as_millis() - begin.at.as_millis()).max(0) as f64 / 1000.0;
        let before = self
            .next
            .checked_sub(1)
            .and_then(|index| self.index.get(index))
            .map_or(begin.size, |entry| entry.size);
        if entry.size != before {
            *lines +=
                &format!("{}\n", json!([self.at, "r", format!("{}x{}", entry.size.cols, entry.size.rows)]));
        }
        self.next += 1;
    }

    fn output(&mut self, bytes: &[u8], lines: &mut String) {
        self.carry.extend_from_slice(bytes);
        let complete = characters::complete_len(&self.carry);
        let rest = self.carry.split_off(complete);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.carry, rest)).into_owned();
        if !text.is_empty() {
            *lines += &format!("{}\n", json!([self.at, "o", text]));
        }
    }
}
