//! Where a host answers, and opening a stream of bytes to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::agent::EnvValue;
use tokio::net::{TcpStream, UnixStream};

use super::dial::{ByteStream, Dial};

/// How long opening a stream may take: a host is on this machine or one hop away.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a host answers.
#[derive(Clone)]
pub enum HostAddress {
    /// A Unix socket of this machine.
    Unix(PathBuf),
    /// A TCP port; the host wants its token with every request.
    Tcp {
        /// Where it listens.
        addr: SocketAddr,
        /// The host's own token.
        token: EnvValue,
    },
    /// Whatever else opens a stream of bytes to the host: a port-forward, a tunnel.
    Dialer {
        /// Opens the stream.
        dial: Arc<dyn Dial>,
        /// The host's own token.
        token: EnvValue,
    },
}

impl HostAddress {
    /// Whether the host is a process of this machine, whose end the system tells to whoever is connected to it.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Debug for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { addr, .. } => write!(f, "tcp:{addr}"),
            Self::Dialer { .. } => f.write_str("dialer"),
        }
    }
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
