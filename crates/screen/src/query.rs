//! What programs ask a terminal, and what this one answers.
//!
//! A query is answered here, once, and viewers never see it; otherwise each of their terminals would answer too. What
//! cannot be answered sensibly is taken out all the same.

use std::io::Write as _;

use crate::csi::{self, Csi};
use crate::emulator::{Emulator, Encoding, Mouse, Rgb};
use crate::sgr::Look;

/// A VT220 with colours.
const PRIMARY_ATTRIBUTES: &[u8] = b"\x1b[?62;22c";
/// No firmware version that a program could conclude anything from.
const SECONDARY_ATTRIBUTES: &[u8] = b"\x1b[>0;10;0c";
const TERTIARY_ATTRIBUTES: &[u8] = b"\x1bP!|00000000\x1b\\";
const NAME: &str = concat!("parallax ", env!("CARGO_PKG_VERSION"));
/// A cell in pixels, for programs that want to know. Nothing is drawn here.
const CELL: (u32, u32) = (8, 16);

const FOREGROUND: usize = 256;
const BACKGROUND: usize = 257;
const CURSOR: usize = 258;

/// Whether `sequence` may be a query. Most are not, at first sight.
pub(crate) fn may_be(sequence: &[u8]) -> bool {
    let marker = sequence.get(2).copied();
    match (sequence.get(1), sequence.last()) {
        (Some(b'['), Some(b'c' | b'n' | b't' | b'p')) => true,
        (Some(b'['), Some(b'q')) => marker == Some(b'>'),
        (Some(b'['), Some(b'u' | b'S' | b'm')) => marker == Some(b'?'),
        (Some(b'['), _) => false,
        (Some(b']'), _) => memchr::memchr(b'?', sequence).is_some(),
        (Some(b'P' | b'_' | b'Z'), _) => true,
        _ => false,
    }
}

/// Answers `sequence` if it is a query. Answers whether it was one.
pub(crate) fn answer(sequence: &[u8], emulator: &Emulator, replies: &mut Vec<u8>) -> bool {
    match sequence.get(1) {
        Some(b'[') => Csi::parse(sequence).is_some_and(|csi| control(&csi, emulator, replies)),
        Some(b']') => csi::osc(sequence)
            .is_some_and(|(body, terminator)| command(sequence, body, terminator, emulator, replies)),
        Some(b'P') => csi::dcs(sequence).is_some_and(|body| device(body, emulator, replies)),
        // Whether the terminal can show images: silence says no.
        Some(b'_') => csi::apc(sequence).is_some_and(is_graphics_query),
        Some(b'Z') => say(replies, PRIMARY_ATTRIBUTES),
        _ => false,
    }
}

/// `ESC [ …`
fn control(csi: &Csi<'_>, emulator: &Emulator, replies: &mut Vec<u8>) -> bool {
    let size = emulator.size();
    match (csi.kind(), csi.first()) {
        ((0, 0, b'c'), 0) => say(replies, PRIMARY_ATTRIBUTES),
        ((b'>', 0, b'c'), 0) => say(replies, SECONDARY_ATTRIBUTES),
        ((b'=', 0, b'c'), 0) => say(replies, TERTIARY_ATTRIBUTES),
        ((0, 0, b'n'), 5) => say(replies, b"\x1b[0n"),
        ((marker @ (0 | b'?'), 0, b'n'), 6) => {
            let (row, col) = reported_cursor(emulator);
            let marker = if marker == 0 { "" } else { "?" };
            tell(replies, format_args!("\x1b[{marker}{row};{col}R"))
        }
        // The theme is dark.
        ((b'?', 0, b'n'), 996) => say(replies, b"\x1b[?997;1n"),
        ((0 | b'?', 0, b'n'), _) => true,
        ((marker @ (0 | b'?'), b'$', b'p'), mode) => {
            let state = mode_state(emulator, marker == b'?', mode);
            let marker = if marker == 0 { "" } else { "?" };
            tell(replies, format_args!("\x1b[{marker}{mode};{state}$y"))
        }
        ((b'>', 0, b'q'), 0) => tell(replies, format_args!("\x1bP>|{NAME}\x1b\\")),
        ((b'?', 0, b'u'), _) => tell(replies, format_args!("\x1b[?{}u", emulator.keyboard().flags())),
        ((0, 0, b't'), report @ (14 | 15)) => {
            let (width, height) = (u32::from(size.cols) * CELL.0, u32::from(size.rows) * CELL.1);
            tell(replies, format_args!("\x1b[{};{height};{width}t", report - 10))
        }
        ((0, 0, b't'), 16) => tell(replies, format_args!("\x1b[6;{};{}t", CELL.1, CELL.0)),
        ((0, 0, b't'), report @ (18 | 19)) => {
            tell(replies, format_args!("\x1b[{};{};{}t", report - 10, size.rows, size.cols))
        }
        ((0, 0, b't'), 11) => say(replies, b"\x1b[1t"),
        ((0, 0, b't'), 13) => say(replies, b"\x1b[3;0;0t"),
        // Titles are not given back: a program could make the terminal type with them.
        ((0, 0, b't'), 20 | 21) => true,
        // Graphics attributes, modified keys: none.
        ((b'?', 0, b'S' | b'm'), _) => true,
        _ => false,
    }
}

/// `ESC ] …`
fn command(
    sequence: &[u8],
    body: &[u8],
    terminator: &[u8],
    emulator: &Emulator,
    replies: &mut Vec<u8>,
) -> bool {
    let mut fields = body.split(|&byte| byte == b';');
    let terminator = if terminator.is_empty() { b"\x1b\\" } else { terminator };
    match fields.next() {
        Some(b"7501") if body == b"7501;?" => say(replies, sequence),
        // What is on somebody's clipboard is nobody's business here.
        Some(b"52") => body.ends_with(b";?"),
        Some(b"21") => body.ends_with(b"=?"),
        Some(b"4") => {
            let pairs: Vec<_> = fields.collect();
            let mut asked = false;
            for (index, _) in
                pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).filter(|(_, spec)| spec == b"?")
            {
                asked = true;
                if let Some(index) =
                    std::str::from_utf8(index).ok().and_then(|index| index.parse::<u8>().ok())
                {
                    let color = spec(emulator, usize::from(index));
                    tell(replies, format_args!("\x1b]4;{index};{color}"));
                    say(replies, terminator);
                }
            }
            asked
        }
        Some(code @ (b"10" | b"11" | b"12")) => {
            // Each further field is about the next code.
            let first = usize::from(code[1] - b'0');
            let mut asked = false;
            for (code, _) in (first..).zip(fields).filter(|(_, spec)| spec == b"?") {
                asked = true;
                if code <= CURSOR - FOREGROUND {
                    let color = spec(emulator, FOREGROUND + code);
                    tell(replies, format_args!("\x1b]1{code};{color}"));
                    say(replies, terminator);
                }
            }
            asked
        }
        _ => false,
    }
}

/// `ESC P …`
fn device(body: &[u8], emulator: &Emulator, replies: &mut Vec<u8>) -> bool {
    if let Some(capabilities) = body.strip_prefix(b"+q") {
        say(replies, b"\x1bP0+r");
        say(replies, capabilities);
        return say(replies, b"\x1b\\");
    }
    let Some(setting) = body.strip_prefix(b"$q") else { return false };
    match setting {
        b"r" => {
            let buffer = emulator.buffer();
            tell(replies, format_args!("\x1bP1$r{};{}r\x1b\\", buffer.top + 1, buffer.bottom + 1))
        }
        b"m" => {
            let mut attributes = String::new();
            Look::of(emulator.attr()).write_parameters(&mut attributes);
            tell(replies, format_args!("\x1bP1$r{attributes}m\x1b\\"))
        }
        b" q" => tell(replies, format_args!("\x1bP1$r{} q\x1b\\", cursor_style(emulator))),
        b"\"q" => {
            let protected = Look::of(emulator.attr()).is_protected();
            tell(replies, format_args!("\x1bP1$r{}\"q\x1b\\", u8::from(protected)))
        }
        _ => say(replies, b"\x1bP0$r\x1b\\"),
    }
}

/// The number of the cursor's style in `CSI n SP q`.
fn cursor_style(emulator: &Emulator) -> u8 {
    match emulator.modes().cursor_style {
        0 => 2 - u8::from(emulator.modes().cursor_blinks),
        style @ 7.. => style - 6,
        style => style,
    }
}

/// Counted from 1, and from the upper margin in origin mode.
fn reported_cursor(emulator: &Emulator) -> (u16, u16) {
    let (row, col) = emulator.cursor();
    let top = if emulator.modes().origin { emulator.buffer().top as u16 } else { 0 };
    (row.saturating_sub(top) + 1, col + 1)
}

/// 1 set, 2 reset, 3 always set, 4 always reset, 0 not known.
fn mode_state(emulator: &Emulator, private: bool, mode: u16) -> u8 {
    let modes = emulator.modes();
    let set = match (private, mode) {
        (true, 8) | (false, 12) => return 3,
        (true, 67 | 1005 | 1015) | (false, 2) => return 4,
        (true, 1048) => return 1,
        (true, 2026) => emulator.in_frame(),
        (true, 12) => modes.cursor_blinks,
        (true, 1) => modes.app_cursor,
        (true, 6) => modes.origin,
        (true, 7) => modes.wraparound,
        (true, 9) => modes.mouse == Mouse::X10,
        (true, 25) => !modes.cursor_hidden,
        (true, 45) => modes.reverse_wraparound,
        (true, 66) => modes.app_keypad,
        (true, 47 | 1047 | 1049) => emulator.is_alternate(),
        (true, 1000) => modes.mouse == Mouse::Click,
        (true, 1002) => modes.mouse == Mouse::Drag,
        (true, 1003) => modes.mouse == Mouse::Any,
        (true, 1004) => modes.focus,
        (true, 1006) => modes.encoding == Encoding::Sgr,
        (true, 1016) => modes.encoding == Encoding::SgrPixels,
        (true, 2004) => modes.bracketed_paste,
        (false, 4) => modes.insert,
        (false, 20) => modes.new_line,
        _ => return 0,
    };
    if set { 1 } else { 2 }
}

/// A kitty graphics command that only asks.
fn is_graphics_query(body: &[u8]) -> bool {
    let Some(command) = body.strip_prefix(b"G") else { return false };
    let keys = command.split(|&byte| byte == b';').next().unwrap_or_default();
    keys.split(|&byte| byte == b',').any(|key| key == b"a=q")
}

/// A colour as X writes it.
fn spec(emulator: &Emulator, index: usize) -> String {
    let Rgb { r, g, b } = emulator.palette().get(index).unwrap_or_else(|| default_color(index));
    format!("rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}")
}

/// White on black, with the palette that xterm.js has.
fn default_color(index: usize) -> Rgb {
    const BASE: [u32; 16] = [
        0x2e3436, 0xcc0000, 0x4e9a06, 0xc4a000, 0x3465a4, 0x75507b, 0x06989a, 0xd3d7cf, 0x555753, 0xef2929,
        0x8ae234, 0xfce94f, 0x729fcf, 0xad7fa8, 0x34e2e2, 0xeeeeec,
    ];
    let rgb = |value: u32| Rgb { r: (value >> 16) as u8, g: (value >> 8) as u8, b: value as u8 };
    let step = |level: usize| if level == 0 { 0 } else { (level * 40 + 55) as u8 };
    match index {
        0..16 => rgb(BASE[index]),
        16..232 => {
            let cube = index - 16;
            Rgb { r: step(cube / 36), g: step(cube / 6 % 6), b: step(cube % 6) }
        }
        232..256 => {
            let grey = ((index - 232) * 10 + 8) as u8;
            Rgb { r: grey, g: grey, b: grey }
        }
        _ if index == BACKGROUND => rgb(0),
        _ => rgb(0xffffff),
    }
}

fn say(replies: &mut Vec<u8>, bytes: &[u8]) -> bool {
    replies.extend_from_slice(bytes);
    true
}

fn tell(replies: &mut Vec<u8>, text: std::fmt::Arguments<'_>) -> bool {
    replies.write_fmt(text).expect("writing to memory does not fail");
    true
}
