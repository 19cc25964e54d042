//! A program that repaints its screen some times a second, as a CLI does while it works.

use std::io::Write;
use std::time::Duration;

use clap::Args;

/// Repaints the screen so many times a second until it is ended
#[derive(Args)]
pub(crate) struct Repaint {
    /// Times a second
    rate: u32,
}

impl Repaint {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for turn in 0_u64.. {
            let mut frame = b"\x1b[?2026h\x1b[H".to_vec();
            for row in 0..39 {
                let colour = 31 + (row + turn) % 6;
                write!(
                    frame,
                    "\x1b[{colour}m{turn:>12} {row:<60}\x1b[0m {:<32}\r\n",
                    "and the rest of the line"
                )?;
            }
            frame.extend_from_slice(b"\x1b[?2026l");
            out.write_all(&frame)?;
            out.flush()?;
            std::thread::sleep(Duration::from_secs(1) / self.rate);
        }
        Ok(())
    }
}
