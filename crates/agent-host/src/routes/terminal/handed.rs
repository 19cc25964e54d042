//! Viewers that a server of this machine hands over with their connections: what they see and type goes through no other process.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use axum::serve::Listener as _;
use parallax_api::host::{HandedViewer, MAX_HANDED_READ, MAX_HANDED_VIEWER, VIEWER_AWAITED};
use parallax_api::terminal::{CLOSE_GOING_AWAY, MAX_VIEWER_MESSAGE, VIEWER_READ};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::socket::Socket;
use super::{Closing, serve as serve_viewer};
use crate::peer::Peer;
use crate::peer_listener::PeerListener;
use crate::routes::Host;
use crate::viewers::Wire;

/// How long a server may take to hand over a viewer that it announced.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of a message that is too long before the socket is closed: a client that still sends it may never see the reason
/// otherwise.
const MAX_READ: usize = 2 * MAX_VIEWER_MESSAGE;
/// How long what was said last may take to be read when the host goes: less than the host waits for its sockets.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Takes viewers until the host is released.
///
/// # Errors
/// None yet: accepting goes on after every failure.
pub async fn serve(mut listener: PeerListener, host: Host) -> io::Result<()> {
    let mut viewers = JoinSet::new();
    loop {
        tokio::select! {
            () = host.released.cancelled() => break,
            Some(_) = viewers.join_next() => {}
            (stream, peer) = listener.accept() => if peer == Peer::Trusted {
                viewers.spawn(take(stream.into_inner(), host.clone()));
            }
        }
    }
    drop(listener);
    viewers.join_all().await;
    Ok(())
}

/// Serves the viewer that comes over this connection, until it leaves, the server lets it go, or the host goes.
async fn take(mut control: UnixStream, host: Host) {
    let received = tokio::time::timeout(PATIENCE, receive(&mut control)).await;
    let (viewer, socket) = match received {
        Ok(Ok(received)) => received,
        Ok(Err(error)) => return tracing::debug!(%error, "a viewer could not be taken"),
        Err(_) => return tracing::debug!("a viewer was announced and did not come"),
    };
    let let_go = async {
        // A server that ended without a word is gone as well: whoever let this viewer in is there no more.
        let _ = control.read_u8().await;
        Closing::new(CLOSE_GOING_AWAY, "the server is going away")
    };
    let HandedViewer { query, v1, .. } = viewer;
    let served = serve_viewer(Socket::Handed(socket), host.session.clone(), v1, query, let_go);
    let typing = tokio::select! {
        typing = served => typing,
        () = gone(&host.released) => return,
    };
    // The viewer is nobody's any more, however long the program takes to read.
    drop(control);
    tokio::select! {
        () = typing.finish() => {}
        () = host.released.cancelled() => {}
    }
}

async fn gone(released: &tokio_util::sync::CancellationToken) {
    released.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

async fn receive(control: &mut UnixStream) -> io::Result<(HandedViewer, WebSocketStream<Wire>)> {
    control.write_u8(VIEWER_AWAITED).await?;
    let mut length = [0; 4];
    let (read, descriptor) =
        control.async_io(Interest::READABLE, || receive_descriptor(control, &mut length)).await?;
    control.read_exact(&mut length[read..]).await?;
    let descriptor = descriptor.ok_or_else(|| invalid("no connection came with the viewer"))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_HANDED_VIEWER {
        return Err(invalid("what it asked for is too long"));
    }
    let mut viewer = vec![0; length];
    control.read_exact(&mut viewer).await?;
    let viewer: HandedViewer = serde_json::from_slice(&viewer)?;
    if viewer.read > MAX_HANDED_READ {
        return Err(invalid("it has sent too much"));
    }
    let mut sent = vec![0; viewer.read];
    control.read_exact(&mut sent).await?;
    let stream = std::net::TcpStream::from(descriptor);
    stream.set_nonblocking(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_READ))
        .max_frame_size(Some(MAX_READ))
        .read_buffer_size(VIEWER_READ);
    let wire = Wire::new(TcpStream::from_std(stream)?);
    let socket = WebSocketStream::from_partially_read(wire, sent, Role::Server, Some(config)).await;
    Ok((viewer, socket))
}

/// Reads into `bytes`, and takes the descriptor that comes with them.
fn receive_descriptor(control: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    // Not for the agent's processes, which are this one's children.
    let received = recvmsg(control, &mut [IoSliceMut::new(bytes)], &mut messages, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = messages.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok((received.bytes, descriptors.flatten().last()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
