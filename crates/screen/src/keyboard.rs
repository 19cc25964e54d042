//! The kitty keyboard protocol: which enhancements the program switched on.

use crate::csi::Csi;

/// More than a program nests; the oldest is forgotten, as kitty does.
const DEPTH: usize = 16;
/// The five enhancements there are.
const FLAGS: u16 = 0x1f;

/// The flags of one screen. The main and the alternate screen have their own.
///
/// The emulator keeps the same, but does not let itself be asked, and its stack can be made to panic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyboard {
    current: u8,
    stack: Vec<u8>,
}

impl Keyboard {
    pub(crate) fn flags(&self) -> u8 {
        self.current
    }

    /// Follows `CSI > flags u`, `CSI < count u` and `CSI = flags ; how u`.
    pub(crate) fn apply(&mut self, csi: &Csi<'_>) {
        let mut params = csi.params();
        let first = params.next();
        let flags = (first.unwrap_or(0) & FLAGS) as u8;
        match csi.marker {
            Some(b'>') => {
                if self.stack.len() == DEPTH {
                    self.stack.remove(0);
                }
                self.stack.push(self.current);
                self.current = flags;
            }
            Some(b'<') => {
                for _ in 0..first.unwrap_or(1).max(1).min(DEPTH as u16 + 1) {
                    self.current = self.stack.pop().unwrap_or(0);
                }
            }
            Some(b'=') => match params.next().unwrap_or(1) {
                2 => self.current |= flags,
                3 => self.current &= !flags,
                _ => self.current = flags,
            },
            _ => {}
        }
    }

    /// What makes a terminal that was reset stand here.
    pub(crate) fn paint(&self, out: &mut String) {
        let mut entries = self.stack.iter().chain([&self.current]);
        if let Some(&first) = entries.next()
            && first != 0
        {
            out.push_str(&format!("\x1b[={first};1u"));
        }
        for flags in entries {
            out.push_str(&format!("\x1b[>{flags}u"));
        }
    }
}
