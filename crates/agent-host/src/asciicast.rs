//! Recordings: the output log as asciicast v2 (<https://docs.asciinema.org/manual/asciicast/v2/>).

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::json;

use crate::characters;
use crate::log::Mark;

/// The header, then an `o` event for each piece (cut where times change) and an `r` event for each new size.
pub fn record(
    title: String,
    marks: Vec<Mark>,
    from: u64,
    pieces: impl Stream<Item = std::io::Result<(u64, Bytes)>> + Send + 'static,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let first = marks.partition_point(|mark| mark.offset <= from).saturating_sub(1);
    let begin = marks.get(first).copied();
    let size = begin.map_or_else(Default::default, |mark| mark.size);
    let timestamp = begin.map_or(0, |mark| mark.at.as_millis() / 1000);
    let header = json!({"version": 2, "width": size.cols, "height": size.rows, "timestamp": timestamp, "title": title});
    let mut recorder = Recorder { marks, next: first, begin, at: 0.0, carry: Vec::new() };
    let head = futures::stream::once(async move { Ok(Bytes::from(format!("{header}\n"))) });
    head.chain(pieces.map(move |piece| piece.map(|(offset, bytes)| recorder.events(offset, &bytes))))
}

struct Recorder {
    marks: Vec<Mark>,
    /// The mark that is reached next.
    next: usize,
    begin: Option<Mark>,
    at: f64,
    /// The beginning of a character that ends in the next event: JSON holds whole ones.
    carry: Vec<u8>,
}

impl Recorder {
    fn events(&mut self, mut offset: u64, mut bytes: &[u8]) -> Bytes {
        let mut lines = String::new();
        while !bytes.is_empty() {
            while let Some(mark) = self.marks.get(self.next).filter(|mark| mark.offset <= offset) {
                self.reach(*mark, &mut lines);
            }
            let until = self.marks.get(self.next).map_or(u64::MAX, |mark| mark.offset - offset);
            let cut = usize::try_from(until).unwrap_or(usize::MAX).min(bytes.len());
            self.output(&bytes[..cut], &mut lines);
            (offset, bytes) = (offset + cut as u64, &bytes[cut..]);
        }
        lines.into()
    }

    fn reach(&mut self, mark: Mark, lines: &mut String) {
        let begin = *self.begin.get_or_insert(mark);
        self.at = (mark.at.as_millis() - begin.at.as_millis()).max(0) as f64 / 1000.0;
        let before = self
            .next
            .checked_sub(1)
            .and_then(|index| self.marks.get(index))
            .map_or(begin.size, |mark| mark.size);
        if mark.size != before {
            *lines +=
                &format!("{}\n", json!([self.at, "r", format!("{}x{}", mark.size.cols, mark.size.rows)]));
        }
        self.next += 1;
    }

    fn output(&mut self, bytes: &[u8], lines: &mut String) {
        self.carry.extend_from_slice(bytes);
        let whole = characters::whole(&self.carry);
        let rest = self.carry.split_off(whole);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.carry, rest)).into_owned();
        if !text.is_empty() {
            *lines += &format!("{}\n", json!([self.at, "o", text]));
        }
    }
}
