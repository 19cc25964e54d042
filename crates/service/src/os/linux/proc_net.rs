//! One socket's owner, from `/proc/net/tcp` and `tcp6`: for kernels that do not answer over netlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::peer::canonical;

const LISTEN: &str = "0A";

/// The account that owns the socket at `socket` that is connected to `remote`.
pub(super) fn owner(socket: SocketAddr, remote: SocketAddr) -> Option<u32> {
    // An IPv4 connection may be one of an IPv6 socket.
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| held_by(line, socket, remote))
    })
}

fn held_by(line: &str, socket: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let matches = address(fields.next()?)? == socket && address(fields.next()?)? == remote;
    let state = fields.next()?;
    let uid = fields.nth(3)?.parse().ok()?;
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    (matches && state != LISTEN && inode != 0).then_some(uid)
}

/// `0100007F:0BB8`: the words of the address in the machine's order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = words.get(at..at + 8)?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let octets: Vec<u8> = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?))
        }
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, port)))
}
