//! Tails the session file: the CLI's own record of its conversation, one JSON object a line.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use parallax_profile::SessionFileSource;
use serde_json::Value;

use crate::process_tree;

/// Bytes read from a file in one poll; the rest waits for the next.
const MAX_READ: u64 = 4 * 1024 * 1024;
/// How often the files are polled while the agent works, and while it does not.
const BUSY_INTERVAL: Duration = Duration::from_millis(50);
const IDLE_INTERVAL: Duration = Duration::from_millis(500);
/// A longer line is skipped.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// The session files of one run of the agent's program.
pub struct SessionFile {
    source: SessionFileSource,
    /// The conversation's id stands in the file's name or first line, so that no other agent's file can match.
    is_exact: bool,
    since: SystemTime,
    files: HashMap<PathBuf, Tail>,
    next_poll_at: Instant,
}

#[derive(Default)]
struct Tail {
    offset: u64,
    partial: Vec<u8>,
    /// The file belongs to this agent. Files of other agents may match and be written at the same time.
    is_own: bool,
}

impl SessionFile {
    /// Follows the files that `source` names from their present end on: a resumed conversation is not reported again.
    pub fn follow(source: SessionFileSource, conversation: &str) -> Self {
        let is_exact =
            source.globs.iter().chain(source.first.values()).any(|text| text.contains(conversation));
        let mut file = Self {
            source,
            is_exact,
            since: SystemTime::now(),
            files: HashMap::new(),
            next_poll_at: Instant::now(),
        };
        for path in file.matching() {
            let offset = path.metadata().map(|meta| meta.len()).unwrap_or(0);
            file.files.insert(path, Tail { offset, ..Tail::default() });
        }
        file
    }

    /// When the next poll is due.
    pub fn deadline(&self) -> Instant {
        self.next_poll_at
    }

    /// The files are about to grow: poll at once.
    pub fn poll_soon(&mut self, now: Instant) {
        self.next_poll_at = now;
    }

    /// Polls when it is due. While the agent is `busy` the next poll comes soon.
    pub fn step(&mut self, busy: bool, now: Instant) -> Vec<Value> {
        if now < self.next_poll_at {
            return Vec::new();
        }
        self.next_poll_at = now + if busy { BUSY_INTERVAL } else { IDLE_INTERVAL };
        self.poll()
    }

    /// The complete lines that were written since the last poll; what is not JSON is skipped.
    fn poll(&mut self) -> Vec<Value> {
        let grown: Vec<PathBuf> = self.matching().into_iter().filter(|path| self.has_grown(path)).collect();
        let mut lines = Vec::new();
        for path in &grown {
            let tail = self.files.entry(path.clone()).or_default();
            if !tail.is_own {
                tail.is_own =
                    first_line_matches(path, &self.source.first) && (self.is_exact || is_open(path));
            }
            if tail.is_own {
                lines.extend(tail.read(path));
            }
        }
        lines
    }

    /// Whether a file was written to since the program was started and since it was last read.
    fn has_grown(&self, path: &Path) -> bool {
        let Ok(meta) = path.metadata() else { return false };
        match self.files.get(path) {
            Some(tail) => meta.len() > tail.offset,
            None => meta.modified().is_ok_and(|at| at >= self.since),
        }
    }

    fn matching(&self) -> Vec<PathBuf> {
        self.source.globs.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten().collect()
    }
}

/// Whether the first line of a file has the values that the agent's own file has.
fn first_line_matches(path: &Path, first: &BTreeMap<String, String>) -> bool {
    if first.is_empty() {
        return true;
    }
    let Ok(file) = File::open(path) else { return false };
    let mut line = String::new();
    if BufReader::new(file.take(MAX_READ)).read_line(&mut line).is_err() {
        return false;
    }
    let Ok(line) = serde_json::from_str::<Value>(&line) else { return false };
    first.iter().all(|(pointer, value)| line.pointer(pointer).and_then(Value::as_str) == Some(value))
}

/// Whether one of the agent's processes has the file open: this decides between agents in the same directory.
fn is_open(path: &Path) -> bool {
    process_tree::descendants().iter().any(|process| has_open(process.pid, path))
}

fn has_open(pid: i32, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == path))
}

impl Tail {
    fn read(&mut self, path: &Path) -> Vec<Value> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(MAX_READ).read_to_end(&mut bytes)
        });
        let Ok(read) = read else { return Vec::new() };
        self.offset += read as u64;
        self.partial.extend_from_slice(&bytes);
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            if self.partial.len() > MAX_LINE {
                self.partial.clear();
            }
            return Vec::new();
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        whole.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
