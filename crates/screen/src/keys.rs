//! Keys by name, and pasted text, as the bytes that a terminal sends for them.

use crate::Modes;

/// What a key sends, or `None` when no key has this name or a terminal cannot send it.
///
/// A name is a key with modifiers before it, in any order: `enter`, `shift-tab`, `ctrl-c`, `alt-left`,
/// `ctrl-shift-up`. Case does not matter, except that a single character stands for itself. Keys: `enter`, `tab`,
/// `esc`, `space`, `backspace`, `delete`, `insert`, `up`, `down`, `left`, `right`, `home`, `end`, `page-up`,
/// `page-down`, `f1` to `f12`, and every single character. Modifiers: `ctrl`, `alt`, `shift` (or `c`, `m`, `s`).
///
/// `shift-enter` and `ctrl-enter` exist only in the kitty keyboard protocol. Without it, `shift-enter` is sent as
/// `alt-enter`, which the CLIs take for a line break too, and `ctrl-enter` is none.
pub fn encode(name: &str, modes: &Modes) -> Option<Vec<u8>> {
    let (modifiers, key) = Modifiers::split(name)?;
    let mut chars = key.chars();
    if let (Some(char), None) = (chars.next(), chars.next()) {
        return modifiers.character(char);
    }
    let key = key.to_ascii_lowercase();
    match key.as_str() {
        "space" => modifiers.character(' '),
        "enter" | "return" => modifiers.enter(modes),
        "tab" => modifiers.tab(),
        "esc" | "escape" => (!modifiers.ctrl && !modifiers.shift).then(|| modifiers.prefixed(b"\x1b")),
        "backspace" => Some(modifiers.prefixed(if modifiers.ctrl { b"\x08" } else { b"\x7f" })),
        "insert" | "ins" => Some(modifiers.numbered(2)),
        "delete" | "del" => Some(modifiers.numbered(3)),
        "page-up" | "pageup" | "pgup" => Some(modifiers.numbered(5)),
        "page-down" | "pagedown" | "pgdn" => Some(modifiers.numbered(6)),
        "up" => Some(modifiers.lettered(b'A', modes.app_cursor)),
        "down" => Some(modifiers.lettered(b'B', modes.app_cursor)),
        "right" => Some(modifiers.lettered(b'C', modes.app_cursor)),
        "left" => Some(modifiers.lettered(b'D', modes.app_cursor)),
        "end" => Some(modifiers.lettered(b'F', modes.app_cursor)),
        "home" => Some(modifiers.lettered(b'H', modes.app_cursor)),
        _ => modifiers.function(key.strip_prefix('f')?.parse().ok()?),
    }
}

/// The bytes of several keys, one write each; what is no name is typed as it stands.
pub fn encode_all(names: &[String], modes: &Modes) -> Vec<Vec<u8>> {
    names.iter().map(|name| encode(name, modes).unwrap_or_else(|| name.clone().into_bytes())).collect()
}

/// `text` as a marked paste. Line ends become `\n`; controls that the program could take for keys, or for the end of the
/// paste, are removed: C0 but line feed and tab, ESC, DEL and C1.
pub fn paste(text: &str) -> Vec<u8> {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String =
        lines.chars().filter(|char| !char.is_control() || matches!(char, '\n' | '\t')).collect();
    format!("\x1b[200~{kept}\x1b[201~").into_bytes()
}

#[derive(Clone, Copy, Default)]
struct Modifiers {
    ctrl: bool,
    alt: bool,
    shift: bool,
}

impl Modifiers {
    /// Takes the modifiers off the front of a name.
    fn split(name: &str) -> Option<(Self, &str)> {
        let mut modifiers = Modifiers::default();
        let mut key = name;
        while let Some((first, rest)) =
            key.split_once('-').filter(|(first, rest)| !first.is_empty() && !rest.is_empty())
        {
            let modifier = match first.to_ascii_lowercase().as_str() {
                "ctrl" | "control" | "c" => &mut modifiers.ctrl,
                "alt" | "meta" | "m" => &mut modifiers.alt,
                "shift" | "s" => &mut modifiers.shift,
                // `page-up`
                _ => break,
            };
            *modifier = true;
            key = rest;
        }
        (!key.is_empty()).then_some((modifiers, key))
    }

    /// The number that stands for the modifiers in a sequence; `None` without any.
    fn parameter(self) -> Option<u8> {
        let bits = u8::from(self.shift) + 2 * u8::from(self.alt) + 4 * u8::from(self.ctrl);
        (bits > 0).then_some(bits + 1)
    }

    /// Alt is an ESC before the key.
    fn prefixed(self, key: &[u8]) -> Vec<u8> {
        let escape: &[u8] = if self.alt { b"\x1b" } else { b"" };
        [escape, key].concat()
    }

    fn character(self, char: char) -> Option<Vec<u8>> {
        if self.ctrl {
            let code = match char.to_ascii_lowercase() {
                ' ' | '@' => 0x00,
                letter @ 'a'..='z' => letter as u8 & 0x1f,
                '[' => 0x1b,
                '\\' => 0x1c,
                ']' => 0x1d,
                '^' => 0x1e,
                '_' | '/' | '-' => 0x1f,
                '?' => 0x7f,
                _ => return None,
            };
            return Some(self.prefixed(&[code]));
        }
        let text: String = if self.shift { char.to_uppercase().collect() } else { char.into() };
        Some(self.prefixed(text.as_bytes()))
    }

    fn enter(self, modes: &Modes) -> Option<Vec<u8>> {
        match self.parameter() {
            Some(number) if self.ctrl || self.shift => match modes.keyboard {
                0 if self.ctrl => None,
                0 => Some(b"\x1b\r".to_vec()),
                _ => Some(format!("\x1b[13;{number}u").into_bytes()),
            },
            _ => Some(self.prefixed(b"\r")),
        }
    }

    fn tab(self) -> Option<Vec<u8>> {
        match (self.ctrl, self.shift) {
            (false, false) => Some(self.prefixed(b"\t")),
            (false, true) => Some(self.prefixed(b"\x1b[Z")),
            (true, _) => None,
        }
    }

    /// `CSI number ~`
    fn numbered(self, number: u8) -> Vec<u8> {
        match self.parameter() {
            Some(modifiers) => format!("\x1b[{number};{modifiers}~"),
            None => format!("\x1b[{number}~"),
        }
        .into_bytes()
    }

    /// `CSI letter`, or `ESC O letter` where the program asked for it.
    fn lettered(self, letter: u8, application: bool) -> Vec<u8> {
        let letter = char::from(letter);
        match self.parameter() {
            Some(modifiers) => format!("\x1b[1;{modifiers}{letter}"),
            None if application => format!("\x1bO{letter}"),
            None => format!("\x1b[{letter}"),
        }
        .into_bytes()
    }

    fn function(self, number: u8) -> Option<Vec<u8>> {
        match number {
            1..=4 => Some(self.lettered(b'P' + number - 1, true)),
            5 => Some(self.numbered(15)),
            6..=10 => Some(self.numbered(number + 11)),
            11..=12 => Some(self.numbered(number + 12)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legacy(name: &str) -> Option<String> {
        encode(name, &Modes::default()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn names_are_keys() {
        for (name, sent) in [
            ("enter", "\r"),
            ("Enter", "\r"),
            ("alt-enter", "\x1b\r"),
            ("shift-enter", "\x1b\r"),
            ("tab", "\t"),
            ("shift-tab", "\x1b[Z"),
            ("esc", "\x1b"),
            ("ESCAPE", "\x1b"),
            ("space", " "),
            ("ctrl-space", "\0"),
            ("backspace", "\x7f"),
            ("alt-backspace", "\x1b\x7f"),
            ("delete", "\x1b[3~"),
            ("insert", "\x1b[2~"),
            ("page-up", "\x1b[5~"),
            ("ctrl-page-down", "\x1b[6;5~"),
            ("up", "\x1b[A"),
            ("shift-up", "\x1b[1;2A"),
            ("ctrl-shift-left", "\x1b[1;6D"),
            ("shift-ctrl-left", "\x1b[1;6D"),
            ("home", "\x1b[H"),
            ("end", "\x1b[F"),
            ("f1", "\x1bOP"),
            ("F4", "\x1bOS"),
            ("shift-f3", "\x1b[1;2R"),
            ("f5", "\x1b[15~"),
            ("f6", "\x1b[17~"),
            ("f10", "\x1b[21~"),
            ("f11", "\x1b[23~"),
            ("f12", "\x1b[24~"),
            ("ctrl-c", "\x03"),
            ("Ctrl-C", "\x03"),
            ("C-c", "\x03"),
            ("ctrl-[", "\x1b"),
            ("ctrl--", "\x1f"),
            ("ctrl-?", "\x7f"),
            ("alt-x", "\x1bx"),
            ("alt-X", "\x1bX"),
            ("ctrl-alt-d", "\x1b\x04"),
            ("shift-a", "A"),
            ("a", "a"),
            ("A", "A"),
            ("1", "1"),
            ("-", "-"),
            ("é", "é"),
            ("f", "f"),
        ] {
            assert_eq!(legacy(name).as_deref(), Some(sent), "{name}");
        }
    }

    #[test]
    fn other_names_are_none() {
        for name in ["", "entre", "ctrl-", "ctrl-é", "ctrl-1", "f0", "f13", "hello", "ctrl-enter", "ctrl-tab"]
        {
            assert_eq!(legacy(name), None, "{name}");
        }
    }

    #[test]
    fn modes_change_what_keys_send() {
        let modes = Modes { app_cursor: true, keyboard: 1, ..Modes::default() };
        let sent = |name| String::from_utf8(encode(name, &modes).unwrap()).unwrap();
        assert_eq!(sent("up"), "\x1bOA");
        assert_eq!(sent("home"), "\x1bOH");
        assert_eq!(sent("ctrl-up"), "\x1b[1;5A");
        assert_eq!(sent("shift-enter"), "\x1b[13;2u");
        assert_eq!(sent("ctrl-enter"), "\x1b[13;5u");
        assert_eq!(sent("enter"), "\r");
    }

    #[test]
    fn pasted_text_cannot_leave_the_paste() {
        let pasted = paste("a\tb\r\nc\rd\x1b[201~\x03\u{9b}201~\x7fe\0\u{85}");
        assert_eq!(String::from_utf8(pasted).unwrap(), "\x1b[200~a\tb\nc\nd[201~201~e\x1b[201~");
    }
}
