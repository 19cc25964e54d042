//! What the fake agent paints: a conversation that scrolls, and below it a block that is painted anew.

use std::io::{Stdout, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The state as OSC 7501 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Working,
    Done,
    Permission,
    Question,
    Login,
    Error,
    Clear,
}

/// The terminal, in raw mode until [`Screen::restore`].
pub(super) struct Screen {
    out: Stdout,
    cooked: Termios,
    /// Rows from the block's first to the one that has the cursor.
    below_top: usize,
    /// Whether states are reported as OSC 7501 as well.
    pub(super) reports: bool,
}

impl Screen {
    /// Takes the terminal over: raw mode, bracketed paste, and the queries whose answers [`super::keys::Reply`] lists.
    pub(super) fn open(ask_status: bool) -> anyhow::Result<Self> {
        let cooked = tcgetattr(std::io::stdin())?;
        let mut raw = cooked.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        let mut screen = Self { out: std::io::stdout(), cooked, below_top: 0, reports: false };
        screen.write("\x1b[?2004h");
        if ask_status {
            screen.write("\x1b]7501;?\x1b\\");
        }
        screen.write("\x1b[c");
        Ok(screen)
    }

    /// Gives the terminal back as it was.
    pub(super) fn restore(&mut self) {
        self.erase_block();
        self.state(State::Clear, "");
        self.write("\x1b[?2004l\x1b]0;\x1b\\");
        // The terminal may be gone, and so is what to restore.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.cooked);
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        tcgetwinsize(std::io::stdin()).map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
    }

    /// Writes unchanged. A closed terminal is noticed by the input.
    pub(super) fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Prints into the conversation, above the block; [`Screen::paint`] must follow.
    pub(super) fn print(&mut self, text: &str) {
        self.erase_block();
        let text = text.replace('\n', "\r\n");
        self.write(&format!("{text}\r\n"));
    }

    /// Paints the block anew, in one frame; the cursor goes to the end of line `cursor`.
    pub(super) fn paint(&mut self, lines: &[String], cursor: usize) {
        let mut frame = String::from("\x1b[?2026h");
        frame.push_str(&self.to_block_top());
        frame.push_str("\x1b[J");
        frame.push_str(&lines.join("\r\n"));
        let up = lines.len() - 1 - cursor;
        if up > 0 {
            frame.push_str(&format!("\x1b[{up}A"));
        }
        frame.push('\r');
        let before = lines[cursor].chars().count();
        if before > 0 {
            frame.push_str(&format!("\x1b[{before}C"));
        }
        frame.push_str("\x1b[?2026l");
        self.below_top = cursor;
        self.write(&frame);
    }

    /// After a resize the position of lines is unknown: clears the screen.
    pub(super) fn wipe(&mut self) {
        self.below_top = 0;
        self.write("\x1b[H\x1b[2J");
    }

    /// Reports a state: as OSC 7501 when that is understood, and by the title.
    pub(super) fn state(&mut self, state: State, message: &str) {
        let (word, kind, mark) = match state {
            State::Idle => ("idle", "", "="),
            State::Done => ("done", "", "="),
            State::Working => ("working", "", "+"),
            State::Permission => ("blocked", ":kind=permission", "?"),
            State::Question => ("blocked", ":kind=question", "?"),
            State::Login => ("blocked", ":kind=auth", "?"),
            State::Error => ("error", "", "!"),
            State::Clear => ("clear", "", ""),
        };
        if self.reports {
            let message = match message {
                "" => String::new(),
                text => format!(":msg={}", STANDARD.encode(text)),
            };
            self.write(&format!("\x1b]7501;state={word}{kind}:app=fake-agent{message}\x1b\\"));
        }
        self.write(&format!("\x1b]0;{mark} fake agent\x1b\\"));
    }

    fn erase_block(&mut self) {
        let top = self.to_block_top();
        self.write(&format!("{top}\x1b[J"));
        self.below_top = 0;
    }

    fn to_block_top(&self) -> String {
        match self.below_top {
            0 => "\r".to_owned(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }
}
