//! Opening a stream of bytes to a host, wherever it is.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens streams to one host.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a new stream.
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>>;
}
