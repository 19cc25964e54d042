//! Server-sent events, as far as the event streams use them.

use memchr::memchr2;

/// One message of a stream: its `id` (when the stream has set one) and its `data`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SseMessage {
    pub id: Option<String>,
    pub data: String,
}

/// The most a single message may hold; a longer one is cut off there, which no reader takes for JSON.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Takes bytes in any cutting and gives whole messages.
#[derive(Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    after_return: bool,
    id: Option<String>,
    data: Option<String>,
}

impl SseParser {
    /// The last id the stream has set: what to resume from.
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The messages that these bytes complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<SseMessage> {
        let mut messages = Vec::new();
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let is_second_of_pair = std::mem::take(&mut self.after_return) && first == b'\n';
            if is_second_of_pair {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                self.begin_line(rest);
                break;
            };
            self.after_return = rest[end] == b'\r';
            // Most lines come whole.
            let message = if self.line.is_empty() && end < MAX_MESSAGE {
                self.end_of_line(&String::from_utf8_lossy(&rest[..end]))
            } else {
                self.begin_line(&rest[..end]);
                let line = std::mem::take(&mut self.line);
                self.end_of_line(&String::from_utf8_lossy(&line))
            };
            messages.extend(message);
            rest = &rest[end + 1..];
        }
        messages
    }

    /// Keeps what there is of a line.
    fn begin_line(&mut self, bytes: &[u8]) {
        let room = MAX_MESSAGE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_of_line(&mut self, line: &str) -> Option<SseMessage> {
        if line.is_empty() {
            let data = self.data.take()?;
            return Some(SseMessage { id: self.id.clone(), data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) if data.len() + value.len() < MAX_MESSAGE => {
                    data.push('\n');
                    data.push_str(value);
                }
                Some(_) => {}
                none => *none = Some(value.to_owned()),
            },
            // Comments keep the connection alive; `event` and `retry` say nothing that the data does not.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\nid: 7\n\nid:8\r\nevent: message\r\ndata: {\"a\":\"ü\"}\r\n\r\ndata: one\ndata: two\n\n";

    #[test]
    fn any_cutting_gives_the_same() {
        let bytes = STREAM.as_bytes();
        for cut in 0..=bytes.len() {
            let mut parser = SseParser::default();
            let mut messages = parser.feed(&bytes[..cut]);
            messages.extend(parser.feed(&bytes[cut..]));
            let expected = ["{\"a\":\"ü\"}", "one\ntwo"]
                .map(|data| SseMessage { id: Some("8".into()), data: data.into() });
            assert_eq!(messages, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_id_alone_is_what_to_resume_from() {
        let mut parser = SseParser::default();
        assert!(parser.feed(b"id: 42\n\n").is_empty());
        assert_eq!(parser.last_id(), Some("42"));
    }
}
