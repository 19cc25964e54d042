//! How deep the tables and lists of a TOML text stand in each other. The parser goes down once for each, on the stack, also
//! where the text is wrong: a file of nothing but `{` would end the process.

/// No profile nests deeper.
pub(super) const MAX_DEPTH: usize = 32;

/// The deepest nesting of `{` and `[` outside of strings and comments. A bracket of the other kind closes nothing: the parser stays
/// where it is.
pub(super) fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut open, mut deepest) = (0, Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'#' => line_length(&bytes[at..]),
            b'"' | b'\'' => string_length(&bytes[at..]),
            b'{' | b'[' => {
                open.push(*byte);
                deepest = deepest.max(open.len());
                1
            }
            b'}' | b']' => {
                open.pop_if(|opened| *opened == if *byte == b'}' { b'{' } else { b'[' });
                1
            }
            _ => 1,
        };
    }
    deepest
}

fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())
}

/// The bytes of the string that begins here. One that has no end ends with its line, or with the text.
fn string_length(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let is_long = bytes.starts_with(&[quote; 3]);
    let mut at = if is_long { 3 } else { 1 };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !is_long => return at,
            byte if *byte == quote && !is_long => return at + 1,
            _ if is_long && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn strings_and_comments_nest_nothing() {
        for (text, expected) in [
            ("", 0),
            ("[[dialogs]]\nkeys = [{ id = \"x\" }]\n", 2),
            ("a = '{{{{'\nb = \"[[\\\"[[\"\n", 0),
            ("a = '''\n{{'\n'''\nb = [1]", 1),
            ("# {{{{\na = 1", 0),
            ("a = '{{\nb = {c = {d = 1}}", 2),
            ("a = \"\"\"{{\\\"\"\"\"{", 1),
            ("a = {b]\nc = {d]", 2),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn a_profile_of_nothing_but_brackets_is_refused() {
        for bracket in ["{", "[", "a={", "a=[", "{a=", "'{", "a={b]\n"] {
            let text = format!("x = {}", bracket.repeat(200_000));
            assert!(Profile::parse(&text).is_err(), "{bracket}");
        }
    }
}
