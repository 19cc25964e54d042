//! Cutting bytes between characters.

/// How many of `bytes` are whole: the rest is the beginning of a character that more bytes may complete.
pub fn whole(bytes: &[u8]) -> usize {
    // A character has at most four bytes, so only the last three can be an unfinished one; what is wrong before
    // them no further byte will mend.
    let begin = bytes.len().saturating_sub(3);
    let unfinished = |at: &usize| {
        std::str::from_utf8(&bytes[*at..])
            .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (begin..bytes.len()).find(unfinished).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn waits_for_the_rest_of_a_character_only() {
        assert_eq!(whole("aé".as_bytes()), 3);
        assert_eq!(whole(&"aé".as_bytes()[..2]), 1);
        assert_eq!(whole(&"a😀".as_bytes()[..4]), 1);
        assert_eq!(whole(b"a\xff\xfeb"), 4);
        assert_eq!(whole(b"a\xff"), 2);
        assert_eq!(whole(b""), 0);
    }
}
