//! JSON for a terminal.

use std::fmt::Write;

use parallax_api::text::signs;

/// The same JSON without what could drive a terminal, turn the direction of text or hide in it: JSON has an escape for each, which it
/// needs for the lowest control characters only.
pub fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for (sign, is_plain) in signs(json) {
        // Line breaks are between values; in them they are escaped.
        if is_plain || sign == '\n' {
            escaped.push(sign);
        } else {
            for unit in sign.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("writing to a string");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn it_is_the_same_and_harmless() {
        for (text, shown) in [
            ("ü 日 👩\u{200d}💻", "ü 日 👩\u{200d}💻"),
            ("a\u{9b}31m \u{80} \u{7f}", "a\\u009b31m \\u0080 \\u007f"),
            ("\u{1b}[31m\n", "\\u001b[31m\\n"),
            ("\u{202e}x\u{200b}\u{e0041}", "\\u202ex\\u200b\\udb40\\udc41"),
        ] {
            let json = serde_json::to_string_pretty(&[text]).expect("json");
            assert_eq!(escaped(&json), format!("[\n  \"{shown}\"\n]"), "{}", text.escape_unicode());
            assert_eq!(serde_json::from_str::<Value>(&escaped(&json)).expect("json")[0], text);
        }
    }
}
