//! What one viewer typed, on its way to the program: piece by piece, as fast as the program takes it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parallax_api::terminal::MAX_VIEWER_MESSAGE;
use parallax_api::{Code, Problem};
use parallax_screen::ViewerInput;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::lease::ViewerId;
use crate::session::Session;

/// Bytes that are handed on at once. The next ones wait until the program's terminal has taken them.
const PIECE: usize = 64 * 1024;
/// Bytes that may wait before the viewer's socket is no longer read; one message more may come. The viewer is not read
/// before the program reads: the sockets between hold it up.
const ENOUGH: usize = MAX_VIEWER_MESSAGE;
/// How long a viewer that is held up waits for a program that reads nothing. Then it is told so.
const PATIENCE: Duration = Duration::from_secs(60);

/// Typed bytes that wait for the program to read.
pub(super) struct Typing {
    session: Session,
    viewer: ViewerId,
    input: ViewerInput,
    waiting: BytesMut,
    /// The piece that is on its way.
    taken: Option<oneshot::Receiver<Result<(), Problem>>>,
    /// When the program has taken something last, or nothing was waiting.
    moved_at: Instant,
}

impl Typing {
    pub(super) fn new(session: Session, viewer: ViewerId) -> Self {
        let (input, waiting) = (ViewerInput::new(), BytesMut::new());
        Self { session, viewer, input, waiting, taken: None, moved_at: Instant::now() }
    }

    /// Takes what the viewer sent, without what its terminal says by itself.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.is_idle() {
            self.moved_at = Instant::now();
        }
        self.waiting.extend_from_slice(&self.input.filter(bytes));
    }

    /// Whether the viewer is to be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < ENOUGH
    }

    /// Hands on the next piece, or waits until the last one was taken; for ever when nothing waits. Fails with
    /// `RESOURCE_LIMIT` when the program reads nothing and the viewer is held up. Dropping the future loses nothing.
    pub(super) async fn step(&mut self) -> Result<(), Problem> {
        if let Some(taken) = &mut self.taken {
            let answer = if self.waiting.len() < ENOUGH {
                taken.await
            } else {
                tokio::time::timeout_at(self.moved_at + PATIENCE, taken).await.map_err(|_| stuck())?
            };
            self.taken = None;
            self.moved_at = Instant::now();
            // Without an answer the terminal is gone, and what waits with it: the feed says so.
            return answer.unwrap_or_else(|_| {
                self.waiting.clear();
                Ok(())
            });
        }
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let piece = Bytes::copy_from_slice(&self.waiting[..self.waiting.len().min(PIECE)]);
        let len = piece.len();
        let taken = self.session.type_bytes(self.viewer, piece).await;
        // Nothing waits between these: the piece is handed on, and no longer waits.
        self.taken = Some(taken);
        bytes::Buf::advance(&mut self.waiting, len);
        Ok(())
    }

    /// The viewer has left: hands on what it typed before, as long as the program takes it.
    pub(super) async fn finish(mut self) {
        while !self.is_idle() {
            match tokio::time::timeout_at(self.moved_at + PATIENCE, self.step()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    tracing::info!(
                        bytes = self.waiting.len(),
                        "the program did not read what a viewer typed"
                    );
                    return;
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.taken.is_none()
    }
}

fn stuck() -> Problem {
    let detail = format!("the program has not read its input for {} seconds", PATIENCE.as_secs());
    Problem::new(Code::ResourceLimit, detail)
}
