//! What cells look like: colours, flags, and the rarer attributes that most cells lack.
//!
//! The layout follows what xterm.js keeps of a cell, because its behaviour is the reference: the saved cursor, for
//! example, has the flags and colours but not the [`Extended`] attributes.

use std::sync::Arc;

/// A colour in the low 26 bits of a cell's `fg` or `bg`: the kind above, the value below.
pub(crate) mod color {
    /// Kind and value.
    pub(crate) const MASK: u32 = 0x03ff_ffff;
    pub(crate) const KIND: u32 = 0x0300_0000;
    pub(crate) const VALUE: u32 = 0x00ff_ffff;
    /// One of the 16 named colours.
    pub(crate) const NAMED: u32 = 0x0100_0000;
    /// One of the 256 of the palette.
    pub(crate) const PALETTE: u32 = 0x0200_0000;
    /// 24 bits of red, green and blue.
    pub(crate) const RGB: u32 = 0x0300_0000;
}

/// Flags in the high bits of `fg`.
pub(crate) mod fg {
    pub(crate) const INVERSE: u32 = 1 << 26;
    pub(crate) const BOLD: u32 = 1 << 27;
    pub(crate) const UNDERLINE: u32 = 1 << 28;
    pub(crate) const BLINK: u32 = 1 << 29;
    pub(crate) const INVISIBLE: u32 = 1 << 30;
    pub(crate) const STRIKETHROUGH: u32 = 1 << 31;
}

/// Flags in the high bits of `bg`.
pub(crate) mod bg {
    pub(crate) const ITALIC: u32 = 1 << 26;
    pub(crate) const DIM: u32 = 1 << 27;
    /// The cell has [`super::Extended`] attributes.
    pub(crate) const EXTENDED: u32 = 1 << 28;
    /// Selective erase leaves the cell alone (DECSCA).
    pub(crate) const PROTECTED: u32 = 1 << 29;
    pub(crate) const OVERLINE: u32 = 1 << 30;
}

/// A hyperlink (OSC 8).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Joins parts of one link; empty when the program gave none.
    pub(crate) id: String,
    pub(crate) uri: String,
}

/// Attributes that only few cells have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extended {
    /// 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    pub(crate) underline: u8,
    /// As in [`color`]; 0 is the colour of the text.
    pub(crate) underline_color: u32,
    pub(crate) link: Option<Arc<Link>>,
}

/// What the next character will look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attr {
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    pub(crate) extended: Extended,
}

impl Attr {
    /// Brings the flag [`bg::EXTENDED`] up to date.
    pub(crate) fn update_extended(&mut self) {
        if self.extended.underline == 0 && self.extended.link.is_none() {
            self.bg &= !bg::EXTENDED;
        } else {
            self.bg |= bg::EXTENDED;
        }
    }

    /// What erased cells look like: the background colour and nothing else.
    pub(crate) fn erased(&self) -> Attr {
        Attr { fg: 0, bg: self.bg & color::MASK, extended: Extended::default() }
    }
}
