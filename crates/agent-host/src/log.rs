//! The output log: an agent's bytes by offset, on disk, bounded, each with its time.
//!
//! Offsets count from the agent's start. The log is a row of segment files named by their first offset; beside each
//! stands an index of (offset, time, size) records. When the log is over its limit the oldest segment goes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parallax_api::{TerminalSize, Time};

/// A log has at least this many segments, so that at most this fraction goes at once.
const SEGMENTS: u64 = 16;
/// Output within so many milliseconds shares one index record.
const INDEX_MS: i64 = 10;
/// Bytes of an index record: offset, time, columns, rows.
const RECORD: usize = 20;

/// From which offset on output was printed at which time to which size of terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The first byte.
    pub offset: u64,
    /// When it was printed.
    pub at: Time,
    /// The terminal's size then.
    pub size: TerminalSize,
}

/// The writing side, owned by the session.
pub struct OutputLog {
    reader: LogReader,
    segment: File,
    index: File,
    segment_start: u64,
    end: u64,
    limit: u64,
    last_entry: Option<IndexEntry>,
    /// The last write failed: what is in the segment is unknown, the next bytes begin another.
    is_broken: bool,
}

impl OutputLog {
    /// The log in the directory `dir`, which keeps at most about `limit` bytes: a new one, or one that goes on.
    pub fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let reader = LogReader { dir: dir.into() };
        let end = match reader.segments()?.last() {
            Some(start) => start + fs::metadata(reader.segment_path(*start))?.len(),
            None => 0,
        };
        let (segment, index) = reader.create_segment(end)?;
        Ok(Self {
            reader,
            segment,
            index,
            segment_start: end,
            end,
            limit: limit.max(SEGMENTS),
            last_entry: None,
            is_broken: false,
        })
    }

    /// The offset after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// A reader of this log; it sees what is appended later, too.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Appends what was printed at `at` to a terminal of `size`. Offsets are those of the viewers: bytes that could not
    /// be written count all the same, and are missing.
    pub fn append(&mut self, bytes: &[u8], at: Time, size: TerminalSize) -> io::Result<()> {
        let done = self.write(bytes, at, size);
        self.is_broken = done.is_err();
        self.end += bytes.len() as u64;
        done
    }

    fn write(&mut self, bytes: &[u8], at: Time, size: TerminalSize) -> io::Result<()> {
        if self.is_broken || self.end - self.segment_start >= self.limit / SEGMENTS {
            self.begin_segment()?;
        }
        let fresh = self
            .last_entry
            .is_none_or(|last| last.size != size || at.as_millis() - last.at.as_millis() >= INDEX_MS);
        if fresh {
            let entry = IndexEntry { offset: self.end, at, size };
            self.index.write_all(&encode(entry))?;
            self.last_entry = Some(entry);
        }
        self.segment.write_all(bytes)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        (self.segment, self.index) = self.reader.create_segment(self.end)?;
        self.segment_start = self.end;
        self.last_entry = None;
        let starts = self.reader.segments()?;
        for pair in starts.windows(2) {
            if self.end - pair[1] < self.limit - self.limit / SEGMENTS {
                break;
            }
            fs::remove_file(self.reader.segment_path(pair[0]))?;
            fs::remove_file(self.reader.index_path(pair[0]))?;
        }
        Ok(())
    }
}

/// The reading side: any number, anywhere.
#[derive(Clone, Debug)]
pub struct LogReader {
    dir: PathBuf,
}

impl LogReader {
    /// The oldest offset that is kept.
    pub fn start(&self) -> io::Result<u64> {
        Ok(self.segments()?.first().copied().unwrap_or(0))
    }

    /// Reads at most `limit` bytes from `offset` on. Answers where they start: later than `offset` when that is no
    /// longer kept.
    pub fn read(&self, offset: u64, limit: usize) -> io::Result<(u64, Vec<u8>)> {
        let starts = self.segments()?;
        let from = offset.max(starts.first().copied().unwrap_or(0));
        let mut bytes = Vec::new();
        let first = starts.partition_point(|start| *start <= from).saturating_sub(1);
        for start in &starts[first.min(starts.len())..] {
            if bytes.len() >= limit {
                break;
            }
            let mut file = match File::open(self.segment_path(*start)) {
                Ok(file) => file,
                // Removed by the writer since we listed: what was asked for is no longer kept.
                Err(error) if error.kind() == io::ErrorKind::NotFound && bytes.is_empty() => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            let position = from + bytes.len() as u64;
            if position < *start {
                // The segment that held `from` vanished meanwhile.
                return self.read(*start, limit);
            }
            file.seek(SeekFrom::Start(position - start))?;
            file.take((limit - bytes.len()) as u64).read_to_end(&mut bytes)?;
        }
        Ok((from, bytes))
    }

    /// When what was printed, oldest first: a entry at least every ten milliseconds of output.
    pub fn index(&self) -> io::Result<Vec<IndexEntry>> {
        let mut index = Vec::new();
        for start in self.segments()? {
            match fs::read(self.index_path(start)) {
                Ok(bytes) => index.extend(bytes.chunks_exact(RECORD).map(decode)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(index)
    }

    fn segments(&self) -> io::Result<Vec<u64>> {
        let mut starts: Vec<u64> = fs::read_dir(&self.dir)?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log")?.parse().ok())
            .collect();
        starts.sort_unstable();
        Ok(starts)
    }

    fn create_segment(&self, start: u64) -> io::Result<(File, File)> {
        let create = |path| File::create(path);
        Ok((create(self.segment_path(start))?, create(self.index_path(start))?))
    }

    fn segment_path(&self, start: u64) -> PathBuf {
        self.dir.join(format!("{start:020}.log"))
    }

    fn index_path(&self, start: u64) -> PathBuf {
        self.dir.join(format!("{start:020}.idx"))
    }
}

fn encode(entry: IndexEntry) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&entry.offset.to_be_bytes());
    record[8..16].copy_from_slice(&entry.at.as_millis().to_be_bytes());
    record[16..18].copy_from_slice(&entry.size.cols.to_be_bytes());
    record[18..].copy_from_slice(&entry.size.rows.to_be_bytes());
    record
}

fn decode(record: &[u8]) -> IndexEntry {
    let take = |from: usize| u64::from_be_bytes(record[from..from + 8].try_into().expect("eight bytes"));
    let short = |from: usize| u16::from_be_bytes(record[from..from + 2].try_into().expect("two bytes"));
    IndexEntry {
        offset: take(0),
        at: Time::from_millis(take(8).cast_signed()),
        size: TerminalSize { cols: short(16), rows: short(18) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_bytes_by_offset() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = OutputLog::open(dir.path(), 1600).unwrap();
        let size = TerminalSize::default();
        for line in 0..1000u64 {
            log.append(format!("{line:09}\n").as_bytes(), Time::from_millis(line.cast_signed() * 7), size)
                .unwrap();
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
        let size = TerminalSize::default();
        for (offset, text) in [(0, "one"), (3, "two"), (6, ""), (6, "three")] {
            let mut log = OutputLog::open(dir.path(), 1600).unwrap();
            assert_eq!(log.end(), offset);
            log.append(text.as_bytes(), Time::now(), size).unwrap();
        }
        let reader = OutputLog::open(dir.path(), 1600).unwrap().reader();
        assert_eq!(reader.read(0, 100).unwrap(), (0, b"onetwothree".to_vec()));
    }
}
