//! How many columns characters take, and which of them join into one cell.
//!
//! The same rules as the add-on `unicode-graphemes` of xterm.js, which the page uses: extended grapheme clusters after
//! UAX #29, where a cluster is as wide as its widest part, an emoji presentation selector makes it two columns wide, and
//! so do two regional indicators.

mod table;

use table::RANGES;

/// The bit of a class that says two columns.
const WIDE: u8 = 0x10;
/// The break property of a class.
const BREAK: u8 = 0x0f;

const PREPEND: u8 = 1;
const EXTEND: u8 = 2;
const REGIONAL_INDICATOR: u8 = 3;
const SPACING_MARK: u8 = 4;
const HANGUL_L: u8 = 5;
const HANGUL_V: u8 = 6;
const HANGUL_T: u8 = 7;
const HANGUL_LV: u8 = 8;
const HANGUL_LVT: u8 = 9;
const ZWJ: u8 = 10;
const PICTOGRAPH: u8 = 11;

/// What the character before has to say about the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preceding {
    class: u8,
    /// Columns of the cluster so far.
    pub(crate) width: u8,
}

impl Preceding {
    /// A character that joins nothing, one column wide.
    pub(crate) const PLAIN: Preceding = Preceding { class: 0, width: 1 };

    /// Whether ASCII after it is plain.
    pub(crate) fn is_plain(self) -> bool {
        self.class != PREPEND
    }
}

/// How a character goes on from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// For the character after it; also how wide its cluster is now.
    pub(crate) state: Preceding,
    /// It belongs to the cluster before.
    pub(crate) joins: bool,
}

/// Takes one character. Without `preceding`, nothing was printed right before it.
pub(crate) fn step(code: u32, preceding: Option<Preceding>) -> Step {
    let class = class(code);
    let mut width = if class & WIDE != 0 { 2 } else { 1 };
    let mut next = class & BREAK;
    let mut joins = false;
    if let Some(preceding) = preceding {
        joins = join(preceding.class, next);
        if joins && preceding.width > width {
            width = preceding.width;
        } else if joins && next == REGIONAL_INDICATOR {
            width = 2;
        }
        if joins && next == REGIONAL_INDICATOR {
            // A third one begins another flag.
            next = 0;
        }
    }
    Step { state: Preceding { class: next, width }, joins }
}

/// Whether there is no boundary between two characters: the rules GB6 to GB13 of UAX #29.
fn join(before: u8, after: u8) -> bool {
    let hangul = matches!(
        (before, after),
        (HANGUL_L, HANGUL_L | HANGUL_V | HANGUL_LV | HANGUL_LVT)
            | (HANGUL_LV | HANGUL_V, HANGUL_V | HANGUL_T)
            | (HANGUL_LVT | HANGUL_T, HANGUL_T)
    );
    let joined = matches!(
        (before, after),
        (_, EXTEND | ZWJ | SPACING_MARK)
            | (PREPEND, _)
            | (ZWJ, PICTOGRAPH)
            | (REGIONAL_INDICATOR, REGIONAL_INDICATOR)
    );
    hangul || joined
}

fn class(code: u32) -> u8 {
    let block = (code >> BLOCK_BITS) as usize;
    let ranges = usize::from(BLOCKS[block])..usize::from(BLOCKS[block + 1]);
    // A range may have begun in an earlier block.
    let from = ranges.start.saturating_sub(1);
    let found = RANGES[from..ranges.end].iter().find(|(first, last, _)| (*first..=*last).contains(&code));
    found.map_or(0, |(_, _, class)| *class)
}

const BLOCK_BITS: u32 = 7;
const BLOCK_COUNT: usize = 0x110000 >> BLOCK_BITS;

/// For each block of code points, the first range that begins in it or later.
static BLOCKS: [u16; BLOCK_COUNT + 1] = {
    let mut blocks = [0; BLOCK_COUNT + 1];
    let (mut block, mut range) = (0, 0);
    while block <= BLOCK_COUNT {
        while range < RANGES.len() && (RANGES[range].0 as usize) < block << BLOCK_BITS {
            range += 1;
        }
        blocks[block] = range as u16;
        block += 1;
    }
    blocks
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of a text whose characters follow one another.
    fn columns(text: &str) -> u32 {
        let (mut columns, mut preceding) = (0, None);
        for ch in text.chars() {
            let Step { state, joins } = step(ch.into(), preceding);
            let before = preceding.filter(|_| joins).map_or(0, |preceding: Preceding| preceding.width);
            columns += u32::from(state.width - before);
            preceding = Some(state);
        }
        columns
    }

    #[test]
    fn clusters_are_as_wide_as_they_are_drawn() {
        for (text, expected) in [
            ("a", 1),
            ("é", 1),
            ("e\u{301}", 1),
            ("漢", 2),
            ("✅", 2),
            ("📦", 2),
            ("❤", 1),
            ("❤\u{fe0f}", 2),
            ("👍🏽", 2),
            ("👩\u{200d}👩\u{200d}👧\u{200d}👦", 2),
            ("🇩🇪", 2),
            ("🇩🇪🇫🇷", 4),
            ("한", 2),
            ("각", 2),
            ("─│❯", 3),
        ] {
            assert_eq!(columns(text), expected, "{text}");
        }
    }

    #[test]
    fn blocks_find_every_range() {
        let slow = |code: u32| {
            RANGES.iter().find(|(first, last, _)| (*first..=*last).contains(&code)).map_or(0, |range| range.2)
        };
        for &(first, last, _) in &RANGES {
            for code in [first.wrapping_sub(1), first, (first + last) / 2, last, last + 1] {
                if code <= 0x10ffff {
                    assert_eq!(class(code), slow(code), "{code:x}");
                }
            }
        }
        assert!(RANGES.is_sorted_by(|left, right| left.1 < right.0));
    }
}
