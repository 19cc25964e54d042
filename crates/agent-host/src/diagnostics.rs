//! The host's own log on standard error. It must never end the host: a write that fails, because the disk is full or the
//! reader is gone, is counted and otherwise ignored.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use parallax_api::Time;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts logging.
pub fn start() {
    let lines = Lines { write: |line| drop(LossyStderr(io::stderr()).write(line.as_bytes())) };
    // A process that logs already goes on as it does.
    drop(tracing::subscriber::set_global_default(lines));
}

/// Hands each event on as a line. Of spans it knows nothing: a host has one task worth naming, and to keep track of spans takes a
/// table of 33 kB, which every agent's host would have.
struct Lines {
    write: fn(&str),
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= LevelFilter::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {:>5} {}:", Time::now(), metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        (self.write)(&line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        // None is enabled, so none is asked for.
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A line as far as it is written.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let from = self.0.len();
        // To write to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        // What others named must neither move a terminal's cursor nor look like a line of this log.
        if self.0[from..].contains(char::is_control) {
            let written = self.0.split_off(from);
            written.chars().for_each(|ch| match ch.is_control() {
                true => self.0.extend(ch.escape_default()),
                false => self.0.push(ch),
            });
        }
    }
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
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_event_is_a_line_and_a_span_is_nothing() {
        static WRITTEN: Mutex<String> = Mutex::new(String::new());
        let lines = Lines { write: |line| WRITTEN.lock().unwrap().push_str(line) };
        tracing::subscriber::with_default(lines, || {
            let _span = tracing::error_span!("around", agent = 1).entered();
            tracing::info!(code = 3, name = "a b", path = %"/x\u{1b}[2J\n", "the program ended");
            tracing::debug!("too much");
        });
        let written = WRITTEN.lock().unwrap();
        let told = "INFO parallax_agent_host::diagnostics::tests: the program ended code=3 name=\"a b\" path=/x\\u{1b}[2J\\n\n";
        let (time, rest) = written.split_once("  ").unwrap();
        assert_eq!(rest, told);
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }

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
