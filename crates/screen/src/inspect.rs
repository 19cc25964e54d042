//! All that there is to know of a terminal, as text: for tests that hold it against another.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::attr::{bg, color};
use crate::buffer::Buffer;
use crate::line::Line;
use crate::sgr::Look;
use crate::terminal::Terminal;

/// One line for what stands once, then one a row, oldest first. Attributes stand where they change.
pub(crate) fn inspect(terminal: &Terminal) -> String {
    let emulator = &terminal.emulator;
    let modes = emulator.modes();
    let buffer = emulator.buffer();
    let mut out = String::new();
    write(&mut out, format_args!("title {}\n", terminal.window_title));
    write(
        &mut out,
        format_args!(
            "modes hidden={} cursor-keys={} keypad={} paste={} origin={} reverse={} focus={} wrap={} insert={} newline={} \
             blink={} mouse={:?} encoding={:?} frame={}\n",
            modes.cursor_hidden,
            modes.app_cursor,
            modes.app_keypad,
            modes.bracketed_paste,
            modes.origin,
            modes.reverse_wraparound,
            modes.focus,
            modes.wraparound,
            modes.insert,
            modes.new_line,
            modes.cursor_blinks,
            modes.mouse,
            modes.encoding,
            emulator.in_frame(),
        ),
    );
    let mut look = Look::of(emulator.attr());
    look.underline_color = emulator.attr().extended.underline_color;
    look.link.clone_from(&emulator.attr().extended.link);
    let style = if modes.cursor_style > 6 { 0 } else { modes.cursor_style };
    write(&mut out, format_args!("style {style} {}\n", key(&look)));
    write(
        &mut out,
        format_args!("screen alternate={} cursor={},{}\n", emulator.is_alternate(), buffer.y, buffer.x),
    );
    describe(&mut out, "main", emulator.main());
    if emulator.is_alternate() {
        describe(&mut out, "alternate", emulator.alternate());
    }
    out
}

fn describe(out: &mut String, name: &str, buffer: &Buffer) {
    let (tabs, _) = buffer.tabs();
    let tabs: Vec<usize> = tabs.filter(|col| *col < buffer.cols).collect();
    let above = buffer.history.len();
    write(
        out,
        format_args!("{name} margins={}..{} tabs={tabs:?} above={above}\n", buffer.top, buffer.bottom),
    );
    for row in
        (0..above).filter_map(|index| buffer.history.line(index)).chain(buffer.shown().map(Cow::into_owned))
    {
        describe_row(out, &row);
    }
}

fn describe_row(out: &mut String, row: &Line) {
    out.push_str(if row.wrapped { "+" } else { "|" });
    let blank = Look::default();
    let mut last = key(&blank);
    let end = (0..row.len())
        .rposition(|col| row.cells[col].has_content() || key(&Look::of(&row.attr(col))) != last);
    for col in 0..end.map_or(0, |end| end + 1) {
        let cell = row.cells[col];
        let now = key(&Look::of(&row.attr(col)));
        if now != last {
            write(out, format_args!("{{{now}}}"));
            last = now;
        }
        match row.cluster(col) {
            _ if row.is_second_half(col) => out.push('\u{ab}'),
            _ if is_half(row, col) => out.push('\u{2039}'),
            _ if !row.is_shown(col) => out.push('\u{b7}'),
            Some(cluster) => write(out, format_args!("<{cluster}>")),
            None => out.extend(cell.char()),
        }
    }
    out.push('\n');
}

/// Whether a wide character is there of which a smaller width cut off the second half.
fn is_half(row: &Line, col: usize) -> bool {
    row.cells[col].has_content() && row.cells[col].width() == 2 && !row.is_shown(col)
}

/// The attributes of a cell.
fn key(look: &Look) -> String {
    let value = |field: u32| format!("{}:{:x}", (field & color::KIND) >> 24, field & color::VALUE);
    let link = look.link.as_ref().map_or(String::new(), |link| format!(" {}={}", link.id, link.uri));
    let key = format!(
        "{} {} {:x} {:x} {} {}{link}",
        value(look.fg),
        value(look.bg),
        look.fg >> 26,
        (look.bg & !bg::EXTENDED) >> 26,
        look.underline,
        if look.underline == 0 { "0:0".to_owned() } else { value(look.underline_color) },
    );
    if key == "0:0 0:0 0 0 0 0:0" { String::new() } else { key }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}
