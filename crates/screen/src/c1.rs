//! The C1 controls, which xterm.js takes also as the code points U+0080 to U+009F.
//!
//! They are rewritten into what they stand for, `ESC` and a letter, so that nothing behind needs to know them and no query
//! that is written with them goes by. Both forms are two bytes long: offsets stay.

use std::borrow::Cow;

/// The first byte of a C1 control in UTF-8.
const LEAD: u8 = 0xc2;
const ESC: u8 = 0x1b;
/// Does nothing but end what it stands in.
const CANCEL: u8 = 0x18;

/// Rewrites a stream, in any chunking.
#[derive(Debug, Default)]
pub(crate) struct C1 {
    /// The last chunk ended with [`LEAD`], which was kept back.
    held: bool,
}

impl C1 {
    pub(crate) fn rewrite<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if bytes.is_empty() || !self.held && memchr::memchr(LEAD, bytes).is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut rewritten = Vec::with_capacity(bytes.len() + 1);
        if std::mem::take(&mut self.held) {
            rewritten.push(LEAD);
        }
        rewritten.extend_from_slice(bytes);
        if rewritten.last() == Some(&LEAD) {
            rewritten.pop();
            self.held = true;
        }
        for at in 1..rewritten.len() {
            if rewritten[at - 1] == LEAD && (0x80..0xa0).contains(&rewritten[at]) {
                let (first, second) = replacement(rewritten[at]);
                (rewritten[at - 1], rewritten[at]) = (first, second);
            }
        }
        Cow::Owned(rewritten)
    }

    /// What was kept back, because nothing more will come.
    pub(crate) fn flush(&mut self) -> &'static [u8] {
        if std::mem::take(&mut self.held) { &[LEAD] } else { &[] }
    }
}

/// Only those that xterm.js knows do something; all of them end a sequence.
fn replacement(control: u8) -> (u8, u8) {
    match control {
        0x84 | 0x85 | 0x88 | 0x90 | 0x98 | 0x9b..=0x9f => (ESC, control - 0x40),
        _ => (CANCEL, CANCEL),
    }
}
