//! The terminal socket, in both protocols: plain frames for xterm.js, `parallax.terminal.v1` for programs.

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use parallax_api::terminal::{
    CLOSE_AGENT_ENDED, CLOSE_GOING_AWAY, ServerFrame, TERMINAL_V1, TerminalMode, TerminalQuery, ViewerText,
};
use parallax_api::{Code, TerminalSize};
use parallax_screen::ViewerInput;

use super::host::Host;
use crate::characters;
use crate::session::{Session, View};
use crate::viewers::{Feed, FeedItem};

/// Bytes of one frame from a viewer.
const MAX_FRAME: usize = 1024 * 1024;
/// Close code: there is no room for this viewer now (RFC 6455's registry: try again later).
const CLOSE_TRY_AGAIN: u16 = 1013;
/// Bytes read from the log at once for a viewer that resumes.
const CATCH_UP: usize = 256 * 1024;

/// Upgrades, then serves one viewer until it or the agent goes.
pub async fn terminal(
    State(host): State<Host>,
    Query(query): Query<TerminalQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.protocols([TERMINAL_V1]).max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    let v1 = upgrade.selected_protocol().is_some();
    upgrade
        .on_upgrade(move |socket| async move {
            let mode = query.mode.unwrap_or_default();
            let released = host.released.clone();
            let viewer = Viewer { socket, session: host.session, v1, mode, offset: 0, carry: Vec::new() };
            tokio::select! {
                // A viewer that leaves is no failure.
                _ = viewer.serve(query.since) => {}
                () = released.cancelled() => {}
            }
        })
        .into_response()
}

/// The viewer has disconnected.
struct Gone;

impl From<axum::Error> for Gone {
    fn from(_: axum::Error) -> Self {
        Self
    }
}

struct Viewer {
    socket: WebSocket,
    session: Session,
    v1: bool,
    mode: TerminalMode,
    /// The next byte this viewer gets.
    offset: u64,
    /// The beginning of a character whose end has not come yet: text frames are cut between characters.
    carry: Vec<u8>,
}

impl Viewer {
    async fn serve(mut self, since: Option<u64>) -> Result<(), Gone> {
        let mut input = ViewerInput::new();
        let mut feed = match self.session.view().await {
            Ok(view) => self.welcome(view, since).await?,
            Err(problem) if problem.code == Code::AgentStopped => return self.farewell(since).await,
            Err(problem) => return self.close(CLOSE_TRY_AGAIN, &problem.detail).await,
        };
        loop {
            tokio::select! {
                item = feed.next() => match item {
                    FeedItem::Output(bytes) => self.output(bytes).await?,
                    FeedItem::Resized(size) => self.control(&ServerFrame::Resize { size }).await?,
                    FeedItem::Ended => return self.close_ended().await,
                    FeedItem::Lagged => match self.session.view().await {
                        Ok(view) => feed = self.skip(view).await?,
                        Err(problem) if problem.code == Code::AgentStopped => {
                            return self.farewell(Some(self.offset)).await;
                        }
                        Err(problem) => return self.close(CLOSE_TRY_AGAIN, &problem.detail).await,
                    },
                },
                frame = self.socket.recv() => match frame {
                    Some(frame) => self.typed(frame?, &mut input).await?,
                    None => return Err(Gone),
                }
            }
        }
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
        self.control(&self.hello(offset, view.size)).await?;
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
        self.control(&ServerFrame::Resize { size: view.size }).await?;
        self.paint(view.snapshot, view.offset).await?;
        Ok(view.feed)
    }

    /// The agent has ended: what it printed, from the byte to resume at or as its last screen, then the end.
    async fn farewell(&mut self, since: Option<u64>) -> Result<(), Gone> {
        let Ok(screen) = self.session.screen().await else {
            return self.close(CLOSE_GOING_AWAY, "the agent is gone").await;
        };
        let start = self.session.log().start().unwrap_or(0);
        self.offset = since.unwrap_or(start).clamp(start, screen.offset);
        self.control(&self.hello(self.offset, screen.size)).await?;
        self.catch_up(screen.offset).await?;
        self.close_ended().await
    }

    fn hello(&self, offset: u64, size: TerminalSize) -> ServerFrame {
        ServerFrame::Hello { offset, epoch: self.session.epoch().into(), size, mode: self.mode }
    }

    /// Sends the log up to `end`; what is no longer kept, or lost, is sent as a `skip`.
    async fn catch_up(&mut self, end: u64) -> Result<(), Gone> {
        while self.offset < end {
            let limit = usize::try_from(end - self.offset).unwrap_or(usize::MAX).min(CATCH_UP);
            let Ok((from, bytes)) = self.session.log().read(self.offset, limit) else {
                return self.close(CLOSE_GOING_AWAY, "the output log cannot be read").await.and(Err(Gone));
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
            let mut frame = Vec::with_capacity(8 + bytes.len());
            frame.extend_from_slice(&offset.to_be_bytes());
            frame.extend_from_slice(&bytes);
            self.socket.send(Message::Binary(frame.into())).await?;
            return Ok(());
        }
        self.carry.extend_from_slice(&bytes);
        let rest = self.carry.split_off(characters::complete_len(&self.carry));
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.carry, rest)).into_owned();
        if !text.is_empty() {
            self.socket.send(Message::Text(text.into())).await?;
        }
        Ok(())
    }

    async fn paint(&mut self, snapshot: String, offset: u64) -> Result<(), Gone> {
        self.offset = offset;
        self.carry.clear();
        if self.v1 {
            return self.control(&ServerFrame::Snapshot { offset, data: snapshot }).await;
        }
        self.socket.send(Message::Text(snapshot.into())).await?;
        Ok(())
    }

    /// Control frames exist in `parallax.terminal.v1` only.
    async fn control(&mut self, frame: &ServerFrame) -> Result<(), Gone> {
        if self.v1 {
            let text = serde_json::to_string(frame).expect("wire types are JSON");
            self.socket.send(Message::Text(text.into())).await?;
        }
        Ok(())
    }

    async fn typed(&mut self, frame: Message, input: &mut ViewerInput) -> Result<(), Gone> {
        match frame {
            Message::Text(text) => {
                match (ViewerText::read(&text), self.mode) {
                    (_, TerminalMode::View) | (ViewerText::Refused, _) => {}
                    (ViewerText::Resize(size), _) => self.session.resize(size).await,
                    // In the protocol for programs text is control only.
                    (ViewerText::Typed, _) if self.v1 => {}
                    (ViewerText::Typed, _) => self.type_bytes(text.as_bytes(), input).await,
                }
            }
            Message::Binary(bytes) if self.mode == TerminalMode::Interactive => {
                self.type_bytes(&bytes, input).await;
            }
            Message::Close(_) => return Err(Gone),
            _ => {}
        }
        Ok(())
    }

    async fn type_bytes(&mut self, bytes: &[u8], input: &mut ViewerInput) {
        let typed = input.filter(bytes);
        if !typed.is_empty() {
            self.session.type_bytes(typed.into()).await;
        }
    }

    async fn close_ended(&mut self) -> Result<(), Gone> {
        if !self.carry.is_empty() {
            let text = String::from_utf8_lossy(&std::mem::take(&mut self.carry)).into_owned();
            self.socket.send(Message::Text(text.into())).await?;
        }
        let exit = self.session.agent().exit;
        if let Some(exit) = exit.clone() {
            self.control(&ServerFrame::Exit { exit }).await?;
        }
        let reason = exit.map_or_else(|| "ended".into(), |exit| exit.reason);
        self.close(CLOSE_AGENT_ENDED, &reason).await
    }

    async fn close(&mut self, code: u16, reason: &str) -> Result<(), Gone> {
        self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
        // The other side answers with its own close frame; until then what we sent is on its way.
        while let Some(Ok(_)) = self.socket.recv().await {}
        Ok(())
    }
}
