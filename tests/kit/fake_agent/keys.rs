//! Bytes from the terminal into keys, in any chunking.

/// One thing that was typed, or that the terminal answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    /// Text between paste marks, whole.
    Paste(String),
    Esc,
    Backspace,
    /// Ctrl and this letter.
    Ctrl(char),
    /// What the terminal answered to a query, by kind.
    Reply(Reply),
}

/// The answers that the fake agent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// OSC 7501: state reports are understood.
    Status,
    /// Primary device attributes.
    Device,
    /// The cursor's position.
    Cursor,
    /// A colour.
    Colour,
}

const PASTE_BEGIN: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// An incremental parser.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pending: Vec<u8>,
}

impl Keys {
    /// The keys that `bytes` completes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((length, key)) = first(&self.pending) {
            self.pending.drain(..length);
            keys.extend(key);
        }
        keys
    }

    /// Whether an escape waits for what may follow.
    pub(super) fn is_waiting(&self) -> bool {
        self.pending.first() == Some(&0x1b) && !self.pending.starts_with(PASTE_BEGIN)
    }

    /// Nothing followed: a lone escape is the Esc key, the start of a sequence is nothing.
    pub(super) fn give_up(&mut self) -> Vec<Key> {
        let rest = std::mem::take(&mut self.pending);
        if rest == b"\x1b" { vec![Key::Esc] } else { Vec::new() }
    }
}

/// The first key and its length; no key for what means nothing here; `None` when more is needed.
fn first(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let key = match *bytes.first()? {
        0x1b => return escape(bytes),
        b'\r' => Key::Enter,
        b'\n' => Key::Char('\n'),
        b'\t' => Key::Char('\t'),
        0x7f | 0x08 => Key::Backspace,
        control @ 1..=26 => Key::Ctrl(char::from(control + b'a' - 1)),
        0..0x20 => return Some((1, None)),
        _ => return character(bytes),
    };
    Some((1, Some(key)))
}

fn character(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let chunk = bytes.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(character) => Some((character.len_utf8(), Some(Key::Char(character)))),
        // Fewer than four bytes may be the beginning of a character.
        None if bytes.len() < 4 && std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none()) => None,
        None => Some((chunk.invalid().len().max(1), None)),
    }
}

fn escape(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    if bytes.starts_with(PASTE_BEGIN) {
        let text = &bytes[PASTE_BEGIN.len()..];
        let length = text.windows(PASTE_END.len()).position(|window| window == PASTE_END)?;
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        return Some((PASTE_BEGIN.len() + length + PASTE_END.len(), Some(Key::Paste(text))));
    }
    match bytes.get(1)? {
        b'[' => {
            let end = 2 + bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte))?;
            let reply = match bytes[end] {
                b'c' => Some(Reply::Device),
                b'R' => Some(Reply::Cursor),
                _ => None,
            };
            Some((end + 1, reply.map(Key::Reply)))
        }
        b']' => {
            let bell = bytes.iter().position(|byte| *byte == 7).map(|at| (at, 1));
            let string = bytes.windows(2).position(|pair| pair == b"\x1b\\").map(|at| (at, 2));
            let (end, length) = [bell, string].into_iter().flatten().min()?;
            let reply = match bytes.get(2..end)? {
                body if body.starts_with(b"7501;") => Some(Reply::Status),
                body if body.starts_with(b"10;") || body.starts_with(b"11;") => Some(Reply::Colour),
                _ => None,
            };
            Some((end + length, reply.map(Key::Reply)))
        }
        // A second escape starts anew; any other character is the same key with Alt, which means nothing here.
        0x1b => Some((1, Some(Key::Esc))),
        _ => Some((2, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_whole_in_any_chunking() {
        let bytes = "a\x1b[200~two\nlines 🦀\x1b[201~\r\x1b]7501;?\x1b\\\x1b[?62;c\x1b[A\x03".as_bytes();
        let expected = [
            Key::Char('a'),
            Key::Paste("two\nlines 🦀".into()),
            Key::Enter,
            Key::Reply(Reply::Status),
            Key::Reply(Reply::Device),
            Key::Ctrl('c'),
        ];
        for size in 1..=bytes.len() {
            let mut keys = Keys::default();
            let seen: Vec<Key> = bytes.chunks(size).flat_map(|chunk| keys.feed(chunk)).collect();
            assert_eq!(seen, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn a_lone_escape_is_the_key() {
        let mut keys = Keys::default();
        assert!(keys.feed(b"\x1b").is_empty());
        assert!(keys.is_waiting());
        assert_eq!(keys.give_up(), [Key::Esc]);
    }
}
