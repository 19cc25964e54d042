//! Linux: the kernel is asked over netlink, and where it does not answer there, its tables in `/proc` are read.

mod proc_net;
mod sock_diag;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, prlimit, set_dumpable_behavior};

/// Keeps other processes of the same account from reading this one's memory and environment.
pub(crate) fn hide_memory() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Gives a child this limit of open files.
pub(crate) fn limit_files_of(child: Pid, limit: Rlimit) -> io::Result<()> {
    prlimit(Some(child), Resource::Nofile, limit)?;
    Ok(())
}

/// The account that owns the socket at `socket` that is connected to `remote`. None: there is none, or it is not known.
pub(crate) fn socket_owner(socket: SocketAddr, remote: SocketAddr) -> Option<u32> {
    match sock_diag::owner(socket, remote) {
        Ok(uid) => uid,
        Err(error) => {
            tracing::debug!(%error, "the kernel does not answer about sockets; reading its tables");
            proc_net::owner(socket, remote)
        }
    }
}

/// Bytes that were written to a connection and that its other end has not confirmed (`SIOCOUTQ`, tcp(7)). `None`: the system does not say.
pub(crate) fn unsent(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes one `int`.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (asked == 0).then(|| u32::try_from(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener as StdListener;

    use rustix::process::geteuid;
    use tokio::net::TcpStream;

    use super::*;
    use crate::peer::{Peer, canonical};

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
}
