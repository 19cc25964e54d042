//! What an agent has switched on in the user's terminal, and how to switch it off again.

use std::collections::BTreeSet;

/// Private modes that a program may switch on, and what a shell does not want on.
const OFF_BY_DEFAULT: [u16; 22] = [
    1, 5, 6, 9, 45, 66, 69, 80, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2026, 2027, 2031,
    2048,
];
/// Private modes that are on in a terminal as it begins: wrapping, the cursor.
const ON_BY_DEFAULT: [u16; 2] = [7, 25];
/// The modes of the alternate screen; the last one also sets the cursor aside.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];
/// The longest control sequence that is looked at; longer ones set no mode.
const LONGEST_SEQUENCE: usize = 64;
/// No terminal keeps more keyboard modes on its stack.
const DEEPEST_KEYBOARD: u32 = 32;

/// Follows the output and knows what differs from a terminal as it begins.
#[derive(Debug, Default)]
pub(super) struct Modes {
    /// Private modes that differ from the default.
    changed: BTreeSet<u16>,
    alternate: Option<u16>,
    /// Keyboard modes pushed (kitty protocol): on the main screen, on the alternate one.
    keyboard: [u32; 2],
    /// Keyboard modes set without pushing.
    keyboard_set: [bool; 2],
    modify_other_keys: bool,
    application_keypad: bool,
    scroll_region: bool,
    insert: bool,
    cursor_shape: bool,
    /// Colours of the terminal that were set: foreground, background, cursor.
    colours: BTreeSet<u16>,
    parser: Parser,
}

impl Modes {
    /// Follows these bytes, in any cutting.
    pub fn observe(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(sequence) = self.parser.feed(byte) {
                self.apply(&sequence);
            }
        }
    }

    /// Whether the alternate screen is shown.
    pub fn is_alternate(&self) -> bool {
        self.alternate.is_some()
    }

    /// What switches all of it off.
    pub fn undo(&self) -> Vec<u8> {
        // Ends a sequence that was cut off, a synchronised frame, a link, a style, another character set.
        let mut out = String::from("\x1b\\\x1b[?2026l\x1b]8;;\x1b\\\x1b[0m\x0f\x1b(B");
        let here = usize::from(self.alternate.is_some());
        let other = 1 - here;
        let keyboard = |out: &mut String, screen: usize| {
            if self.keyboard[screen] > 0 {
                out.push_str(&format!("\x1b[<{}u", self.keyboard[screen]));
            }
            if self.keyboard_set[screen] {
                out.push_str("\x1b[=0;1u");
            }
        };
        keyboard(&mut out, here);
        if self.scroll_region {
            // Setting it moves the cursor.
            out.push_str("\x1b7\x1b[r\x1b8");
        }
        if let Some(mode) = self.alternate {
            out.push_str(&format!("\x1b[?{mode}l"));
            keyboard(&mut out, other);
        }
        for mode in &self.changed {
            let end = if ON_BY_DEFAULT.contains(mode) { 'h' } else { 'l' };
            out.push_str(&format!("\x1b[?{mode}{end}"));
        }
        for (on, off) in [
            (self.modify_other_keys, "\x1b[>4;0m"),
            (self.application_keypad, "\x1b>"),
            (self.insert, "\x1b[4l"),
            (self.cursor_shape, "\x1b[0 q"),
        ] {
            if on {
                out.push_str(off);
            }
        }
        for colour in &self.colours {
            out.push_str(&format!("\x1b]{}\x1b\\", 100 + colour));
        }
        out.into_bytes()
    }

    fn apply(&mut self, sequence: &Sequence) {
        match sequence {
            Sequence::Escape(b'c') => {
                *self = Self { parser: std::mem::take(&mut self.parser), ..Self::default() }
            }
            Sequence::Escape(b'=') => self.application_keypad = true,
            Sequence::Escape(b'>') => self.application_keypad = false,
            Sequence::Escape(_) => {}
            Sequence::Control(text) => self.control(text),
            Sequence::Colour(number) => {
                self.colours.insert(*number);
            }
        }
    }

    /// A control sequence without its `ESC [`.
    fn control(&mut self, text: &str) {
        let Some((body, end)) = text.split_at_checked(text.len().saturating_sub(1)) else { return };
        let screen = usize::from(self.alternate.is_some());
        let number =
            |text: &str, default: u32| text.split(';').next().and_then(|n| n.parse().ok()).unwrap_or(default);
        match (body.chars().next(), end) {
            (Some('?'), "h" | "l") => body[1..]
                .split(';')
                .filter_map(|mode| mode.parse().ok())
                .for_each(|mode| self.set(mode, end == "h")),
            (Some('>'), "u") => self.keyboard[screen] = (self.keyboard[screen] + 1).min(DEEPEST_KEYBOARD),
            (Some('<'), "u") => {
                self.keyboard[screen] = self.keyboard[screen].saturating_sub(number(&body[1..], 1));
            }
            (Some('='), "u") => self.keyboard_set[screen] = number(&body[1..], 0) != 0,
            (Some('>'), "m") if number(&body[1..], 0) == 4 => {
                self.modify_other_keys = !matches!(&body[1..], "4" | "4;" | "4;0");
            }
            (Some('!'), "p") => {
                self.scroll_region = false;
                self.insert = false;
                self.application_keypad = false;
            }
            (_, "r") if body.is_empty() || body == ";" => self.scroll_region = false,
            (Some('0'..='9' | ';'), "r") => self.scroll_region = true,
            (Some('4'), "h" | "l") if body == "4" => self.insert = end == "h",
            (_, "q") if body.ends_with(' ') => self.cursor_shape = !matches!(body, " " | "0 "),
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        if ALTERNATE.contains(&mode) {
            self.alternate = on.then_some(mode);
        } else if OFF_BY_DEFAULT.contains(&mode) && on || ON_BY_DEFAULT.contains(&mode) && !on {
            self.changed.insert(mode);
        } else {
            self.changed.remove(&mode);
        }
    }
}

/// The sequences that may change a mode.
enum Sequence {
    /// `ESC` and one byte.
    Escape(u8),
    /// What follows `ESC [`, up to and with the final byte.
    Control(String),
    /// `OSC 10`, `11` or `12` with a colour.
    Colour(u16),
}

/// Cuts sequences out of the output; everything else passes by.
#[derive(Debug, Default)]
enum Parser {
    #[default]
    Text,
    Escape,
    Control(String),
    /// A string up to BEL or `ESC \`: its beginning, and whether an Escape came last.
    String(String, bool),
}

impl Parser {
    fn feed(&mut self, byte: u8) -> Option<Sequence> {
        match self {
            Self::Text => {
                if byte == 0x1b {
                    *self = Self::Escape;
                }
                None
            }
            Self::Escape => {
                *self = match byte {
                    b'[' => Self::Control(String::new()),
                    b']' | b'P' | b'_' | b'^' | b'X' => Self::String(char::from(byte).into(), false),
                    0x1b => Self::Escape,
                    _ => Self::Text,
                };
                matches!(self, Self::Text).then_some(Sequence::Escape(byte))
            }
            Self::Control(text) => match byte {
                0x1b => {
                    *self = Self::Escape;
                    None
                }
                0x20..=0x7e => {
                    text.push(char::from(byte));
                    let ended = byte >= 0x40;
                    let sequence = ended.then(|| Sequence::Control(std::mem::take(text)));
                    if ended || text.len() > LONGEST_SEQUENCE {
                        *self = Self::Text;
                    }
                    sequence
                }
                0x18 | 0x1a => {
                    *self = Self::Text;
                    None
                }
                // Other control characters act inside a sequence without ending it.
                _ => None,
            },
            Self::String(text, escape) => {
                let ended = byte == 0x07 || (*escape && byte == b'\\');
                if ended || matches!(byte, 0x18 | 0x1a) {
                    let text = std::mem::take(text);
                    *self = Self::Text;
                    return ended.then(|| colour(&text)).flatten();
                }
                *escape = byte == 0x1b;
                if !*escape && text.len() < LONGEST_SEQUENCE {
                    text.push(char::from(byte));
                }
                None
            }
        }
    }
}

fn colour(text: &str) -> Option<Sequence> {
    let (number, value) = text.strip_prefix(']')?.split_once(';')?;
    let number = number.parse().ok().filter(|number| (10..=12).contains(number))?;
    (value != "?").then_some(Sequence::Colour(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What undoes these bytes beyond what is always sent.
    fn undo(bytes: &str) -> String {
        let mut whole = Modes::default();
        whole.observe(bytes.as_bytes());
        let mut pieces = Modes::default();
        bytes.bytes().for_each(|byte| pieces.observe(&[byte]));
        assert_eq!(whole.undo(), pieces.undo(), "cutting changes nothing");
        let nothing = String::from_utf8(Modes::default().undo()).unwrap();
        String::from_utf8(whole.undo()).unwrap().strip_prefix(&nothing).unwrap().to_owned()
    }

    #[test]
    fn what_is_switched_on_is_switched_off() {
        for (on, off) in [
            ("plain text \x1b[31mred\x1b[0m \x1b]0;title\x07", ""),
            ("\x1b[?1049h\x1b[?2004h", "\x1b[?1049l\x1b[?2004l"),
            ("\x1b[?1000;1002;1003;1006h", "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"),
            ("\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h"),
            ("\x1b[?25l\x1b[?25h\x1b[?2004h\x1b[?2004l\x1b[?1049h\x1b[?1049l", ""),
            ("\x1b[>7u", "\x1b[<1u"),
            ("\x1b[>1u\x1b[>7u\x1b[<u\x1b[=5;1u", "\x1b[<1u\x1b[=0;1u"),
            ("\x1b[>1u\x1b[?1049h\x1b[>7u\x1b[>7u", "\x1b[<2u\x1b[?1049l\x1b[<1u"),
            ("\x1b[>4;2m\x1b=", "\x1b[>4;0m\x1b>"),
            ("\x1b[>4;2m\x1b[>4;0m", ""),
            ("\x1b[5;20r", "\x1b7\x1b[r\x1b8"),
            ("\x1b[5;20r\x1b[r", ""),
            ("\x1b[4h\x1b[6 q", "\x1b[4l\x1b[0 q"),
            ("\x1b[6 q\x1b[0 q", ""),
            ("\x1b]11;#000000\x1b\\\x1b]10;?\x07", "\x1b]111\x1b\\"),
            ("\x1b[?2004h\x1b[?1049hall\x1bc", ""),
            // Text that looks like a sequence is none, nor is one inside a title.
            ("[?1049h\x1b]0;x\x1b[?2004h\x07", ""),
            ("\x1b[?20\x1804h", ""),
        ] {
            assert_eq!(undo(on), off, "{on:?}");
        }
    }
}
