//! The whole terminal as bytes that paint it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::attr::{Attr, Link, bg, fg};
use crate::buffer::{Buffer, Saved};
use crate::charset::{self, Charset};
use crate::emulator::{Emulator, Encoding, Mouse};
use crate::painter::Painter;
use crate::sgr::Look;
use crate::terminal::Terminal;
use crate::width;

/// Rows of scrollback that a late viewer gets at most.
const HISTORY: usize = 1000;
/// Scrollback is left out when the snapshot would have more bytes than this, in UTF-8: as JSON it fits into 1 MiB. The
/// screen itself is always whole.
const SIZE_LIMIT: usize = 512 * 1024;

/// Everything back to the start, whatever the terminal was in the middle of; then what xterm.js keeps over that: LNM,
/// the cursor's visibility and blinking, the title, the colours.
pub const RESET: &str =
    "\x1bc\x1b[20l\x1b[?25h\x1b[?12l\x1b]2;\x1b\\\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";

/// What paints `terminal` into a terminal of the same size.
pub(crate) fn paint(terminal: &Terminal) -> String {
    let mut history = HISTORY;
    loop {
        let painted = paint_with(terminal, history);
        if painted.len() <= SIZE_LIMIT || history == 0 {
            return painted;
        }
        history /= 2;
    }
}

fn paint_with(terminal: &Terminal, history: usize) -> String {
    let emulator = &terminal.emulator;
    let mut painter = Painter::default();
    painter.out.push_str(RESET);
    for (index, color) in emulator.palette().iter() {
        let code = if index < 256 { format!("4;{index}") } else { (index - 246).to_string() };
        painter.write(format_args!("\x1b]{code};rgb:{:02x}/{:02x}/{:02x}\x1b\\", color.r, color.g, color.b));
    }
    if !terminal.window_title.is_empty() {
        painter.write(format_args!("\x1b]2;{}\x1b\\", terminal.window_title));
    }

    let main = emulator.main();
    buffer(&mut painter, main, history);
    if emulator.is_alternate() {
        margins(&mut painter, main);
        // Where the cursor was counts when the size changes meanwhile.
        painter.cursor(main, 0);
        painter.plain();
        emulator.main_keyboard().paint(&mut painter.out);
        painter.out.push_str("\x1b[?47h\x1b[H");
        buffer(&mut painter, emulator.alternate(), 0);
    } else if emulator.alternate().saved != Default::default() {
        painter.out.push_str("\x1b[?47h");
        saved_cursor(&mut painter, emulator.alternate(), 0);
        painter.out.push_str("\x1b[?47l");
    }
    let is_designated = restore_charset(&mut painter, emulator);
    margins(&mut painter, emulator.buffer());
    let origin = emulator.modes().origin;
    if origin {
        painter.out.push_str("\x1b[?6h");
    }
    painter.cursor(emulator.buffer(), if origin { emulator.buffer().top } else { 0 });
    if !is_designated {
        shift(&mut painter, emulator);
    }
    painter.set(&current_look(emulator));
    modes(&mut painter, emulator);
    last_character(&mut painter, emulator);
    painter.out
}

/// Writes again what was printed right before, so that what comes next is joined to it, or repeats it, as it should.
fn last_character(painter: &mut Painter, emulator: &Emulator) {
    let (buffer, modes) = (emulator.buffer(), emulator.modes());
    let Some(preceding) = emulator.preceding() else { return };
    let Some(col) = buffer.x.checked_sub(usize::from(preceding.width)) else { return };
    let line = &buffer.lines[buffer.y];
    let is_there = line.cells[col].width() == preceding.width && line.is_shown(col);
    if !is_there || Look::of(&line.attr(col)) != Look::of(emulator.attr()) {
        return;
    }
    let row = buffer.y - if modes.origin { buffer.top.min(buffer.y) } else { 0 };
    painter.write(format_args!("\x1b[{};{}H", row + 1, col + 1));
    if modes.insert {
        // It moves back to where it is what it would move away. What makes it wider then moves nothing.
        let first = line.cluster(col).and_then(|cluster| cluster.chars().next()).or(line.cells[col].char());
        let width = width::step(first.unwrap_or(' ').into(), None).state.width;
        painter.write(format_args!("\x1b[{width}P"));
    }
    painter.character(line, col);
}

/// Rows, tab stops and the saved cursor of a screen.
fn buffer(painter: &mut Painter, buffer: &Buffer, history: usize) {
    let (tabs, are_usual) = buffer.tabs();
    if !are_usual {
        painter.out.push_str("\x1b[3g");
        for col in tabs {
            if col < buffer.cols {
                painter.write(format_args!("\x1b[{}G\x1bH", col + 1));
            } else {
                // Behind the last column, where only a character brings the cursor.
                painter.write(format_args!("\x1b[{col}G \x1bH\x1b[2K"));
            }
        }
        painter.out.push('\r');
    }
    let above = buffer.history.len();
    let first = above.saturating_sub(history);
    saved_cursor(painter, buffer, first);
    let mut rows = (first..above)
        .filter_map(|index| buffer.history.line(index))
        .chain(buffer.shown().map(Cow::into_owned))
        .peekable();
    if rows.peek().is_some_and(|row| row.wrapped) {
        go_on_from_nowhere(painter, buffer.cols);
    }
    painter.rows(rows, buffer.cols);
}

/// Makes the first row of an empty screen one that goes on the row above, which is no longer there.
fn go_on_from_nowhere(painter: &mut Painter, cols: usize) {
    // A row that wraps, and is scrolled away.
    painter.write(format_args!("\x1b[{cols}G  \r\x1b[X\x1b[1;2r\x1b[2H\n\x1b[3J\x1b[r"));
}

/// Saves the cursor on the empty screen. Its row is kept as counted from the oldest row there is, the row `first` of the
/// buffer: what is painted later moves it into the scrollback where it was.
fn saved_cursor(painter: &mut Painter, buffer: &Buffer, first: usize) {
    let saved = &buffer.saved;
    if *saved == Default::default() {
        return;
    }
    let row = saved.line.saturating_sub(first);
    painter.write(format_args!("\x1b[{};{}H", row + 1, saved.x.min(buffer.cols - 1) + 1));
    // One that is below the screen, as a scrollback that was cleared leaves it, needs rows above for a moment.
    let below = (row + 1).saturating_sub(buffer.rows).min(HISTORY);
    painter.out.extend(std::iter::repeat_n('\n', below));
    if saved.x >= buffer.cols {
        // Only a character in the last column brings it behind that.
        painter.out.push(' ');
    }
    painter.set(&saved_look(saved));
    designate(painter, '(', saved.charset);
    painter.out.push_str("\x1b7");
    if saved.charset.is_some() {
        painter.out.push_str("\x1b(B");
    }
    painter.plain();
    if saved.x >= buffer.cols {
        painter.write(format_args!("\x1b[{}G\x1b[X", buffer.cols));
    }
    painter.out.push_str(if below > 0 { "\x1b[H\x1b[3J" } else { "\x1b[H" });
}

fn margins(painter: &mut Painter, buffer: &Buffer) {
    if (buffer.top, buffer.bottom) != (0, buffer.rows - 1) {
        painter.write(format_args!("\x1b[{};{}r", buffer.top + 1, buffer.bottom + 1));
    }
}

fn designate(painter: &mut Painter, set: char, charset: Option<Charset>) {
    if charset.is_some() {
        painter.write(format_args!("\x1b{set}{}", charset::name(charset)));
    }
}

/// The set that came back with a restored cursor, where it is not the one in use otherwise: only restoring it again makes
/// the same of a terminal. Answers whether the sets were designated for it.
fn restore_charset(painter: &mut Painter, emulator: &Emulator) -> bool {
    let (charsets, saved) = (emulator.charsets(), &emulator.buffer().saved);
    let is_restored = charsets.current != charsets.set(charsets.level()) && charsets.current == saved.charset;
    if is_restored {
        shift(painter, emulator);
        painter.out.push_str("\x1b8");
        painter.assume(saved_look(saved));
    }
    is_restored
}

fn current_look(emulator: &Emulator) -> Look {
    let attr = emulator.attr();
    Look { underline_color: attr.extended.underline_color, ..Look::of(attr) }
}

/// What the saved cursor writes with. Its flag for attributes that are not saved is set as it is there.
fn saved_look(saved: &Saved) -> Look {
    let mut look = Look::of(&Attr { fg: saved.fg, bg: saved.bg, ..Attr::default() });
    if saved.fg & fg::UNDERLINE != 0 {
        look.underline = 1;
    } else if saved.bg & bg::EXTENDED != 0 {
        look.link = Some(Arc::new(Link { id: String::new(), uri: "saved:".to_owned() }));
    }
    look
}

fn shift(painter: &mut Painter, emulator: &Emulator) {
    let charsets = emulator.charsets();
    for (level, set) in ['(', ')', '*', '+'].into_iter().enumerate() {
        designate(painter, set, charsets.set(level));
    }
    painter.out.push_str(match charsets.level() {
        1 => "\x0e",
        2 => "\x1bn",
        3 => "\x1bo",
        _ => "",
    });
}

fn modes(painter: &mut Painter, emulator: &Emulator) {
    let modes = emulator.modes();
    let mouse = match modes.mouse {
        Mouse::Off => "",
        Mouse::X10 => "\x1b[?9h",
        Mouse::Click => "\x1b[?1000h",
        Mouse::Drag => "\x1b[?1002h",
        Mouse::Any => "\x1b[?1003h",
    };
    let encoding = match modes.encoding {
        Encoding::Bytes => "",
        Encoding::Sgr => "\x1b[?1006h",
        Encoding::SgrPixels => "\x1b[?1016h",
    };
    painter.out.push_str(mouse);
    painter.out.push_str(encoding);
    for (on, switch) in [
        (modes.insert, "\x1b[4h"),
        (modes.new_line, "\x1b[20h"),
        (modes.app_cursor, "\x1b[?1h"),
        (modes.app_keypad, "\x1b="),
        (modes.focus, "\x1b[?1004h"),
        (modes.bracketed_paste, "\x1b[?2004h"),
        (modes.reverse_wraparound, "\x1b[?45h"),
        (!modes.wraparound, "\x1b[?7l"),
        (modes.cursor_blinks, "\x1b[?12h"),
    ] {
        if on {
            painter.out.push_str(switch);
        }
    }
    emulator.keyboard().paint(&mut painter.out);
    if modes.cursor_style != 0 {
        painter.write(format_args!("\x1b[{} q", modes.cursor_style));
    }
    if emulator.in_frame() {
        painter.out.push_str("\x1b[?2026h");
    }
    // Said in any case. Being the last sequence, it also keeps what comes next from being joined to what was painted.
    painter.out.push_str(if modes.cursor_hidden { "\x1b[?25l" } else { "\x1b[?25h" });
}
