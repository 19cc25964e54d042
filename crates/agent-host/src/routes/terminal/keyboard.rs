//! What one viewer sends: keys, and what it wants of the size.

use axum::extract::ws::Message;
use futures::StreamExt as _;
use futures::stream::SplitStream;
use parallax_api::terminal::{CLOSE_TRY_AGAIN_LATER, ServerFrame, TerminalMode, ViewerFrame, ViewerText};
use parallax_api::{Code, Problem};
use tokio::sync::mpsc;

use super::socket::Socket;
use super::typing::Typing;
use super::{Closing, Gone, violation};
use crate::lease::Claim;
use crate::session::{Seat, Session};

/// The input side of one viewer.
pub(super) struct Keyboard {
    seat: Seat,
    typing: Typing,
    v1: bool,
    mode: TerminalMode,
    refusals_tx: mpsc::Sender<Box<ServerFrame>>,
}

impl Keyboard {
    pub(super) fn new(
        session: Session,
        seat: Seat,
        v1: bool,
        mode: TerminalMode,
        refusals_tx: mpsc::Sender<Box<ServerFrame>>,
    ) -> Self {
        let typing = Typing::new(session, seat.viewer());
        Self { seat, typing, v1, mode, refusals_tx }
    }

    /// Takes what comes until the viewer leaves, or sends what cannot be taken.
    pub(super) async fn serve(&mut self, stream: &mut SplitStream<Socket>) -> Result<Closing, Gone> {
        loop {
            tokio::select! {
                frame = stream.next(), if self.typing.has_room() => match frame {
                    Some(Ok(frame)) => match violation::too_long(&frame, self.v1) {
                        None => self.take(frame).await?,
                        Some(closing) => return Ok(closing),
                    },
                    Some(Err(error)) => return violation::closing(&error).ok_or(Gone),
                    None => return Err(Gone),
                },
                typed = self.typing.step() => if let Err(problem) = typed {
                    return Ok(Closing::new(CLOSE_TRY_AGAIN_LATER, problem.detail));
                }
            }
        }
    }

    /// The viewer has left: gives back the size. What it typed before is still to be typed.
    pub(super) fn leave(self) -> Typing {
        self.typing
    }

    async fn take(&mut self, frame: Message) -> Result<(), Gone> {
        match frame {
            Message::Close(_) => return Err(Gone),
            // In the protocol for programs text is control only.
            Message::Text(text) if self.v1 => {
                if let Err(problem) = self.obey(&text).await {
                    let refusal = ServerFrame::Error { code: problem.code, detail: problem.detail };
                    // The output side may have ended: then nobody is to be told.
                    drop(self.refusals_tx.send(Box::new(refusal)).await);
                }
            }
            _ if self.mode == TerminalMode::View => {}
            Message::Text(text) => match ViewerText::read(&text) {
                ViewerText::Typed => self.typing.push(text.as_bytes()),
                ViewerText::Refused => tracing::info!("a viewer asked for a size that no terminal has"),
                ViewerText::Resize(size) => {
                    if let Err(problem) = self.seat.claim(Claim::Take(size)).await {
                        tracing::info!(%problem, "a viewer could not take the size");
                    }
                }
            },
            Message::Binary(bytes) => self.typing.push(&bytes),
            Message::Ping(_) | Message::Pong(_) => {}
        }
        Ok(())
    }

    async fn obey(&mut self, text: &str) -> Result<(), Problem> {
        let claim = match ViewerFrame::read(text)? {
            ViewerFrame::Lease { size } => Claim::Take(size),
            ViewerFrame::Resize { size } => Claim::Resize(size),
            ViewerFrame::Release => Claim::Release,
        };
        if self.mode == TerminalMode::View {
            return Err(Problem::new(Code::Forbidden, "a viewer with `mode=view` only watches"));
        }
        self.seat.claim(claim).await
    }
}
