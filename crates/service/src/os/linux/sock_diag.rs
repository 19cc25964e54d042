//! One socket's owner, from the kernel's `NETLINK_SOCK_DIAG`: one question, one answer, however many sockets there are.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const IPPROTO_TCP: u8 = 6;
const ENOENT: i32 = 2;
const LISTEN: u8 = 10;
/// `nlmsghdr` and `inet_diag_req_v2`.
const REQUEST: usize = 16 + 56;
/// `nlmsghdr` and `inet_diag_msg`.
const ANSWER: usize = 16 + 72;

/// The account that owns the socket at `socket` that is connected to `remote`; none when there is no such socket, or
/// nobody holds it any more.
///
/// # Errors
/// When the kernel does not answer such questions.
pub(super) fn owner(socket: SocketAddr, remote: SocketAddr) -> io::Result<Option<u32>> {
    let netlink =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sendto(&netlink, &question(socket, remote), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 1024];
    // The kernel answers within the call that asks.
    let (read, _) = recv(&netlink, &mut answer[..], RecvFlags::DONTWAIT)?;
    understand(&answer[..read], remote.port())
}

fn question(socket: SocketAddr, remote: SocketAddr) -> [u8; REQUEST] {
    let family = match socket {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let mut message = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(16, &[family.as_raw() as u8, IPPROTO_TCP]);
    // Sockets in every state.
    put(20, &u32::MAX.to_ne_bytes());
    put(24, &socket.port().to_be_bytes());
    put(26, &remote.port().to_be_bytes());
    for (at, ip) in [(28, socket.ip()), (44, remote.ip())] {
        match ip {
            IpAddr::V4(ip) => put(at, &ip.octets()),
            IpAddr::V6(ip) => put(at, &ip.octets()),
        }
    }
    // Any cookie.
    put(64, &[0xff; 8]);
    message
}

fn understand(answer: &[u8], remote_port: u16) -> io::Result<Option<u32>> {
    let unexpected = || io::Error::new(io::ErrorKind::InvalidData, "an unexpected answer about a socket");
    let word =
        |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let half = |at: usize| answer.get(at..at + 2).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    let kind = half(4).map(u16::from_ne_bytes).ok_or_else(unexpected)?;
    if kind == NLMSG_ERROR {
        let error = word(16).ok_or_else(unexpected)?.cast_signed();
        return if error == -ENOENT { Ok(None) } else { Err(io::Error::from_raw_os_error(-error)) };
    }
    if kind != SOCK_DIAG_BY_FAMILY || answer.len() < ANSWER {
        return Err(unexpected());
    }
    let (state, port) = (answer[17], half(22).map(u16::from_be_bytes));
    let (uid, inode) = (word(80), word(84));
    // Where no connection matches the kernel looks for a listener. A socket without an inode is held by nobody, and its
    // owner is told as 0.
    let is_held = state != LISTEN && port == Some(remote_port) && inode.is_some_and(|inode| inode != 0);
    Ok(uid.filter(|_| is_held))
}
