//! Colours that programs give the palette, the text, its background and the cursor.

use std::collections::BTreeMap;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub(crate) r: u8,
    pub(crate) g: u8,
    pub(crate) b: u8,
}

/// The palette's first index that is none of its 256: the text; then come background and cursor.
const SPECIAL: usize = 256;

/// Which colours are not the terminal's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette(BTreeMap<usize, Rgb>);

impl Palette {
    /// The colour a program gave a palette entry, or the text (256), background (257), cursor (258).
    pub(crate) fn get(&self, index: usize) -> Option<Rgb> {
        self.0.get(&index).copied()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Rgb)> + '_ {
        self.0.iter().map(|(index, color)| (*index, *color))
    }

    /// Follows `ESC ] code ; body`.
    pub(super) fn apply(&mut self, code: &[u8], body: &[u8]) {
        let fields: Vec<&[u8]> = body.split(|&byte| byte == b';').collect();
        match code {
            b"4" => {
                for pair in fields.chunks_exact(2) {
                    if let (Some(index), Some(color)) = (entry(pair[0]), parse(pair[1])) {
                        self.0.insert(index, color);
                    }
                }
            }
            b"10" | b"11" | b"12" => {
                // Each further field is about the next one.
                let first = SPECIAL + usize::from(code[1] - b'0');
                for (index, field) in (first..SPECIAL + 3).zip(fields) {
                    if let Some(color) = parse(field) {
                        self.0.insert(index, color);
                    }
                }
            }
            b"104" if body.is_empty() => self.0.retain(|index, _| *index >= SPECIAL),
            b"104" => fields.into_iter().filter_map(entry).for_each(|index| {
                self.0.remove(&index);
            }),
            b"110" | b"111" | b"112" => {
                self.0.remove(&(SPECIAL + usize::from(code[2] - b'0')));
            }
            _ => {}
        }
    }
}

fn entry(field: &[u8]) -> Option<usize> {
    let index: usize = std::str::from_utf8(field).ok()?.parse().ok()?;
    (index < SPECIAL).then_some(index)
}

/// `#rgb` and `rgb:r/g/b`, with one to four digits a part, as X11 has them.
fn parse(field: &[u8]) -> Option<Rgb> {
    let text = std::str::from_utf8(field).ok()?.to_ascii_lowercase();
    if let Some(digits) = text.strip_prefix('#') {
        let length = digits.len() / 3;
        if !digits.is_ascii() || digits.len() % 3 != 0 || !(1..=4).contains(&length) {
            return None;
        }
        // Shorter ones are the high bits.
        let part = |index: usize| {
            let value = u32::from_str_radix(&digits[index * length..(index + 1) * length], 16).ok()?;
            Some(match length {
                1 => value << 4,
                2 => value,
                3 => value >> 4,
                _ => value >> 8,
            } as u8)
        };
        return Some(Rgb { r: part(0)?, g: part(1)?, b: part(2)? });
    }
    let mut parts = text.strip_prefix("rgb:")?.split('/').map(|part| {
        let largest = (1u32 << (4 * part.len().min(4))) - 1;
        let value = u32::from_str_radix(part, 16).ok().filter(|_| (1..=4).contains(&part.len()))?;
        Some(((value * 255 + largest / 2) / largest) as u8)
    });
    let mut next = || parts.next().flatten();
    let color = Rgb { r: next()?, g: next()?, b: next()? };
    parts.next().is_none().then_some(color)
}
