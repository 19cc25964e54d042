//! A viewer's WebSocket: relayed by a server, or the viewer's own connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use crate::viewers::{Outlet, Wire};

/// One viewer's WebSocket.
pub(super) enum Socket {
    /// From a server, which relays.
    Relayed(WebSocket),
    /// From the viewer itself: a server has handed it over.
    Handed(WebSocketStream<Wire>),
}

impl Socket {
    /// Where the session writes to the viewer directly: to its own connection only.
    pub(super) fn outlet(&self, v1: bool) -> Option<Outlet> {
        match self {
            Self::Relayed(_) => None,
            Self::Handed(socket) => Some(socket.get_ref().outlet(v1)),
        }
    }
}

impl Stream for Socket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let socket = match self.get_mut() {
            Self::Relayed(socket) => return Pin::new(socket).poll_next(cx),
            Self::Handed(socket) => socket,
        };
        loop {
            match ready!(Pin::new(&mut *socket).poll_next(cx)) {
                Some(Ok(frame)) => {
                    if let Some(frame) = from_viewer(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(Error::new(error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Sink<Message> for Socket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.get_mut() {
            Self::Relayed(socket) => Pin::new(socket).poll_ready(cx),
            Self::Handed(socket) => Pin::new(socket).poll_ready(cx).map_err(Error::new),
        }
    }

    fn start_send(self: Pin<&mut Self>, frame: Message) -> Result<(), Error> {
        match self.get_mut() {
            Self::Relayed(socket) => Pin::new(socket).start_send(frame),
            Self::Handed(socket) => Pin::new(socket).start_send(to_viewer(frame)).map_err(Error::new),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.get_mut() {
            Self::Relayed(socket) => Pin::new(socket).poll_flush(cx),
            Self::Handed(socket) => Pin::new(socket).poll_flush(cx).map_err(Error::new),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.get_mut() {
            Self::Relayed(socket) => Pin::new(socket).poll_close(cx),
            Self::Handed(socket) => Pin::new(socket).poll_close(cx).map_err(Error::new),
        }
    }
}

fn to_viewer(frame: Message) -> tungstenite::Message {
    match frame {
        Message::Text(text) => tungstenite::Message::Text(text.as_str().into()),
        Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        Message::Ping(bytes) => tungstenite::Message::Ping(bytes),
        Message::Pong(bytes) => tungstenite::Message::Pong(bytes),
        Message::Close(frame) => {
            tungstenite::Message::Close(frame.map(|frame| tungstenite::protocol::CloseFrame {
                code: frame.code.into(),
                reason: frame.reason.as_str().into(),
            }))
        }
    }
}

/// `None` for what only writers have.
fn from_viewer(frame: tungstenite::Message) -> Option<Message> {
    Some(match frame {
        tungstenite::Message::Text(text) => Message::Text(text.as_str().into()),
        tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
        tungstenite::Message::Ping(bytes) => Message::Ping(bytes),
        tungstenite::Message::Pong(bytes) => Message::Pong(bytes),
        tungstenite::Message::Close(frame) => Message::Close(
            frame.map(|frame| CloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() }),
        ),
        tungstenite::Message::Frame(_) => return None,
    })
}
