//! The output log as a recording: [asciicast v2](https://docs.asciinema.org/manual/asciicast/v2/) or
//! [v3](https://docs.asciinema.org/manual/asciicast/v3/).

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::json;

use crate::characters;
use crate::log::IndexEntry;

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Times count from the beginning.
    V2,
    /// Times count from the event before.
    V3,
}

/// What is recorded.
pub struct Recording {
    /// In which form.
    pub version: Version,
    /// What it is called.
    pub title: String,
    /// Times and sizes.
    pub index: Vec<IndexEntry>,
    /// The offset of the first byte.
    pub from: u64,
    /// Paints the terminal as it stood there; empty at the beginning of the log. It may end in the middle of a character or
    /// sequence that goes on.
    pub opening: Vec<u8>,
}

impl Recording {
    /// The header, then an `o` event for each piece (split where times change), an `r` event for each new size, and an `m`
    /// event (a marker) for each gap.
    pub fn encode(
        self,
        pieces: impl Stream<Item = std::io::Result<(u64, Bytes)>> + Send + 'static,
    ) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
        let Self { version, title, index, from, opening } = self;
        let first = index.partition_point(|entry| entry.offset <= from).saturating_sub(1);
        let begin = index.get(first).copied();
        let size = begin.map_or_else(Default::default, |entry| entry.size);
        let timestamp = begin.map_or(0, |entry| entry.at.as_millis() / 1000);
        let header = match version {
            Version::V2 => {
                json!({"version": 2, "width": size.cols, "height": size.rows, "timestamp": timestamp, "title": title})
            }
            Version::V3 => {
                let term = json!({"cols": size.cols, "rows": size.rows});
                json!({"version": 3, "term": term, "timestamp": timestamp, "title": title})
            }
        };
        let mut encoder =
            Encoder { version, index, next: first, begin, at: 0, told: 0, expected: None, carry: Vec::new() };
        let mut head = format!("{header}\n");
        encoder.output(&opening, &mut head);
        let head = futures::stream::once(async move { Ok(Bytes::from(head)) });
        head.chain(pieces.map(move |piece| piece.map(|(offset, bytes)| encoder.events(offset, &bytes))))
    }
}

struct Encoder {
    version: Version,
    index: Vec<IndexEntry>,
    /// The index entry that is reached next.
    next: usize,
    begin: Option<IndexEntry>,
    /// Milliseconds since the beginning.
    at: i64,
    /// When the last event was.
    told: i64,
    /// The offset that follows what was encoded.
    expected: Option<u64>,
    /// The beginning of a character that ends in the next event: JSON strings hold complete ones.
    carry: Vec<u8>,
}

impl Encoder {
    fn events(&mut self, mut offset: u64, mut bytes: &[u8]) -> Bytes {
        let mut lines = String::new();
        if let Some(expected) = self.expected.filter(|expected| *expected < offset) {
            self.event("m", &format!("log_gap: bytes {expected} to {offset} were lost"), &mut lines);
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
        // A clock that was set back does not turn a recording back.
        self.at = (entry.at.as_millis() - begin.at.as_millis()).max(self.at);
        let before = self
            .next
            .checked_sub(1)
            .and_then(|index| self.index.get(index))
            .map_or(begin.size, |entry| entry.size);
        if entry.size != before {
            self.event("r", &format!("{}x{}", entry.size.cols, entry.size.rows), lines);
        }
        self.next += 1;
    }

    fn output(&mut self, bytes: &[u8], lines: &mut String) {
        self.carry.extend_from_slice(bytes);
        let complete = characters::complete_len(&self.carry);
        let rest = self.carry.split_off(complete);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.carry, rest)).into_owned();
        if !text.is_empty() {
            self.event("o", &text, lines);
        }
    }

    fn event(&mut self, code: &str, data: &str, lines: &mut String) {
        let millis = match self.version {
            Version::V2 => self.at,
            Version::V3 => self.at - self.told,
        };
        self.told = self.at;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries fit into 53 bits")]
        let event = (millis as f64 / 1000.0, code, data);
        // Not by way of a value: what is shown by one is written in small pieces, and a recording may have 64 MiB.
        *lines += &serde_json::to_string(&event).expect("a number and text are JSON");
        lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use parallax_api::{TerminalSize, Time};
    use serde_json::Value;

    use super::*;

    fn encoded(version: Version, from: u64, opening: &str, log: &[u8]) -> Vec<Value> {
        let entry = |offset, millis, cols| {
            let size = TerminalSize { cols, rows: 40 };
            IndexEntry { offset, at: Time::from_millis(millis), size }
        };
        let index = vec![entry(0, 1_000_000, 120), entry(2, 1_001_500, 120), entry(4, 1_003_250, 80)];
        let from_index = usize::try_from(from).unwrap();
        let pieces = futures::stream::iter([Ok((from, Bytes::copy_from_slice(&log[from_index..])))]);
        let opening = opening.into();
        let recording = Recording { version, title: "one".into(), index, from, opening };
        let parts = futures::executor::block_on_stream(Box::pin(recording.encode(pieces)));
        let text: Vec<u8> = parts.flat_map(|part| part.unwrap()).collect();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn times_count_from_the_beginning_or_from_the_event_before() {
        let v2 = [
            json!({"version": 2, "width": 120, "height": 40, "timestamp": 1000, "title": "one"}),
            json!([0.0, "o", "ab"]),
            json!([1.5, "o", "cd"]),
            json!([3.25, "r", "80x40"]),
            json!([3.25, "o", "é"]),
        ];
        let v3 = [
            json!({"version": 3, "term": {"cols": 120, "rows": 40}, "timestamp": 1000, "title": "one"}),
            json!([0.0, "o", "ab"]),
            json!([1.5, "o", "cd"]),
            json!([1.75, "r", "80x40"]),
            json!([0.0, "o", "é"]),
        ];
        assert_eq!(encoded(Version::V2, 0, "", "abcdé".as_bytes()), v2);
        assert_eq!(encoded(Version::V3, 0, "", "abcdé".as_bytes()), v3);
    }

    #[test]
    fn what_begins_later_begins_with_the_screen() {
        let v3 = [
            json!({"version": 3, "term": {"cols": 120, "rows": 40}, "timestamp": 1001, "title": "one"}),
            json!([0.0, "o", "SCREEN"]),
            json!([0.0, "o", "d"]),
            json!([1.75, "r", "80x40"]),
            json!([0.0, "o", "e"]),
        ];
        assert_eq!(encoded(Version::V3, 3, "SCREEN", b"abcde"), v3);
    }
}
