//! Cutting UTF-8 between characters.

/// How many of `bytes` are complete characters. The rest is the beginning of one that further bytes may complete.
pub fn complete_len(bytes: &[u8]) -> usize {
    // A character has at most four bytes, so only the last three can be an incomplete one; errors before them
    // are final.
    let begin = bytes.len().saturating_sub(3);
    let unfinished = |at: &usize| {
        std::str::from_utf8(&bytes[*at..])
            .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (begin..bytes.len()).find(unfinished).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::complete_len;

    #[test]
    fn waits_for_the_rest_of_a_character_only() {
        assert_eq!(complete_len("aé".as_bytes()), 3);
        assert_eq!(complete_len(&"aé".as_bytes()[..2]), 1);
        assert_eq!(complete_len(&"a😀".as_bytes()[..4]), 1);
        assert_eq!(complete_len(b"a\xff\xfeb"), 4);
        assert_eq!(complete_len(b"a\xff"), 2);
        assert_eq!(complete_len(b""), 0);
    }
}
