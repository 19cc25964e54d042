//! Tails the session file: the CLI's own record of its conversation, one JSON object a line.

mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use glob::Pattern;
use parallax_profile::SessionFileSource;
use serde_json::Value;
use watch::Watch;

use crate::{os, process_tree, regular_file};

/// Bytes read from a file in one poll; the rest waits for the next.
const MAX_READ: u64 = 4 * 1024 * 1024;
/// The least time between two polls; while the agent works and the system does not tell when a file grows, also the most.
const BUSY_INTERVAL: Duration = Duration::from_millis(50);
/// How often the files are polled while the agent works though the system tells when one grows, and while it does not work
/// though the system does not tell. When it neither works nor can write unnoticed, nobody looks.
const SLOW_INTERVAL: Duration = Duration::from_millis(500);
/// A longer line is skipped.
const MAX_LINE: usize = 16 * 1024 * 1024;

/// What was written to the session files since they were last read.
#[derive(Debug, Default)]
pub struct SessionFileRead {
    /// The complete lines; what is not JSON is left out.
    pub lines: Vec<Value>,
    /// They were read to their ends.
    pub is_complete: bool,
}

/// The session files of one run of the agent's program.
pub struct SessionFile {
    source: SessionFileSource,
    conversation: String,
    files: HashMap<PathBuf, Tail>,
    /// The globs, read.
    patterns: Vec<Pattern>,
    /// Tells when a file grows, where the system can.
    watch: Option<Watch>,
    polled_at: Instant,
    /// A poll that does not wait for its interval.
    wanted_at: Option<Instant>,
}

#[derive(Default)]
struct Tail {
    offset: u64,
    partial: Vec<u8>,
    /// It has become shorter, so that something may be missing.
    is_cut: bool,
    /// The file belongs to this agent. Files of other agents may match and be written at the same time.
    is_own: bool,
}

impl SessionFile {
    /// Follows the files that `source` names from their present end on: a resumed conversation is not reported again.
    pub fn follow(source: SessionFileSource, conversation: &str) -> Self {
        let mut file = Self {
            patterns: patterns(&source),
            source,
            conversation: conversation.to_owned(),
            files: HashMap::new(),
            watch: Watch::new(),
            polled_at: Instant::now(),
            wanted_at: Some(Instant::now()),
        };
        file.skip_present();
        file
    }

    /// Follows another conversation of the same program, where the source names conversations: a hook reported its id
    /// (`/clear`, `/resume`).
    pub fn follow_conversation(&mut self, id: &str) {
        // The id becomes part of a glob.
        let is_word = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if id == self.conversation || !is_word || !self.source.names(&self.conversation) {
            return;
        }
        self.source = self.source.renamed(&self.conversation, id);
        self.patterns = patterns(&self.source);
        id.clone_into(&mut self.conversation);
        self.skip_present();
        if let Some(watch) = &mut self.watch {
            watch.renew();
        }
        self.wanted_at = Some(Instant::now());
    }

    fn skip_present(&mut self) {
        for path in self.matching() {
            let offset = path.metadata().map(|meta| meta.len()).unwrap_or(0);
            self.files.entry(path).or_insert_with(|| Tail { offset, ..Tail::default() });
        }
    }

    /// When the next poll is due, while the agent is `busy` or not.
    pub fn deadline(&self, busy: bool) -> Option<Instant> {
        let is_told = self.watch.as_ref().is_some_and(Watch::is_whole);
        let interval = match (busy, is_told) {
            (true, false) => Some(BUSY_INTERVAL),
            (true, true) | (false, false) => Some(SLOW_INTERVAL),
            (false, true) => None,
        };
        let regular = interval.map(|interval| self.polled_at + interval);
        regular.into_iter().chain(self.wanted_at).min()
    }

    /// The files are about to grow: poll at once.
    pub fn poll_soon(&mut self, now: Instant) {
        self.wanted_at = Some(now);
    }

    /// Resolves when a file may have grown: then a poll is due soon. Cancel-safe.
    pub async fn grown(&mut self) {
        match &mut self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
        let soon = self.polled_at + BUSY_INTERVAL;
        self.wanted_at = Some(self.wanted_at.map_or(soon, |at| at.min(soon)));
    }

    /// Polls when it is due.
    pub fn step(&mut self, busy: bool, now: Instant) -> Option<SessionFileRead> {
        if self.deadline(busy).is_none_or(|at| at > now) {
            return None;
        }
        let read = self.poll();
        self.polled_at = now;
        // What could not be read to its end is there all the same.
        self.wanted_at = (!read.is_complete).then_some(now + BUSY_INTERVAL);
        Some(read)
    }

    /// Reads what was written since the last poll.
    fn poll(&mut self) -> SessionFileRead {
        self.watch_own();
        let changed: Vec<PathBuf> =
            self.matching().into_iter().filter(|path| self.has_changed(path)).collect();
        let mut read = SessionFileRead { lines: Vec::new(), is_complete: true };
        for path in &changed {
            let tail = self.files.entry(path.clone()).or_default();
            if !tail.is_own {
                let is_proved = || self.source.names(&self.conversation) || is_written(path);
                tail.is_own = first_line_matches(path, &self.source.first) && is_proved();
            }
            if tail.is_own {
                read.is_complete &= tail.read(path, &mut read.lines);
            }
        }
        read
    }

    /// Before anything is read: what is written after that wakes.
    fn watch_own(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        let names_files = |path: &&PathBuf| self.patterns.iter().any(|pattern| pattern.matches_path(path));
        let own = self.files.iter().filter(|(_, tail)| tail.is_own).map(|(path, _)| path);
        let own: Vec<PathBuf> = own.filter(names_files).cloned().collect();
        watch.follow(&self.source.globs, &own);
    }

    /// Whether a file was written to since it was last read. One that was not there at first is new, whatever its time: clocks are set back.
    fn has_changed(&self, path: &Path) -> bool {
        let Ok(meta) = path.metadata() else { return false };
        self.files.get(path).is_none_or(|tail| meta.len() != tail.offset)
    }

    fn matching(&self) -> Vec<PathBuf> {
        self.source.globs.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten().collect()
    }
}

fn patterns(source: &SessionFileSource) -> Vec<Pattern> {
    source.globs.iter().filter_map(|glob| Pattern::new(glob).ok()).collect()
}

/// Whether the first line of a file has the values that the agent's own file has.
fn first_line_matches(path: &Path, first: &BTreeMap<String, String>) -> bool {
    if first.is_empty() {
        return true;
    }
    let Ok(file) = regular_file::open(File::options().read(true), path) else { return false };
    let mut line = String::new();
    if BufReader::new(file.take(MAX_READ)).read_line(&mut line).is_err() {
        return false;
    }
    let Ok(line) = serde_json::from_str::<Value>(&line) else { return false };
    first.iter().all(|(pointer, value)| line.pointer(pointer).and_then(Value::as_str) == Some(value))
}

/// Whether one of the agent's processes has the file open for writing. This is proof among agents in the same directory:
/// each reads the files of the others (to list conversations), but writes only its own.
fn is_written(path: &Path) -> bool {
    process_tree::descendants().iter().any(|process| os::writes(process.pid, path))
}

impl Tail {
    /// Adds the lines that are complete. Says whether the file was read to its end; half a line at the end is none.
    fn read(&mut self, path: &Path, lines: &mut Vec<Value>) -> bool {
        let mut bytes = Vec::new();
        let read = regular_file::open(File::options().read(true), path).and_then(|mut file| {
            let length = file.metadata()?.len();
            if length < self.offset {
                // It was written anew, or cut: what stands in it was told before, or is not known. What follows is told.
                (self.offset, self.is_cut) = (length, true);
                self.partial.clear();
            }
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(MAX_READ).read_to_end(&mut bytes)
        });
        let Ok(read) = read else { return false };
        self.offset += read as u64;
        self.partial.extend_from_slice(&bytes);
        if let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.partial.split_off(end + 1);
            let whole = std::mem::replace(&mut self.partial, rest);
            let split = whole.split(|byte| *byte == b'\n');
            lines.extend(split.filter_map(|line| serde_json::from_slice::<Value>(line).ok()));
        }
        if self.partial.len() > MAX_LINE {
            self.partial.clear();
        }
        (read as u64) < MAX_READ && self.partial.is_empty() && !std::mem::take(&mut self.is_cut)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::os::writes;

    #[test]
    fn only_a_writer_owns_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path =
            dir.path().join("rollout-1.jsonl").canonicalize().unwrap_or(dir.path().join("rollout-1.jsonl"));
        fs::write(&path, "").unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(!writes(pid, &path), "closed");
        let reader = File::open(&path).unwrap();
        assert!(!writes(pid, &path), "another agent lists the conversations");
        let writer = File::options().append(true).open(&path).unwrap();
        assert!(writes(pid, &path));
        drop((reader, writer));
    }

    #[tokio::test]
    async fn another_conversation_is_followed_by_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let glob = |id: &str| dir.path().join(format!("{id}.jsonl")).display().to_string();
        let source = SessionFileSource { globs: vec![glob("first")], ..SessionFileSource::default() };
        let mut file = SessionFile::follow(source, "first");
        fs::write(glob("first"), "1\n").unwrap();
        fs::write(glob("other"), "2\n").unwrap();
        assert_eq!(file.poll().lines, [1], "another agent's file lies beside it");
        file.follow_conversation("*");
        fs::write(glob("second"), "").unwrap();
        file.follow_conversation("second");
        fs::write(glob("second"), "3\n").unwrap();
        assert_eq!(file.poll().lines, [3]);
    }
    /// The session file of a conversation, which is not there yet.
    fn followed(dir: &Path) -> (PathBuf, SessionFile) {
        let path = dir.join("first.jsonl");
        let globs = vec![path.display().to_string()];
        let source = SessionFileSource { globs, ..SessionFileSource::default() };
        (path, SessionFile::follow(source, "first"))
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_hides_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, mut file) = followed(dir.path());
        fs::write(&path, "1\n").unwrap();
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&path).unwrap().set_modified(hour_ago).unwrap();
        assert_eq!(file.poll().lines, [1]);
    }

    #[tokio::test]
    async fn a_file_that_becomes_shorter_is_read_on_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (path, mut file) = followed(dir.path());
        fs::write(&path, "1\n2\n3\n").unwrap();
        assert_eq!(file.poll().lines, [1, 2, 3]);
        fs::write(&path, "1\n").unwrap();
        let read = file.poll();
        assert!(read.lines.is_empty() && !read.is_complete, "something may be missing");
        let mut appended = File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut appended, b"4\n").unwrap();
        let read = file.poll();
        assert!(read.lines == [4] && read.is_complete, "{read:?}");
    }
}
