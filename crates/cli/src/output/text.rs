//! Text for people: without control characters, times as "how long ago", sizes with units.

use std::time::Duration;

use parallax_api::Time;

/// Text of an agent or a server, safe for the user's terminal: escape sequences and control characters other than
/// line breaks and tabs are taken out.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\t' => cleaned.push(character),
            '\u{1b}' => match characters.next() {
                // A control sequence ends with its final byte.
                Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // A string (title, link, …) ends with BEL or ESC \.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = characters.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            c if c.is_control() => {}
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// The same on one line.
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
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
    fn an_agent_cannot_drive_the_users_terminal() {
        for (given, shown) in [
            ("plain ü 日本\n\ttext", "plain ü 日本\n\ttext"),
            ("a\u{1b}[31;1mred\u{1b}[0m b", "ared b"),
            ("x\u{1b}]0;title\u{7}y\u{1b}]8;;http://e\u{1b}\\z", "xyz"),
            ("bell\u{7} del\u{7f} c1\u{9b}31m", "bell del c131m"),
            ("cut short \u{1b}", "cut short "),
            ("cut short \u{1b}[12;", "cut short "),
            ("line\r\nline", "line\nline"),
        ] {
            assert_eq!(clean(given), shown, "{given:?}");
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
