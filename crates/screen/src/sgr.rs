//! Attributes as `CSI … m`.

use std::fmt::Write as _;

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

/// What of a cell `CSI … m` can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    flags: Flags,
    fg: Color,
    bg: Color,
    underline: Option<Color>,
}

impl Default for Style {
    fn default() -> Self {
        Style::of(&Cell::default())
    }
}

impl Style {
    pub(crate) fn of(cell: &Cell) -> Self {
        let flags = cell.flags
            & (Flags::INVERSE
                | Flags::BOLD
                | Flags::ITALIC
                | Flags::DIM
                | Flags::HIDDEN
                | Flags::STRIKEOUT
                | Flags::ALL_UNDERLINES);
        Style { flags, fg: cell.fg, bg: cell.bg, underline: cell.underline_color() }
    }

    /// Writes the sequence that makes the next cells look like this, whatever came before.
    pub(crate) fn write(&self, out: &mut String) {
        out.push_str("\x1b[");
        if *self != Style::default() {
            self.write_parameters(out);
        }
        out.push('m');
    }

    fn write_parameters(&self, out: &mut String) {
        const FLAGS: [(Flags, &str); 11] = [
            (Flags::BOLD, ";1"),
            (Flags::DIM, ";2"),
            (Flags::ITALIC, ";3"),
            (Flags::UNDERLINE, ";4"),
            (Flags::DOUBLE_UNDERLINE, ";4:2"),
            (Flags::UNDERCURL, ";4:3"),
            (Flags::DOTTED_UNDERLINE, ";4:4"),
            (Flags::DASHED_UNDERLINE, ";4:5"),
            (Flags::INVERSE, ";7"),
            (Flags::HIDDEN, ";8"),
            (Flags::STRIKEOUT, ";9"),
        ];
        out.push('0');
        for (flag, code) in FLAGS {
            if self.flags.contains(flag) {
                out.push_str(code);
            }
        }
        write_color(out, self.fg, 30);
        write_color(out, self.bg, 40);
        if let Some(color) = self.underline {
            write_color(out, color, 50);
        }
    }
}

/// The parameters of `CSI … m` for this cell.
pub(crate) fn parameters(cell: &Cell) -> String {
    let mut out = String::new();
    Style::of(cell).write_parameters(&mut out);
    out
}

/// `base` is 30 for the foreground, 40 for the background, 50 for underlines (which have no named colours).
fn write_color(out: &mut String, color: Color, base: u16) {
    let written = match color {
        Color::Named(NamedColor::Foreground | NamedColor::Background) => Ok(()),
        Color::Named(name) => match name as u16 {
            index @ 0..8 => write!(out, ";{}", base + index),
            index @ 8..16 => write!(out, ";{}", base + 60 + index - 8),
            _ => Ok(()),
        },
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Spec(rgb) => write!(out, ";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    };
    written.expect("writing to memory does not fail");
}
