//! The terminal socket, in both protocols: plain frames for xterm.js, `parallax.terminal.v1` for programs.

mod handed;
mod keyboard;
mod parts;
mod socket;
mod typing;
mod violation;

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use parallax_api::terminal::{
    CLOSE_AGENT_ENDED, CLOSE_GOING_AWAY, CLOSE_TRY_AGAIN_LATER, LeaseHolder, MAX_VIEWER_MESSAGE, ServerFrame,
    TERMINAL_V1, TerminalMode, TerminalQuery, VIEWER_READ,
};
use parallax_api::{Code, TerminalSize};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, interval_at};

use super::host::Host;
use crate::characters;
use crate::lease::ViewerId;
use crate::session::{Session, View};
use crate::viewers::{self, Feed, FeedItem, Joining, Outlet};
pub use handed::serve as serve_handed;
use keyboard::Keyboard;
use socket::Socket;
use typing::Typing;

/// Refusals that may wait for a viewer that does not read. Until there is room its frames wait. A channel makes room for 32 at once,
/// so they are boxed.
const REFUSALS: usize = 16;
/// How long the other side may take to read a close frame, and to answer it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a viewer that no server relays to is shown that the connection lives, so that one that vanished is noticed.
const ALIVE: Duration = Duration::from_secs(20);
/// A viewer that takes no bytes for this long is gone; it can resume.
const STUCK: Duration = Duration::from_secs(60);
/// Bytes read from the log at once for a viewer that resumes.
const CATCH_UP: usize = 256 * 1024;

/// Upgrades, then serves one viewer until it or the agent goes.
pub async fn terminal(
    State(host): State<Host>,
    Query(query): Query<TerminalQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade
        .protocols([TERMINAL_V1])
        .max_message_size(MAX_VIEWER_MESSAGE)
        .max_frame_size(MAX_VIEWER_MESSAGE)
        .read_buffer_size(VIEWER_READ);
    let v1 = upgrade.selected_protocol().is_some();
    let released = host.released.clone();
    upgrade
        .on_upgrade(async move |socket| {
            let served =
                serve(Socket::Relayed(socket), host.session.clone(), v1, query, std::future::pending());
            tokio::select! {
                () = async { served.await.finish().await } => {}
                () = released.cancelled() => {}
            }
        })
        .into_response()
}

/// Shows the terminal and takes what is typed, both at once: a viewer that does not read still types. Until `leaving` says why it is
/// let go, at the latest. What the viewer typed before it left is still to be typed.
async fn serve(
    socket: Socket,
    session: Session,
    v1: bool,
    query: TerminalQuery,
    leaving: impl Future<Output = Closing>,
) -> Typing {
    let outlet = socket.outlet(v1);
    let (sink, mut stream) = socket.split();
    let (refusals_tx, refusals) = mpsc::channel(REFUSALS);
    let seat = session.seat();
    let mode = query.mode.unwrap_or_default();
    let (viewer, carry) = (seat.viewer(), Vec::new());
    let alive = outlet.is_some().then(|| interval_at(Instant::now() + ALIVE, ALIVE));
    let mut output =
        Viewer { sink, outlet, session: session.clone(), viewer, v1, mode, offset: 0, carry, alive };
    let mut keyboard = Keyboard::new(session, seat, v1, mode, refusals_tx);
    let closed = tokio::select! {
        shown = output.serve(query.since, refusals) => shown,
        left = keyboard.serve(&mut stream) => left,
        closing = leaving => Ok(closing),
    };
    // The size is given back whatever becomes of the connection.
    let typing = keyboard.leave();
    let goodbye = async {
        if let Ok(Closing { code, reason }) = closed {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            output.sink.send(close).await?;
        }
        // The other side's close frame is answered, or it answers ours: until then what was sent is on its way.
        while let Some(frame) = stream.next().await {
            frame?;
        }
        Ok::<(), axum::Error>(())
    };
    // Who does not read or answer loses the rest.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
    typing
}

/// The viewer has disconnected.
struct Gone;

impl From<axum::Error> for Gone {
    fn from(_: axum::Error) -> Self {
        Self
    }
}

/// Why this side closes the connection.
struct Closing {
    code: u16,
    reason: String,
}

impl Closing {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// What one viewer sees.
struct Viewer {
    sink: SplitSink<Socket, Message>,
    /// Where the session writes to the viewer itself, when nothing waits for it here.
    outlet: Option<Outlet>,
    session: Session,
    viewer: ViewerId,
    v1: bool,
    mode: TerminalMode,
    /// The next byte this viewer gets.
    offset: u64,
    /// The beginning of a character whose end has not come yet: text frames are cut between characters.
    carry: Vec<u8>,
    /// When it is shown that the connection lives, where no server does that.
    alive: Option<Interval>,
}

impl Viewer {
    async fn serve(
        &mut self,
        since: Option<u64>,
        mut refusals: mpsc::Receiver<Box<ServerFrame>>,
    ) -> Result<Closing, Gone> {
        let mut feed = match self.session.view(self.joining()).await {
            // What only the beginning and the end need is not kept for as long as the viewer is there.
            Ok(view) => Box::pin(self.welcome(view, since)).await?,
            Err(problem) if problem.code == Code::AgentStopped => {
                return Box::pin(self.farewell(since)).await;
            }
            Err(problem) => return Ok(Closing::new(CLOSE_TRY_AGAIN_LATER, problem.detail)),
        };
        loop {
            tokio::select! {
                item = feed.next(self.carry.is_empty()) => match item {
                    FeedItem::Output(offset, bytes) => {
                        self.offset = offset;
                        self.output(bytes).await?;
                    }
                    FeedItem::Unsent => self.flush().await?,
                    FeedItem::Resized(size) => self.control(&ServerFrame::Resize { size }).await?,
                    FeedItem::Leased(holder) => self.tell_holder(holder).await?,
                    FeedItem::Ended => return self.ending().await,
                    FeedItem::Lagged(offset) => {
                        self.offset = offset;
                        match self.session.view(self.joining()).await {
                            Ok(view) => feed = Box::pin(self.skip(view)).await?,
                            Err(problem) if problem.code == Code::AgentStopped => {
                                return Box::pin(self.farewell(Some(self.offset))).await;
                            }
                            Err(problem) => return Ok(Closing::new(CLOSE_TRY_AGAIN_LATER, problem.detail)),
                        }
                    }
                },
                Some(refusal) = refusals.recv() => self.control(&refusal).await?,
                () = tick(&mut self.alive) => self.send(Message::Ping(Bytes::new())).await?,
            }
        }
    }

    fn joining(&self) -> Joining {
        Joining { viewer: self.viewer, mode: self.mode, outlet: self.outlet.clone() }
    }

    /// The screen as it is, or what came since the byte to resume at, when that is still kept.
    async fn welcome(&mut self, view: View, since: Option<u64>) -> Result<Feed, Gone> {
        let resume = since.filter(|since| {
            let log = self.session.log();
            let is_kept = log.start().is_ok_and(|start| start <= *since);
            let is_whole = || log.gaps(*since, view.offset).is_ok_and(|gaps| gaps.is_empty());
            *since <= view.offset && is_kept && is_whole()
        });
        let offset = resume.unwrap_or(view.offset);
        self.control(&self.hello(offset, view.size, view.holder)).await?;
        self.offset = offset;
        match resume {
            Some(_) => self.catch_up(view.offset).await?,
            None => {
                if let Some(from) = since {
                    self.control(&ServerFrame::Skip { from, to: view.offset }).await?;
                }
                self.paint(view.snapshot, view.offset).await?;
            }
        }
        Ok(view.feed)
    }

    async fn skip(&mut self, view: View) -> Result<Feed, Gone> {
        self.control(&ServerFrame::Skip { from: self.offset, to: view.offset }).await?;
        self.tell_holder(view.holder).await?;
        self.control(&ServerFrame::Resize { size: view.size }).await?;
        self.paint(view.snapshot, view.offset).await?;
        Ok(view.feed)
    }

    /// The agent has ended: what it printed, from the byte to resume at or as its last screen, then the end.
    async fn farewell(&mut self, since: Option<u64>) -> Result<Closing, Gone> {
        let Ok(screen) = self.session.screen().await else {
            return Ok(Closing::new(CLOSE_GOING_AWAY, "the agent is gone"));
        };
        let start = self.session.log().start().unwrap_or(0);
        self.offset = since.unwrap_or(start).clamp(start, screen.offset);
        self.control(&self.hello(self.offset, screen.size, None)).await?;
        self.catch_up(screen.offset).await?;
        self.ending().await
    }

    fn hello(&self, offset: u64, size: TerminalSize, holder: Option<ViewerId>) -> ServerFrame {
        let (epoch, lease) = (self.session.epoch().into(), Some(self.holder(holder)));
        ServerFrame::Hello { offset, epoch, size, mode: self.mode, lease }
    }

    fn holder(&self, holder: Option<ViewerId>) -> LeaseHolder {
        match holder {
            None => LeaseHolder::None,
            Some(viewer) if viewer == self.viewer => LeaseHolder::You,
            Some(_) => LeaseHolder::Other,
        }
    }

    async fn tell_holder(&mut self, holder: Option<ViewerId>) -> Result<(), Gone> {
        self.control(&ServerFrame::Lease { holder: self.holder(holder) }).await
    }

    /// Sends the log up to `end`; what is no longer kept, or lost, is sent as a `skip`.
    async fn catch_up(&mut self, end: u64) -> Result<(), Gone> {
        while self.offset < end {
            let limit = usize::try_from(end - self.offset).unwrap_or(usize::MAX).min(CATCH_UP);
            let Ok((from, bytes)) = self.session.log().read(self.offset, limit) else {
                tracing::warn!("the output log cannot be read; a viewer is cut off");
                return Err(Gone);
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let to = from.min(end);
            if to > self.offset {
                self.control(&ServerFrame::Skip { from: self.offset, to }).await?;
                self.offset = to;
            }
            if from < end {
                let mut bytes = Bytes::from(bytes);
                bytes.truncate(usize::try_from(end - from).unwrap_or(usize::MAX));
                self.output(bytes).await?;
            }
        }
        Ok(())
    }

    async fn output(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        if self.v1 {
            return self.send(Message::Binary(viewers::with_offset(offset, &bytes).into())).await;
        }
        let mut bytes = bytes;
        if !self.carry.is_empty() {
            self.carry.extend_from_slice(&bytes);
            bytes = std::mem::take(&mut self.carry).into();
        }
        self.carry.extend_from_slice(&bytes.split_off(characters::complete_len(&bytes)));
        if !bytes.is_empty() {
            // Hardly anything is not UTF-8: it goes on as it is.
            let text = Utf8Bytes::try_from(bytes.clone());
            let text = text.unwrap_or_else(|_| viewers::text(&bytes).into_owned().into());
            self.send(Message::Text(text)).await?;
        }
        Ok(())
    }

    /// Sends a frame. Whoever takes none for long has gone.
    async fn send(&mut self, frame: Message) -> Result<(), Gone> {
        tokio::time::timeout(STUCK, self.sink.send(frame)).await.map_err(|_| Gone)?.map_err(Gone::from)
    }

    /// Sends what the session has begun to send.
    async fn flush(&mut self) -> Result<(), Gone> {
        tokio::time::timeout(STUCK, self.sink.flush()).await.map_err(|_| Gone)?.map_err(Gone::from)
    }

    async fn paint(&mut self, snapshot: String, offset: u64) -> Result<(), Gone> {
        self.offset = offset;
        self.carry.clear();
        let (mut rest, mut is_first) = (snapshot.as_str(), true);
        while is_first || !rest.is_empty() {
            let (part, behind) = rest.split_at(parts::first(rest));
            let (data, more) = (part.to_owned(), !behind.is_empty());
            match (self.v1, is_first) {
                (true, true) => self.control(&ServerFrame::Snapshot { offset, data, more }).await?,
                (true, false) => self.control(&ServerFrame::Continued { data, more }).await?,
                (false, _) => self.send(Message::Text(data.into())).await?,
            }
            (rest, is_first) = (behind, false);
        }
        Ok(())
    }

    /// Control frames exist in `parallax.terminal.v1` only.
    async fn control(&mut self, frame: &ServerFrame) -> Result<(), Gone> {
        if self.v1 {
            let text = serde_json::to_string(frame).expect("wire types are JSON");
            self.send(Message::Text(text.into())).await?;
        }
        Ok(())
    }

    /// The agent has ended: what is left, and how it ended.
    async fn ending(&mut self) -> Result<Closing, Gone> {
        if !self.carry.is_empty() {
            let text = viewers::text(&std::mem::take(&mut self.carry)).into_owned();
            self.send(Message::Text(text.into())).await?;
        }
        let exit = self.session.agent().exit;
        if let Some(exit) = exit.clone() {
            self.control(&ServerFrame::Exit { exit }).await?;
        }
        Ok(Closing::new(CLOSE_AGENT_ENDED, exit.map_or_else(|| "ended".into(), |exit| exit.reason)))
    }
}

/// The next moment to show that the connection lives; never, where that is not to be shown.
async fn tick(alive: &mut Option<Interval>) {
    match alive {
        Some(alive) => drop(alive.tick().await),
        None => std::future::pending().await,
    }
}
