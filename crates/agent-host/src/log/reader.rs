//! Reading the output log, while it is written.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::backlog::Backlog;
use super::entry::IndexEntry;
use crate::regular_file;

/// The index of a segment is shorter: an entry for each of its bytes, in the least time.
const MAX_INDEX: u64 = 128 * 1024 * 1024;

/// The reading side: any number, anywhere.
#[derive(Clone, Debug)]
pub struct LogReader {
    dir: PathBuf,
    backlog: Arc<Mutex<Backlog>>,
}

/// Bytes between readable ones that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first lost byte.
    pub from: u64,
    /// The first byte that is there again.
    pub to: u64,
}

/// Where bytes of the log are: in a file from its first offset on, up to the next part.
struct Part {
    start: u64,
    end: u64,
}

impl LogReader {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, backlog: Arc::default() }
    }

    pub(super) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        Backlog::lock(&self.backlog)
    }

    pub(super) fn backlog_handle(&self) -> Arc<Mutex<Backlog>> {
        self.backlog.clone()
    }

    /// The oldest offset that is kept.
    pub fn start(&self) -> io::Result<u64> {
        let waiting = self.backlog().front().map(|chunk| chunk.entry.offset);
        let on_disk = self.parts()?.first().map(|part| part.start);
        Ok(on_disk.or(waiting).unwrap_or(0))
    }

    /// Reads at most `limit` bytes from `offset` on, as far as they follow one another. Returns where they start: later
    /// than `offset` when that is no longer kept, or lost.
    pub fn read(&self, offset: u64, limit: usize) -> io::Result<(u64, Vec<u8>)> {
        // Before the files are listed: a chunk is in memory until it is in a file.
        let waiting = self.backlog().snapshot();
        let parts = self.parts_or_none(&waiting)?;
        let mut from = offset;
        let mut bytes = Vec::new();
        for part in parts.iter().filter(|part| part.end > offset) {
            if bytes.is_empty() {
                from = offset.max(part.start);
            }
            let position = from + bytes.len() as u64;
            if bytes.len() >= limit || part.start > position {
                break;
            }
            let wanted = usize::try_from(part.end - position).unwrap_or(usize::MAX).min(limit - bytes.len());
            let before = bytes.len();
            match self.read_part(part.start, position, wanted, &mut bytes) {
                Ok(()) => {}
                // Removed by the writer since it was listed: no longer kept.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if bytes.len() - before < wanted {
                if bytes.is_empty() {
                    continue;
                }
                return Ok((from, bytes));
            }
        }
        for chunk in &waiting {
            let end = chunk.entry.offset + chunk.bytes.len() as u64;
            let position = from + bytes.len() as u64;
            if end <= position {
                continue;
            }
            if bytes.is_empty() {
                from = position.max(chunk.entry.offset);
            }
            let position = from + bytes.len() as u64;
            if bytes.len() >= limit || chunk.entry.offset > position {
                break;
            }
            let skip = usize::try_from(position - chunk.entry.offset).unwrap_or(usize::MAX);
            let rest = &chunk.bytes[skip..];
            bytes.extend_from_slice(&rest[..rest.len().min(limit - bytes.len())]);
        }
        Ok((from, bytes))
    }

    /// All bytes from `from` to `to`, in pieces: a new piece begins behind a gap.
    pub fn pieces(&self, from: u64, to: u64) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut pieces = Vec::new();
        let mut offset = from;
        while offset < to {
            let limit = usize::try_from(to - offset).unwrap_or(usize::MAX);
            let (start, mut bytes) = self.read(offset, limit)?;
            if bytes.is_empty() || start >= to {
                break;
            }
            bytes.truncate(usize::try_from(to - start).unwrap_or(usize::MAX));
            offset = start + bytes.len() as u64;
            pieces.push((start, bytes));
        }
        Ok(pieces)
    }

    /// The gaps from `from` to `to`. What was removed at the log's beginning is none.
    pub fn gaps(&self, from: u64, to: u64) -> io::Result<Vec<Gap>> {
        let waiting = self.backlog().snapshot();
        let mut parts = self.parts()?;
        parts.extend(waiting.iter().map(|chunk| {
            let start = chunk.entry.offset;
            Part { start, end: start + chunk.bytes.len() as u64 }
        }));
        let mut gaps = Vec::new();
        let mut position = None;
        for part in parts {
            let before = position.unwrap_or(part.start);
            let gap = Gap { from: before.max(from), to: part.start.min(to) };
            if part.start > before && gap.from < gap.to {
                gaps.push(gap);
            }
            position = Some(before.max(part.end));
        }
        Ok(gaps)
    }

    /// When what was printed, oldest first: an entry at least every ten milliseconds of output.
    pub fn index(&self) -> io::Result<Vec<IndexEntry>> {
        let waiting = self.backlog().snapshot();
        let mut index = Vec::new();
        for part in self.parts()? {
            match regular_file::read(&self.index_path(part.start), MAX_INDEX) {
                Ok(bytes) => index.extend(bytes.chunks_exact(IndexEntry::LEN).map(IndexEntry::decode)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let last = index.last().map(|entry| entry.offset);
        let waiting = waiting.iter().map(|chunk| chunk.entry);
        index.extend(waiting.filter(|entry| last.is_none_or(|last| entry.offset > last)));
        Ok(index)
    }

    /// The offset after the last byte on disk.
    pub(super) fn end_on_disk(&self) -> io::Result<u64> {
        let starts = self.starts()?;
        let last = starts
            .last()
            .map(|start| fs::metadata(self.segment_path(*start)).map(|metadata| start + metadata.len()));
        last.unwrap_or(Ok(0))
    }

    /// Removes the oldest segments while `keep` bytes before `end` stay.
    pub(super) fn prune(&self, end: u64, keep: u64) {
        let Ok(starts) = self.starts() else { return };
        for pair in starts.windows(2) {
            if end.saturating_sub(pair[1]) < keep {
                break;
            }
            self.remove_segment(pair[0]);
        }
    }

    pub(super) fn remove_segment(&self, start: u64) {
        for path in [self.segment_path(start), self.index_path(start)] {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a part of the output log cannot be removed");
            }
        }
    }

    pub(super) fn segment_path(&self, start: u64) -> PathBuf {
        self.dir.join(format!("{start:020}.log"))
    }

    pub(super) fn index_path(&self, start: u64) -> PathBuf {
        self.dir.join(format!("{start:020}.idx"))
    }

    fn read_part(&self, start: u64, position: u64, count: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut file = regular_file::open(File::options().read(true), &self.segment_path(start))?;
        file.seek(SeekFrom::Start(position - start))?;
        file.take(count as u64).read_to_end(bytes)?;
        Ok(())
    }

    /// The segments, without those that are empty. A segment never reaches into the next.
    fn parts(&self) -> io::Result<Vec<Part>> {
        let starts = self.starts()?;
        let mut parts = Vec::with_capacity(starts.len());
        for (index, start) in starts.iter().enumerate() {
            let len = match fs::metadata(self.segment_path(*start)) {
                Ok(metadata) => metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let next = starts.get(index + 1).copied().unwrap_or(u64::MAX);
            let end = start.saturating_add(len).min(next);
            if end > *start {
                parts.push(Part { start: *start, end });
            }
        }
        Ok(parts)
    }

    /// The segments; none when their directory cannot be read but output waits in memory.
    fn parts_or_none(&self, waiting: &[super::backlog::Chunk]) -> io::Result<Vec<Part>> {
        match self.parts() {
            Err(_) if !waiting.is_empty() => Ok(Vec::new()),
            parts => parts,
        }
    }

    fn starts(&self) -> io::Result<Vec<u64>> {
        let mut starts: Vec<u64> = fs::read_dir(&self.dir)?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
            .collect();
        starts.sort_unstable();
        Ok(starts)
    }
}
