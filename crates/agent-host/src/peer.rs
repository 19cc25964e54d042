//! Who connects to the host's Unix socket.
//!
//! All agents of a machine may run as one user, so file permissions cannot keep an agent from the sockets of its own
//! host or of a neighbour's. Its ancestry can: hosts are subreapers, so that every process an agent started, daemons
//! included, has the agent's host among its ancestors. A runtime server is never below a host – except below the hosts
//! that its own hosts are below, too, when it was started by an agent.

use std::collections::BTreeSet;

use axum::extract::{ConnectInfo, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parallax_api::{Code, Problem};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getpid, getppid, pidfd_open};
use tokio::net::UnixStream;

use crate::process_tree::{Ancestor, ancestors};

/// What the kernel calls a host: the first fifteen bytes of its program's name.
const HOST_NAME: &str = "parallax-agent-";

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Everything: a runtime server, or a person outside of all agents.
    Trusted,
    /// To report a hook: a process of this host's own agent.
    OwnAgent,
    /// Nothing: a process of another agent, or one that cannot be identified.
    Stranger,
}

impl Peer {
    /// Classifies the process at the other end of a connection.
    pub fn of_stream(stream: &UnixStream) -> Self {
        let pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid());
        // 0 is a process of another PID namespace.
        pid.and_then(Pid::from_raw).map_or(Self::Stranger, Self::of)
    }

    /// Classifies a process that is connected. The handle keeps its number from being given to another meanwhile.
    fn of(pid: Pid) -> Self {
        // What it is below, this host is below, too. It lived when it connected, and an ancestor of this process is no agent's.
        if is_parent(pid) {
            return Self::Trusted;
        }
        // A process that is gone already cannot be identified: what it left to its children is not trusted.
        let _handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Self::Stranger,
            // Without handles (old kernels, sandboxes) the two walks of `ancestors` have to do.
            handle => handle,
        };
        let own = getpid().as_raw_pid();
        let Some(peer) = ancestors(pid.as_raw_pid()) else { return Self::Stranger };
        // Below no host at all, whatever this one is below.
        if !peer.iter().any(|ancestor| is_host(ancestor, own)) {
            return Self::Trusted;
        }
        ancestors(own).map_or(Self::Stranger, |host| Self::classify(&peer, own, &host))
    }

    /// `peer` are the ancestors of the peer, nearest first, `host` those of this host, whose number is `own`.
    fn classify(peer: &[Ancestor], own: i32, host: &[Ancestor]) -> Self {
        let above: BTreeSet<i32> = host.iter().map(|ancestor| ancestor.pid).collect();
        let mut hosts = peer.iter().filter(|ancestor| is_host(ancestor, own));
        match hosts.find(|ancestor| !above.contains(&ancestor.pid)) {
            None => Self::Trusted,
            Some(nearest) if nearest.pid == own => Self::OwnAgent,
            Some(_) => Self::Stranger,
        }
    }

    fn may(self, method: &Method, path: &str) -> bool {
        match self {
            Self::Trusted => true,
            Self::OwnAgent => method == Method::POST && path == "/report",
            Self::Stranger => false,
        }
    }
}

/// Whether this process was started by the one with this number, or has been left to it.
fn is_parent(pid: Pid) -> bool {
    getppid() == Some(pid)
}

fn is_host(ancestor: &Ancestor, own: i32) -> bool {
    ancestor.pid == own || ancestor.name == HOST_NAME
}

/// Lets a request pass when its peer may make it.
pub async fn authorize(ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    if peer.may(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let why = "an agent may report its own hooks to its host, and nothing else; ask the runtime server";
    Problem::new(Code::Forbidden, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `10` is a process, `h10` a host.
    fn chain(names: &[&str]) -> Vec<Ancestor> {
        names
            .iter()
            .map(|name| match name.strip_prefix('h') {
                Some(pid) => Ancestor { pid: pid.parse().unwrap(), name: HOST_NAME.into(), start: 0 },
                None => Ancestor { pid: name.parse().unwrap(), name: "sh".into(), start: 0 },
            })
            .collect()
    }

    #[test]
    fn classifies_by_the_nearest_host_that_is_not_shared() {
        let (alone, nested, deep): (&[&str], &[&str], &[&str]) =
            (&["1"], &["30", "20", "h10", "1"], &["h40", "30", "h10", "1"]);
        let table: [(&str, &[&str], &[&str], Peer); 10] = [
            ("a server", &["1"], alone, Peer::Trusted),
            ("a relay that an engine runs in a container", &[], alone, Peer::Trusted),
            ("a hook of the agent", &["60", "h50", "1"], alone, Peer::OwnAgent),
            ("a daemon of the agent", &["h50", "1"], alone, Peer::OwnAgent),
            ("a neighbour", &["70", "h71", "1"], alone, Peer::Stranger),
            ("an agent of an agent", &["80", "h81", "60", "h50", "1"], alone, Peer::Stranger),
            ("a server that an agent started", &["20", "h10", "1"], nested, Peer::Trusted),
            ("a hook of the nested agent", &["60", "h50", "30", "20", "h10", "1"], nested, Peer::OwnAgent),
            ("a neighbour of the outer agent", &["70", "h71", "1"], nested, Peer::Stranger),
            ("a neighbour in between", &["31", "h41", "30", "h10", "1"], deep, Peer::Stranger),
        ];
        for (name, peer, host, expected) in table {
            assert_eq!(Peer::classify(&chain(peer), 50, &chain(host)), expected, "{name}");
        }
    }

    #[test]
    fn an_agent_may_report_only() {
        let every = [
            ("POST", "/report"),
            ("POST", "/input"),
            ("GET", "/report"),
            ("POST", "/stop"),
            ("GET", "/logs"),
        ];
        let allowed = |peer: Peer| every.map(|(method, path)| peer.may(&method.parse().unwrap(), path));
        assert_eq!(allowed(Peer::Trusted), [true; 5]);
        assert_eq!(allowed(Peer::OwnAgent), [true, false, false, false, false]);
        assert_eq!(allowed(Peer::Stranger), [false; 5]);
    }

    #[test]
    fn a_process_that_is_gone_is_a_stranger() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        child.wait().unwrap();
        assert_eq!(Peer::of(pid), Peer::Stranger);
        assert_eq!(Peer::of(getpid()), Peer::Trusted, "the test runs below no host");
    }
}
