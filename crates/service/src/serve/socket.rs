//! The socket of a connection: it notices when bytes arrive and when none are taken, and puts words into refusals of the HTTP library.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parallax_api::problem::PROBLEM_JSON;
use parallax_api::terminal::SEND_BUFFER;
use parallax_api::{Code, Problem};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connections::Connection;
use super::taking::Taking;

/// How the answer begins that makes a connection a WebSocket: what is behind on it is to be with its reader, not here.
const SWITCHING: &[u8] = b"HTTP/1.1 101 ";

pub(crate) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// A refusal that is being sent in place of the library's, and how much of it has been.
    refusal: Option<(Vec<u8>, usize)>,
    taking: Taking,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, refusal: None, taking: Taking::default() }
    }

    /// The socket itself, and what it counts as.
    pub(crate) fn into_parts(self) -> (TcpStream, Arc<Connection>) {
        (self.stream, self.connection)
    }

    /// Writes; fails when the client has taken nothing for too long. Whoever upgraded the connection looks for itself.
    fn poll_stream(&mut self, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            Poll::Pending if !self.connection.is_upgraded() => {
                self.taking.poll_stuck(&self.stream, cx).map(Err)
            }
            written => {
                self.taking = Taking::default();
                written
            }
        }
    }

    /// Writes the refusal; ready when all of it is written.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((bytes, sent)) = &mut self.refusal {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[*sent..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += written;
            if *sent == bytes.len() {
                self.refusal = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.connection.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.refusal.is_none() {
            if bytes.starts_with(SWITCHING)
                && let Err(error) = set_socket_send_buffer_size(&self.stream, SEND_BUFFER)
            {
                tracing::debug!(%error, "a socket keeps its large buffer");
            }
            match refusal_for(bytes) {
                None => return self.poll_stream(cx, &[io::IoSlice::new(bytes)]),
                Some(refusal) => self.refusal = Some((refusal, 0)),
            }
        }
        ready!(self.poll_refusal(cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            // What has more than a head is a response of ours.
            [only] => self.poll_write(cx, only),
            slices => self.poll_stream(cx, slices),
        }
    }
}

/// What to send instead, when these bytes are a refusal that the HTTP library made: it has no body, and no refusal of
/// ours is without one.
fn refusal_for(bytes: &[u8]) -> Option<Vec<u8>> {
    // No refusal of the library is longer.
    if bytes.len() > 256 || !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    if head.contains("content-type") || !head.contains("content-length: 0\r\n") {
        return None;
    }
    let (code, status, detail) = match head.get(9..12)? {
        "400" => (Code::Validation, 400, "this is no HTTP/1.1 request that this server understands"),
        "414" => (Code::PayloadTooLarge, 414, "the URL is too long; send what is long in the body"),
        "431" => (Code::PayloadTooLarge, 431, "the headers are too long or too many; send fewer"),
        _ => return None,
    };
    let mut problem = Problem::new(code, detail);
    problem.status = status;
    let body = serde_json::to_vec(&problem).ok()?;
    let reason = head.lines().next()?.get(9..)?.to_owned();
    let head = format!(
        "HTTP/1.1 {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Some([head.into_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_librarys_own_refusals_are_replaced() {
        let own =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let text = String::from_utf8(refusal_for(own).unwrap()).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        assert!(text.contains("application/problem+json") && text.contains("PAYLOAD_TOO_LARGE"), "{text}");
        for other in [
            &b"HTTP/1.1 204 No Content\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 200\r\n\r\n",
            b"data: HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(refusal_for(other), None);
        }
    }
}
