//! The host's own log on standard error. It must never end the host: a write that fails, because the disk is full or the
//! reader is gone, is counted and otherwise ignored.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts logging.
pub fn start() {
    tracing_subscriber::fmt()
        .with_writer(|| LossyStderr(io::stderr()))
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();
}

/// Writes that failed.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// A writer that never fails.
struct LossyStderr<W>(W);

impl<W: Write> Write for LossyStderr<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lost = LOST.load(Ordering::Relaxed);
        let note = if lost > 0 { format!("({lost} lines of this log were lost)\n") } else { String::new() };
        let written = self.0.write_all(note.as_bytes()).and_then(|()| self.0.write_all(bytes));
        match written {
            Ok(()) => LOST.fetch_sub(lost, Ordering::Relaxed),
            Err(_) => LOST.fetch_add(1, Ordering::Relaxed),
        };
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // As above: nothing depends on it.
        drop(self.0.flush());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full(bool, Vec<u8>);

    impl Write for &mut Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_full_disk_is_counted_and_told_later() {
        let mut full = Full(true, Vec::new());
        for line in ["one\n", "two\n"] {
            let mut writer = LossyStderr(&mut full);
            writer.write_all(line.as_bytes()).unwrap();
            writer.flush().unwrap();
        }
        assert_eq!(lost(), 2);
        full.0 = false;
        LossyStderr(&mut full).write_all(b"three\n").unwrap();
        assert_eq!(String::from_utf8(full.1).unwrap(), "(2 lines of this log were lost)\nthree\n");
        assert_eq!(lost(), 0);
    }
}
