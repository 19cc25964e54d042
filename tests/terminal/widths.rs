//! Every code point is as wide in the host as on the page, alone and behind what it may join.

use parallax_api::TerminalSize;
use parallax_screen::Screen;
use serde::Serialize;

use crate::reference::Reference;

/// Of each class that joins something: nothing, a letter, a pictograph, half a flag, a joiner behind a pictograph, a
/// prepended mark, the parts of a Hangul syllable.
const BEFORE: [&str; 9] = ["", "a", "👩", "🇩", "👩\u{200d}", "\u{600}", "\u{1100}", "\u{ac00}", "\u{ac01}"];

/// xterm.js takes it out before it asks for a width.
const BYTE_ORDER_MARK: char = '\u{feff}';

#[derive(Serialize)]
struct Widths<'a> {
    /// Answered with the columns of this and each code point behind it.
    before: &'a str,
}

#[test]
#[ignore = "needs Node.js and xterm.js: make test-terminal"]
fn every_code_point_takes_the_columns_it_takes_on_the_page() {
    let mut reference = Reference::start();
    let mut screen = Screen::new(TerminalSize { cols: 40, rows: 2 }, 0);
    let mut differences = Vec::new();
    for before in BEFORE {
        let widths = reference.play(&Widths { before }).widths;
        assert_eq!(widths.len(), 0x110000);
        for ch in (' '..=char::MAX).filter(|ch| !ch.is_control() && *ch != BYTE_ORDER_MARK) {
            screen.feed(format!("\r{before}{ch}").as_bytes());
            let (columns, expected) = (screen.cursor().col, u16::from(widths[ch as usize]));
            if columns != expected {
                differences
                    .push(format!("{before:?} U+{:04X}: {columns}, on the page {expected}", u32::from(ch)));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences, such as\n{}",
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
}
