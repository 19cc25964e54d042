//! The user's terminal, raw while the guard lives, and left as it was found.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::modes::Modes;
use crate::error::CliError;

/// The terminal that is raw now, for the panic hook: there is one terminal, so there is one such.
static RAW: Mutex<Option<Arc<Mutex<Modes>>>> = Mutex::new(None);

/// The user's terminal in raw mode. Dropping it switches off what the agent has switched on and ends raw mode; so
/// does a panic, before its message is printed.
pub(super) struct RawTerminal {
    modes: Arc<Mutex<Modes>>,
}

impl RawTerminal {
    /// Fails unless standard input and output are a terminal.
    pub fn check() -> Result<(), CliError> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Ok(());
        }
        Err(CliError::Usage(
            "attach needs a terminal for input and output; `parallax logs -f` and `parallax send` do without"
                .into(),
        ))
    }

    /// Enters raw mode and sets the user's window title aside.
    pub fn enter() -> Result<Self, CliError> {
        restore_on_panic();
        crossterm::terminal::enable_raw_mode()?;
        let modes = Arc::new(Mutex::new(Modes::default()));
        *RAW.lock().unwrap_or_else(PoisonError::into_inner) = Some(modes.clone());
        let terminal = Self { modes };
        print(b"\x1b[22;0t")?;
        Ok(terminal)
    }

    /// What the agent printed.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner).observe(bytes);
        print(bytes)
    }

    /// A line of our own, above the agent's screen.
    pub fn say(&self, text: &str) -> io::Result<()> {
        print(format!("[{text}]\r\n").as_bytes())
    }

    /// Moves what the user's screen shows into its history, so that the agent's screen covers nothing.
    pub fn make_room(&self) -> io::Result<()> {
        let rows = crossterm::terminal::size().map_or(24, |(_, rows)| rows);
        print(&b"\n".repeat(rows.into()))?;
        print(b"\x1b[H")
    }

    /// Back to how a terminal begins, before a screen is painted.
    pub fn clear(&self) -> io::Result<()> {
        let mut modes = self.modes.lock().unwrap_or_else(PoisonError::into_inner);
        print(&std::mem::take(&mut *modes).undo())?;
        print(b"\x1b[H\x1b[2J")
    }

    /// A line of our own over the last row of the agent's screen.
    pub fn overlay(&self, text: &str) -> io::Result<()> {
        let (cols, rows) = crossterm::terminal::size().unwrap_or((80, 24));
        let text: String = text.chars().take(usize::from(cols).saturating_sub(2)).collect();
        print(format!("\x1b7\x1b[{rows};1H\x1b[0;7m {text} \x1b[0m\x1b[K\x1b8").as_bytes())
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Leaves the terminal as it was found. Does nothing when that was done.
fn restore() {
    // A panic may have come while one of these was held; then what the agent switched on is not known.
    let Some(modes) = RAW.try_lock().ok().and_then(|mut raw| raw.take()) else { return };
    let modes = modes.try_lock().map(|mut modes| std::mem::take(&mut *modes)).unwrap_or_default();
    let mut last = modes.undo();
    last.extend_from_slice(b"\x1b[23;0t");
    if !modes.is_alternate() {
        // Below everything that was painted, whatever row the agent's cursor was in.
        last.extend_from_slice(b"\x1b[999;1H");
    }
    last.extend_from_slice(b"\r\n");
    // A terminal that is gone has nothing to restore.
    print(&last).ok();
    crossterm::terminal::disable_raw_mode().ok();
}

fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            previous(panic);
        }));
    });
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
