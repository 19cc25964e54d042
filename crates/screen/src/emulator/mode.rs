//! Modes, the alternate screen among them.

use crate::emulator::Emulator;

/// What is switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    /// 1: arrow keys are sent as `ESC O`.
    pub(crate) app_cursor: bool,
    /// 66, `ESC =`: the keypad sends sequences.
    pub(crate) app_keypad: bool,
    /// 2004: pasted text is marked.
    pub(crate) bracketed_paste: bool,
    /// 6: rows count from the upper margin.
    pub(crate) origin: bool,
    /// 45: a backspace goes back into the row above.
    pub(crate) reverse_wraparound: bool,
    /// 1004: focus is reported.
    pub(crate) focus: bool,
    /// 7: text goes on in the next row.
    pub(crate) wraparound: bool,
    /// 4: characters move what is behind them.
    pub(crate) insert: bool,
    /// 20: a line feed returns the carriage.
    pub(crate) new_line: bool,
    /// 25 is off.
    pub(crate) cursor_hidden: bool,
    /// 12: the cursor blinks, unless its style says otherwise.
    pub(crate) cursor_blinks: bool,
    /// As in `CSI n SP q`; 7 and 8 set only whether the cursor blinks.
    pub(crate) cursor_style: u8,
    pub(crate) mouse: Mouse,
    pub(crate) encoding: Encoding,
}

/// Which mouse events are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mouse {
    #[default]
    Off,
    /// 9: presses.
    X10,
    /// 1000: presses and releases.
    Click,
    /// 1002: also motion with a button held.
    Drag,
    /// 1003: all motion.
    Any,
}

/// How mouse events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Bytes,
    /// 1006.
    Sgr,
    /// 1016.
    SgrPixels,
}

impl Default for Modes {
    fn default() -> Self {
        Modes {
            app_cursor: false,
            app_keypad: false,
            bracketed_paste: false,
            origin: false,
            reverse_wraparound: false,
            focus: false,
            wraparound: true,
            insert: false,
            new_line: false,
            cursor_hidden: false,
            cursor_blinks: false,
            cursor_style: 0,
            mouse: Mouse::Off,
            encoding: Encoding::Bytes,
        }
    }
}

impl Modes {
    /// What `ESC c` leaves, as xterm.js does it.
    pub(super) fn after_reset(self) -> Self {
        Modes {
            new_line: self.new_line,
            cursor_hidden: self.cursor_hidden,
            cursor_blinks: self.cursor_blinks,
            ..Modes::default()
        }
    }

    /// What `CSI ! p` leaves.
    pub(super) fn after_soft_reset(self) -> Self {
        Modes {
            new_line: self.new_line,
            cursor_blinks: self.cursor_blinks,
            mouse: self.mouse,
            encoding: self.encoding,
            ..Modes::default()
        }
    }
}

impl Emulator {
    pub(super) fn set_mode(&mut self, mode: u32, on: bool) {
        match mode {
            4 => self.modes.insert = on,
            20 => self.modes.new_line = on,
            _ => {}
        }
    }

    pub(super) fn set_private_mode(&mut self, mode: u32, on: bool) {
        let modes = &mut self.modes;
        match mode {
            1 => modes.app_cursor = on,
            2 if on => (0..4).for_each(|level| self.charsets.designate(level, None)),
            6 => {
                modes.origin = on;
                self.go_to(0, 0);
            }
            7 => modes.wraparound = on,
            12 => modes.cursor_blinks = on,
            25 => modes.cursor_hidden = !on,
            45 => modes.reverse_wraparound = on,
            66 => modes.app_keypad = on,
            9 | 1000 | 1002 | 1003 => {
                modes.mouse = match mode {
                    _ if !on => Mouse::Off,
                    9 => Mouse::X10,
                    1000 => Mouse::Click,
                    1002 => Mouse::Drag,
                    _ => Mouse::Any,
                }
            }
            1004 => modes.focus = on,
            1006 | 1016 => {
                modes.encoding = match mode {
                    _ if !on => Encoding::Bytes,
                    1006 => Encoding::Sgr,
                    _ => Encoding::SgrPixels,
                }
            }
            47 | 1047 => self.show_alternate(on),
            1048 if on => self.save_cursor(),
            1048 => self.restore_cursor(),
            1049 if on => {
                self.save_cursor();
                self.show_alternate(true);
            }
            1049 => {
                self.show_alternate(false);
                self.restore_cursor();
            }
            2004 => modes.bracketed_paste = on,
            2026 => self.frame = on.then_some(0),
            _ => {}
        }
    }

    /// The cursor goes along.
    fn show_alternate(&mut self, on: bool) {
        if on == self.is_alternate {
            return;
        }
        if on {
            self.alternate.show(&self.attr.erased());
            (self.alternate.x, self.alternate.y) = (self.main.x, self.main.y);
        } else {
            (self.main.x, self.main.y) = (self.alternate.x, self.alternate.y);
            self.alternate.hide();
        }
        self.is_alternate = on;
    }
}
