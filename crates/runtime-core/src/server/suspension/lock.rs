//! Who is on the way into a suspension or out of one: at most one request at a time for an agent.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use parallax_api::{AgentId, Code, Problem};
use tokio::sync::MutexGuard;

/// Which agents are on their way into a suspension or out of one.
#[derive(Debug, Default)]
pub(in crate::server) struct SuspensionLocks {
    held: Arc<Mutex<HashSet<AgentId>>>,
    readopting: tokio::sync::Mutex<()>,
}

/// Held while an agent is on its way.
pub(in crate::server) struct SuspensionLock {
    id: AgentId,
    held: Arc<Mutex<HashSet<AgentId>>>,
}

impl SuspensionLocks {
    /// Locks an agent. Fails with `CONFLICT` when somebody else is at it.
    pub(in crate::server) fn lock(&self, id: &AgentId) -> Result<SuspensionLock, Problem> {
        let is_new = self.held.lock().expect("nothing panics while it is locked").insert(id.clone());
        is_new.then(|| SuspensionLock { id: id.clone(), held: self.held.clone() }).ok_or_else(|| {
            Problem::new(
                Code::Conflict,
                "the agent is being suspended or resumed already; try again in a moment",
            )
        })
    }

    /// Held while it is decided who follows a host that runs again: a backend and a request may report the same one.
    pub(in crate::server) async fn readopting(&self) -> MutexGuard<'_, ()> {
        self.readopting.lock().await
    }
}

impl Drop for SuspensionLock {
    fn drop(&mut self) {
        self.held.lock().expect("nothing panics while it is locked").remove(&self.id);
    }
}
