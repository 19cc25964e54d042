//! A viewer's own connection, which two write to: its task, and the session, whole frames of what was printed, when the task has
//! nothing to send. So nobody has to be woken for a key's echo, and a frame is made once for all viewers.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::printed::Printed;

/// The task's side: a stream like any other.
#[derive(Debug)]
pub struct Wire {
    reader: OwnedReadHalf,
    writer: Arc<Mutex<Writer>>,
}

/// The session's side.
#[derive(Clone, Debug)]
pub struct Outlet {
    writer: Arc<Mutex<Writer>>,
    v1: bool,
}

/// How much of a frame the system has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    /// The wire keeps the rest, and sends it before anything else: its task is to flush it.
    Part,
    Nothing,
}

#[derive(Debug)]
struct Writer {
    half: OwnedWriteHalf,
    /// What the system has not taken yet of a frame of the session's.
    rest: Bytes,
    /// The system has not taken all that the task had.
    is_torn: bool,
}

impl Wire {
    /// From a connection that nobody has begun to write to, or where all frames are whole.
    pub fn new(stream: TcpStream) -> Self {
        let (reader, half) = stream.into_split();
        let writer = Writer { half, rest: Bytes::new(), is_torn: false };
        Self { reader, writer: Arc::new(Mutex::new(writer)) }
    }

    /// The session's side of it. `v1`: frames are those of `parallax.terminal.v1`.
    pub fn outlet(&self, v1: bool) -> Outlet {
        Outlet { writer: self.writer.clone(), v1 }
    }
}

impl Outlet {
    /// Writes the frame of what was printed, between those of the task, as far as the system takes it; never waits. A connection that is
    /// gone takes nothing: its task sees why.
    pub(super) fn write(&self, printed: &Printed<'_>) -> Written {
        let Some(frame) = printed.frame(self.v1) else { return Written::Nothing };
        let mut writer = lock(&self.writer);
        if writer.is_torn || !writer.rest.is_empty() {
            return Written::Nothing;
        }
        match writer.half.try_write(frame) {
            Ok(written) if written == frame.len() => Written::Whole,
            Ok(written @ 1..) => {
                writer.rest = frame.slice(written..);
                Written::Part
            }
            Ok(0) | Err(_) => Written::Nothing,
        }
    }
}

impl Writer {
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut self.half).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.rest.advance(written),
            }
        }
        self.rest = Bytes::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    /// `bytes` are all that the task has to send, which ends with the end of a frame.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut writer = lock(&self.writer);
        ready!(writer.poll_rest(cx))?;
        let written = ready!(Pin::new(&mut writer.half).poll_write(cx, bytes))?;
        writer.is_torn = written < bytes.len();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.writer).poll_rest(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = lock(&self.writer);
        ready!(writer.poll_rest(cx))?;
        Pin::new(&mut writer.half).poll_shutdown(cx)
    }
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().expect("a connection does not panic")
}
