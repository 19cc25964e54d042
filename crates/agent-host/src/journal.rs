//! The event journal: an agent's events by sequence number, in memory and on disk, bounded.
//!
//! Events that the disk does not take stay in memory, are published all the same, and are written when the disk has
//! room again. A number is never given to two events: when the last host may have published events that it did not
//! write, numbers go on far above the last one. Readers see missing numbers as a gap.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::host::HostEvent;
use parallax_api::{Agent, EventData, Time};
use tokio::sync::watch;

use crate::ndjson::NdjsonFile;
use crate::tail_mark::TailMark;

/// Events kept for a runtime server that was away. Older ones are dropped, which readers see as a gap.
const MAX_EVENTS: usize = 10_000;
/// A higher number is none of ours, and would leave no room for the next ones.
const MAX_SEQ: u64 = 1 << 62;
/// Bytes kept; a message may have a mebibyte.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// How often a write is tried again that the disk did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Added to the number when the last host may have published more events than it wrote: more than it can have had.
const SKIP_AHEAD: u64 = 1 << 32;

/// Shared by the session, which writes it, and the streams, which read it.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    /// The newest sequence number; what wakes the streams.
    head_tx: watch::Sender<u64>,
}

/// An event as it was written: for the disk and for every stream.
#[derive(Clone)]
pub struct JournalLine {
    /// Its number.
    pub seq: u64,
    /// A line of JSON, with its end.
    pub json: Bytes,
}

struct Kept {
    lines: VecDeque<JournalLine>,
    bytes: usize,
    file: NdjsonFile,
    /// The last number that is on disk.
    written: u64,
    next: u64,
    mark: TailMark,
    retry_at: Option<Instant>,
    last_update: Option<Time>,
    shown: Option<(Time, Option<Time>)>,
    /// What is appended waits for what is appended together with it.
    is_open: bool,
}

impl Journal {
    /// A journal that also writes the file `path`, one JSON object a line. It goes on from what is in the file, if there
    /// is one: the agent was here before.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mark = TailMark::open(path.with_extension("tail"));
        let mut found: VecDeque<JournalLine> = VecDeque::new();
        let mut last_update = None;
        let (file, is_cut) = NdjsonFile::open(path, |line| {
            let Ok(HostEvent { seq, data, .. }) = serde_json::from_slice(line) else { return false };
            // An earlier host may have given a number twice: the first event has it.
            let rises = seq < MAX_SEQ && found.back().is_none_or(|last| last.seq < seq);
            if rises {
                if found.len() == MAX_EVENTS {
                    found.pop_front();
                }
                found.push_back(JournalLine { seq, json: [line.trim_ascii_end(), b"\n"].concat().into() });
                last_update = last_update.max(updated_at(&data));
            }
            rises
        })?;
        let written = found.back().map_or(0, |last| last.seq);
        let mut kept = Kept {
            lines: VecDeque::new(),
            bytes: 0,
            file,
            written,
            next: written + 1,
            mark,
            retry_at: None,
            last_update,
            shown: None,
            is_open: false,
        };
        for line in found {
            kept.keep(line);
        }
        if is_cut {
            // The number of the half line may have been published.
            kept.next += 1;
        }
        if kept.mark.was_incomplete() {
            kept.next += SKIP_AHEAD;
        }
        let head = kept.next - 1;
        Ok(Self(Arc::new(Shared { kept: Mutex::new(kept), head_tx: watch::Sender::new(head) })))
    }

    /// Numbers the event, writes it, and wakes the streams. An event that the disk does not take is published, too.
    pub fn append(&self, data: EventData, at: Time, now: Instant) {
        let mut kept = self.lock();
        let seq = kept.next;
        kept.next += 1;
        kept.last_update = kept.last_update.max(updated_at(&data));
        kept.shown = shown(&data, kept.shown);
        let line = JournalLine::of(&HostEvent { seq, data, timestamp: at });
        kept.keep(line.clone());
        if kept.is_open {
            return;
        }
        if kept.retry_at.is_none() {
            kept.write(&line.json, seq, now);
        }
        // Sent under the lock: a reader that saw the number finds the event. Sent after the write: what was published is
        // on disk, or the mark says that it may not be.
        self.0.head_tx.send_replace(seq);
    }

    /// Writes what `work` appends as one piece, and wakes the streams once.
    pub fn together<T>(&self, work: impl FnOnce() -> T) -> T {
        self.lock().is_open = true;
        let _closed = Closing(self);
        work()
    }

    fn close_piece(&self) {
        let mut kept = self.lock();
        kept.is_open = false;
        let last = kept.next - 1;
        if last == *self.0.head_tx.borrow() {
            return;
        }
        if kept.retry_at.is_none() {
            let first = kept.lines.partition_point(|line| line.seq <= kept.written);
            let piece: Vec<&[u8]> = kept.lines.range(first..).map(|line| &line.json[..]).collect();
            let piece = piece.concat();
            kept.write(&piece, last, Instant::now());
        }
        self.0.head_tx.send_replace(last);
    }

    /// When a write is tried again.
    pub fn deadline(&self) -> Option<Instant> {
        self.lock().retry_at
    }

    /// Writes what waits when a retry is due.
    pub fn step(&self, now: Instant) {
        let mut kept = self.lock();
        if kept.retry_at.is_some_and(|at| at <= now) {
            kept.catch_up(now);
        }
    }

    /// No event follows: what was written is made durable.
    pub fn close(&self) {
        let mut kept = self.lock();
        if kept.retry_at.is_none() {
            match kept.file.sync() {
                Ok(()) => kept.mark.synced(),
                Err(error) => tracing::warn!(%error, "the journal cannot be synced"),
            }
        }
    }

    /// When the newest copy of the agent was new that an event here held, by the clocks of all hosts that wrote here.
    pub fn last_update(&self) -> Option<Time> {
        self.lock().last_update
    }

    /// The age of the agent as the last event shows it, where who has read that knows all of it: not after a start or an end, by which
    /// servers decide what becomes of the agent's workspace, nor what an earlier host wrote.
    pub fn shown(&self) -> Option<(Time, Option<Time>)> {
        self.lock().shown
    }

    /// What wakes when an event was appended: the newest sequence number.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head_tx.subscribe()
    }

    /// Up to `limit` events after the number `since`, as far as their numbers follow one another. When the first of them
    /// does not follow `since`, its number comes instead: that is a gap.
    pub fn after(&self, since: u64, limit: usize) -> (Vec<JournalLine>, Option<u64>) {
        let kept = self.lock();
        let skip = kept.lines.partition_point(|line| line.seq <= since);
        let head = *self.0.head_tx.borrow();
        let published = kept.lines.iter().skip(skip).take_while(|line| line.seq <= head);
        let mut lines = Vec::new();
        for (expected, line) in (since + 1..).zip(published.take(limit)) {
            if line.seq != expected {
                if lines.is_empty() {
                    return (lines, Some(line.seq));
                }
                break;
            }
            lines.push(line.clone());
        }
        (lines, None)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().expect("the journal does not panic")
    }
}

impl Kept {
    fn keep(&mut self, line: JournalLine) {
        self.bytes += line.json.len();
        self.lines.push_back(line);
        while self.lines.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.lines.len() > 1) {
            let oldest = self.lines.pop_front().expect("more than one event");
            self.bytes -= oldest.json.len();
        }
    }

    /// Writes whole lines, up to the event `last`, or plans a retry.
    fn write(&mut self, lines: &[u8], last: u64, now: Instant) {
        match self.file.append(lines) {
            Ok(()) => self.written = last,
            Err(error) => {
                if self.mark.incomplete() {
                    tracing::error!(%error, "the journal cannot be written; events are kept in memory");
                }
                self.retry_at = Some(now + RETRY_INTERVAL);
            }
        }
    }

    fn catch_up(&mut self, now: Instant) {
        self.retry_at = None;
        let first = self.lines.partition_point(|line| line.seq <= self.written);
        let waiting: Vec<JournalLine> = self.lines.iter().skip(first).cloned().collect();
        for line in waiting {
            self.write(&line.json, line.seq, now);
            if self.retry_at.is_some() {
                return;
            }
        }
        self.mark.complete();
        tracing::info!("the journal is written again");
    }
}

/// Ends a piece, also when the work on it panics.
struct Closing<'a>(&'a Journal);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close_piece();
    }
}

fn updated_at(data: &EventData) -> Option<Time> {
    data.agent().map(|agent| agent.updated_at)
}

fn shown(data: &EventData, before: Option<(Time, Option<Time>)>) -> Option<(Time, Option<Time>)> {
    match data {
        EventData::AgentStarted { .. } | EventData::AgentStopped { .. } => None,
        _ => data.agent().map(Agent::age).or(before),
    }
}

impl JournalLine {
    fn of(event: &HostEvent) -> Self {
        let mut json = serde_json::to_vec(event).expect("wire types are JSON");
        json.push(b'\n');
        // Kept for long: without the room that it grew into.
        Self { seq: event.seq, json: json.into_boxed_slice().into() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn say(journal: &Journal) {
        let inbox = crate::inbox::Inbox::new("a".parse().unwrap());
        let answer = crate::inbox::Answer { content: "hello".into(), ..Default::default() };
        let message = inbox.said(None, answer, false);
        journal.append(EventData::Message { message }, Time::now(), Instant::now());
    }

    /// The numbers after `since`, with 0 for a gap.
    fn seqs(journal: &Journal, mut since: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        loop {
            let (events, gap) = journal.after(since, 10);
            if let Some(oldest) = gap {
                seqs.push(0);
                since = oldest - 1;
            } else if let Some(last) = events.last() {
                since = last.seq;
                seqs.extend(events.iter().map(|line| line.seq));
            } else {
                return seqs;
            }
        }
    }

    #[test]
    fn goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        (0..3).for_each(|_| say(&journal));
        let journal = Journal::open(&path).unwrap();
        assert_eq!(*journal.head().borrow(), 3);
        say(&journal);
        assert_eq!(seqs(&journal, 0), [1, 2, 3, 4]);
        assert_eq!(seqs(&Journal::open(&path).unwrap(), 2), [3, 4]);
    }

    #[test]
    fn what_is_appended_together_is_published_when_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        let mut head_rx = journal.head();
        journal.together(|| {
            (0..3).for_each(|_| say(&journal));
            assert_eq!(seqs(&journal, 0), [1], "what is not on disk yet is not told");
        });
        assert!(head_rx.has_changed().unwrap());
        assert_eq!(*head_rx.borrow_and_update(), 4);
        assert_eq!(seqs(&journal, 0), [1, 2, 3, 4]);
        assert_eq!(seqs(&Journal::open(&path).unwrap(), 0), [1, 2, 3, 4]);
        journal.together(|| ());
        assert!(!head_rx.has_changed().unwrap(), "nothing was appended");
        journal.lock().file.fail_writes(true);
        journal.together(|| (0..2).for_each(|_| say(&journal)));
        assert_eq!(seqs(&journal, 4), [5, 6], "published all the same");
        journal.lock().file.fail_writes(false);
        journal.step(journal.deadline().expect("a retry"));
        assert_eq!(seqs(&Journal::open(&path).unwrap(), 0), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_number_of_half_a_line_is_not_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        (0..3).for_each(|_| say(&journal));
        let whole = fs::read(&path).unwrap();
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        // Cut at every place of the last line, also right before its end.
        for cut in last + 1..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let journal = Journal::open(&path).unwrap();
            say(&journal);
            let expected = if cut == whole.len() - 1 { vec![1, 2, 3, 4] } else { vec![1, 2, 0, 4] };
            assert_eq!(seqs(&journal, 0), expected, "cut at {cut}");
            assert_eq!(seqs(&Journal::open(&path).unwrap(), 0), expected, "again, cut at {cut}");
        }
    }

    #[test]
    fn what_no_host_wrote_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(Journal::open(&path).is_err(), "a device, which never ends");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(Journal::open(&path).is_err(), "a pipe, to which nobody writes");
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(Journal::open(&path).is_err(), "larger than a journal gets");
    }

    #[test]
    fn a_number_without_a_next_one_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        say(&Journal::open(&path).unwrap());
        let line = fs::read_to_string(&path).unwrap();
        let last = line.replacen("\"seq\":1,", &format!("\"seq\":{},", u64::MAX), 1);
        assert_ne!(last, line);
        fs::write(&path, line + &last).unwrap();
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        assert_eq!(seqs(&journal, 0), [1, 2]);
    }

    #[test]
    fn a_damaged_line_costs_itself_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        (0..4).for_each(|_| say(&journal));
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        // Garbage, and a number that an earlier host gave out twice.
        lines[1] = "\u{0}\u{0}\u{0}";
        lines.push(lines[2]);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        assert_eq!(seqs(&journal, 0), [1, 0, 3, 4, 5]);
    }

    #[test]
    fn what_the_disk_does_not_take_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        journal.lock().file.fail_writes(true);
        (0..3).for_each(|_| say(&journal));
        assert_eq!(seqs(&journal, 0), [1, 2, 3, 4], "published all the same");
        let at = journal.deadline().expect("a retry");
        journal.step(at);
        assert!(journal.deadline().is_some_and(|next| next > at), "still full");
        journal.lock().file.fail_writes(false);
        journal.step(at + RETRY_INTERVAL);
        assert_eq!(journal.deadline(), None);
        say(&journal);
        assert_eq!(seqs(&Journal::open(&path).unwrap(), 0), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn numbers_that_were_only_published_are_not_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        journal.lock().file.fail_writes(true);
        (0..3).for_each(|_| say(&journal));
        let published = *journal.head().borrow();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        say(&journal);
        let next = *journal.head().borrow();
        assert!(next > published + 1, "{next}");
        assert_eq!(seqs(&journal, 0), [1, 0, next]);
        assert_eq!(seqs(&journal, published), [0, next]);
    }
}
