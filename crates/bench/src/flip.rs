//! A program that reports again and again that it works and that it is done, as a CLI does with each turn.

use std::io::Write;
use std::time::Duration;

use clap::Args;

/// With what a person would see: an agent is ready when there is a prompt.
const WORKING: &str = "\r\x1b[Kworking\x1b]7501;state=working:app=shell\x07";
const DONE: &str = "\r\x1b[K$ \x1b]7501;state=done:app=shell\x07";

/// Reports (OSC 7501) so many turns, with a pause after each report
#[derive(Args)]
pub(crate) struct Flip {
    /// Turns
    turns: usize,
    /// The pause in milliseconds, so that each report is read by itself
    #[arg(long, default_value_t = 1)]
    pause_ms: u64,
}

impl Flip {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for _ in 0..self.turns {
            for report in [WORKING, DONE] {
                out.write_all(report.as_bytes())?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(self.pause_ms));
            }
        }
        Ok(())
    }
}
