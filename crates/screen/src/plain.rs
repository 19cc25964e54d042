//! Printed text without its control sequences, as it comes.

use crate::splitter::{Piece, Splitter};

/// Takes the control sequences out of a stream; one may be cut anywhere.
#[derive(Debug, Default)]
pub struct Plain(Splitter);

impl Plain {
    /// The text, line feeds and tabs in `bytes`. Of a character or sequence that is not complete nothing comes yet.
    pub fn strip(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        self.0.split(bytes, |piece: Piece<'_>| {
            if let Piece::Text(bytes) = piece {
                let shown = |ch: &char| !ch.is_control() || matches!(ch, '\n' | '\t');
                text.extend(String::from_utf8_lossy(bytes).chars().filter(shown));
            }
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn only_the_text_stays() {
        let mut plain = Plain::default();
        assert_eq!(plain.strip(b"\x1b[31mred\x1b[0m\r\n\x1b]0;ti"), "red\n");
        assert_eq!(plain.strip(b"tle\x07n\xc3"), "n");
        assert_eq!(plain.strip("ä\th".as_bytes().split_at(1).1), "ä\th");
    }
}
