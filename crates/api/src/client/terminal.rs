//! An agent's terminal (`parallax.terminal.v1`): output by offset, resumed exactly after a loss.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::retry::Reconnect;
use super::websocket::{PING_EVERY, WebSocket, WebSocketSink, lost, next_message};
use super::{Client, Retry};
use crate::agent::AgentExit;
use crate::terminal::{LeaseHolder, ServerFrame, TERMINAL_V1, TerminalMode, TerminalQuery, ViewerFrame};
use crate::{AgentId, Problem, TerminalSize};

/// Items read ahead of the caller. When full, the connection is not read, and the server passes over what the
/// viewer is too slow for.
const ITEMS: usize = 64;
/// Typed frames ahead of the connection. When full, [`TerminalInput::send`] waits.
const INPUTS: usize = 64;
/// Bytes of a screen: of the largest terminal, every cell with colours of its own, and combining marks.
const MAX_SNAPSHOT: usize = 256 * 1024 * 1024;

/// How long [`TerminalSocket::close`] waits for the server.
const GOODBYE: Duration = Duration::from_secs(1);

/// How to watch a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalOptions {
    /// Whether to type, or to watch only.
    pub mode: TerminalMode,
    /// Resume at this offset. None: begin with the screen as it is.
    pub since: Option<u64>,
    /// What to do when the connection is lost.
    pub retry: Retry,
}

/// What comes from a terminal.
#[derive(Clone, Debug, PartialEq)]
pub enum TerminalItem {
    /// The connection stands (also after each loss). `epoch` names the log that offsets belong to.
    Hello {
        /// Where output goes on.
        offset: u64,
        /// Names the log.
        epoch: String,
        /// The terminal's size.
        size: TerminalSize,
        /// Whether this viewer may type.
        mode: TerminalMode,
        /// Who holds the size; none: a host of a version that knows no lease.
        lease: Option<LeaseHolder>,
    },
    /// The screen as it stands at `offset`: reset the terminal, then write this.
    Snapshot {
        /// The offset it stands at.
        offset: u64,
        /// What paints it.
        data: String,
    },
    /// Output. Each byte comes once, in order; `offset` is that of the first.
    Output {
        /// The offset of the first byte.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The terminal has a new size.
    Resize(TerminalSize),
    /// Somebody else, or nobody, holds the size by now.
    Lease(LeaseHolder),
    /// What was asked for was refused.
    Refused(Problem),
    /// The bytes from `from` to `to` are passed over; a snapshot follows.
    Skip {
        /// First byte not sent.
        from: u64,
        /// Where output goes on.
        to: u64,
    },
    /// The agent ended, and everything it printed has come. The last item.
    Exit(AgentExit),
    /// The connection is lost; it is being tried again. What is typed meanwhile is thrown away.
    Lost(Problem),
}

/// A terminal being watched. Dropping it cuts the connection; what was typed last may be lost then, see
/// [`TerminalSocket::close`].
pub struct TerminalSocket {
    items: mpsc::Receiver<Result<TerminalItem, Problem>>,
    input: TerminalInput,
    task: JoinHandle<()>,
}

/// Types into a terminal. Cheap to clone.
#[derive(Clone)]
pub struct TerminalInput(mpsc::Sender<Message>);

impl Client {
    /// Watches an agent's terminal. Answers when the connection stands.
    pub async fn terminal(&self, id: &AgentId, options: TerminalOptions) -> Result<TerminalSocket, Problem> {
        let watch = Watch {
            client: self.clone(),
            path: match self.api {
                super::Api::ControlPlane => format!("/api/managed-agents/{id}/terminal"),
                super::Api::Runtime => format!("/ws/agents/{id}/terminal"),
            },
            options,
            next: options.since,
            epoch: None,
            begun: None,
        };
        let socket = watch.connect().await?;
        let (items_tx, items) = mpsc::channel(ITEMS);
        let (input_tx, input) = mpsc::channel(INPUTS);
        let task = tokio::spawn(async move { watch.run(socket, items_tx, input).await });
        Ok(TerminalSocket { items, input: TerminalInput(input_tx), task })
    }
}

impl TerminalSocket {
    /// The next item; none after [`TerminalItem::Exit`]. An error is the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<TerminalItem>, Problem> {
        self.items.recv().await.transpose()
    }

    /// Leaves in good order: what was typed arrives first, if the server takes it within a second.
    pub async fn close(mut self) {
        // Without anybody to type, the task says goodbye and ends with the connection.
        self.input = TerminalInput(mpsc::channel(1).0);
        let rest = async { while self.items.recv().await.is_some() {} };
        // Out of time: dropping the socket cuts the connection.
        tokio::time::timeout(GOODBYE, rest).await.ok();
    }

    /// The end to type into.
    pub fn input(&self) -> &TerminalInput {
        &self.input
    }
}

impl Drop for TerminalSocket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TerminalInput {
    /// Types these bytes. Waits while the connection cannot take more; after the end of the terminal, nothing happens.
    pub async fn send(&self, bytes: impl Into<Bytes>) {
        // Err: the terminal has ended, which the items tell.
        self.0.send(Message::Binary(bytes.into())).await.ok();
    }

    /// Takes the size of the terminal, from whoever holds it, until the connection ends.
    pub async fn lease(&self, size: TerminalSize) {
        self.control(ViewerFrame::Lease { size }).await;
    }

    /// Sets the size, when this viewer took it before.
    pub async fn resize(&self, size: TerminalSize) {
        self.control(ViewerFrame::Resize { size }).await;
    }

    /// Gives the size back.
    pub async fn release(&self) {
        self.control(ViewerFrame::Release).await;
    }

    async fn control(&self, frame: ViewerFrame) {
        let frame = serde_json::to_string(&frame).expect("a frame is JSON");
        self.0.send(Message::Text(frame.into())).await.ok();
    }
}

/// The task behind a [`TerminalSocket`].
struct Watch {
    client: Client,
    path: String,
    options: TerminalOptions,
    /// The offset of the next byte to give out; none before the first.
    next: Option<u64>,
    epoch: Option<String>,
    /// The beginning of a snapshot that comes in parts, and its offset.
    begun: Option<(u64, String)>,
}

/// Why a connection is left.
enum Left {
    /// The agent ended, or nobody reads the items any more.
    Over,
    /// To be tried again.
    Lost(Problem),
}

impl Watch {
    async fn connect(&self) -> Result<WebSocket, Problem> {
        let query = TerminalQuery {
            mode: (self.options.mode == TerminalMode::View).then_some(TerminalMode::View),
            since: self.next,
            ticket: None,
        };
        self.client.websocket(&self.path, &query, Some(TERMINAL_V1)).await
    }

    async fn run(
        mut self,
        first: WebSocket,
        items: mpsc::Sender<Result<TerminalItem, Problem>>,
        mut input: mpsc::Receiver<Message>,
    ) {
        let mut reconnect = Reconnect::new(self.options.retry);
        let mut socket = Some(first);
        loop {
            let problem = match socket.take() {
                Some(socket) => {
                    let since = Instant::now();
                    let base = self.client.url().to_owned();
                    let (sink, stream) = socket.split();
                    let left = tokio::select! {
                        left = self.receive(stream, &items) => left,
                        problem = transmit(sink, &mut input, &base) => Left::Lost(problem),
                    };
                    reconnect.held(since.elapsed());
                    match left {
                        Left::Over => return,
                        Left::Lost(problem) => problem,
                    }
                }
                None => match self.connect().await {
                    Ok(again) => {
                        socket = Some(again);
                        // What was typed blindly is not typed late.
                        while input.try_recv().is_ok() {}
                        continue;
                    }
                    Err(problem) => problem,
                },
            };
            if input.is_closed() {
                return;
            }
            let Some(pause) = reconnect.delay_after(&problem) else {
                items.send(Err(problem)).await.ok();
                return;
            };
            if items.send(Ok(TerminalItem::Lost(problem))).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Hands on what one connection brings, each byte once.
    async fn receive(
        &mut self,
        mut stream: SplitStream<WebSocket>,
        items: &mpsc::Sender<Result<TerminalItem, Problem>>,
    ) -> Left {
        loop {
            let message = match next_message(&mut stream, self.client.url()).await {
                Ok(message) => message,
                Err(problem) => return Left::Lost(problem),
            };
            let item = match self.understand(message) {
                Ok(Some(item)) => item,
                Ok(None) => continue,
                Err(problem) => return Left::Lost(problem),
            };
            let over = matches!(item, TerminalItem::Exit(_));
            if items.send(Ok(item)).await.is_err() || over {
                return Left::Over;
            }
        }
    }

    fn understand(&mut self, message: Message) -> Result<Option<TerminalItem>, Problem> {
        match message {
            Message::Binary(frame) => self.output(frame),
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(frame) => self.control(frame),
                // A kind of frame that this client does not know.
                Err(_) => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn output(&mut self, mut frame: Bytes) -> Result<Option<TerminalItem>, Problem> {
        let base = self.client.url();
        let Some((head, _)) = frame.split_first_chunk::<8>() else {
            return Err(lost(base, "an output frame had no offset"));
        };
        let offset = u64::from_be_bytes(*head);
        let mut bytes = frame.split_off(8);
        let expected = self.next.unwrap_or(offset);
        if offset > expected {
            return Err(lost(base, "output went missing"));
        }
        // Seen already, before the connection was lost.
        let seen = usize::try_from(expected - offset).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = bytes.split_off(seen);
        if bytes.is_empty() {
            return Ok(None);
        }
        self.next = Some(expected + bytes.len() as u64);
        Ok(Some(TerminalItem::Output { offset: expected, bytes }))
    }

    fn control(&mut self, frame: ServerFrame) -> Result<Option<TerminalItem>, Problem> {
        Ok(Some(match frame {
            ServerFrame::Hello { offset, epoch, size, mode, lease } => {
                if self.epoch.as_ref().is_some_and(|known| *known != epoch) {
                    // Another log: our offset means nothing there, so the next connection begins with the screen.
                    (self.epoch, self.next) = (None, None);
                    return Err(lost(self.client.url(), "the agent has begun a new log"));
                }
                self.epoch = Some(epoch.clone());
                self.begun = None;
                self.next.get_or_insert(offset);
                TerminalItem::Hello { offset, epoch, size, mode, lease }
            }
            ServerFrame::Snapshot { offset, data, more: false } => {
                self.next = Some(offset);
                TerminalItem::Snapshot { offset, data }
            }
            ServerFrame::Snapshot { offset, data, more: true } => {
                // Half a screen is none: should the connection be lost now, the next one begins with the screen.
                self.next = None;
                self.begun = Some((offset, data));
                return Ok(None);
            }
            ServerFrame::Continued { data, more } => {
                let Some((offset, mut begun)) = self.begun.take() else {
                    return Err(lost(self.client.url(), "a screen went on that had not begun"));
                };
                if begun.len() + data.len() > MAX_SNAPSHOT {
                    return Err(lost(self.client.url(), "a screen was too large"));
                }
                begun.push_str(&data);
                if more {
                    self.begun = Some((offset, begun));
                    return Ok(None);
                }
                self.next = Some(offset);
                TerminalItem::Snapshot { offset, data: begun }
            }
            ServerFrame::Resize { size } => TerminalItem::Resize(size),
            ServerFrame::Lease { holder } => TerminalItem::Lease(holder),
            ServerFrame::Error { code, detail } => TerminalItem::Refused(Problem::new(code, detail)),
            ServerFrame::Skip { from, to } => {
                self.next = Some(to);
                TerminalItem::Skip { from, to }
            }
            ServerFrame::Exit { exit } => TerminalItem::Exit(exit),
        }))
    }
}

/// Sends what is typed, and a ping now and then. Ends when the connection cannot be written to any more.
async fn transmit(mut sink: WebSocketSink, input: &mut mpsc::Receiver<Message>, base: &str) -> Problem {
    loop {
        let message = match tokio::time::timeout(PING_EVERY, input.recv()).await {
            Ok(Some(message)) => message,
            // Nobody can type any more. The server's goodbye ends the receiving half, and with it this one.
            Ok(None) => {
                if let Err(error) = sink.close().await {
                    return lost(base, &error.to_string());
                }
                std::future::pending().await
            }
            Err(_) => Message::Ping(Bytes::new()),
        };
        if let Err(error) = sink.send(message).await {
            return lost(base, &error.to_string());
        }
    }
}
