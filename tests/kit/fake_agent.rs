//! A fake CLI agent: a small TUI that does what its prompt says, for tests of everything around real ones.
//!
//! It behaves as the real CLIs do where that matters: raw mode, a framed composer at the bottom of a scrolling
//! conversation, bracketed paste with a chip for long text, its own state as OSC 7501, a session file that is the
//! session file of what was asked and answered, dialogs that want a digit, a login screen. Everything else is a script:
//! the prompt says what to do (`do lines 3 && ask && say done`); any other prompt is answered with `echo: ` and the
//! prompt.
//!
//! `keys` (bytes into keys) and the window's size come in by `input`; the loop in `agent` edits the `composer`, plays the
//! acts of `script`, paints by `screen` and writes the `session_file`.

mod agent;
mod composer;
mod dialog;
mod input;
mod keys;
mod options;
mod process;
mod screen;
mod script;
mod session_file;

pub use agent::run;
pub use options::Options;
pub use process::{daemonise, descriptors};
