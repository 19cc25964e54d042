//! A tar archive as the body of a response, made while it is read.

use std::io::{self, BufWriter, Write};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Parts that wait for a slow caller.
const WAITING: usize = 8;
/// The length of a part, in bytes.
const PART: usize = 64 * 1024;

/// Writes into a response.
pub struct Parts(mpsc::Sender<io::Result<Bytes>>);

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The archive that `pack` writes, on a thread of its own that waits for who reads it. When `pack` fails, the body breaks off.
pub fn response(pack: impl FnOnce(BufWriter<Parts>) -> io::Result<()> + Send + 'static) -> Response {
    let (parts_tx, parts_rx) = mpsc::channel::<io::Result<Bytes>>(WAITING);
    tokio::task::spawn_blocking(move || {
        let archive = BufWriter::with_capacity(PART, Parts(parts_tx.clone()));
        if let Err(error) = pack(archive) {
            tracing::warn!(%error, "not all files could be handed out");
            // The body breaks off, so that it does not look whole. Nobody may be there any more.
            drop(parts_tx.blocking_send(Err(error)));
        }
    });
    ([(CONTENT_TYPE, "application/x-tar")], Body::from_stream(ReceiverStream::new(parts_rx))).into_response()
}
