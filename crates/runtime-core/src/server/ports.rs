//! Which ports an agent gets for itself.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use anyhow::ensure;
use parallax_api::ports::{OWN_NETWORK_FIRST, PORT_VARIABLE, PORTS_VARIABLE, PortRange};
use parallax_api::{AgentId, AgentStatus, Code, Problem};
use parallax_profile::Launch;

use super::core::RuntimeCore;
use super::registry::Registry;

/// The first port that needs no privileges.
const FIRST_FREE: u16 = 1024;

/// Where agents have their ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortSpace {
    /// All agents on one machine: each has others of these.
    Shared(PortRange),
    /// Each agent in a network of its own: all have the same.
    Own,
}

impl PortSpace {
    /// Ports 20000 to 24095 of the machine: below those that systems give to outgoing connections.
    pub const MACHINE: Self = Self::Shared(PortRange { first: 20_000, last: 24_095 });

    /// Reads `FIRST-LAST`.
    ///
    /// # Errors
    /// When it is no range of ports that a user may listen on.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let ports =
            text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        let (first, last) = ports.unwrap_or((0, 0));
        ensure!(
            FIRST_FREE <= first && first <= last,
            "--agent-ports is FIRST-LAST, such as 20000-24095, all of them at least {FIRST_FREE}; not `{text}`"
        );
        Ok(Self::Shared(PortRange { first, last }))
    }
}

/// Ranges of agents that are being started and stand in no registry yet.
#[derive(Debug, Default)]
pub(super) struct PortClaims(Arc<Mutex<HashMap<AgentId, PortRange>>>);

/// A range that nobody else gets until this is dropped; then the registry has its agent.
#[derive(Debug)]
pub(super) struct PortClaim {
    id: AgentId,
    claims: Arc<Mutex<HashMap<AgentId, PortRange>>>,
}

impl Drop for PortClaim {
    fn drop(&mut self) {
        self.claims.lock().expect("nothing panics while it is locked").remove(&self.id);
    }
}

impl RuntimeCore {
    /// Gives the agent of a launch the ports that it asked for, and the variables that tell it so. Fails with `RESOURCE_LIMIT` when not so many are free.
    pub(super) fn give_ports(&self, launch: &mut Launch, count: u16) -> Result<PortClaim, Problem> {
        let id = launch.agent.id.clone();
        let (range, claim) = self.port_claims.claim(id, count, self.config.ports, &self.registry)?;
        launch.agent.ports = Some(range);
        // The request sets neither, or it was refused.
        launch.env.insert(PORT_VARIABLE.into(), range.first.to_string().into());
        launch.env.insert(PORTS_VARIABLE.into(), range.list().into());
        Ok(claim)
    }
}

impl PortClaims {
    fn claim(
        &self,
        id: AgentId,
        count: u16,
        space: PortSpace,
        registry: &Registry,
    ) -> Result<(PortRange, PortClaim), Problem> {
        let mut claims = self.0.lock().expect("nothing panics while it is locked");
        let range = match space {
            PortSpace::Own => PortRange::new(OWN_NETWORK_FIRST, count),
            PortSpace::Shared(all) => {
                let mut taken: Vec<PortRange> = claims.values().copied().collect();
                taken.extend(registry.all().iter().filter_map(|entry| {
                    let agent = entry.agent();
                    agent.ports.filter(|_| agent.status != AgentStatus::Stopped || agent.is_suspended())
                }));
                find(all, count, start_of(&id), &taken, is_free)
            }
        };
        let range = range.ok_or_else(|| {
            let detail = format!(
                "no {count} ports in a row are free for an agent here; stop one that has some, or raise --agent-ports"
            );
            Problem::new(Code::ResourceLimit, detail).with("field", "ports")
        })?;
        claims.insert(id.clone(), range);
        Ok((range, PortClaim { id, claims: self.0.clone() }))
    }
}

/// Where in the space the search begins: not where the last agent just went, nor where another server's agents are.
fn start_of(id: &AgentId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    hasher.finish()
}

/// The first range from `start` on, and around, that overlaps none of `taken` and is free.
fn find(
    all: PortRange,
    count: u16,
    start: u64,
    taken: &[PortRange],
    is_free: impl Fn(u16) -> bool,
) -> Option<PortRange> {
    let places = u64::from(all.last - all.first) + 1;
    let at = |step: u64| u16::try_from((start % places + step) % places).ok();
    let mut step = 0;
    while step < places {
        let range = PortRange::new(all.first + at(step)?, count);
        let Some(range) = range.filter(|range| range.last <= all.last) else {
            step += 1;
            continue;
        };
        if let Some(other) = taken.iter().find(|other| other.overlaps(range)) {
            step += u64::from(other.last - range.first) + 1;
        } else if let Some(port) = (range.first..=range.last).find(|port| !is_free(*port)) {
            step += u64::from(port - range.first) + 1;
        } else {
            return Some(range);
        }
    }
    None
}

/// Whether nobody listens on the port, on whatever address.
fn is_free(port: u16) -> bool {
    let free = |address: SocketAddr| match TcpListener::bind(address) {
        Ok(_) => true,
        // A machine may have no IPv6.
        Err(error) => address.is_ipv6() && error.kind() != ErrorKind::AddrInUse,
    };
    free((Ipv4Addr::UNSPECIFIED, port).into()) && free((Ipv6Addr::UNSPECIFIED, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PortRange = PortRange { first: 20_000, last: 20_009 };

    #[test]
    fn the_search_goes_around_and_ends() {
        let found = |count, start, taken: &[(u16, u16)], busy: &[u16]| {
            let taken: Vec<_> = taken.iter().map(|&(first, last)| PortRange { first, last }).collect();
            find(ALL, count, start, &taken, |port| !busy.contains(&port))
                .map(|range| (range.first, range.last))
        };
        assert_eq!(found(3, 0, &[], &[]), Some((20_000, 20_002)));
        assert_eq!(found(3, 10_000_000_004, &[], &[]), Some((20_004, 20_006)));
        // It does not fit behind the start.
        assert_eq!(found(3, 8, &[], &[]), Some((20_000, 20_002)));
        assert_eq!(found(3, 0, &[(20_001, 20_004)], &[]), Some((20_005, 20_007)));
        assert_eq!(found(3, 0, &[(20_001, 20_004)], &[20_006]), Some((20_007, 20_009)));
        assert_eq!(found(3, 7, &[(20_001, 20_004)], &[20_008]), Some((20_005, 20_007)));
        assert_eq!(found(3, 0, &[(20_001, 20_004)], &[20_007]), None);
        assert_eq!(found(11, 0, &[], &[]), None);
        assert_eq!(found(1, 9, &[(20_000, 20_008)], &[20_009]), None);
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_not_free() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            assert!(!is_free(port), "{address}");
            drop(listener);
            assert!(is_free(port), "{address}");
        }
    }

    #[test]
    fn the_space_is_a_range_of_a_users_ports() {
        let space = |text| PortSpace::parse(text).ok();
        assert_eq!(space("20000-24095"), Some(PortSpace::MACHINE));
        for bad in ["", "20000", "80-90", "3000-2000", "-", "20000-70000", "a-b"] {
            assert_eq!(space(bad), None, "{bad}");
        }
    }
}
