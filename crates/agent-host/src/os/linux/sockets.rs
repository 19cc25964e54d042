//! Who listens on TCP in this network namespace: `/proc/net/tcp` and `/proc/net/tcp6`, and the files of processes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens (`TCP_LISTEN`).
const LISTEN: &str = "0A";
/// How much of a table is read, in bytes: 100,000 sockets. Those that listen come first.
const MAX_TABLE: u64 = 16 * 1024 * 1024;

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListeningSocket {
    /// Where.
    pub(crate) address: SocketAddr,
    /// What processes have open: the socket's number.
    pub(crate) inode: u64,
}

/// Every socket that listens on TCP.
pub(crate) fn listening_sockets() -> Vec<ListeningSocket> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(read_table).collect()
}

/// The sockets that a process has open, by their numbers. None of one that cannot be looked into.
pub(crate) fn sockets_of(pid: i32) -> Vec<u64> {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let number = |target: std::path::PathBuf| {
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    open.flatten().filter_map(|entry| number(fs::read_link(entry.path()).ok()?)).collect()
}

fn read_table(path: &str) -> Vec<ListeningSocket> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file.take(MAX_TABLE)).lines().map_while(Result::ok);
    lines.filter_map(|line| parse(&line)).collect()
}

/// A line of the table, when its socket listens: number, local and remote address, state, …, and tenth the inode.
fn parse(line: &str) -> Option<ListeningSocket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(ListeningSocket {
        address: SocketAddr::new(parse_address(address)?, port),
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// An address as the kernel prints it: words of 32 bits as this machine reads them.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn own_listeners_are_found() {
        let mut addresses = vec!["127.0.0.1:0", "0.0.0.0:0"];
        if TcpListener::bind("[::1]:0").is_ok() {
            addresses.push("[::1]:0");
        }
        let own = i32::try_from(std::process::id()).unwrap();
        for address in addresses {
            let listener = TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let found = listening_sockets().into_iter().find(|socket| socket.address == address).unwrap();
            assert!(sockets_of(own).contains(&found.inode), "{address}");
        }
    }

    #[test]
    fn what_is_no_line_of_a_listener_is_passed_over() {
        let established = "1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 77 1";
        for line in ["", "  sl  local_address rem_address   st", established, "0: 01:1F90 x 0A 1 2 3 4 5 6"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
