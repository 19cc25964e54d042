//! The whole screen as bytes that paint it.

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::term::TermMode;

use crate::painter::Painter;
use crate::query::cursor_style;
use crate::screen::Terminal;

/// Rows of scrollback that a late viewer gets.
const HISTORY: i32 = 1000;
/// Everything back to the start, whatever the terminal was in the middle of; then the colours, which stay otherwise.
const RESET: &str = "\x1bc\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";
/// Indexes of palette, foreground, background and cursor colour.
const COLORS: usize = 259;

/// Modes that are off after a reset, and what switches them on.
const MODES: [(TermMode, &str); 11] = [
    (TermMode::INSERT, "\x1b[4h"),
    (TermMode::LINE_FEED_NEW_LINE, "\x1b[20h"),
    (TermMode::APP_CURSOR, "\x1b[?1h"),
    (TermMode::APP_KEYPAD, "\x1b="),
    (TermMode::MOUSE_REPORT_CLICK, "\x1b[?1000h"),
    (TermMode::MOUSE_DRAG, "\x1b[?1002h"),
    (TermMode::MOUSE_MOTION, "\x1b[?1003h"),
    (TermMode::FOCUS_IN_OUT, "\x1b[?1004h"),
    (TermMode::UTF8_MOUSE, "\x1b[?1005h"),
    (TermMode::SGR_MOUSE, "\x1b[?1006h"),
    (TermMode::BRACKETED_PASTE, "\x1b[?2004h"),
];

/// What paints `terminal` into a terminal of the same size.
pub(crate) fn paint(terminal: &Terminal) -> String {
    let emulator = &terminal.emulator;
    let (grid, mode) = (emulator.grid(), emulator.mode());
    let mut painter = Painter::default();
    painter.out.push_str(RESET);
    for index in 0..COLORS {
        if let Some(color) = emulator.color(index) {
            let code = if index < 256 { format!("4;{index}") } else { (index - 246).to_string() };
            painter
                .write(format_args!("\x1b]{code};rgb:{:02x}/{:02x}/{:02x}\x1b\\", color.r, color.g, color.b));
        }
    }
    if !terminal.title.is_empty() {
        painter.write(format_args!("\x1b]2;{}\x1b\\", terminal.title));
    }

    if emulator.is_alternate() {
        painter.out.push_str(emulator.covered());
        emulator.main_keyboard().paint(&mut painter.out);
        painter.out.push_str("\x1b[?1049h\x1b[m\x1b]8;;\x1b\\\x1b(B\x1b)B\x0f\x1b[2J\x1b[H");
    }
    painter.rows(emulator.rows(-HISTORY..i32::MAX));

    painter.cursor(grid, &grid.saved_cursor, 0);
    painter.out.push_str("\x1b7");
    painter.reset();

    let (region, rows) = (emulator.scroll_region(), grid.screen_lines() as u16);
    if region != (0..rows) {
        painter.write(format_args!("\x1b[{};{}r", region.start + 1, region.end.max(region.start + 2)));
    }
    let origin = mode.contains(TermMode::ORIGIN);
    if origin {
        painter.out.push_str("\x1b[?6h");
    }
    painter.cursor(grid, &grid.cursor, if origin { region.start } else { 0 });
    if emulator.is_shifted() {
        painter.out.push('\x0e');
    }

    for (_, switch) in MODES.iter().filter(|(flag, _)| mode.contains(*flag)) {
        painter.out.push_str(switch);
    }
    for (flag, switch) in [
        (TermMode::LINE_WRAP, "\x1b[?7l"),
        (TermMode::SHOW_CURSOR, "\x1b[?25l"),
        (TermMode::ALTERNATE_SCROLL, "\x1b[?1007l"),
    ] {
        if !mode.contains(flag) {
            painter.out.push_str(switch);
        }
    }
    emulator.keyboard().paint(&mut painter.out);
    match cursor_style(emulator) {
        2 => {}
        style => painter.write(format_args!("\x1b[{style} q")),
    }
    if emulator.in_frame() {
        painter.out.push_str("\x1b[?2026h");
    }
    painter.out
}
