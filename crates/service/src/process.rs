//! What a server's process does to itself before it serves.

use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use crate::os;

/// Connections of one server at once, where files allow it.
const MAX_CONNECTIONS: usize = 4096;
/// Files kept free for the server's own: its database, logs, sockets of hosts.
const RESERVED_FILES: u64 = 256;
/// Files that one connection may need: itself, a relay's other end, and the same again where two servers share a process.
const FILES_PER_CONNECTION: u64 = 4;

/// The limit of open files this process was started with.
static INHERITED_FILES: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open files to the hard one, and keeps other processes of the same account from reading this
/// one's memory and environment, where tokens are. Once for a process.
pub fn prepare() {
    INHERITED_FILES.get_or_init(|| {
        let inherited = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: inherited.maximum, ..inherited }) {
            tracing::warn!(%error, "failed to raise the limit of open files");
        }
        if let Err(error) = os::hide_memory() {
            tracing::warn!(%error, "failed to protect the memory of this process");
        }
        inherited
    });
}

/// Gives a child the limit of open files that this process was started with: programs that use `select`, or close every
/// file there may be, do not work with more.
pub fn restore_limits(child: u32) {
    let Some(inherited) = INHERITED_FILES.get() else { return };
    let Some(child) = i32::try_from(child).ok().and_then(Pid::from_raw) else { return };
    if let Err(error) = os::limit_files_of(child, *inherited) {
        tracing::debug!(%error, "failed to give a child its limit of open files");
    }
}

/// How many connections a server may have so that the files suffice.
pub fn max_connections() -> usize {
    connections_for(getrlimit(Resource::Nofile).current)
}

fn connections_for(files: Option<u64>) -> usize {
    let Some(files) = files else { return MAX_CONNECTIONS };
    let room = files.saturating_sub(RESERVED_FILES.min(files / 2)) / FILES_PER_CONNECTION;
    usize::try_from(room).unwrap_or(MAX_CONNECTIONS).clamp(8, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_servers_own_files() {
        assert_eq!(connections_for(None), MAX_CONNECTIONS);
        assert_eq!(connections_for(Some(1 << 20)), MAX_CONNECTIONS);
        assert_eq!(connections_for(Some(1024)), 192);
        assert_eq!(connections_for(Some(64)), 8);
    }
}
