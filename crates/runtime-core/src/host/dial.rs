//! Opening a stream of bytes to a host, wherever it is.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::backend::HostAddress;

/// How long opening a stream may take: a host is on this machine or one hop away.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream of bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens streams to one host.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a new stream.
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>>;
}

#[async_trait]
impl Dial for HostAddress {
    async fn dial(&self) -> io::Result<Box<dyn ByteStream>> {
        let open = async {
            Ok::<Box<dyn ByteStream>, io::Error>(match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Self::Tcp { addr, .. } => {
                    let stream = TcpStream::connect(addr).await?;
                    // Keys are single bytes: a terminal behind Nagle's algorithm feels like a bad line.
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Self::Dialer { dial, .. } => dial.dial().await?,
            })
        };
        tokio::time::timeout(DIAL_TIMEOUT, open).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}
