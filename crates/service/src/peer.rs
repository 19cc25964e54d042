//! Who is at the other end of a connection: the kernel is asked whose socket it is.
//!
//! Loopback is not authentication: every account of the machine reaches it. Where no token is configured, a caller must
//! be of the server's own account, or root. A socket whose owner is not known is refused. What this cannot see: a proxy
//! on this machine forwards others under its own account, and another network namespace has a loopback of its own.

use std::net::SocketAddr;

use rustix::process::geteuid;
use tokio::net::TcpStream;

use crate::os;

/// The peer of a connection; an extension of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The account that made its socket, when it is a socket of this machine that is still open.
    pub uid: Option<u32>,
}

impl Peer {
    /// Asks the kernel about the peer of this connection. None when the connection is gone.
    pub fn of(stream: &TcpStream) -> Option<Self> {
        let (peer, local) = (canonical(stream.peer_addr().ok()?), canonical(stream.local_addr().ok()?));
        // A socket of another machine is not in this kernel's tables.
        let is_here = peer.ip().is_loopback() || peer.ip() == local.ip();
        Some(Self { address: peer, uid: if is_here { os::socket_owner(peer, local) } else { None } })
    }

    /// Whether the peer is of this server's own account, or root.
    pub fn is_own_account(&self) -> bool {
        self.uid.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw())
    }
}

/// The address as the kernel's tables have it: an IPv4 connection to an IPv6 listener is an IPv4 connection.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_owner_is_not_ours() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        assert!(!Peer { address, uid: None }.is_own_account());
        assert!(!Peer { address, uid: Some(geteuid().as_raw() + 1) }.is_own_account());
    }
}
