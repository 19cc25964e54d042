//! Removes control sequences from printed text, incrementally.

use vte::{Parser, Perform};

/// Strips control sequences from a stream; a sequence may be cut anywhere.
#[derive(Default)]
pub struct Plain {
    parser: Parser,
    text: Text,
}

#[derive(Default)]
struct Text(String);

impl Plain {
    /// The text and line breaks in `bytes`.
    pub fn strip(&mut self, bytes: &[u8]) -> String {
        self.parser.advance(&mut self.text, bytes);
        std::mem::take(&mut self.text.0)
    }
}

impl Perform for Text {
    fn print(&mut self, c: char) {
        self.0.push(c);
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\n' | b'\t') {
            self.0.push(byte.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[test]
    fn only_the_text_stays() {
        let mut plain = Plain::default();
        assert_eq!(plain.strip(b"\x1b[31mred\x1b[0m\r\n\x1b]0;ti"), "red\n");
        assert_eq!(plain.strip("tle\x07näh".as_bytes()), "näh");
    }
}
