//! What a dead host left on its disk: segments of its log with an index each, its journal, its conversation.
//!
//! The agent is the same user as its host and may have written any of it: everything is bounded, and what cannot be read is
//! passed over. The format is the host's (`log`, `journal` and `resume` of the agent host), of this version or an earlier one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use parallax_api::compat;
use parallax_api::host::{HostEvent, HostLine};
use parallax_api::{AgentId, EventData, Message, TerminalSize, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::files::UntrustedDir;

/// The longest line of a journal, in bytes: an event with a 1 MiB message, every character of it escaped.
const MAX_LINE: u64 = 16 * 1024 * 1024;
/// The most that is read of a journal or a conversation, in bytes: what a host keeps.
const MAX_FILE: u64 = 80 * 1024 * 1024;
/// Events and messages that are taken of a dead host: more than a host keeps.
const MAX_EVENTS: usize = 20_000;
const MAX_MESSAGES: usize = 20_000;
/// Output that is taken of a dead host, in bytes.
const MAX_OUTPUT: u64 = 1024 * 1024 * 1024;
/// Bytes of an index record: offset, time, columns, rows.
const RECORD: usize = 20;
/// Index records that are read of one segment.
const MAX_INDEX: u64 = 1_000_000 * RECORD as u64;

/// The directory of a dead host.
pub(in crate::server) struct DeadHost {
    dir: UntrustedDir,
    id: AgentId,
}

/// From which offset on output was printed at which time to which size of terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) offset: u64,
    pub(super) at: Time,
    pub(super) size: TerminalSize,
}

/// A piece of a dead host's log.
pub(super) struct Segment {
    start: u64,
    length: u64,
    name: String,
}

impl DeadHost {
    /// Opens the directory of the agent's host.
    pub(in crate::server) fn open(path: &Path, id: AgentId) -> io::Result<Self> {
        Ok(Self { dir: UntrustedDir::open(path)?, id })
    }

    /// The events after the number `since`, in order.
    pub(in crate::server) fn events(&self, since: u64) -> Vec<HostEvent> {
        let mut events: Vec<HostEvent> = Vec::new();
        let mut last = since;
        self.lines_of(&["journal.ndjson.1", "journal.ndjson"], |line| {
            let Some(HostLine::Event(event)) = compat::host_line(line) else { return };
            let is_own = event.data.agent_id() == Some(&self.id);
            // Numbers rise; a host that was killed may have written one twice.
            if is_own && event.seq > last && events.len() < MAX_EVENTS {
                last = event.seq;
                events.push(event);
            }
        });
        events
    }

    /// The conversation, oldest first: as the host kept it, completed by the answers in its journal.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        let mut put = |message: Message| {
            if message.agent_id != self.id {
                return;
            }
            match index.get(&message.id) {
                // Written again with every step that it came further.
                Some(at) => messages[*at] = message,
                None if messages.len() < MAX_MESSAGES => {
                    index.insert(message.id.clone(), messages.len());
                    messages.push(message);
                }
                None => {}
            }
        };
        for message in self.resume_state().into_iter().filter_map(compat::message) {
            put(message);
        }
        self.lines_of(&["messages.ndjson.1", "messages.ndjson"], |line| {
            if let Some(message) = serde_json::from_str(line).ok().and_then(compat::message) {
                put(message);
            }
        });
        self.lines_of(&["journal.ndjson.1", "journal.ndjson"], |line| {
            if let Some(HostLine::Event(HostEvent { data: EventData::Message { message }, .. })) =
                compat::host_line(line)
            {
                put(message);
            }
        });
        messages.sort_by_key(|message| message.timestamp);
        messages
    }

    /// The segments of the log, oldest first.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let Ok(log) = self.dir.dir("log") else { return vec![] };
        let mut segments: Vec<Segment> = log
            .names()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let start = name.strip_suffix(".log")?.parse().ok()?;
                let length = log.file(&name).ok()?.metadata().ok()?.len();
                Some(Segment { start, length, name })
            })
            .collect();
        segments.sort_by_key(|segment| segment.start);
        // The newest, as far as the bound allows.
        let mut room = MAX_OUTPUT;
        let kept = segments.iter().rev().take_while(|segment| {
            let fits = segment.length <= room;
            room = room.saturating_sub(segment.length);
            fits
        });
        let first = segments.len() - kept.count();
        segments.split_off(first)
    }

    /// Copies the output to `to`. Returns the offset of its first byte.
    pub(super) fn copy_output(&self, segments: &[Segment], to: &mut impl Write) -> io::Result<u64> {
        let mut start = None;
        for segment in segments {
            let Ok(file) = self.dir.dir("log").and_then(|log| log.file(&segment.name)) else { continue };
            start.get_or_insert(segment.start);
            io::copy(&mut file.take(segment.length), to)?;
        }
        Ok(start.unwrap_or(0))
    }

    /// When what was printed to which size, with offsets as in the copied output: bytes that are missing between two
    /// segments do not count.
    pub(super) fn index(&self, segments: &[Segment]) -> Vec<IndexEntry> {
        let Ok(log) = self.dir.dir("log") else { return vec![] };
        let mut entries: Vec<IndexEntry> = Vec::new();
        let mut position = segments.first().map_or(0, |segment| segment.start);
        for segment in segments {
            let name = segment.name.replace(".log", ".idx");
            let bytes = log.read(&name, MAX_INDEX).unwrap_or_default();
            for record in bytes.chunks_exact(RECORD).map(decode) {
                let within =
                    record.offset.checked_sub(segment.start).filter(|within| *within <= segment.length);
                let Some(within) = within else { continue };
                let offset = position + within;
                // An index that does not rise or sizes that no terminal has are damage.
                if record.size.is_sane() && entries.last().is_none_or(|last| last.offset <= offset) {
                    entries.push(IndexEntry { offset, ..record });
                }
            }
            position += segment.length;
        }
        entries
    }

    /// The messages of an agent that had ended before: written at its end.
    fn resume_state(&self) -> Vec<Value> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Resume {
            messages: Kept,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Kept {
            messages: Vec<Value>,
        }
        let read = |name| serde_json::from_slice(&self.dir.read(name, MAX_FILE).ok()?).ok();
        let resume: Resume = read("resume.json").or_else(|| read("memory.json")).unwrap_or_default();
        resume.messages.messages
    }

    /// Calls `take` with every line of the files that is text, as far as they are there and the bounds allow.
    fn lines_of(&self, names: &[&str], mut take: impl FnMut(&str)) {
        for name in names {
            let Ok(file) = self.dir.file(name) else { continue };
            let mut lines = BufReader::new(file.take(MAX_FILE));
            let mut line = Vec::new();
            loop {
                line.clear();
                match read_line(&mut lines, &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                // Half a line, or one that was written over another, is passed over; those after it are whole.
                if let Ok(text) = std::str::from_utf8(&line) {
                    take(text.trim_end());
                }
            }
        }
    }
}

/// One line, at most [`MAX_LINE`] bytes of it at a time.
fn read_line(lines: &mut BufReader<io::Take<File>>, line: &mut Vec<u8>) -> io::Result<usize> {
    lines.by_ref().take(MAX_LINE).read_until(b'\n', line)
}

fn decode(record: &[u8]) -> IndexEntry {
    let eight = |from: usize| u64::from_be_bytes(record[from..from + 8].try_into().expect("eight bytes"));
    let two = |from: usize| u16::from_be_bytes(record[from..from + 2].try_into().expect("two bytes"));
    IndexEntry {
        offset: eight(0),
        at: Time::from_millis(eight(8).cast_signed()),
        size: TerminalSize { cols: two(16), rows: two(18) },
    }
}
