//! What a person who only watches sees: as much of the agent's terminal as fits into theirs.
//!
//! The agent's terminal keeps its size, so its output cannot go into another one as it is. It is emulated here, and the
//! part with the cursor is painted, or what the person scrolled to.

use std::fmt::Write as _;

use parallax_api::TerminalSize;
use parallax_screen::{Screen, TerminalReport};

use super::scroll::Scroll;

/// Rows above the screen that can be scrolled back to.
const SCROLLBACK: usize = 5000;

/// The agent's terminal, and the part of it that is shown.
pub(super) struct Window {
    screen: Screen,
    /// The size of the person's terminal.
    size: TerminalSize,
    /// The agent's row that is shown first; the scrollback is below 0.
    top: isize,
    /// The agent's column that is shown first.
    left: usize,
    /// The part with the cursor is shown; else it stays where it is.
    follows: bool,
    /// What each row of the person's terminal shows by now.
    shown: Vec<String>,
    title: String,
    bell: bool,
}

impl Window {
    /// Shows a terminal of which nothing is known yet in one of this size.
    pub fn new(size: TerminalSize) -> Self {
        Self {
            screen: Screen::new(TerminalSize::default(), SCROLLBACK),
            size,
            top: 0,
            left: 0,
            follows: true,
            shown: Vec::new(),
            title: String::new(),
            bell: false,
        }
    }

    /// The agent's terminal has this size.
    pub fn set_agent_size(&mut self, size: TerminalSize) {
        self.screen.resize(size);
    }

    /// The agent's terminal is as this snapshot paints it.
    pub fn begin(&mut self, snapshot: &str) {
        self.screen = Screen::new(self.screen.size(), SCROLLBACK);
        self.screen.feed(snapshot.as_bytes());
    }

    /// The agent printed this.
    pub fn feed(&mut self, bytes: &[u8]) {
        let before = self.screen.scrollback();
        let fed = self.screen.feed(bytes);
        self.bell |= fed.reports.contains(&TerminalReport::Bell);
        if !self.follows {
            // What a person looks at moves up with what is printed below it.
            let grown = self.screen.scrollback().saturating_sub(before);
            self.top -= grown.cast_signed();
        }
    }

    /// The person's terminal has this size, and may show anything.
    pub fn set_size(&mut self, size: TerminalSize) {
        self.size = size;
        self.shown.clear();
    }

    /// A key was pressed that means this.
    pub fn scroll(&mut self, scroll: Scroll) {
        let page = isize::from(self.height().cast_signed()) - 1;
        let half = usize::from(self.size.cols / 2).max(1);
        self.follows = scroll == Scroll::Follow;
        match scroll {
            Scroll::Up => self.top -= 1,
            Scroll::Down => self.top += 1,
            Scroll::PageUp => self.top -= page.max(1),
            Scroll::PageDown => self.top += page.max(1),
            Scroll::Left => self.left = self.left.saturating_sub(half),
            Scroll::Right => self.left += half,
            Scroll::First => (self.top, self.left) = (isize::MIN / 2, 0),
            Scroll::Follow => {}
        }
    }

    /// What makes the person's terminal show it.
    pub fn paint(&mut self) -> String {
        self.place();
        let (cols, height) = (usize::from(self.size.cols), usize::from(self.height()));
        let top = self.top;
        let mut rows = self.screen.window(top..top + height.cast_signed(), self.left..self.left + cols);
        rows.resize(height, String::new());
        if !self.follows {
            rows.push(self.position());
        }
        let mut out = String::from("\x1b[?2026h\x1b[?7l\x1b[?25l");
        if self.shown.len() != usize::from(self.size.rows) {
            out.push_str("\x1b[2J");
            self.shown = vec![String::new(); usize::from(self.size.rows)];
        }
        for (row, (text, shown)) in rows.into_iter().zip(&mut self.shown).enumerate() {
            if *shown != text {
                write(&mut out, format_args!("\x1b[{};1H\x1b[2K{text}", row + 1));
                *shown = text;
            }
        }
        if self.screen.title() != self.title {
            self.title = self.screen.title().to_owned();
            write(&mut out, format_args!("\x1b]2;{}\x1b\\", self.title));
        }
        if std::mem::take(&mut self.bell) {
            out.push('\x07');
        }
        let cursor = self.screen.cursor();
        let row = isize::from(cursor.row.cast_signed()) - self.top;
        let col = usize::from(cursor.col).checked_sub(self.left).filter(|col| *col < cols);
        if let Some(col) = col.filter(|_| cursor.visible && (0..height.cast_signed()).contains(&row)) {
            write(&mut out, format_args!("\x1b[{};{}H\x1b[?25h", row + 1, col + 1));
        }
        out.push_str("\x1b[?2026l");
        out
    }

    /// Rows that show the agent's terminal. Who scrolled gets one that says where they are.
    fn height(&self) -> u16 {
        self.size.rows - u16::from(!self.follows && self.size.rows > 1)
    }

    /// Decides what is shown.
    fn place(&mut self) {
        let agent = self.screen.size();
        let (cols, rows) = (usize::from(self.size.cols), self.height().cast_signed());
        let lowest = isize::from((agent.rows.cast_signed() - rows).max(0));
        if self.follows {
            let cursor = self.screen.cursor();
            let row = isize::from(cursor.row.cast_signed());
            self.top = self.top.clamp(row + 1 - isize::from(rows), row).clamp(0, lowest);
            // By halves, so that the text does not move with every character.
            let (col, half) = (usize::from(cursor.col), (cols / 2).max(1));
            let beyond = (col + 1).saturating_sub(cols);
            self.left = beyond.div_ceil(half) * half;
        }
        self.top = self.top.clamp(-self.screen.scrollback().cast_signed(), lowest);
        self.left = self.left.min(usize::from(agent.cols).saturating_sub(cols));
    }

    /// The line that says what is shown, of a terminal in which the person scrolled.
    fn position(&self) -> String {
        let agent = self.screen.size();
        let above = self.screen.scrollback();
        let first = self.top + above.cast_signed() + 1;
        let text = format!(
            " rows {first}-{} of {}, columns {}-{} of {}; End follows the cursor ",
            first + isize::from(self.height().cast_signed()) - 1,
            above + usize::from(agent.rows),
            self.left + 1,
            (self.left + usize::from(self.size.cols)).min(agent.cols.into()),
            agent.cols,
        );
        let text: String = text.chars().take(self.size.cols.into()).collect();
        format!("\x1b[7m{text}\x1b[m")
    }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the person's terminal of that size shows, row by row, after all that was painted.
    struct Person {
        window: Window,
        terminal: Screen,
    }

    impl Person {
        fn new(agent: (u16, u16), own: (u16, u16)) -> Self {
            let size = |(cols, rows)| TerminalSize { cols, rows };
            let mut window = Window::new(size(own));
            window.set_agent_size(size(agent));
            Self { window, terminal: Screen::new(size(own), 0) }
        }

        fn sees(&mut self) -> Vec<String> {
            let painted = self.window.paint();
            self.terminal.feed(painted.as_bytes());
            self.terminal.view(0).lines
        }

        fn after(&mut self, printed: &str) -> Vec<String> {
            self.window.feed(printed.as_bytes());
            self.sees()
        }

        fn scrolled(&mut self, scroll: Scroll) -> Vec<String> {
            self.window.scroll(scroll);
            self.sees()
        }

        fn cursor(&self) -> (u16, u16, bool) {
            let cursor = self.terminal.cursor();
            (cursor.row, cursor.col, cursor.visible)
        }
    }

    #[test]
    fn the_part_with_the_cursor() {
        let mut person = Person::new((40, 10), (10, 3));
        assert_eq!(person.after("one\r\ntwo\r\nthree\r\nfour"), ["two", "three", "four"]);
        assert_eq!(person.cursor(), (2, 4, true));
        assert_eq!(person.after("\x1b[1;1Htop"), ["top", "two", "three"]);
        assert_eq!(person.after("\x1b[9;1H\x1b[?25llast"), ["", "", "last"]);
        assert!(!person.cursor().2);
        assert_eq!(person.after("\x1b[?25h\x1b[1;1H\x1b[2K0123456789abcdef"), ["abcdef", "", ""]);
    }

    #[test]
    fn the_rest_is_scrolled_to() {
        let mut person = Person::new((20, 4), (10, 3));
        let printed: String = (1..=9).map(|n| format!("{n} {}\r\n", "x".repeat(12))).collect();
        person.after(&printed);
        let up = person.scrolled(Scroll::Up);
        assert_eq!(up[..2], ["7 xxxxxxxx", "8 xxxxxxxx"]);
        assert!(up[2].starts_with(" rows 7-8"), "{up:?}");
        assert_eq!(person.scrolled(Scroll::First)[..2], ["1 xxxxxxxx", "2 xxxxxxxx"]);
        assert_eq!(person.after("more\r\n\r\n")[..2], ["1 xxxxxxxx", "2 xxxxxxxx"], "it stays");
        assert_eq!(person.scrolled(Scroll::PageDown)[0], "2 xxxxxxxx");
        assert_eq!(person.scrolled(Scroll::Right)[0], "xxxxxxxxx");
        assert_eq!(person.scrolled(Scroll::Right)[0], "xxxx", "not behind the last column");
        assert_eq!(person.scrolled(Scroll::Follow), ["more", "", ""]);
    }

    #[test]
    fn half_a_wide_character_is_a_blank() {
        let mut person = Person::new((40, 10), (5, 2));
        assert_eq!(person.after("abcd漢字\x1b[H"), ["abcd", ""]);
        person.scrolled(Scroll::Right);
        person.scrolled(Scroll::Right);
        assert_eq!(person.scrolled(Scroll::Right)[0], "字");
        person.scrolled(Scroll::Left);
        assert_eq!(person.scrolled(Scroll::Left)[0], "cd漢");
    }

    #[test]
    fn only_what_changed_is_painted() {
        let mut person = Person::new((40, 10), (20, 5));
        person.after("one\r\ntwo");
        person.window.feed(b"!");
        let painted = person.window.paint();
        assert!(painted.contains("two!") && !painted.contains("one"), "{painted:?}");
        person.window.set_size(TerminalSize { cols: 20, rows: 5 });
        assert!(person.window.paint().contains("one"));
    }
}
