//! `CSI … m`.

use crate::attr::{Attr, bg, color, fg};
use crate::csi::Params;
use crate::emulator::Emulator;

impl Emulator {
    pub(super) fn style(&mut self, params: &Params) {
        let attr = &mut self.attr;
        let mut index = 0;
        while index < params.len() {
            match params.get(index) {
                0 => reset(attr),
                1 => attr.fg |= fg::BOLD,
                2 => attr.bg |= bg::DIM,
                3 => attr.bg |= bg::ITALIC,
                4 => {
                    let style = params.subs(index).first().map_or(1, |style| style.unwrap_or(1));
                    underline(attr, style);
                }
                5 => attr.fg |= fg::BLINK,
                7 => attr.fg |= fg::INVERSE,
                8 => attr.fg |= fg::INVISIBLE,
                9 => attr.fg |= fg::STRIKETHROUGH,
                21 => underline(attr, 2),
                22 => {
                    attr.fg &= !fg::BOLD;
                    attr.bg &= !bg::DIM;
                }
                23 => attr.bg &= !bg::ITALIC,
                24 => underline(attr, 0),
                25 => attr.fg &= !fg::BLINK,
                27 => attr.fg &= !fg::INVERSE,
                28 => attr.fg &= !fg::INVISIBLE,
                29 => attr.fg &= !fg::STRIKETHROUGH,
                named @ 30..=37 => set(&mut attr.fg, color::NAMED | (named - 30)),
                39 => set(&mut attr.fg, 0),
                named @ 40..=47 => set(&mut attr.bg, color::NAMED | (named - 40)),
                49 => set(&mut attr.bg, 0),
                53 => attr.bg |= bg::OVERLINE,
                55 => attr.bg &= !bg::OVERLINE,
                59 => {
                    attr.extended.underline_color = 0;
                    attr.update_extended();
                }
                bright @ 90..=97 => set(&mut attr.fg, color::NAMED | (bright - 90 + 8)),
                bright @ 100..=107 => set(&mut attr.bg, color::NAMED | (bright - 100 + 8)),
                what @ (38 | 48 | 58) => {
                    let target = match what {
                        38 => &mut attr.fg,
                        48 => &mut attr.bg,
                        _ => &mut attr.extended.underline_color,
                    };
                    index += extended_color(params, index, target);
                }
                _ => {}
            }
            index += 1;
        }
    }
}

fn set(field: &mut u32, value: u32) {
    *field = *field & !color::MASK | value;
}

/// A link goes on.
fn reset(attr: &mut Attr) {
    (attr.fg, attr.bg) = (0, 0);
    (attr.extended.underline, attr.extended.underline_color) = (0, 0);
    attr.update_extended();
}

fn underline(attr: &mut Attr, style: u32) {
    let style = if style > 5 { 1 } else { style as u8 };
    attr.extended.underline = style;
    if style == 0 {
        attr.fg &= !fg::UNDERLINE;
    } else {
        attr.fg |= fg::UNDERLINE;
    }
    attr.update_extended();
}

/// `38 ; 5 ; n`, `38 ; 2 ; r ; g ; b`, with colons `38:2::r:g:b` or without the colour space, and mixtures. Answers how many
/// more parameters belong to it.
fn extended_color(params: &Params, at: usize, target: &mut u32) -> usize {
    // As nearly all programs write it.
    if !params.has_subs() {
        let byte = |index: usize| params.get(at + index) & 0xff;
        match params.get(at + 1) {
            2 if at + 4 < params.len() => {
                set(target, color::RGB | byte(2) << 16 | byte(3) << 8 | byte(4));
                return 4;
            }
            5 if at + 2 < params.len() => {
                set(target, color::PALETTE | byte(2));
                return 2;
            }
            _ => {}
        }
    }
    // What, kind, colour space, and three values.
    let mut fields: [Option<u32>; 6] = [Some(0), Some(0), None, Some(0), Some(0), Some(0)];
    let (mut shift, mut more) = (0, 0);
    loop {
        fields[more + shift] = Some(params.get(at + more));
        let subs = params.subs(at + more);
        if !subs.is_empty() {
            for (index, sub) in subs.iter().enumerate() {
                if fields[1] == Some(5) {
                    shift = 1;
                }
                let Some(field) = fields.get_mut(more + index + 1 + shift) else { break };
                *field = *sub;
            }
            break;
        }
        let is_whole = match fields[1] {
            Some(5) => more + shift >= 2,
            Some(2) => more + shift >= 5,
            _ => false,
        };
        if is_whole {
            break;
        }
        if fields[1].is_some_and(|kind| kind != 0) {
            shift = 1;
        }
        more += 1;
        if at + more >= params.len() || more + shift >= fields.len() {
            break;
        }
    }
    let value = |index: usize| fields[index].unwrap_or(0) & 0xff;
    match fields[1] {
        Some(2) => set(target, color::RGB | value(3) << 16 | value(4) << 8 | value(5)),
        Some(5) => set(target, color::PALETTE | value(3)),
        _ => {}
    }
    more
}
