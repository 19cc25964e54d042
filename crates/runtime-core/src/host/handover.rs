//! Handing a viewer's connection to a host of the same machine, which then serves it without this process in between.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use parallax_api::host::{HandedViewer, MAX_HANDED_READ, VIEWER_AWAITED, VIEWER_SOCKET};
use parallax_api::terminal::TerminalQuery;
use parallax_service::websocket::HandedConnection;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::{HostAddress, HostClient};

/// How long a host of this machine may take to say that it waits, and the system to take what it is given.
const PATIENCE: Duration = Duration::from_secs(1);

/// A host that waits for a viewer.
pub(crate) struct Handover(UnixStream);

/// A viewer that a host serves.
pub(crate) struct HandedOver(UnixStream);

impl HostClient {
    /// Asks the host to take a viewer. `None`: it is elsewhere, older than this, or does not answer.
    pub(crate) async fn handover(&self) -> Option<Handover> {
        let HostAddress::Unix(path) = self.address() else { return None };
        let asked = tokio::time::timeout(PATIENCE, ask(path)).await;
        asked.ok()?.inspect_err(|error| tracing::debug!(%error, "the host takes no viewers")).ok()
    }
}

async fn ask(path: &Path) -> io::Result<Handover> {
    let mut stream = UnixStream::connect(path.with_file_name(VIEWER_SOCKET)).await?;
    match stream.read_u8().await? {
        VIEWER_AWAITED => Ok(Handover(stream)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

impl Handover {
    /// Hands the viewer over. Where that fails, nobody has touched its connection, which is still the caller's.
    pub(crate) async fn pass(
        self,
        query: TerminalQuery,
        v1: bool,
        connection: &HandedConnection,
    ) -> io::Result<HandedOver> {
        let passed = tokio::time::timeout(PATIENCE, pass(&self.0, query, v1, connection)).await;
        passed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(HandedOver(self.0))
    }
}

async fn pass(
    control: &UnixStream,
    query: TerminalQuery,
    v1: bool,
    connection: &HandedConnection,
) -> io::Result<()> {
    let HandedConnection { stream, read, .. } = connection;
    if read.len() > MAX_HANDED_READ {
        return Err(io::Error::other("the viewer sent too much before it was let in"));
    }
    // A ticket is for this server; the host has no use for it.
    let query = TerminalQuery { ticket: None, ..query };
    let viewer = serde_json::to_vec(&HandedViewer { query, v1, read: read.len() })?;
    let length = u32::try_from(viewer.len()).map_err(io::Error::other)?.to_be_bytes();
    let sent = control
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut descriptors = SendAncillaryBuffer::new(&mut space);
            let fd = [stream.as_fd()];
            assert!(descriptors.push(SendAncillaryMessage::ScmRights(&fd)), "there is room for one");
            Ok(sendmsg(control, &[IoSlice::new(&length)], &mut descriptors, SendFlags::NOSIGNAL)?)
        })
        .await?;
    for mut rest in [&length[sent..], &viewer, read] {
        while !rest.is_empty() {
            let written =
                control.async_io(Interest::WRITABLE, || Ok(send(control, rest, SendFlags::NOSIGNAL)?));
            rest = &rest[written.await?..];
        }
    }
    Ok(())
}

impl HandedOver {
    /// Waits until the viewer has left, or its host has.
    pub(crate) async fn left(&mut self) {
        // Nothing is said there; however it ends, it has ended.
        let _ = self.0.read_u8().await;
    }

    /// Has the host let the viewer go; the host tells it that the server goes away. Waits until it has.
    pub(crate) async fn let_go(mut self) {
        if self.0.shutdown().await.is_ok() {
            self.left().await;
        }
    }
}
