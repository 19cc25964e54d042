//! A program that repaints its screen, every cell in a colour of its own.

use std::io::Write;

use clap::Args;

/// Repaints the screen again and again
#[derive(Args)]
pub(crate) struct Paint {
    /// Megabytes to print
    megabytes: usize,
}

impl Paint {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut frame = b"\x1b[?2026h\x1b[H".to_vec();
        for row in 0..40_u32 {
            for col in 0..119_u32 {
                let letter = char::from(b'a' + u8::try_from((row + col) % 26)?);
                write!(frame, "\x1b[38;2;{};{};{}m{letter}", row * 6, col * 2, (row * col) % 256)?;
            }
            if row < 39 {
                frame.extend_from_slice(b"\r\n");
            }
        }
        frame.extend_from_slice(b"\x1b[0m\x1b[?2026l");
        let mut out = std::io::stdout().lock();
        for _ in 0..self.megabytes * 1_000_000 / frame.len() {
            out.write_all(&frame)?;
        }
        Ok(())
    }
}
