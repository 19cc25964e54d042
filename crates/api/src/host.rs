//! What an agent host and its runtime server say to each other: HTTP over the host's socket.
//!
//! | method, path | asks | answers |
//! |---|---|---|
//! | `GET /agent` | – | [`crate::Agent`] |
//! | `GET /events?since=SEQ&quiet=BOOL` | – | NDJSON of [`HostLine`], open until the host goes; every kept event after `SEQ`; `quiet`: no [`HostLine::Alive`] |
//! | `POST /send` | [`HostSend`] | [`crate::SendResponse`] |
//! | `GET /messages` | `MessagesQuery` | `MessageList` |
//! | `GET /screen`, `GET /status`, `GET /metrics` | – | `Screen`, `StatusReport`, `Metrics` |
//! | `GET /logs` | `LogsQuery` | `Logs`, or the other formats as a body; `follow` streams |
//! | `GET`, `PUT`, `DELETE /files?path=` | [`crate::files::FileQuery`], `Range`; the content | `FileList`, or the file's bytes; 201, 204 |
//! | `GET`, `POST /files?path=&archive=tar` | a directory as a tar archive; an archive to unpack | the archive; [`crate::files::Unpacked`] |
//! | `GET /ports` | – | [`crate::ports::AgentPorts`] |
//! | `GET /ports/PORT/tunnel` (upgrade to [`crate::ports::TUNNEL`]) | – | 101, then the bytes of a connection to that port |
//! | `PUT /workspace` | the archive of a repository, once, before the agent starts | 204: its files are checked out |
//! | `POST /workspace` | [`WorkspaceCall`] | what it says; a diff and an export as bytes |
//! | `POST /input`, `/answer`, `/interrupt`, `/restart`, `/stop` | as in the runtime's API | 204 or `Agent` |
//! | `POST /suspend` | – | `Agent`, ended with the reason `suspended`; refused when a new host could not go on |
//! | `GET /launch` | – | the launch, for whoever starts that new host |
//! | `GET /terminal` (WebSocket) | `TerminalQuery` | the terminal socket, both subprotocols |
//! | `POST /report` | [`HookReport`] | 204; the body is what the hook prints, when it prints something |
//! | `GET /waiting` | – | 204 while the host waits for its launch; it waits for 5 minutes more |
//! | `POST /launch` | the launch | [`HostStarted`]; a host that waits takes one, with the token that it was made with |
//! | `POST /release` | – | 204: all is collected, the host may go (only after the agent ended) |
//!
//! Refusals are [`crate::Problem`]s, as everywhere.
//!
//! A server of the same machine need not relay a viewer's terminal: it hands the viewer's connection over, at a second socket
//! ([`VIEWER_SOCKET`]). The host answers a connection with [`VIEWER_AWAITED`]. The server sends the length of a [`HandedViewer`] (four bytes,
//! most significant first) together with the descriptor of the viewer's connection (`SCM_RIGHTS`), then the JSON, then what the viewer has
//! sent already. The host ends the connection when the viewer has left, and lets the viewer go when the server ends it.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::terminal::TerminalQuery;
use crate::workspace::{CommitRequest, DiffQuery, Pushed};
use crate::{Agent, EventData, SendRequest, Time, beside};

/// A line of a host's event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "nearly every line is an event")]
pub enum HostLine {
    /// An event of the journal.
    Event(HostEvent),
    /// The agent as it is now: sent first, and when something changed that is no event (queue, activity).
    State {
        /// The agent.
        agent: Box<Agent>,
    },
    /// The journal does not reach back to the `since` that was asked for; it starts at `oldest`.
    Gap {
        /// The oldest sequence number kept.
        oldest: u64,
    },
    /// Nothing new; the connection lives. Every twenty seconds, unless the reader asked for silence.
    Alive {
        /// Always true.
        alive: bool,
    },
}

impl HostLine {
    /// A line as the wire has it. What `Deserialize` does, without collecting the whole line first to see what it is.
    ///
    /// # Errors
    /// When it is none that this version knows.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        beside::from_str(text, LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = HostLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line of a host")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<HostLine, A::Error> {
        let (mut seq, mut timestamp, mut agent, mut oldest, mut alive) = (None, None, None, None, None);
        // Fails for the others, when it has read them.
        let data = beside::read(object, |name, object| match name {
            "seq" => beside::once(&mut seq, "seq", object),
            "timestamp" => beside::once(&mut timestamp, "timestamp", object),
            "agent" => beside::once(&mut agent, "agent", object),
            "oldest" => beside::once(&mut oldest, "oldest", object),
            "alive" => beside::once(&mut alive, "alive", object),
            _ => Ok(false),
        });
        if let (Some(seq), Some(timestamp)) = (seq, timestamp) {
            return Ok(HostLine::Event(HostEvent { seq, data: data?, timestamp }));
        }
        let state = agent.map(|agent| HostLine::State { agent });
        let gap = || oldest.map(|oldest| HostLine::Gap { oldest });
        let line = state.or_else(gap).or_else(|| alive.map(|alive| HostLine::Alive { alive }));
        line.ok_or_else(|| A::Error::custom("a line of a kind that is not known"))
    }
}

/// Whether something could be connected to: a line of `parallax-agent-host reach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// `HOST:PORT`, as it was asked for.
    pub target: String,
    /// Why not. `None`: it was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One event of a host's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostEvent {
    /// Its number: it rises for the life of the agent, and is never given twice. Missing numbers are announced by
    /// [`HostLine::Gap`].
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub data: EventData,
    /// When.
    pub timestamp: Time,
}

/// A message with the id its sender gave it: sending the same id twice is sending once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostSend {
    /// Names the message.
    pub message_id: String,
    /// The message.
    pub request: SendRequest,
}

/// What a host does in the clone that its agent works in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "camelCase", deny_unknown_fields)]
pub enum WorkspaceCall {
    /// What is changed: [`crate::workspace::Changes`].
    Changes,
    /// The unified diff, as bytes.
    Diff {
        /// Of what.
        query: DiffQuery,
    },
    /// Commit everything: [`crate::workspace::Committed`].
    Commit {
        /// How.
        request: CommitRequest,
    },
    /// How it stands, as a line of JSON, and behind it, unless there is nothing new, a bundle.
    Export {
        /// With what is not committed.
        whole: bool,
    },
    /// Note what the server pushed.
    Pushed {
        /// What.
        pushed: Pushed,
    },
    /// Why it is worth keeping: a string, or null.
    WorthKeeping,
}

/// The socket in a host's directory where viewers are handed over.
pub const VIEWER_SOCKET: &str = "view.sock";
/// The byte with which a host says that it takes a viewer.
pub const VIEWER_AWAITED: u8 = b'v';
/// The longest [`HandedViewer`], in bytes of JSON.
pub const MAX_HANDED_VIEWER: usize = 4 * 1024;
/// The most that a viewer may have sent before it was handed over, in bytes.
pub const MAX_HANDED_READ: usize = 1024 * 1024;

/// A viewer whose WebSocket handshake is over, handed over with its connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HandedViewer {
    /// What it asked for.
    pub query: TerminalQuery,
    /// Whether it speaks `parallax.terminal.v1`.
    pub v1: bool,
    /// How many bytes it has sent behind the handshake.
    pub read: usize,
}

/// What a CLI's hook was told, handed on by `parallax-agent-host hook`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HookReport {
    /// The hook's name as the CLI calls it (`Stop`, `UserPromptSubmit`, …).
    pub hook: String,
    /// What the CLI wrote to the hook's standard input.
    pub payload: Value,
}

/// What a host prints on its standard output once, when it has started its agent or failed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostStarted {
    /// The socket listens and the agent's process runs.
    Ready {
        /// The process id of the host.
        pid: u32,
    },
    /// The agent did not start.
    Failed(crate::Problem),
}
