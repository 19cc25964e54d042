//! Ports in the agent's network namespace, which is the host's too: who listens, and connections to them.
//!
//! Beside the agent other services may listen here: on a machine those of other agents and of its users, also on a port of its range; in a
//! container the host itself. So a connection is made where the agent's own processes listen, and nowhere else.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use parallax_api::ports::{AgentPorts, MAX_LISTENERS, PortListener, PortRange, PortReach};
use parallax_api::{Code, Problem};
use tokio::net::TcpStream;

use crate::os::{self, ListeningSocket};
use crate::process_tree::descendants;

/// How long connecting may take: whoever listens is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A socket that listens, and the agent's process that has it.
struct Listener {
    socket: ListeningSocket,
    pid: Option<i32>,
}

/// The agent's processes that listen, and whoever does in its range.
pub fn list(range: Option<PortRange>) -> AgentPorts {
    let mut listeners: Vec<PortListener> = listeners()
        .into_iter()
        .filter(|one| {
            one.pid.is_some() || range.is_some_and(|range| range.contains(one.socket.address.port()))
        })
        .map(|Listener { socket: ListeningSocket { address, .. }, pid }| PortListener {
            port: address.port(),
            address: address.ip(),
            reach: PortReach::of(address.ip()),
            pid: pid.and_then(|pid| u32::try_from(pid).ok()),
            process: pid.and_then(os::stat).map(|stat| stat.name),
            own: pid.is_some(),
        })
        .collect();
    listeners.sort_by_key(|one| (one.port, one.address));
    // One that shares its port with others of its own is one listener.
    listeners.dedup();
    listeners.truncate(MAX_LISTENERS);
    AgentPorts { range, listeners }
}

/// A connection to the port, on loopback where somebody listens there. `NOT_FOUND` where nobody does, or not for this agent.
pub async fn connect(port: u16) -> Result<TcpStream, Problem> {
    let mut last = io::Error::from(io::ErrorKind::ConnectionRefused);
    for target in own_addresses(port).await? {
        let connecting = TcpStream::connect(SocketAddr::new(target, port));
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => {
                // Whoever listened may have gone meanwhile, and somebody else be there.
                if !own_addresses(port).await?.contains(&target) {
                    return Err(nobody(port));
                }
                stream.set_nodelay(true).map_err(Problem::internal)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    match last.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable => Err(nobody(port)),
        _ => Err(Problem::internal(format!("connecting to the port {port} failed: {last}"))),
    }
}

fn nobody(port: u16) -> Problem {
    let detail = format!(
        "no process of the agent listens on the port {port}, or it is not the agent's; `GET …/ports` tells who does"
    );
    Problem::new(Code::NotFound, detail)
}

/// Where to connect to so that a process of the agent answers and no other. Fails with `NOT_FOUND` when there is none.
async fn own_addresses(port: u16) -> Result<Vec<IpAddr>, Problem> {
    let found = tokio::task::spawn_blocking(listeners).await.map_err(Problem::internal)?;
    let on_port: Vec<(IpAddr, bool)> = found
        .iter()
        .filter(|one| one.socket.address.port() == port)
        .map(|one| (one.socket.address.ip(), one.pid.is_some()))
        .collect();
    let own = answered_by_own(&on_port);
    if own.is_empty() { Err(nobody(port)) } else { Ok(own) }
}

/// The addresses at which only own listeners answer: loopback, and those that they chose themselves.
fn answered_by_own(listeners: &[(IpAddr, bool)]) -> Vec<IpAddr> {
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let chosen = listeners.iter().map(|(address, _)| *address).filter(|address| !address.is_unspecified());
    let mut found: Vec<IpAddr> = Vec::new();
    for target in loopback.into_iter().chain(chosen) {
        let unspecified: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        // One that listens on the very address answers before one that listens on all; `::` takes IPv4 too.
        let exact = |address: &IpAddr| *address == target;
        let all = |address: &IpAddr| unspecified.contains(address) && (address.is_ipv6() || target.is_ipv4());
        let any_exact = listeners.iter().any(|(address, _)| exact(address));
        let mut answering =
            listeners.iter().filter(|(address, _)| if any_exact { exact(address) } else { all(address) });
        let is_own = answering.clone().next().is_some() && answering.all(|(_, own)| *own);
        if is_own && !found.contains(&target) {
            found.push(target);
        }
    }
    found
}

/// Every socket that listens here.
fn listeners() -> Vec<Listener> {
    let sockets = os::listening_sockets();
    let mut owners = HashMap::new();
    for process in descendants() {
        for inode in os::sockets_of(process.pid) {
            // A child has what its parent opened; the parent comes first.
            owners.entry(inode).or_insert(process.pid);
        }
    }
    sockets.into_iter().map(|socket| Listener { pid: owners.get(&socket.inode).copied(), socket }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_listener_answers() {
        let answered = |listeners: &[(&str, bool)]| -> Vec<String> {
            let listeners: Vec<_> =
                listeners.iter().map(|(address, own)| (address.parse().unwrap(), *own)).collect();
            answered_by_own(&listeners).iter().map(ToString::to_string).collect()
        };
        assert_eq!(answered(&[("127.0.0.1", true)]), ["127.0.0.1"]);
        assert_eq!(answered(&[("::1", true)]), ["::1"]);
        assert_eq!(answered(&[("0.0.0.0", true)]), ["127.0.0.1"]);
        assert_eq!(answered(&[("::", true)]), ["127.0.0.1", "::1"]);
        assert_eq!(answered(&[("10.0.0.7", true)]), ["10.0.0.7"]);
        assert_eq!(answered(&[("127.0.0.1", false)]), [""; 0]);
        // Somebody else's is on the address that would be asked first.
        assert_eq!(answered(&[("127.0.0.1", false), ("::1", true)]), ["::1"]);
        assert_eq!(answered(&[("127.0.0.1", false), ("0.0.0.0", true)]), [""; 0]);
        assert_eq!(answered(&[("127.0.0.1", true), ("127.0.0.1", false)]), [""; 0], "they share it");
        assert_eq!(answered(&[("::", true), ("0.0.0.0", false)]), ["::1"]);
    }
}
