//! What an ended agent printed, for a viewer that comes after its end.

use axum::extract::ws::{Message, WebSocket};
use parallax_api::Problem;
use parallax_api::terminal::{CLOSE_AGENT_ENDED, LeaseHolder, ServerFrame, TerminalMode};
use tokio::io::AsyncReadExt;

use super::{STUCK, Viewing, close};
use crate::server::archive::Output;
use crate::server::characters::complete_len;

/// Bytes of the log in one frame.
const PIECE: usize = 64 * 1024;

impl Viewing {
    /// Shows the log from the byte that was asked for, then says how the agent ended.
    pub(super) async fn show_ended(&self, mut socket: WebSocket) {
        let (archive, id) = (self.core.archive.clone(), self.entry.id().clone());
        let since = self.query.since.unwrap_or(0);
        let output = tokio::task::spawn_blocking(move || archive.output(&id, since)).await;
        let shown = match output.map_err(Problem::internal).flatten() {
            Ok(output) => tokio::select! {
                shown = self.show(&mut socket, output) => shown,
                () = self.core.shutdown.begun() => None,
            },
            Err(error) => {
                tracing::error!(agent.id = %self.entry.id(), %error, "failed to read an ended agent's output");
                Some(())
            }
        };
        if shown.is_some() {
            self.say_end(socket).await;
        }
    }

    /// Says how the agent ended.
    pub(super) async fn say_end(&self, mut socket: WebSocket) {
        let exit = self.entry.agent().exit;
        let reason = exit.as_ref().map_or_else(|| "ended".into(), |exit| exit.reason.clone());
        if let Some(exit) = exit {
            // A viewer that is gone need not be told.
            let _ = self.control(&mut socket, &ServerFrame::Exit { exit }).await;
        }
        close(socket, CLOSE_AGENT_ENDED, &reason).await;
    }

    /// None: the viewer left.
    async fn show(&self, socket: &mut WebSocket, output: Output) -> Option<()> {
        let Output { mut offset, epoch, size, file } = output;
        let (mode, lease) = (TerminalMode::View, Some(LeaseHolder::None));
        self.control(socket, &ServerFrame::Hello { offset, epoch, size, mode, lease }).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut piece = Vec::with_capacity(PIECE);
        while (&mut file).take((PIECE - piece.len()) as u64).read_to_end(&mut piece).await.ok()? > 0 {
            // Text frames are cut between characters; what is no text shows as such.
            let cut = if self.v1 { piece.len() } else { complete_len(&piece) };
            let rest = piece.split_off(cut);
            let sent = std::mem::replace(&mut piece, rest);
            self.output(socket, offset, &sent).await?;
            offset += sent.len() as u64;
        }
        if piece.is_empty() { Some(()) } else { self.output(socket, offset, &piece).await }
    }

    async fn output(&self, socket: &mut WebSocket, offset: u64, bytes: &[u8]) -> Option<()> {
        let frame = match self.v1 {
            true => Message::Binary([&offset.to_be_bytes(), bytes].concat().into()),
            false => Message::Text(String::from_utf8_lossy(bytes).into_owned().into()),
        };
        send(socket, frame).await
    }

    /// Control frames exist in `parallax.terminal.v1` only.
    async fn control(&self, socket: &mut WebSocket, frame: &ServerFrame) -> Option<()> {
        if !self.v1 {
            return Some(());
        }
        let text = serde_json::to_string(frame).expect("a frame is plain data with text keys");
        send(socket, Message::Text(text.into())).await
    }
}

async fn send(socket: &mut WebSocket, frame: Message) -> Option<()> {
    tokio::time::timeout(STUCK, socket.send(frame)).await.ok()?.ok()
}
