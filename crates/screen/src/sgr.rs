//! Attributes as `CSI … m`.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::attr::{Attr, Link, bg, color, fg};

/// How a cell looks, as far as sequences can say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Colour and flags.
    pub(crate) fg: u32,
    /// Colour and flags.
    pub(crate) bg: u32,
    /// 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    pub(crate) underline: u8,
    pub(crate) underline_color: u32,
    pub(crate) link: Option<Arc<Link>>,
}

impl Look {
    pub(crate) fn of(attr: &Attr) -> Self {
        let extended = Some(&attr.extended).filter(|_| attr.bg & bg::EXTENDED != 0);
        let underline = match extended {
            _ if attr.fg & fg::UNDERLINE == 0 => 0,
            Some(extended) => extended.underline,
            None => 1,
        };
        Look {
            fg: attr.fg & !fg::UNDERLINE,
            bg: attr.bg & !bg::EXTENDED,
            underline,
            underline_color: extended.map_or(0, |extended| extended.underline_color),
            link: extended.and_then(|extended| extended.link.clone()),
        }
    }

    /// Nothing but a background: what erasing can make.
    pub(crate) fn is_plain(&self) -> bool {
        self.fg == 0
            && self.bg & !color::MASK == 0
            && self.underline == 0
            && self.underline_color == 0
            && self.link.is_none()
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.bg & bg::PROTECTED != 0
    }

    /// Whether `CSI … m` says the same of both.
    pub(crate) fn has_style_of(&self, other: &Look) -> bool {
        let style = |look: &Look| (look.fg, look.bg & !bg::PROTECTED, look.underline, look.underline_color);
        style(self) == style(other)
    }

    /// Writes the sequence that makes the next cells look like this, whatever came before. It also ends protection.
    pub(crate) fn write_style(&self, out: &mut String) {
        out.push_str("\x1b[");
        if !self.has_style_of(&Look::default()) {
            self.write_parameters(out);
        }
        out.push('m');
    }

    /// The parameters of `CSI … m`.
    pub(crate) fn write_parameters(&self, out: &mut String) {
        out.push('0');
        const FLAGS: [(bool, u32, &str); 4] = [
            (true, fg::BOLD, ";1"),
            (false, bg::DIM, ";2"),
            (false, bg::ITALIC, ";3"),
            (true, fg::BLINK, ";5"),
        ];
        const LATER_FLAGS: [(bool, u32, &str); 4] = [
            (true, fg::INVERSE, ";7"),
            (true, fg::INVISIBLE, ";8"),
            (true, fg::STRIKETHROUGH, ";9"),
            (false, bg::OVERLINE, ";53"),
        ];
        let mut flags = |flags: [(bool, u32, &str); 4]| {
            for (is_fg, flag, code) in flags {
                if (if is_fg { self.fg } else { self.bg }) & flag != 0 {
                    out.push_str(code);
                }
            }
        };
        flags(FLAGS);
        flags(LATER_FLAGS);
        match self.underline {
            0 => {}
            1 => out.push_str(";4"),
            style => write_to(out, format_args!(";4:{style}")),
        }
        write_color(out, self.fg, 30);
        write_color(out, self.bg, 40);
        if self.underline_color != 0 {
            write_color(out, self.underline_color, 50);
        }
    }
}

/// `base` is 30 for the text, 40 for the background, 50 for underlines (which have no named colours).
fn write_color(out: &mut String, value: u32, base: u32) {
    let index = value & 0xff;
    match value & color::KIND {
        color::NAMED if base == 50 => write_to(out, format_args!(";58;5;{index}")),
        color::NAMED if index < 8 => write_to(out, format_args!(";{}", base + index)),
        color::NAMED => write_to(out, format_args!(";{}", base + 60 + index - 8)),
        color::PALETTE => write_to(out, format_args!(";{};5;{index}", base + 8)),
        color::RGB => {
            let rgb = value & color::VALUE;
            write_to(out, format_args!(";{};2;{};{};{}", base + 8, rgb >> 16, rgb >> 8 & 0xff, rgb & 0xff));
        }
        _ => {}
    }
}

fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}
