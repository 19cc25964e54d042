//! What remains of ended agents: their output, conversation and last screen, on disk until they are purged.
//!
//! A directory an agent: `output.raw` (the bytes), `output.cast` (the same with times and sizes), `agent.json` (the agent as it
//! ended), `remains.json` (everything else). It appears whole (renamed into place) or not at all. `collect` fills it from a
//! host, `recover` from the disk of a dead one.

mod cast;
mod collect;
mod dead_host;
mod files;
mod head;
mod recording;
mod recover;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use parallax_api::compat;
use parallax_api::message::{MessageList, MessageProgress, MessagesQuery};
use parallax_api::observe::{LogFormat, LogPosition, Logs, LogsQuery, Metrics, StatusReport};
use parallax_api::terminal::Screen;
use parallax_api::{AgentId, Message, Problem, TerminalSize};
use parallax_screen::render;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::dead_host::DeadHost;
use self::recording::Recording;

/// Bytes that are rendered for lines: the newest.
const MAX_RENDERED: u64 = 8 * 1024 * 1024;
/// Bytes that are searched for line feeds at once.
const PIECE: u64 = 256 * 1024;

/// The directory of all that remains.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    dir: PathBuf,
    /// The name of the runtime, for agents of which nothing else is known.
    runtime: String,
}

/// What remains of one agent beside its output. A host that was lost leaves little.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ArchivedAgent {
    /// The offset of the first byte of `output.raw`.
    start: u64,
    /// Names the log that offsets belong to.
    epoch: String,
    /// The size of the terminal at the first byte, and where it changed.
    sizes: Vec<(u64, TerminalSize)>,
    /// The conversation, oldest first.
    messages: Vec<Message>,
    screen: Option<Screen>,
    status: Option<StatusReport>,
    metrics: Option<Metrics>,
}

/// A log of an ended agent in the form that was asked for.
pub(super) enum LogAnswer {
    /// Lines.
    Lines(Logs),
    /// The rest of a file.
    File {
        /// Read from where it stands.
        file: File,
        /// What it holds.
        media_type: &'static str,
    },
    /// A recording, written anew as it is read.
    Recording(Recording),
}

/// The output of an ended agent.
pub(super) struct Output {
    /// Where it begins.
    pub(super) offset: u64,
    /// Names the log that the offset belongs to.
    pub(super) epoch: String,
    /// The terminal's size there.
    pub(super) size: TerminalSize,
    /// Read from where it stands.
    pub(super) file: File,
}

impl Archive {
    /// The conversation.
    pub(super) fn messages(&self, id: &AgentId, query: &MessagesQuery) -> Result<MessageList, Problem> {
        Ok(MessageList { messages: query.page(&self.remains(id)?.messages)? })
    }

    /// One message.
    pub(super) fn message(&self, id: &AgentId, message: &str) -> Result<MessageProgress, Problem> {
        MessageProgress::find(message, &self.remains(id)?.messages)
    }

    /// The last screen. An agent that was lost with its host has an empty one.
    pub(super) fn screen(&self, id: &AgentId) -> Result<Option<Screen>, Problem> {
        Ok(self.remains(id)?.screen)
    }

    /// Why the agent had its last status.
    pub(super) fn status(&self, id: &AgentId) -> Result<Option<StatusReport>, Problem> {
        Ok(self.remains(id)?.status)
    }

    /// What the agent had used and done.
    pub(super) fn metrics(&self, id: &AgentId) -> Result<Metrics, Problem> {
        Ok(self.remains(id)?.metrics.unwrap_or_default())
    }

    /// The log. Blocks: it may read and render up to the log's limit.
    pub(super) fn logs(&self, id: &AgentId, query: &LogsQuery) -> Result<LogAnswer, Problem> {
        let tail = query.lines()?;
        let since = query.since()?;
        let remains = self.remains(id)?;
        let format = query.format.unwrap_or_default();
        if format == LogFormat::Asciicast && since.is_none() && query.tail.is_none() {
            return Ok(LogAnswer::File {
                file: self.file(id, "output.cast")?,
                media_type: "application/x-asciicast",
            });
        }
        let mut output = self.file(id, "output.raw")?;
        let end = remains.start + output.metadata().map_err(Problem::internal)?.len();
        let mut from = match since {
            None => remains.start,
            Some(LogPosition::Offset(offset)) => offset.clamp(remains.start, end),
            Some(LogPosition::Time(time)) => {
                remains.start + cast::bytes_before(self.file(id, "output.cast")?, time)?
            }
        };
        if matches!(format, LogFormat::Text | LogFormat::Ansi) {
            from = from.max(end.saturating_sub(MAX_RENDERED));
        } else if query.tail.is_some() {
            let start = last_lines_start(&output, from - remains.start, tail).map_err(Problem::internal)?;
            from = remains.start + start;
        }
        if matches!(format, LogFormat::Asciicast | LogFormat::AsciicastV3) {
            let cast = self.file(id, "output.cast")?;
            return Ok(LogAnswer::Recording(Recording::new(cast, format, from - remains.start)));
        }
        output.seek(SeekFrom::Start(from - remains.start)).map_err(Problem::internal)?;
        if format == LogFormat::Raw {
            return Ok(LogAnswer::File { file: output, media_type: "application/octet-stream" });
        }
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map_err(Problem::internal)?;
        let sizes = remains.sizes_from(from);
        let mut logs = match format {
            LogFormat::Ansi => render::ansi_lines(&bytes, from, &sizes),
            _ => render::text_lines(&bytes, from, &sizes),
        };
        while logs.last().is_some_and(|line| line.trim().is_empty()) {
            logs.pop();
        }
        logs.drain(..logs.len().saturating_sub(tail));
        Ok(LogAnswer::Lines(Logs { count: logs.len(), logs }))
    }

    /// The output from `offset` on, or from where it is kept.
    pub(super) fn output(&self, id: &AgentId, offset: u64) -> Result<Output, Problem> {
        let remains = self.remains(id)?;
        let mut file = self.file(id, "output.raw")?;
        let kept = file.metadata().map_err(Problem::internal)?.len();
        let offset = offset.clamp(remains.start, remains.start + kept);
        file.seek(SeekFrom::Start(offset - remains.start)).map_err(Problem::internal)?;
        let size = remains.sizes_from(offset).first().map(|resize| resize.size).unwrap_or_default();
        Ok(Output { offset, epoch: remains.epoch, size, file })
    }

    fn remains(&self, id: &AgentId) -> Result<ArchivedAgent, Problem> {
        self.read(id).map_err(Problem::internal)
    }

    fn file(&self, id: &AgentId, name: &str) -> Result<File, Problem> {
        match File::open(self.path(id).join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open("/dev/null"),
            opened => opened,
        }
        .map_err(Problem::internal)
    }
}

/// Where the last lines of what is behind `from` begin, as line feeds count them.
fn last_lines_start(output: &File, from: u64, lines: usize) -> io::Result<u64> {
    let end = output.metadata()?.len();
    let (mut to, mut left) = (end, lines);
    while to > from {
        let start = from.max(to.saturating_sub(PIECE));
        let mut piece = vec![0; usize::try_from(to - start).unwrap_or(usize::MAX)];
        output.read_exact_at(&mut piece, start)?;
        for (index, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let behind = start + index as u64 + 1;
            // The last line feed ends the last line.
            if behind < end {
                left -= 1;
            }
            if left == 0 {
                return Ok(behind);
            }
        }
        to = start;
    }
    Ok(from)
}

impl ArchivedAgent {
    /// As it was written by this version or another: what is not known is left out.
    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        if let Ok(archived) = serde_json::from_slice(bytes) {
            return Ok(archived);
        }
        #[derive(Deserialize)]
        struct AnyVersion {
            start: u64,
            #[serde(default)]
            epoch: String,
            #[serde(default)]
            sizes: Vec<Value>,
            #[serde(default)]
            messages: Vec<Value>,
            #[serde(default)]
            screen: Value,
            #[serde(default)]
            status: Value,
            #[serde(default)]
            metrics: Value,
        }
        let AnyVersion { start, epoch, sizes, messages, screen, status, metrics } =
            serde_json::from_slice(bytes)?;
        Ok(Self {
            start,
            epoch,
            sizes: sizes.into_iter().filter_map(|size| serde_json::from_value(size).ok()).collect(),
            messages: messages.into_iter().filter_map(compat::message).collect(),
            screen: serde_json::from_value(screen).ok(),
            status: serde_json::from_value(status).ok(),
            metrics: serde_json::from_value(metrics).ok(),
        })
    }

    /// The sizes of the terminal from the byte `from` on, the one in force there first.
    fn sizes_from(&self, from: u64) -> Vec<render::Resize> {
        let in_force = self.sizes.partition_point(|(offset, _)| *offset <= from).saturating_sub(1);
        let size = |&(offset, size): &(u64, TerminalSize)| render::Resize { offset: offset.max(from), size };
        self.sizes.iter().skip(in_force).map(size).collect()
    }
}
