//! The keys that scroll, for who only watches.

/// Where to scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scroll {
    Up,
    Down,
    PageUp,
    PageDown,
    Left,
    Right,
    /// To the oldest row there is.
    First,
    /// To the cursor, and along with it.
    Follow,
}

/// What typed bytes mean: keys, as terminals send them when nothing else was asked of them. Others mean nothing.
pub(super) fn scrolls(typed: &[u8]) -> Vec<Scroll> {
    let mut scrolls = Vec::new();
    let mut rest = typed;
    while let Some(&first) = rest.first() {
        let (scroll, length) = match rest {
            [0x1b, b'[' | b'O', tail @ ..] => {
                let end = tail.iter().position(|byte| (0x40..=0x7e).contains(byte)).unwrap_or(tail.len());
                (sequence(&tail[..(end + 1).min(tail.len())]), end + 3)
            }
            _ => (key(first), 1),
        };
        scrolls.extend(scroll);
        rest = rest.get(length..).unwrap_or_default();
    }
    scrolls
}

/// What follows `ESC [`.
fn sequence(sequence: &[u8]) -> Option<Scroll> {
    Some(match sequence {
        b"A" => Scroll::Up,
        b"B" => Scroll::Down,
        b"C" => Scroll::Right,
        b"D" => Scroll::Left,
        b"H" | b"1~" | b"7~" => Scroll::First,
        b"F" | b"4~" | b"8~" => Scroll::Follow,
        b"5~" => Scroll::PageUp,
        b"6~" => Scroll::PageDown,
        _ => return None,
    })
}

/// As in `less` and `vi`.
fn key(byte: u8) -> Option<Scroll> {
    Some(match byte {
        b'k' => Scroll::Up,
        b'j' => Scroll::Down,
        b'h' => Scroll::Left,
        b'l' => Scroll::Right,
        b'b' => Scroll::PageUp,
        b' ' => Scroll::PageDown,
        b'g' => Scroll::First,
        b'G' => Scroll::Follow,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        use Scroll::{Down, First, Follow, Left, PageDown, PageUp, Right, Up};
        assert_eq!(
            scrolls(b"\x1b[A\x1bOB\x1b[C\x1b[D\x1b[5~\x1b[6~"),
            [Up, Down, Right, Left, PageUp, PageDown]
        );
        assert_eq!(scrolls(b"\x1b[H\x1b[F\x1b[1~\x1b[4~"), [First, Follow, First, Follow]);
        assert_eq!(scrolls(b"kjhlb gG"), [Up, Down, Left, Right, PageUp, PageDown, First, Follow]);
        assert_eq!(scrolls("\x1b[1;5A\x1b[\x1b x\u{fc}\x1b[200~".as_bytes()), []);
    }
}
