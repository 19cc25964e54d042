//! The conversation on disk, as it goes: should the host die, its messages are readable all the same.
//!
//! Each line is a message as it is then; a message is written again with every step that it comes further.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use parallax_api::Message;

use crate::inbox::Inbox;
use crate::ndjson::NdjsonFile;

/// How often a write is tried again that the disk did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Messages that are taken from an earlier host: more than an inbox keeps.
const MAX_MESSAGES: usize = 20_000;

/// The file `messages.ndjson`.
pub struct MessageLog {
    file: NdjsonFile,
    retry_at: Option<Instant>,
}

impl MessageLog {
    /// Opens the file, with the messages that earlier hosts wrote.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Message>)> {
        let mut messages: Vec<Message> = Vec::new();
        let mut positions: HashMap<String, usize> = HashMap::new();
        let (file, _) = NdjsonFile::open(path, |line| {
            let Ok(message) = serde_json::from_slice::<Message>(line) else { return false };
            match positions.get(&message.id) {
                Some(position) => messages[*position] = message,
                None if messages.len() < MAX_MESSAGES => {
                    positions.insert(message.id.clone(), messages.len());
                    messages.push(message);
                }
                None => {}
            }
            true
        })?;
        Ok((Self { file, retry_at: None }, messages))
    }

    /// When a write is tried again.
    pub fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Writes the messages that changed. What the disk does not take is written later, as it is then.
    pub fn step(&mut self, inbox: &Inbox, now: Instant) {
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let failed_before = self.retry_at.take().is_some();
        let changed = inbox.take_changed();
        for (index, message) in changed.iter().enumerate() {
            let mut line = serde_json::to_vec(message).expect("wire types are JSON");
            line.push(b'\n');
            if let Err(error) = self.file.append(&line) {
                if !failed_before {
                    tracing::error!(%error, "messages cannot be written; they are kept in memory");
                }
                inbox.mark_changed(changed[index..].iter().map(|message| message.id.as_str()));
                self.retry_at = Some(now + RETRY_INTERVAL);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use parallax_api::message::MessageState;

    use super::*;

    fn states(path: &Path) -> Vec<(String, Option<MessageState>)> {
        let (_, messages) = MessageLog::open(path).unwrap();
        messages.into_iter().map(|message| (message.id, message.state)).collect()
    }

    #[test]
    fn has_every_message_as_it_was_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("messages.ndjson");
        let inbox = Inbox::new("a".parse().unwrap());
        let (mut log, before) = MessageLog::open(&path).unwrap();
        assert!(before.is_empty());
        assert!(!path.exists(), "an agent that is sent nothing needs no file");
        let now = Instant::now();
        inbox.accept("one", "1".into(), Vec::new()).unwrap();
        inbox.accept("two", "2".into(), Vec::new()).unwrap();
        log.step(&inbox, now);
        log.file.fail_writes(true);
        inbox.advance("one", MessageState::Taken);
        log.step(&inbox, now);
        let retry = log.deadline().expect("a retry");
        inbox.advance("one", MessageState::Answered);
        log.step(&inbox, now);
        let accepted = Some(MessageState::Accepted);
        assert_eq!(states(&path), [("one".into(), accepted), ("two".into(), accepted)]);
        log.file.fail_writes(false);
        log.step(&inbox, retry);
        assert_eq!(log.deadline(), None);
        assert_eq!(states(&path), [("one".into(), Some(MessageState::Answered)), ("two".into(), accepted)]);
        std::fs::File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"{\"id\":\"half"))
            .unwrap();
        assert_eq!(states(&path).len(), 2, "half a line costs itself only");
    }
}
