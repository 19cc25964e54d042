//! Ports of an agent: a range of its own, who listens, and how a connection to one of them is asked for.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most ports that an agent may ask for.
pub const MAX_PORTS: u16 = 16;
/// The variable with the first port of an agent's range.
pub const PORT_VARIABLE: &str = "PORT";
/// The variable with all of them, with a space between each two.
pub const PORTS_VARIABLE: &str = "PORTS";
/// Where the range of an agent begins that has a network of its own.
pub const OWN_NETWORK_FIRST: u16 = 20_000;
/// What `Upgrade` says to make a connection a stream of bytes to a port.
pub const TUNNEL: &str = "parallax-tunnel";
/// Listeners that are told at most.
pub const MAX_LISTENERS: usize = 256;

/// The ports of an agent, from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortRange {
    /// The first: `PORT` in the agent's environment.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PortRange {
    /// `count` ports from `first` on. `None` when there are none, or not so many.
    pub fn new(first: u16, count: u16) -> Option<Self> {
        let last = first.checked_add(count.checked_sub(1)?)?;
        (first > 0).then_some(Self { first, last })
    }

    /// Whether the port is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether a port is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Each of them, as `PORTS` has them.
    pub fn list(self) -> String {
        let ports: Vec<String> = (self.first..=self.last).map(|port| port.to_string()).collect();
        ports.join(" ")
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An agent's range, and who listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentPorts {
    /// Its range, where it asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<PortRange>,
    /// Who listens on TCP: its own processes, and whoever does on a port of the range. By port; at most 256.
    pub listeners: Vec<PortListener>,
}

/// Somebody who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortListener {
    /// The port.
    pub port: u16,
    /// The address.
    #[schema(value_type = String, example = "127.0.0.1")]
    pub address: IpAddr,
    /// From where it can be reached.
    pub reach: PortReach,
    /// The process, where it is one of the agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its name, as the kernel keeps it: at most fifteen bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Whether a process that the agent started listens. Otherwise it is somebody else, or a process that cannot be looked into.
    pub own: bool,
}

/// From where a listener can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortReach {
    /// From the agent's machine, container or pod alone.
    Loopback,
    /// On one address.
    Address,
    /// On every address.
    Any,
}

impl PortReach {
    /// The reach of who listens on this address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            address if address.is_loopback() => Self::Loopback,
            address if address.is_unspecified() => Self::Any,
            _ => Self::Address,
        }
    }

    /// The reach as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Address => "address",
            Self::Any => "any",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_ports_do() {
        let range = PortRange::new(20_000, 3).unwrap();
        assert_eq!((range.list().as_str(), range.to_string().as_str()), ("20000 20001 20002", "20000-20002"));
        assert!(range.contains(20_002) && !range.contains(20_003) && !range.contains(19_999));
        assert!(range.overlaps(PortRange::new(20_002, 1).unwrap()));
        assert!(!range.overlaps(PortRange::new(20_003, 9).unwrap()));
        assert_eq!(PortRange::new(65_535, 1).map(|range| range.last), Some(65_535));
        for (first, count) in [(65_535, 2), (1, 0), (0, 1)] {
            assert_eq!(PortRange::new(first, count), None);
        }
    }
}
