//! The journal's file: one event a line, and the file before it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use parallax_api::host::HostEvent;

/// Events kept for a runtime server that was away. Older ones are dropped, which readers see as a gap.
pub(super) const MAX_EVENTS: usize = 10_000;
/// A file of this size is set aside, and a new one begun.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// A longer line is not one of ours: an event has a message of at most one mebibyte, escaped.
const MAX_LINE: usize = 32 * 1024 * 1024;

/// The file that is written.
pub(super) struct JournalFile {
    file: File,
    path: PathBuf,
    len: u64,
    #[cfg(test)]
    is_full: bool,
}

/// What the files held.
#[derive(Default)]
pub(super) struct Found {
    /// The newest, in the order of their numbers, with the length of their lines.
    pub(super) events: VecDeque<(HostEvent, usize)>,
    /// The last line was half a line.
    pub(super) is_cut: bool,
}

impl JournalFile {
    /// Reads what is there, heals the end, and goes on behind it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Found)> {
        let mut found = Found::default();
        read(&before(path), &mut found)?;
        found.is_cut = false;
        let whole = read(path, &mut found)?;
        let file = File::options().create(true).append(true).open(path)?;
        // Half a line is cut off. To shorten a file needs no room.
        file.set_len(whole.len)?;
        let mut file = Self {
            file,
            path: path.into(),
            len: whole.len,
            #[cfg(test)]
            is_full: false,
        };
        if whole.lacks_newline {
            file.append(b"\n")?;
        }
        Ok((file, found))
    }

    /// Appends a whole line, or nothing.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.len > 0 && self.len + line.len() as u64 > MAX_BYTES {
            fs::rename(&self.path, before(&self.path))?;
            self.file = File::options().create(true).append(true).open(&self.path)?;
            self.len = 0;
        }
        if let Err(error) = self.file.write_all(line) {
            // Part of it may have been written.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += line.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    #[cfg(test)]
    pub(super) fn fail_writes(&mut self, is_full: bool) {
        self.is_full = is_full;
    }
}

/// The file that was set aside.
fn before(path: &Path) -> PathBuf {
    path.with_extension("ndjson.1")
}

/// How much of a file consists of whole lines.
#[derive(Default)]
struct Whole {
    len: u64,
    lacks_newline: bool,
}

/// Reads events. A damaged line is skipped and stays in the file; numbers that do not grow are skipped as well.
fn read(path: &Path, found: &mut Found) -> io::Result<Whole> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Whole::default()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut whole = Whole::default();
    let mut skipped = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let is_ended = line.ends_with(b"\n");
        let event = Some(&line).filter(|line| line.len() <= MAX_LINE);
        let event = event.and_then(|line| serde_json::from_slice::<HostEvent>(line).ok());
        let last = found.events.back().map_or(0, |(event, _)| event.seq);
        found.is_cut = event.is_none() && !is_ended;
        if found.is_cut {
            break;
        }
        whole.len += line.len() as u64;
        whole.lacks_newline = !is_ended;
        match event.filter(|event| event.seq > last) {
            Some(event) => {
                if found.events.len() == MAX_EVENTS {
                    found.events.pop_front();
                }
                found.events.push_back((event, line.len()));
            }
            None => skipped += 1,
        }
    }
    if skipped > 0 {
        tracing::warn!(path = %path.display(), skipped, "damaged lines of the journal are skipped");
    }
    Ok(whole)
}
