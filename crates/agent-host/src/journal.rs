//! The event journal: an agent's events by sequence, in memory and on disk, bounded.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use parallax_api::host::HostEvent;
use parallax_api::{EventData, Time};
use tokio::sync::watch;

/// Events kept for a runtime server that was away. Older ones are forgotten and told as a gap.
const MAX_EVENTS: usize = 10_000;
/// Bytes kept, as JSON; a message may have a mebibyte.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Shared by the session, which writes it, and the streams, which read it.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    /// The newest sequence number; what wakes the streams.
    head_tx: watch::Sender<u64>,
}

struct Kept {
    events: VecDeque<(HostEvent, usize)>,
    bytes: usize,
    file: File,
    path: PathBuf,
    file_bytes: usize,
}

impl Journal {
    /// A journal that also writes the file `path`, one JSON object a line. It goes on from what is in the file, if there
    /// is one: the agent was here before.
    pub fn open(path: &Path) -> io::Result<Self> {
        let before = match fs::read(path) {
            Ok(before) => before,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut kept = Kept {
            events: VecDeque::new(),
            bytes: 0,
            file: File::options().create(true).append(true).open(path)?,
            path: path.into(),
            file_bytes: 0,
        };
        for line in before.split_inclusive(|byte| *byte == b'\n') {
            // A host that was killed may have left half a line; nobody was told of it.
            let Ok(event) = serde_json::from_slice(line) else { break };
            kept.keep(event, line.len());
            kept.file_bytes += line.len();
        }
        kept.file.set_len(kept.file_bytes as u64)?;
        let head = kept.events.back().map_or(0, |(event, _)| event.seq);
        Ok(Self(Arc::new(Shared { kept: Mutex::new(kept), head_tx: watch::Sender::new(head) })))
    }

    /// Numbers the event, keeps it, and wakes the streams.
    pub fn append(&self, data: EventData, at: Time) -> io::Result<()> {
        let mut kept = self.0.kept.lock().expect("the journal does not panic");
        let seq = *self.0.head_tx.borrow() + 1;
        let event = HostEvent { seq, data, timestamp: at };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        kept.keep(event, line.len());
        // Sent under the lock: a reader that saw the number finds the event.
        self.0.head_tx.send_replace(seq);
        kept.write(&line)
    }

    /// What wakes when an event was appended: the newest sequence number.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.head_tx.subscribe()
    }

    /// Up to `limit` events after the number `since`, and the oldest number kept when that is a gap.
    pub fn after(&self, since: u64, limit: usize) -> (Vec<HostEvent>, Option<u64>) {
        let kept = self.0.kept.lock().expect("the journal does not panic");
        let oldest = kept.events.front().map_or(1, |(event, _)| event.seq);
        let skip = usize::try_from((since + 1).saturating_sub(oldest)).unwrap_or(usize::MAX);
        let events = kept.events.iter().skip(skip).take(limit).map(|(event, _)| event.clone()).collect();
        (events, (since + 1 < oldest).then_some(oldest))
    }
}

impl Kept {
    fn keep(&mut self, event: HostEvent, bytes: usize) {
        self.events.push_back((event, bytes));
        self.bytes += bytes;
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            let (_, bytes) = self.events.pop_front().expect("more than one event");
            self.bytes -= bytes;
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.file_bytes + line.len() > MAX_BYTES {
            fs::rename(&self.path, self.path.with_extension("ndjson.1"))?;
            self.file = File::options().create_new(true).append(true).open(&self.path)?;
            self.file_bytes = 0;
        }
        self.file_bytes += line.len();
        self.file.write_all(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let message = || {
            let agent_id = "a".parse().unwrap();
            crate::inbox::Inbox::new(agent_id).said(
                None,
                crate::inbox::Answer { content: "hello".into(), ..Default::default() },
                false,
            )
        };
        let journal = Journal::open(&path).unwrap();
        for _ in 0..3 {
            journal.append(EventData::Message { message: message() }, Time::now()).unwrap();
        }
        drop(journal);
        File::options().append(true).open(&path).unwrap().write_all(b"{\"seq\": 4, \"ev").unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(*journal.head().borrow(), 3);
        journal.append(EventData::Message { message: message() }, Time::now()).unwrap();
        let seqs = |journal: &Journal| {
            let (events, gap) = journal.after(0, 10);
            (events.iter().map(|event| event.seq).collect::<Vec<_>>(), gap)
        };
        assert_eq!(seqs(&journal), (vec![1, 2, 3, 4], None));
        assert_eq!(seqs(&Journal::open(&path).unwrap()), (vec![1, 2, 3, 4], None));
    }
}
