//! What the scripted models were asked and what they did.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use parallax_api::Time;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::ask::{Api, Ask};
use crate::wait::within;

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When.
    pub t: Time,
    /// What.
    #[serde(flatten)]
    pub event: LogEvent,
}

impl Entry {
    /// The request, if this line is one.
    pub fn into_request(self) -> Option<Request> {
        if let LogEvent::Request(request) = self.event { Some(request) } else { None }
    }
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LogEvent {
    /// A model request came.
    Request(Request),
    /// Its answer begins.
    StreamBegin {
        /// The API.
        api: Api,
        /// Whether it is a turn of the conversation.
        main: bool,
    },
    /// Its answer was sent.
    StreamEnd {
        /// The API.
        api: Api,
        /// Whether it is a turn of the conversation.
        main: bool,
    },
    /// An answer waits for a gate.
    GateWait {
        /// The gate.
        name: String,
    },
    /// The scripted failure was answered.
    ReplyError {
        /// The API.
        api: Api,
        /// The HTTP status.
        status: u16,
    },
    /// The scripted cut was made.
    Drop {
        /// The API.
        api: Api,
    },
    /// The client went away in the middle.
    ClientGone {
        /// The API.
        api: Api,
        /// Whether it is a turn of the conversation.
        main: bool,
    },
    /// Something else was asked for and not found.
    Other {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
}

/// A model request: `text_len` and `sha256` say whether a message arrived whole, counting lines whether once.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The API.
    pub api: Api,
    /// Whether it is a turn of the conversation.
    pub main: bool,
    /// The model it names.
    pub model: String,
    /// Whether it wants a stream.
    pub stream: bool,
    /// The headers that carried a credential; never the credential.
    pub auth: Vec<&'static str>,
    /// The last 400 characters of the newest user text.
    pub text: String,
    /// Characters of the newest user text.
    pub text_len: usize,
    /// The first 12 hexadecimal digits of its SHA-256.
    pub sha256: String,
    /// Whether the newest item is the result of a tool.
    pub tool_result: bool,
    /// Tools on offer.
    pub tools: usize,
    /// The id of the reply it gets.
    pub reply: Option<String>,
    /// The newest user text, whole. For tests in the same process; the log has its digest.
    #[serde(skip)]
    pub whole_text: String,
    /// The whole request, with the conversation so far. For tests in the same process.
    #[serde(skip)]
    pub body: String,
}

impl Request {
    pub(super) fn new(ask: &Ask, auth: Vec<&'static str>, reply: Option<String>, body: String) -> Self {
        let chars = ask.text.chars().count();
        Self {
            api: ask.api,
            main: ask.main,
            model: ask.model.clone(),
            stream: ask.stream,
            auth,
            text: ask.text.chars().skip(chars.saturating_sub(400)).collect(),
            text_len: chars,
            sha256: digest(&ask.text),
            tool_result: ask.tool_result,
            tools: ask.tools,
            reply,
            whole_text: ask.text.clone(),
            body,
        }
    }
}

/// The first 12 hexadecimal digits of the text's SHA-256, as in [`Request::sha256`].
pub fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..6])
}

/// The log: in memory, and in a file when there is one.
#[derive(Debug)]
pub struct Log {
    entries: watch::Sender<Vec<Entry>>,
    file: Option<Mutex<File>>,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: watch::Sender::new(Vec::new()), file: None }
    }
}

impl Log {
    /// A log that appends each entry to `file` as a line of JSON.
    pub fn to_file(file: File) -> Self {
        Self { file: Some(Mutex::new(file)), ..Self::default() }
    }

    pub(super) fn note(&self, event: LogEvent) {
        let entry = Entry { t: Time::now(), event };
        if let Some(file) = &self.file {
            let line = serde_json::to_string(&entry).expect("a log entry is JSON");
            let mut file = file.lock().expect("no holder of this lock panics");
            if let Err(error) = writeln!(file, "{line}") {
                tracing::warn!(%error, "the log of the scripted models cannot be written");
            }
        }
        self.entries.send_modify(|entries| entries.push(entry));
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }

    pub(super) async fn wait_for<T>(&self, what: &str, mut found: impl FnMut(&[Entry]) -> Option<T>) -> T {
        let mut entries = self.entries.subscribe();
        let search = async {
            loop {
                if let Some(hit) = found(&entries.borrow_and_update()) {
                    return hit;
                }
                entries.changed().await.expect("the sender lives as long as the log");
            }
        };
        within(what, crate::wait::PATIENCE, search).await
    }
}
