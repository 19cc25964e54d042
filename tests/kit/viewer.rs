//! A viewer as plain as a page with five lines of JavaScript: text frames in, text frames out, a terminal that paints.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use parallax_api::{AgentId, TerminalSize};
use parallax_screen::{Modes, Screen};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::wait::{PATIENCE, within};

/// Lines that a viewer's terminal keeps above its screen.
const SCROLLBACK: usize = 10_000;

/// A connected viewer.
pub struct Viewer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    screen: Screen,
    /// Everything that came, as it came.
    pub received: String,
}

/// What a frame did to a viewer.
#[derive(Debug)]
pub enum Seen {
    /// It was painted.
    Output,
    /// The connection was closed, with this code and reason.
    Closed(u16, String),
}

impl Viewer {
    /// Watches the agent's terminal at the runtime server `url`, with `query` (`?mode=view`) after the path.
    pub async fn connect(url: &str, agent: &AgentId, query: &str) -> Self {
        let address = format!("{}/ws/agents/{agent}/terminal{query}", url.replacen("http", "ws", 1));
        let connected = within("a viewer to connect", PATIENCE, connect_async(&address)).await;
        let (socket, _) = connected.unwrap_or_else(|error| panic!("{address}: {error}"));
        Self { socket, screen: Screen::new(TerminalSize::default(), SCROLLBACK), received: String::new() }
    }

    /// The next frame, painted.
    pub async fn next(&mut self) -> Seen {
        loop {
            let frame = within("a frame", PATIENCE, self.socket.next()).await;
            match frame {
                Some(Ok(Message::Text(text))) => {
                    self.received.push_str(&text);
                    self.screen.feed(text.as_bytes());
                    return Seen::Output;
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return Seen::Closed(code.into(), reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a plain viewer gets text and a close with its code, not {other:?}"),
            }
        }
    }

    /// Waits until the painted screen satisfies `shows`.
    pub async fn until(&mut self, what: &str, shows: impl Fn(&str) -> bool) {
        let search = async {
            while !shows(&self.text()) {
                if let Seen::Closed(code, reason) = self.next().await {
                    panic!("closed with {code} ({reason}) before {what}");
                }
            }
        };
        if tokio::time::timeout(PATIENCE, search).await.is_err() {
            panic!("waited {PATIENCE:?} in vain for {what}; the viewer shows:\n{}", self.text());
        }
    }

    /// Waits for the end of the connection; what comes before is painted.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Seen::Closed(code, reason) = self.next().await {
                return (code, reason);
            }
        }
    }

    /// Reads what there is until nothing comes for `quiet`.
    pub async fn settle(&mut self, quiet: Duration) {
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(quiet, self.socket.next()).await {
            if let Message::Text(text) = frame {
                self.received.push_str(&text);
                self.screen.feed(text.as_bytes());
            }
        }
    }

    /// Sends a text frame: typed, or a resize.
    pub async fn send(&mut self, text: &str) {
        let sent = self.socket.send(Message::text(text)).await;
        sent.unwrap_or_else(|error| panic!("`{text}` cannot be sent: {error}"));
    }

    /// Sends a binary frame: typed.
    pub async fn send_binary(&mut self, bytes: &[u8]) {
        let sent = self.socket.send(Message::binary(bytes.to_vec())).await;
        sent.expect("a connection that stands can be written to");
    }

    /// The viewer's own screen has this size.
    pub fn resize(&mut self, size: TerminalSize) {
        self.screen.resize(size);
    }

    /// The title of its window.
    pub fn title(&self) -> &str {
        self.screen.title()
    }

    /// Whether the cursor is to be seen.
    pub fn shows_cursor(&self) -> bool {
        self.screen.cursor().visible
    }

    /// What the agent switched on.
    pub fn modes(&self) -> Modes {
        self.screen.modes()
    }

    /// The screen, row by row.
    pub fn lines(&self) -> Vec<String> {
        self.screen.view(0).lines
    }

    /// The same as text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }
}
