//! Requests to the session's task, and its replies.

use bytes::Bytes;
use parallax_api::agent::{RestartRequest, StopRequest};
use parallax_api::host::{HookReport, HostSend};
use parallax_api::message::{AnswerRequest, MessageImage};
use parallax_api::observe::{Metrics, StatusReport};
use parallax_api::terminal::{InputRequest, Screen};
use parallax_api::{Problem, TerminalSize};
use parallax_profile::Launch;
use tokio::sync::oneshot;

use crate::lease::{Claim, ViewerId};
use crate::viewers::{Feed, Joining};

/// A new viewer's screen at an offset, and the feed of all that comes after it.
pub struct View {
    /// Paints the screen.
    pub snapshot: String,
    /// The offset of the snapshot.
    pub offset: u64,
    /// The terminal's size.
    pub size: TerminalSize,
    /// Who holds it.
    pub holder: Option<ViewerId>,
    /// What follows the snapshot.
    pub feed: Feed,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// A request to the session's task. It replies at once or when the request is done.
pub(super) enum Command {
    Send {
        message: HostSend,
        /// What its images are; their files are written.
        images: Vec<MessageImage>,
        reply: Reply<()>,
    },
    Withdraw {
        message: String,
        reply: Reply<()>,
    },
    Input {
        request: InputRequest,
        reply: Reply<()>,
    },
    Type {
        viewer: ViewerId,
        bytes: Bytes,
        taken: Reply<()>,
    },
    Claim {
        viewer: ViewerId,
        claim: Claim,
        reply: Reply<()>,
    },
    Answer {
        request: AnswerRequest,
        reply: Reply<()>,
    },
    Interrupt {
        reply: Reply<()>,
    },
    Restart {
        request: RestartRequest,
        reply: Reply<()>,
    },
    Stop {
        request: StopRequest,
        reply: Reply<()>,
    },
    Suspend {
        reply: Reply<()>,
    },
    Launch {
        reply: Reply<Launch>,
    },
    /// The agent uses more than it may: it is ended for `reason`.
    Exceeded {
        reason: &'static str,
    },
    Report(HookReport),
    View {
        joining: Joining,
        reply: Reply<View>,
    },
    Screen {
        reply: Reply<Screen>,
    },
    Status {
        reply: Reply<StatusReport>,
    },
    Metrics {
        reply: Reply<Metrics>,
    },
}
