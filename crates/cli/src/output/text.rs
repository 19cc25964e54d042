//! Text for people: nothing in it that controls, turns or hides; times as "how long ago", sizes with units.

use std::time::Duration;

use parallax_api::Time;
use parallax_api::text::signs;

/// Text of an agent or a server, safe for the user's terminal, and all of it: nobody may approve what was not shown. What controls a
/// terminal, turns the direction of text or cannot be seen becomes a sign that can, `^[` or `�`. Line breaks and tabs stay.
pub fn clean(text: &str) -> String {
    // A line may end as on Windows; any other return would let what follows overwrite the line.
    let text = text.replace("\r\n", "\n");
    let mut cleaned = String::with_capacity(text.len());
    for (sign, is_plain) in signs(&text) {
        match sign {
            // A braille pattern without dots takes its place as a space does.
            '\n' | '\t' | '\u{2800}' => cleaned.push(sign),
            '\0'..='\u{1f}' | '\u{7f}' => cleaned.extend(['^', char::from(sign as u8 ^ 0x40)]),
            _ if is_plain => cleaned.push(sign),
            _ => cleaned.push(char::REPLACEMENT_CHARACTER),
        }
    }
    cleaned
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a program printed, for reading only: whole escape sequences (colours, titles, links) are taken out, the rest is [`clean`]. One
/// that does not end on its line hides nothing.
pub fn without_sequences(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\u{1b}') {
        kept.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        rest = match sequence(after) {
            Some(length) => &after[length..],
            None => {
                kept.push('\u{1b}');
                after
            }
        };
    }
    kept.push_str(rest);
    clean(&kept)
}

/// How long the escape sequence is that begins here, behind its ESC; none when it is not one, or is not whole.
fn sequence(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let skip = |from: usize, of: std::ops::RangeInclusive<u8>| {
        from + bytes[from..].iter().take_while(|byte| of.contains(byte)).count()
    };
    match bytes.first()? {
        b'[' => {
            let last = skip(skip(1, 0x30..=0x3f), 0x20..=0x2f);
            matches!(bytes.get(last), Some(0x40..=0x7e)).then_some(last + 1)
        }
        // A string (title, link, …) ends with BEL or ESC \.
        b']' | b'P' | b'_' | b'^' | b'X' => {
            let end = bytes.iter().position(|byte| matches!(byte, 0x07 | 0x1b | b'\r' | b'\n'))?;
            match &bytes[end..] {
                [0x07, ..] => Some(end + 1),
                [0x1b, b'\\', ..] => Some(end + 2),
                _ => None,
            }
        }
        // The choice of a character set and the like, which `tput sgr0` prints.
        0x20..=0x2f => {
            let last = skip(0, 0x20..=0x2f);
            matches!(bytes.get(last), Some(0x30..=0x7e)).then_some(last + 1)
        }
        _ => None,
    }
}

/// How long ago: `now`, `12s`, `3m`, `2h`, `5d`. The clock of another machine may be ahead: that is now.
pub fn ago(time: Time, now: Time) -> String {
    let seconds = now.as_millis().saturating_sub(time.as_millis()) / 1000;
    match seconds {
        ..1 => "now".into(),
        _ => span(Duration::from_secs(seconds.unsigned_abs())),
    }
}

/// A duration in its largest unit.
pub fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden_and_nothing_drives_the_terminal() {
        for (given, shown) in [
            ("plain ü 日本\n\ttext", "plain ü 日本\n\ttext"),
            ("ls /tmp/\u{1b}] ; rm -rf ~/x", "ls /tmp/^[] ; rm -rf ~/x"),
            ("a\u{1b}P b\nc\u{1b}_d\u{1b}^e\u{1b}Xf", "a^[P b\nc^[_d^[^e^[Xf"),
            ("a\u{1b}[31;1mred\u{1b}[0m b", "a^[[31;1mred^[[0m b"),
            ("x\u{1b}]0;title\u{7}y\u{1b}]8;;http://e\u{1b}\\z", "x^[]0;title^Gy^[]8;;http://e^[\\z"),
            ("nul\0 bell\u{7} back\u{8} del\u{7f} c1\u{9b}31m \u{85}", "nul^@ bell^G back^H del^? c1�31m �"),
            ("rm -rf x\rls", "rm -rf x^Mls"),
            ("line\r\nline\r\r\nend\r", "line\nline^M\nend^M"),
            // Direction, and what cannot be seen.
            ("a\u{202e}b\u{2066}c\u{2069}d\u{200e}e\u{200f}f\u{61c}g", "a�b�c�d�e�f�g"),
            ("a\u{200b}b\u{200c}c\u{200d}d\u{2060}e\u{feff}f\u{ad}g\u{e0041}h", "a�b�c�d�e�f�g�h"),
            ("a\u{2028}b\u{3164}c\u{fe0f}d\u{e0101}", "a�b�c�d�"),
            // What joins and shapes signs that can be seen is part of them.
            (
                "👩\u{200d}💻 ❤\u{fe0f} می\u{200c}خواهم ⠁\u{2800}",
                "👩\u{200d}💻 ❤\u{fe0f} می\u{200c}خواهم ⠁\u{2800}",
            ),
        ] {
            assert_eq!(clean(given), shown, "{}", given.escape_unicode());
            assert_eq!(clean(shown), shown, "once is enough");
        }
        assert_eq!(one_line("a\u{1b}]b\n  c\td\r\n"), "a^[]b c d");
    }

    #[test]
    fn whole_sequences_are_left_out_of_what_is_only_read() {
        for (given, shown) in [
            ("a\u{1b}[31;1mred\u{1b}[0m b\u{1b}[?25l\u{1b}[2 qc\u{1b}(B", "ared bc"),
            ("x\u{1b}]0;title ü\u{7}y\u{1b}]8;;http://e\u{1b}\\z", "xyz"),
            // One without an end takes nothing with it.
            ("ls \u{1b}] ; rm\nnext\u{7}", "ls ^[] ; rm\nnext^G"),
            ("a\u{1b}]b\u{1b}[31mc\u{7}", "a^[]bc^G"),
            ("a\u{1b}[12;\u{1b}[12;日", "a^[[12;^[[12;日"),
            ("cut short \u{1b}", "cut short ^["),
            ("cut short \u{1b}[12;", "cut short ^[[12;"),
            ("\u{1b}日 \u{1b}c c1\u{9b}31m\u{200b}", "^[日 ^[c c1�31m�"),
        ] {
            assert_eq!(without_sequences(given), shown, "{}", given.escape_unicode());
        }
    }

    #[test]
    fn times_and_sizes() {
        let at = |seconds: i64| Time::from_millis(1_000_000_000_000 + seconds * 1000);
        for (seconds, shown) in
            [(-5, "now"), (0, "now"), (59, "59s"), (61, "1m"), (7200, "2h"), (200_000, "2d")]
        {
            assert_eq!(ago(at(0), at(seconds)), shown);
        }
    }
}
