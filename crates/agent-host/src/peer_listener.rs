//! A Unix listener that classifies its peers, and lets agents have few connections: an agent that opens thousands must
//! not keep the runtime server out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use parallax_api::terminal::SEND_BUFFER;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::peer::Peer;
use crate::process_tree::ProcessId;

/// Connections of the host's own agent: hooks, which are short. More are closed at once.
const MAX_OWN_AGENT: usize = 64;
/// Connections of all other agents: they are refused whatever they ask.
const MAX_STRANGERS: usize = 16;
/// How long to wait when the system cannot accept, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The listener.
pub struct PeerListener {
    listener: UnixListener,
    own_agent: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    /// The server that connected last. Who is below no host never will be: a process can lose its parent, but only to
    /// an ancestor of it.
    trusted: Option<ProcessId>,
}

/// A connection, with its permit among those of its kind.
pub struct PeerStream {
    stream: UnixStream,
    _permit: Option<OwnedSemaphorePermit>,
}

impl PeerStream {
    /// The socket, without the permit: for a peer that needs none.
    pub fn into_inner(self) -> UnixStream {
        self.stream
    }
}

impl PeerListener {
    /// Classifies what `listener` accepts.
    pub fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            own_agent: Arc::new(Semaphore::new(MAX_OWN_AGENT)),
            strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
            trusted: None,
        }
    }

    /// The connection, unless its kind has too many.
    fn admit(&mut self, stream: UnixStream) -> Option<(PeerStream, Peer)> {
        if let Err(error) = set_socket_send_buffer_size(&stream, SEND_BUFFER) {
            tracing::debug!(%error, "a socket keeps its large buffer");
        }
        let process = peer_process(&stream);
        let peer = match process {
            Some(process) if self.trusted == Some(process) => Peer::Trusted,
            _ => Peer::of_stream(&stream),
        };
        let permit = match peer {
            Peer::Trusted => {
                self.trusted = process;
                None
            }
            Peer::OwnAgent => Some(self.own_agent.clone().try_acquire_owned().ok()?),
            Peer::Stranger => {
                // Once: an agent must not be able to fill the host's log.
                static WARNED: Once = Once::new();
                WARNED.call_once(|| tracing::warn!("another agent's process connected, and is refused"));
                Some(self.strangers.clone().try_acquire_owned().ok()?)
            }
        };
        Some((PeerStream { stream, _permit: permit }, peer))
    }
}

/// The process at the other end.
fn peer_process(stream: &UnixStream) -> Option<ProcessId> {
    ProcessId::of(stream.peer_cred().ok()?.pid()?)
}

impl Listener for PeerListener {
    type Io = PeerStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Some(admitted) = self.admit(stream) {
                        return admitted;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer::Trusted)
    }
}

impl Connected<IncomingStream<'_, PeerListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, PeerListener>) -> Self {
        *stream.remote_addr()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
