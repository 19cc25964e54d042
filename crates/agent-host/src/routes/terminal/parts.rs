//! Snapshots in frames of few bytes: the largest frame that a connection ever had is what each server on the way keeps for it.

/// The longest frame, in bytes, less what stands around the data. As JSON, where a control character has six.
const LIMIT: usize = 8 * 1024 - 128;

/// How many bytes of `text` fit into one frame, up to the end of a character.
pub(super) fn first(text: &str) -> usize {
    let mut room = LIMIT;
    for (index, char) in text.char_indices() {
        let len = match char {
            '"' | '\\' => 2,
            '\0'..='\x1f' => 6,
            char => char.len_utf8(),
        };
        match room.checked_sub(len) {
            Some(left) => room = left,
            None => return index,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_is_longer() {
        assert_eq!(first(""), 0);
        assert_eq!(first("short \x1b[m"), 9);
        for unit in ["\x1b", "\x1b[38;2;1;2;3mé", "\"", "日本", "x"] {
            let text = unit.repeat(5 * LIMIT / unit.len() / 2);
            let (mut rest, mut parts) = (text.as_str(), 0);
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(first(rest));
                let json = serde_json::to_string(part).unwrap();
                assert!(json.len() <= LIMIT + 2, "{unit:?}: {}", json.len());
                assert!(behind.is_empty() || json.len() > LIMIT - 6, "{unit:?}: {}", json.len());
                (rest, parts) = (behind, parts + 1);
            }
            assert!(parts > 2, "{unit:?}: {parts}");
        }
    }
}
