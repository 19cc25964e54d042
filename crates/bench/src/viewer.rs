//! A viewer of a terminal over a WebSocket, the same for everything that is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use memchr::memmem;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::http::{self, Duplex};

/// Nothing that is measured takes longer.
const LIMIT: Duration = Duration::from_secs(120);
/// Bytes read from the socket at once.
const READ: usize = 16 * 1024;

/// How typed text and output stand in frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Frames {
    /// Both as they are.
    Plain,
    /// Typed text in JSON text frames, output in binary ones.
    Json,
    /// A letter before both: `0` for typed text and output.
    Ttyd,
}

/// Where a terminal is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `HOST:PORT`, or the path of a Unix socket.
    pub(crate) address: String,
    pub(crate) path: String,
    pub(crate) frames: Frames,
}

/// A connected viewer.
pub(crate) struct Viewer {
    socket: WebSocketStream<Box<dyn Duplex>>,
    frames: Frames,
    /// Bytes a second that it reads.
    rate: Option<f64>,
}

impl Viewer {
    /// Reads as fast as it can.
    pub(crate) async fn connect(place: &Place) -> anyhow::Result<Self> {
        Self::open(place, None).await
    }

    /// Reads so many bytes a second, from a socket with a small buffer.
    pub(crate) async fn connect_slow(place: &Place, rate: f64) -> anyhow::Result<Self> {
        Self::open(place, Some(rate)).await
    }

    async fn open(place: &Place, rate: Option<f64>) -> anyhow::Result<Self> {
        let stream = match rate {
            None => http::connect(&place.address).await?,
            Some(_) => {
                let socket = TcpSocket::new_v4()?;
                socket.set_recv_buffer_size(64 * 1024)?;
                let stream = socket.connect(place.address.parse()?).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        let host = if place.address.starts_with('/') { "localhost" } else { &place.address };
        let url = format!("ws://{host}{}", place.path);
        let config =
            WebSocketConfig::default().read_buffer_size(READ).max_message_size(None).max_frame_size(None);
        let mut request = url.as_str().into_client_request()?;
        if matches!(place.frames, Frames::Ttyd) {
            request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("tty"));
        }
        let (mut socket, _) =
            client_async_with_config(request, stream, Some(config)).await.with_context(|| url)?;
        if matches!(place.frames, Frames::Ttyd) {
            socket.send(Message::text(r#"{"AuthToken":"","columns":120,"rows":40}"#)).await?;
        }
        Ok(Self { socket, frames: place.frames, rate })
    }

    /// Types.
    pub(crate) async fn type_text(&mut self, text: &str) -> anyhow::Result<()> {
        let frame = match self.frames {
            Frames::Plain => Message::binary(text.as_bytes().to_vec()),
            Frames::Json => Message::text(serde_json::json!({"type": "input", "data": text}).to_string()),
            Frames::Ttyd => Message::binary(format!("0{text}").into_bytes()),
        };
        Ok(self.socket.send(frame).await?)
    }

    /// The next output.
    pub(crate) async fn next(&mut self) -> anyhow::Result<bytes::Bytes> {
        loop {
            let frame = tokio::time::timeout(LIMIT, self.socket.next()).await.context("nothing came")?;
            let bytes = match frame.context("the terminal was closed")?? {
                Message::Binary(bytes) if matches!(self.frames, Frames::Ttyd) => match bytes.first() {
                    Some(b'0') => bytes.slice(1..),
                    _ => continue,
                },
                Message::Binary(bytes) => bytes,
                Message::Text(text) if matches!(self.frames, Frames::Plain) => text.into(),
                Message::Close(frame) => bail!("the terminal was closed: {frame:?}"),
                _ => continue,
            };
            if let Some(rate) = self.rate {
                #[expect(clippy::cast_precision_loss, reason = "the length of a frame")]
                tokio::time::sleep(Duration::from_secs_f64(bytes.len() as f64 / rate)).await;
            }
            return Ok(bytes);
        }
    }

    /// Reads until `wanted` has come.
    pub(crate) async fn until(&mut self, wanted: &str) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        let limit = Instant::now() + LIMIT;
        loop {
            seen.extend_from_slice(&self.next().await?);
            if memmem::find(&seen, wanted.as_bytes()).is_some() {
                return Ok(());
            }
            if Instant::now() > limit {
                bail!("waited in vain for {wanted:?}");
            }
            seen.drain(..seen.len().saturating_sub(wanted.len()));
        }
    }

    /// Reads until nothing came for `quiet`.
    pub(crate) async fn settle(&mut self, quiet: Duration) -> anyhow::Result<()> {
        while let Ok(output) = tokio::time::timeout(quiet, self.next()).await {
            output?;
        }
        Ok(())
    }

    /// Types a command and waits until the shell has answered it; what is set up for a measurement.
    pub(crate) async fn command(&mut self, command: &str) -> anyhow::Result<()> {
        self.type_text(&format!("{command}; echo D$((6*7))NE\r")).await?;
        self.until("D42NE").await
    }
}
