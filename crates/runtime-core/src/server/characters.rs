//! Cutting bytes between characters.

/// How many bytes there are up to a character that is not whole yet.
pub(super) fn complete_len(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for start in (tail..bytes.len()).rev() {
        let length = match bytes[start] {
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            // In the middle of a character: it begins further left.
            _ => continue,
        };
        return if start + length > bytes.len() { start } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::complete_len;

    #[test]
    fn cuts_between_characters() {
        for text in ["a", "é", "→", "🦀", "a🦀", "é→🦀"] {
            let bytes = text.as_bytes();
            assert_eq!(complete_len(bytes), bytes.len(), "{text}");
            let last = text.char_indices().last().unwrap().0;
            for end in last + 1..bytes.len() {
                assert_eq!(complete_len(&bytes[..end]), last, "{text} cut at {end}");
            }
        }
        assert_eq!(complete_len(b""), 0);
        assert_eq!(complete_len(&[0x80; 9]), 9, "no text at all goes on as it is");
    }
}
