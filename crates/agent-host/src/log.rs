//! The output log: an agent's bytes by offset, on disk, bounded, each with its time.
//!
//! Offsets count from the agent's start. The log is a row of segment files named by their first offset; beside each
//! stands an index of (offset, time, size) entries. When the log is over its limit the oldest segment goes.
//!
//! Bytes that the disk does not take wait in a bounded backlog in memory, from which readers have them all the same,
//! and are written when the disk has room again. What does not fit in the backlog is lost: readers see a gap.

mod backlog;
mod entry;
mod reader;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::{TerminalSize, Time};

use crate::regular_file;
use crate::tail_mark::TailMark;
use backlog::{Backlog, Chunk};
pub use entry::IndexEntry;
pub use reader::{Gap, LogReader};

/// A log has at least this many segments, so that at most this fraction is removed at once.
const SEGMENTS: u64 = 16;
/// Output within so many milliseconds shares one index entry.
const INDEX_MS: i64 = 10;
/// How often a write is tried again that the disk did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Added to the offset when the last host may have published more bytes than it wrote: more than it can have printed.
const SKIP_AHEAD: u64 = 1 << 40;

/// The writing side, owned by the session.
pub struct OutputLog {
    reader: LogReader,
    segment: Option<Segment>,
    end: u64,
    limit: u64,
    mark: TailMark,
    retry_at: Option<Instant>,
    lost: u64,
}

/// The segment that is being written.
struct Segment {
    file: File,
    index: File,
    index_len: u64,
    start: u64,
    len: u64,
    last_entry: Option<IndexEntry>,
}

impl OutputLog {
    /// The log in the directory `dir`, which keeps at most about `limit` bytes: a new one, or one that goes on.
    pub fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mark = TailMark::open(dir.join("tail"));
        let reader = LogReader::new(dir.into());
        let mut end = reader.end_on_disk()?;
        if mark.was_incomplete() {
            end += SKIP_AHEAD;
        }
        Ok(Self { reader, segment: None, end, limit: limit.max(SEGMENTS), mark, retry_at: None, lost: 0 })
    }

    /// The offset after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// A reader of this log; it sees what is appended later, too.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Bytes that were lost because neither disk nor backlog had room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Appends what was printed at `at` to a terminal of `size`. What the disk does not take waits in memory.
    pub fn append(&mut self, bytes: &Bytes, at: Time, size: TerminalSize, now: Instant) {
        if bytes.is_empty() {
            return;
        }
        let entry = IndexEntry { offset: self.end, at, size };
        self.end += bytes.len() as u64;
        // Locked only when there is something in it: the usual way is from here to the disk.
        let waits = self.retry_at.is_some();
        let written = if waits { 0 } else { self.write(entry, bytes, now) };
        if written < bytes.len() {
            let offset = entry.offset + written as u64;
            let chunk = Chunk { entry: IndexEntry { offset, ..entry }, bytes: bytes.slice(written..) };
            self.lost += self.reader.backlog().push(chunk);
        }
        self.step(now);
    }

    /// No output follows: what was written is made durable.
    pub fn close(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        let synced = self.segment.as_ref().map_or(Ok(()), |segment| segment.file.sync_all());
        match synced {
            Ok(()) => self.mark.synced(),
            Err(error) => tracing::warn!(%error, "the output log cannot be synced"),
        }
    }

    /// When a write is tried again.
    pub fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Writes the backlog when a retry is due.
    pub fn step(&mut self, now: Instant) {
        if self.retry_at.is_none_or(|at| now < at) {
            return;
        }
        self.retry_at = None;
        let backlog = self.reader.backlog_handle();
        loop {
            let Some(chunk) = Backlog::lock(&backlog).front() else { break };
            let written = self.write(chunk.entry, &chunk.bytes, now);
            Backlog::lock(&backlog).written(chunk.entry.offset + written as u64);
            if self.retry_at.is_some() {
                return;
            }
        }
        self.mark.complete();
        tracing::info!(lost = self.lost, "the output log is written again");
    }

    /// Writes what the disk takes; when that is not all, plans a retry. Returns how many bytes were written.
    fn write(&mut self, entry: IndexEntry, bytes: &[u8], now: Instant) -> usize {
        let mut written = 0;
        let result = self.try_write(entry, bytes, &mut written);
        if let Err(error) = result {
            if self.mark.incomplete() {
                tracing::error!(%error, "the output log cannot be written; output is kept in memory");
            }
            self.retry_at = Some(now + RETRY_INTERVAL);
            // An empty segment would hide that its bytes are missing.
            if let Some(segment) = self.segment.take_if(|segment| segment.len == 0) {
                self.reader.remove_segment(segment.start);
            }
        }
        written
    }

    fn try_write(&mut self, entry: IndexEntry, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        let segment = match &mut self.segment {
            Some(segment) if segment.takes(entry.offset, self.limit / SEGMENTS) => segment,
            segment => {
                let next = Segment::create(&self.reader, entry.offset)?;
                let next = segment.insert(next);
                self.reader.prune(entry.offset, self.limit - self.limit / SEGMENTS);
                next
            }
        };
        segment.index(entry)?;
        while *written < bytes.len() {
            match segment.file.write(&bytes[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    *written += count;
                    segment.len += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Segment {
    fn create(reader: &LogReader, start: u64) -> io::Result<Self> {
        let file = regular_file::create(&reader.segment_path(start))?;
        let index =
            regular_file::create(&reader.index_path(start)).inspect_err(|_| reader.remove_segment(start))?;
        Ok(Self { file, index, index_len: 0, start, len: 0, last_entry: None })
    }

    /// Whether the byte at `offset` belongs into this segment.
    fn takes(&self, offset: u64, limit: u64) -> bool {
        offset == self.start + self.len && self.len < limit
    }

    fn index(&mut self, entry: IndexEntry) -> io::Result<()> {
        let is_new = self.last_entry.is_none_or(|last| {
            last.size != entry.size || entry.at.as_millis() - last.at.as_millis() >= INDEX_MS
        });
        if is_new {
            if let Err(error) = self.index.write_all(&entry.encode()) {
                // Half an entry would shift all that follow. To shorten a file needs no room.
                self.index.set_len(self.index_len)?;
                io::Seek::seek(&mut self.index, io::SeekFrom::Start(self.index_len))?;
                return Err(error);
            }
            self.index_len += IndexEntry::LEN as u64;
            self.last_entry = Some(entry);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(log: &mut OutputLog, text: &str, millis: i64) {
        let bytes = Bytes::from(text.as_bytes().to_vec());
        log.append(&bytes, Time::from_millis(millis), TerminalSize::default(), Instant::now());
    }

    #[test]
    fn keeps_the_newest_bytes_by_offset() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = OutputLog::open(dir.path(), 1600).unwrap();
        for line in 0..1000 {
            append(&mut log, &format!("{line:09}\n"), line * 7);
        }
        let reader = log.reader();
        let start = reader.start().unwrap();
        assert!((8300..=8500).contains(&start), "start {start}");
        let (from, bytes) = reader.read(9001, 15).unwrap();
        assert_eq!((from, bytes.as_slice()), (9001, &b"00000900\n000000"[..]));
        let (from, bytes) = reader.read(0, 10).unwrap();
        assert_eq!((from, bytes), (start, format!("{:09}\n", start / 10).into_bytes()));
        assert_eq!(reader.read(start, 1 << 20).unwrap().1.len() as u64, 10_000 - start);
        assert_eq!(reader.read(10_000, 10).unwrap(), (10_000, Vec::new()));
        let index = reader.index().unwrap();
        assert!(index.iter().all(|entry| entry.at.as_millis() / 7 * 10 == entry.offset.cast_signed()));
    }

    #[test]
    fn goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        for (offset, text) in [(0, "one"), (3, "two"), (6, ""), (6, "three")] {
            let mut log = OutputLog::open(dir.path(), 1600).unwrap();
            assert_eq!(log.end(), offset);
            append(&mut log, text, 0);
        }
        let reader = OutputLog::open(dir.path(), 1600).unwrap().reader();
        assert_eq!(reader.read(0, 100).unwrap(), (0, b"onetwothree".to_vec()));
        assert_eq!(reader.gaps(0, 11).unwrap(), []);
    }

    #[test]
    fn what_earlier_hosts_lost_is_a_gap_between_readable_bytes() {
        let dir = tempfile::tempdir().unwrap();
        // A host without a backlog left an empty segment where a write failed, and half of one.
        for (start, text) in [(0, "one"), (3, ""), (10, "two"), (20, "three")] {
            fs::write(dir.path().join(format!("{start:020}.log")), text).unwrap();
        }
        let reader = OutputLog::open(dir.path(), 1600).unwrap().reader();
        let mut read = Vec::new();
        let mut offset = 0;
        while let (from, bytes) = reader.read(offset, 2).unwrap()
            && !bytes.is_empty()
        {
            offset = from + bytes.len() as u64;
            read.push((from, String::from_utf8(bytes).unwrap()));
        }
        let expected = [(0, "on"), (2, "e"), (10, "tw"), (12, "o"), (20, "th"), (22, "re"), (24, "e")];
        assert_eq!(read, expected.map(|(from, text)| (from, text.to_owned())));
        let gaps = [Gap { from: 3, to: 10 }, Gap { from: 13, to: 20 }];
        assert_eq!(reader.gaps(0, 25).unwrap(), gaps);
        assert_eq!(reader.gaps(5, 15).unwrap(), [Gap { from: 5, to: 10 }, Gap { from: 13, to: 15 }]);
    }

    /// A disk that is full: the log's directory is gone, so that no segment can be created.
    #[test]
    fn a_full_disk_is_bridged_from_memory() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, away) = (parent.path().join("log"), parent.path().join("away"));
        // Segments of one line, so that each line needs a new file.
        let mut log = OutputLog::open(&dir, 160).unwrap();
        append(&mut log, "before---\n", 0);
        fs::rename(&dir, &away).unwrap();
        append(&mut log, "in memory\n", 0);
        let retry = log.deadline().expect("a retry");
        let reader = log.reader();
        assert_eq!(reader.read(10, 100).unwrap(), (10, b"in memory\n".to_vec()));
        fs::rename(&away, &dir).unwrap();
        assert_eq!(reader.read(0, 100).unwrap(), (0, b"before---\nin memory\n".to_vec()));
        log.step(retry);
        assert_eq!((log.deadline(), log.lost()), (None, 0));
        append(&mut log, "after----\n", 0);
        assert_eq!(reader.read(0, 100).unwrap(), (0, b"before---\nin memory\nafter----\n".to_vec()));
        let on_disk = LogReader::new(dir).read(0, 100).unwrap();
        assert_eq!(on_disk, (0, b"before---\nin memory\nafter----\n".to_vec()));
    }

    #[test]
    fn a_long_full_disk_loses_the_oldest_and_says_which() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, away) = (parent.path().join("log"), parent.path().join("away"));
        let mut log = OutputLog::open(&dir, 1 << 20).unwrap();
        fs::rename(&dir, &away).unwrap();
        let chunk = "x".repeat(1 << 20);
        for _ in 0..6 {
            append(&mut log, &chunk, 0);
        }
        fs::rename(&away, &dir).unwrap();
        let retry = log.deadline().unwrap();
        log.step(retry);
        let reader = log.reader();
        assert_eq!(log.lost(), 2 << 20);
        assert_eq!(
            reader.gaps(0, log.end()).unwrap(),
            [],
            "what comes before the first byte is no longer kept"
        );
        assert_eq!(reader.start().unwrap(), log.end() - (2 << 20), "the limit counts");
    }

    #[test]
    fn offsets_are_not_given_twice() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("log");
        let mut log = OutputLog::open(&dir, 160).unwrap();
        append(&mut log, "before---\n", 0);
        // The disk takes no new segment, but can still rename a file.
        fs::create_dir(dir.join(format!("{:020}.log", 10))).unwrap();
        append(&mut log, "published, never written\n", 0);
        drop(log);
        fs::remove_dir(dir.join(format!("{:020}.log", 10))).unwrap();
        let log = OutputLog::open(&dir, 160).unwrap();
        assert_eq!(log.end(), 10 + SKIP_AHEAD);
    }
}
