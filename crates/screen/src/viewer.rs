//! Input from viewers, without what their terminals say by themselves.

use crate::csi::Csi;
use crate::splitter::{Piece, Splitter};

/// An unfinished reply longer than this is none.
const HELD_LIMIT: usize = 4096;

/// Drops the replies of a viewer's own terminal from what the viewer types.
///
/// The queries have been answered by the host and taken out of what viewers get, so a reply that comes from a viewer
/// answers nothing, or a second time. Keys, pastes, mouse and focus reports pass.
///
/// No key sends a string (OSC, DCS, APC, PM, SOS), so all of them are replies. Among the `ESC [` sequences it is the
/// final byte that tells, with one exception: `CSI row ; col R` reports the cursor, but `CSI 1 ; 2 R` to `CSI 1 ; 16 R` are
/// also F3 with modifiers. **These pass as keys**: nothing asks viewers for the cursor, so hardly any report comes, while
/// the key may be pressed.
#[derive(Debug, Default)]
pub struct ViewerInput {
    splitter: Splitter,
    /// Between the marks of a paste everything passes.
    pasting: bool,
}

impl ViewerInput {
    /// Nothing typed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What of `typed` is for the program. Sequences may come in several pieces; what can be a key passes at once.
    pub fn filter(&mut self, typed: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(typed.len());
        let pasting = &mut self.pasting;
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Text(bytes) | Piece::Fragment(bytes) => kept.extend_from_slice(bytes),
            Piece::Sequence(bytes) => {
                match bytes {
                    b"\x1b[200~" => *pasting = true,
                    b"\x1b[201~" => *pasting = false,
                    _ => {}
                }
                if *pasting || !is_reply(bytes) {
                    kept.extend_from_slice(bytes);
                }
            }
        };
        self.splitter.split(typed, &mut take);
        if may_be_keys(self.splitter.held()) {
            self.splitter.flush(&mut take);
        }
        kept
    }
}

/// Whether a terminal says this by itself.
fn is_reply(sequence: &[u8]) -> bool {
    match sequence.get(1) {
        Some(b']' | b'P' | b'X' | b'^' | b'_') => true,
        Some(b'[') => Csi::parse(sequence).is_some_and(|csi| is_control_reply(&csi)),
        _ => false,
    }
}

fn is_control_reply(csi: &Csi<'_>) -> bool {
    match csi.kind() {
        // Device attributes, status, sizes, terminal parameters.
        (_, _, b'c' | b'n' | b't' | b'x') => true,
        (_, b'$', b'y') => true,
        (b'?', _, b'u' | b'S' | b'R') => true,
        (b'>' | b'?', _, b'm') => true,
        (0, 0, b'R') => {
            let mut params = csi.params();
            let (first, second) = (params.next(), params.next());
            let is_key =
                first.unwrap_or(1) <= 1 && second.is_none_or(|modifiers| (2..=16).contains(&modifiers));
            !is_key
        }
        _ => false,
    }
}

/// Whether the beginning of a sequence may be all that was typed: ESC alone, or Alt with a key such as `[`. Also what is
/// too long for a reply, or holds what a reply does not: line ends and other controls.
fn may_be_keys(held: &[u8]) -> bool {
    let controls = held.iter().skip(1).any(|byte| *byte < 0x20 && *byte != 0x1b);
    held.len() <= 2 || held[0] != 0x1b || held.len() > HELD_LIMIT || controls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(frames: &[&str]) -> String {
        let mut input = ViewerInput::new();
        let kept: Vec<u8> = frames.iter().flat_map(|frame| input.filter(frame.as_bytes())).collect();
        String::from_utf8(kept).unwrap()
    }

    const REPLIES: [&str; 26] = [
        "\x1b[?62;22c",
        "\x1b[>0;276;0c",
        "\x1bP!|00000000\x1b\\",
        "\x1b[0n",
        "\x1b[12;40R",
        "\x1b[1;1R",
        "\x1b[2;5R",
        "\x1b[1;17R",
        "\x1b[?12;40R",
        "\x1b[?2026;2$y",
        "\x1b[4;1$y",
        "\x1b]4;1;rgb:cccc/0000/0000\x1b\\",
        "\x1b]10;rgb:ffff/ffff/ffff\x07",
        "\x1b]11;rgb:0000/0000/0000\x1b\\",
        "\x1b]52;c;c2VjcmV0\x07",
        "\x1b]7501;?\x1b\\",
        "\x1bP>|xterm(370)\x1b\\",
        "\x1bP1+r544e=787465726d\x1b\\",
        "\x1bP1$r0m\x1b\\",
        "\x1b[?0u",
        "\x1b[4;600;800t",
        "\x1b[8;24;80t",
        "\x1b[?997;1n",
        "\x1b[>4;2m",
        "\x1b_Gi=31;OK\x1b\\",
        "\x1b[?1;0;256S",
    ];

    const KEYS: [&str; 20] = [
        "a",
        "é漢",
        "\r",
        "\x03",
        "\x1b",
        "\x1b\x1b",
        "\x1bx",
        "\x1b[",
        "\x1b]",
        "\x1bOA",
        "\x1b[A",
        "\x1b[1;5C",
        "\x1bOR",
        "\x1b[1;2R",
        "\x1b[3~",
        "\x1b[97;5u",
        "\x1b[I",
        "\x1b[<0;12;7M",
        "\x1b[<0;12;7m",
        "\x1b[M #!",
    ];

    #[test]
    fn replies_are_dropped() {
        for reply in REPLIES {
            assert_eq!(filtered(&[&format!("a{reply}b")]), "ab", "{reply:?}");
        }
    }

    #[test]
    fn replies_are_dropped_wherever_frames_cut_them() {
        for reply in REPLIES {
            // Up to two bytes may be keys, and pass.
            for cut in 3..reply.len() {
                assert_eq!(
                    filtered(&["a", &reply[..cut], &reply[cut..], "b"]),
                    "ab",
                    "{reply:?} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn keys_pass_at_once() {
        for key in KEYS {
            assert_eq!(filtered(&[key]), key, "{key:?}");
        }
    }

    #[test]
    fn keys_after_an_unfinished_start_are_not_swallowed() {
        assert_eq!(filtered(&["\x1b]", "hello\r"]), "\x1b]hello\r");
        assert_eq!(filtered(&["\x1b]hello", " there", "\r"]), "\x1b]hello there\r");
        let long = "x".repeat(HELD_LIMIT);
        assert_eq!(filtered(&["\x1b]1", &long]), format!("\x1b]1{long}"));
    }

    #[test]
    fn pastes_pass_whole() {
        let paste = "\x1b[200~look: \x1b[?62;22c \x1b]11;rgb:0/0/0\x07 done\x1b[201~";
        assert_eq!(filtered(&[paste, "\x1b[0n"]), paste);
        assert_eq!(filtered(&["\x1b[200~a\x1b]b", "\x1b[201~", "\x1b[0n"]), "\x1b[200~a\x1b]b\x1b[201~");
    }
}
