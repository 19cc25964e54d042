//! The plain part of a stream, which is most of it: text, and control sequences of numbers that ask nothing.
//!
//! It is cut in one go, and goes on as a whole: of a program that gives each cell a colour, every piece has a few bytes.

use memchr::memchr2;

use crate::query;
use crate::splitter::{BEL, ESC, SEQUENCE_LIMIT, unfinished_character};

/// Text that is shorter than this is looked through byte by byte.
const SHORT: usize = 8;

/// How many bytes at the start of `bytes`, where a piece begins, are whole plain pieces. `cut` hears where each ends, and whether it
/// is text.
pub(crate) fn cut(bytes: &[u8], mut cut: impl FnMut(usize, bool)) -> usize {
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        let rest = &bytes[at..];
        let is_text = first != ESC;
        let length =
            if is_text { text(rest) } else { control(rest).filter(|end| !query::may_be(&rest[..*end])) };
        let Some(length) = length else { break };
        at += length;
        cut(at, is_text);
    }
    at
}

/// The length of the text that `bytes` begin with, up to the next ESC. None: a bell is in it, or its last character is not complete.
fn text(bytes: &[u8]) -> Option<usize> {
    let ends = |byte: &u8| matches!(*byte, ESC | BEL);
    let near = bytes.iter().take(SHORT).position(ends);
    match near.or_else(|| memchr2(ESC, BEL, bytes)) {
        Some(end) => (bytes[end] == ESC).then_some(end),
        None => (unfinished_character(bytes).0 == 0).then_some(bytes.len()),
    }
}

/// The length of the sequence that `bytes` begin with, when it is the usual one: `ESC [`, numbers, a letter.
pub(crate) fn control(bytes: &[u8]) -> Option<usize> {
    let body = bytes.strip_prefix(b"\x1b[")?;
    let marker = usize::from(matches!(body.first(), Some(b'<'..=b'?')));
    let end = marker + numbers(&body[marker..]);
    let length = 2 + end + 1;
    (matches!(body.get(end), Some(0x40..=0x7e)) && length <= SEQUENCE_LIMIT).then_some(length)
}

/// How many bytes at the start are digits, colons and semicolons.
pub(crate) fn numbers(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;
    // What is 0 to 11 when it is one of them …
    const FIRST: u64 = b'0' as u64 * EACH;
    // … and has its top bit set when it is not, with this added. What a sum carries is in the bytes behind only.
    const BEYOND: u64 = (0x80 - 12) * EACH;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let value = u64::from_le_bytes(*eight) ^ FIRST;
        let others = (value.wrapping_add(BEYOND) | value) & TOP;
        if others != 0 {
            return index * 8 + others.trailing_zeros() as usize / 8;
        }
    }
    let is_other = |byte: &u8| !matches!(*byte, b'0'..=b';');
    bytes.len() - rest.len() + rest.iter().position(is_other).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_what_is_plain() {
        let plain = |bytes: &[u8]| {
            let mut pieces = Vec::new();
            let length = cut(bytes, |end, is_text| pieces.push((end, is_text)));
            (length, pieces)
        };
        assert_eq!(plain(b"a\x1b[31mbc\x1b[?25l"), (14, vec![(1, true), (6, false), (8, true), (14, false)]));
        let long = b"long enough to be searched\x1b[38;2;200;100;50mx";
        assert_eq!(plain(long), (45, vec![(26, true), (44, false), (45, true)]));
        for (bytes, length) in [
            // A query, a string, a bell, and what is not complete.
            (&b"ab\x1b[6n"[..], 2),
            (b"ab\x1b]0;title\x07", 2),
            (b"\x1b[mab\x07", 3),
            (b"\x1b[mlonger than what is short\x07\x1b[m", 3),
            (b"\x1b[1m\xe6\xbc", 4),
            (b"\x1b[1m\x1b[38;2;1", 4),
            (b"\x1b[1\x07m", 0),
            (b"\x1b", 0),
            (b"", 0),
        ] {
            assert_eq!(plain(bytes).0, length, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_are_told_from_everything_else() {
        for byte in 0..=u8::MAX {
            let is_one = byte.is_ascii_digit() || matches!(byte, b':' | b';');
            for at in 0..20 {
                // What comes behind it changes nothing.
                for behind in [b"0".as_slice(), b"\xff\xff", b"m"] {
                    let bytes = [&b"12;34:567890123456789"[..at], &[byte], behind].concat();
                    let expected = if !is_one { at } else { at + 1 + usize::from(behind == b"0") };
                    assert_eq!(numbers(&bytes), expected, "{bytes:?}");
                }
            }
        }
    }
}
