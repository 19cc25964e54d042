//! Finds the detach key in what is typed, however the terminal encodes it.

use std::fmt;
use std::str::FromStr;

/// The longest sequence that is held back to see how it ends; a longer one is no key of ours.
const LONGEST_SEQUENCE: usize = 32;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// The key that detaches: Ctrl and one of `@ a-z [ \ ] ^ _`, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKey(Option<u8>);

impl Default for DetachKey {
    fn default() -> Self {
        Self(Some(b']'))
    }
}

impl FromStr for DetachKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower == "none" {
            return Ok(Self(None));
        }
        let key = lower.strip_prefix("ctrl-").or(lower.strip_prefix("ctrl+")).or(lower.strip_prefix('^'));
        match key.map(str::as_bytes) {
            Some([key @ (b'a'..=b'z' | b'@' | b'\\' | b']' | b'^' | b'_')]) => Ok(Self(Some(*key))),
            // Ctrl-[ is Escape, which agents need.
            _ => Err(format!(
                "`{text}` is no key to detach with: ctrl-a to ctrl-z, ctrl-], ctrl-\\, ctrl-^, ctrl-_, or none"
            )),
        }
    }
}

impl fmt::Display for DetachKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "Ctrl-{}", char::from(key.to_ascii_uppercase())),
            None => f.write_str("no key"),
        }
    }
}

/// What is left of typed bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// To be sent to the agent.
    pub send: Vec<u8>,
    /// The key was pressed; what came after it is dropped.
    pub detach: bool,
}

/// Looks for the detach key. A program may have switched the terminal to a keyboard protocol in which the key is a
/// sequence; that one is found as well. Inside a paste it is text.
pub(super) struct KeyScanner {
    key: DetachKey,
    /// The beginning of a sequence that has not ended yet.
    pending: Vec<u8>,
    pasting: bool,
}

impl KeyScanner {
    pub fn new(key: DetachKey) -> Self {
        Self { key, pending: Vec::new(), pasting: false }
    }

    pub fn key(&self) -> &DetachKey {
        &self.key
    }

    /// Whether bytes are held back (Escape is a key, and begins others); [`KeyScanner::flush`] them when nothing
    /// follows.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Gives out what was held back.
    pub fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    pub fn feed(&mut self, typed: &[u8]) -> Scanned {
        let mut scanned = Scanned::default();
        for &byte in typed {
            self.pending.push(byte);
            match self.pending[..] {
                [byte] if byte != 0x1b => {
                    if self.is_key(byte) {
                        self.pending.clear();
                        return Scanned { detach: true, ..scanned };
                    }
                }
                [_] => continue,
                [_, b'['] => continue,
                // Not a control sequence: the byte may begin something of its own.
                [_, byte] => {
                    self.pending.pop();
                    scanned.send.append(&mut self.pending);
                    let rest = self.feed(&[byte]);
                    scanned.send.extend(rest.send);
                    if rest.detach {
                        return Scanned { detach: true, ..scanned };
                    }
                    continue;
                }
                [.., byte] if !(0x40..=0x7e).contains(&byte) && self.pending.len() < LONGEST_SEQUENCE => {
                    continue;
                }
                _ => match &self.pending[..] {
                    PASTE_BEGINS => self.pasting = true,
                    PASTE_ENDS => self.pasting = false,
                    sequence => match self.pressed(sequence) {
                        Some(Pressed::Down) => {
                            self.pending.clear();
                            return Scanned { detach: true, ..scanned };
                        }
                        // The agent did not see the press; it need not see the release.
                        Some(Pressed::Up) => self.pending.clear(),
                        None => {}
                    },
                },
            }
            scanned.send.append(&mut self.pending);
        }
        scanned
    }

    fn is_key(&self, byte: u8) -> bool {
        !self.pasting && self.key.0.is_some_and(|key| byte == key & 0x1f)
    }

    /// Whether a whole sequence is the key: `CSI key;modifiers u` (kitty) or `CSI 27;modifiers;key ~` (xterm).
    fn pressed(&self, sequence: &[u8]) -> Option<Pressed> {
        let key = u32::from(self.key.0.filter(|_| !self.pasting)?);
        let (end, body) = sequence.strip_prefix(b"\x1b[")?.split_last()?;
        let body = std::str::from_utf8(body).ok()?;
        let mut parameters = body.split(';').map(|parameter| parameter.split(':'));
        let mut first = || parameters.next()?.next()?.parse::<u32>().ok();
        let (code, modifiers, event) = match end {
            b'u' => {
                let code = first()?;
                let mut modifiers = parameters.next()?;
                (code, modifiers.next()?.parse::<u32>().ok()?, modifiers.next())
            }
            b'~' if first()? == 27 => {
                let modifiers = first()?;
                (first()?, modifiers, None)
            }
            _ => return None,
        };
        // One more than the bits: 1 shift, 2 alt, 4 ctrl, …; 64 and 128 are the locks, which do not count.
        let only_ctrl = modifiers.checked_sub(1)? & !(64 | 128) == 4;
        let matches = only_ctrl && code == key;
        matches.then_some(if event == Some("3") { Pressed::Up } else { Pressed::Down })
    }
}

enum Pressed {
    Down,
    Up,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(chunks: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut scanner = KeyScanner::new(DetachKey::default());
        let mut sent = Vec::new();
        for chunk in chunks {
            let scanned = scanner.feed(chunk);
            sent.extend(scanned.send);
            if scanned.detach {
                return (sent, true);
            }
        }
        sent.extend(scanner.flush());
        (sent, false)
    }

    #[test]
    fn the_key_in_every_encoding() {
        let encodings: [&[u8]; 6] = [
            b"\x1d",
            b"\x1b[93;5u",
            b"\x1b[93;5:1u",
            b"\x1b[93:125;133:1u",
            b"\x1b[27;5;93~",
            b"\x1b[93;69u",
        ];
        for encoding in encodings {
            let (before, after) = (b"abc".as_slice(), b"xyz".as_slice());
            assert_eq!(scan(&[&[before, encoding, after].concat()]), (before.to_vec(), true), "{encoding:?}");
            for cut in 1..encoding.len() {
                assert_eq!(
                    scan(&[&encoding[..cut], &encoding[cut..]]),
                    (vec![], true),
                    "{encoding:?} at {cut}"
                );
            }
        }
    }

    #[test]
    fn everything_else_goes_through() {
        let typed: [&[u8]; 10] = [
            b"plain \xc3\xbc\r",
            b"\x1b",
            b"\x1b\x1b[A",
            b"\x1b[A\x1bOP\x1b[1;5C",
            b"\x1b[93u",
            b"\x1b[93;2u\x1b[93;7u",
            b"\x1b[200~a \x1d b \x1b[93;5u\x1b[201~",
            b"\x1b[M !!\x1b[<0;10;20M",
            b"\x1b[",
            b"\x1b[1111111111111111111111111111111111111111111111111u",
        ];
        for bytes in typed {
            assert_eq!(scan(&[bytes]), (bytes.to_vec(), false), "{bytes:?}");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(scan(&single), (bytes.to_vec(), false), "{bytes:?} byte by byte");
        }
    }

    #[test]
    fn escape_then_the_key() {
        assert_eq!(scan(&[b"\x1b\x1d"]), (b"\x1b".to_vec(), true));
        assert_eq!(scan(&[b"\x1b[200~x\x1b[201~", b"\x1d"]), (b"\x1b[200~x\x1b[201~".to_vec(), true));
        assert_eq!(scan(&[b"\x1b[93;5:3ux"]), (b"x".to_vec(), false), "a release alone is swallowed");
    }

    #[test]
    fn names() {
        for (text, shown) in
            [("ctrl-]", "Ctrl-]"), ("Ctrl-Q", "Ctrl-Q"), ("^p", "Ctrl-P"), ("none", "no key")]
        {
            assert_eq!(text.parse::<DetachKey>().expect(text).to_string(), shown);
        }
        for text in ["", "x", "ctrl-", "ctrl-[", "ctrl-1", "alt-x"] {
            assert!(text.parse::<DetachKey>().is_err(), "{text}");
        }
        let mut none = KeyScanner::new("none".parse().expect("none"));
        assert_eq!(none.feed(b"\x1d\x1b[93;5u").send, b"\x1d\x1b[93;5u");
    }
}
