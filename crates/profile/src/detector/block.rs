//! Rows of a dialog without the boxes drawn around them.

use std::ops::Range;

use parallax_screen::Row;

/// One row of a block, without the sides of the box around it.
pub(super) struct Line {
    /// Which row of the screen.
    pub row: usize,
    pub text: String,
    /// How many characters the box leaves to it.
    pub room: usize,
    /// How many boxes it stands in.
    pub depth: usize,
}

impl Line {
    /// Row number `row` of a screen `width` columns wide.
    pub fn new(row: usize, text: &str, width: usize) -> Self {
        let (text, room, depth) = unframed(text, width);
        Self { row, text, room, depth }
    }

    /// Whether this line was broken before `below` because the first word of `below` had no room in it.
    pub fn continues_in(&self, below: &Self) -> bool {
        let used = self.text.trim_end().chars().count();
        below.text.split_whitespace().next().is_some_and(|word| used + 1 + word.chars().count() > self.room)
    }
}

/// Not blank and not a rule.
pub(super) fn says_something(text: &str) -> bool {
    let is_border = text.trim_start().starts_with(['╭', '╰']);
    !is_border && !text.trim_matches(['─', '╌', '━', ' ']).is_empty()
}

/// A row without the sides of the boxes it stands in, how many characters they leave to it, and how many they are.
pub(super) fn unframed(text: &str, width: usize) -> (String, usize, usize) {
    let (mut inner, mut room, mut depth) = (text, width, 0);
    while let Some(inside) = inner.trim().strip_prefix('│').and_then(|rest| rest.strip_suffix('│')) {
        inner = inside;
        // One blank is left free at the right side of a box.
        room = inner.chars().count().saturating_sub(1);
        depth += 1;
    }
    (inner.trim_end().to_owned(), room, depth)
}

/// The rows of a screen up to the last that is not blank.
pub(super) fn filled(rows: &[Row]) -> Range<usize> {
    0..rows.iter().rposition(|row| !row.text.trim().is_empty()).map_or(0, |last| last + 1)
}
