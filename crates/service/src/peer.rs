//! Who is at the other end of a connection: the kernel is asked whose socket it is.
//!
//! Loopback is not authentication: every account of the machine reaches it. Where no token is configured, a caller must
//! be of the server's own account, or root. A socket whose owner is not known is refused. What this cannot see: a proxy
//! on this machine forwards others under its own account, and another network namespace has a loopback of its own.

mod proc_net;
mod sock_diag;

use std::net::SocketAddr;

use rustix::process::geteuid;
use tokio::net::TcpStream;

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
        Some(Self { address: peer, uid: if is_here { owner(peer, local) } else { None } })
    }

    /// Whether the peer is of this server's own account, or root.
    pub fn is_own_account(&self) -> bool {
        self.uid.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw())
    }
}

/// The account that owns the socket at `socket` that is connected to `remote`.
fn owner(socket: SocketAddr, remote: SocketAddr) -> Option<u32> {
    match sock_diag::owner(socket, remote) {
        Ok(uid) => uid,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not answer about sockets; reading its tables");
            proc_net::owner(socket, remote)
        }
    }
}

/// The address as the kernel's tables have it: an IPv4 connection to an IPv6 listener is an IPv4 connection.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener as StdListener;

    use super::*;

    /// Connects over `connect_to` to a listener on `listen`; both ways of asking must find the same owner.
    async fn both_find_us(listen: &str, connect_to: &str) {
        let Ok(listener) = StdListener::bind(listen) else {
            eprintln!("skipped {listen}: this machine has no such address");
            return;
        };
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((connect_to, port)).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let us = Some(geteuid().as_raw());
        let peer = Peer::of(&accepted).unwrap();
        assert_eq!(peer.uid, us, "{listen}");
        assert!(peer.is_own_account());
        let local = canonical(accepted.local_addr().unwrap());
        assert_eq!(proc_net::owner(peer.address, local), us, "{listen}");
        assert_eq!(sock_diag::owner(peer.address, local).unwrap(), us, "{listen}");
        drop(client);
        // The kernel calls what nobody holds any more root's.
        assert_eq!(proc_net::owner(peer.address, local), None, "{listen}");
        assert_eq!(sock_diag::owner(peer.address, local).unwrap(), None, "{listen}");
    }

    #[tokio::test]
    async fn the_owner_of_a_socket_is_found_over_every_kind_of_loopback() {
        both_find_us("127.0.0.1:0", "127.0.0.1").await;
        both_find_us("[::1]:0", "::1").await;
        both_find_us("[::]:0", "127.0.0.1").await;
        both_find_us("[::]:0", "::ffff:127.0.0.1").await;
    }

    #[test]
    fn a_listener_is_nobodys_peer() {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let (address, other) = (listener.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 9)));
        assert_eq!(sock_diag::owner(address, other).unwrap(), None);
        assert_eq!(proc_net::owner(address, other), None);
    }

    #[test]
    fn an_unknown_owner_is_not_ours() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        assert!(!Peer { address, uid: None }.is_own_account());
        assert!(!Peer { address, uid: Some(geteuid().as_raw() + 1) }.is_own_account());
    }
}
