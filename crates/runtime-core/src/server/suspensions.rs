//! Who is on the way into a suspension or out of one: at most one request at a time for an agent.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use parallax_api::{AgentId, Code, Problem};
use tokio::sync::MutexGuard;

/// Which agents are on their way into a suspension or out of one.
#[derive(Debug, Default)]
pub(super) struct Suspensions {
    changing: Arc<Mutex<HashSet<AgentId>>>,
    readopting: tokio::sync::Mutex<()>,
}

/// Held while an agent is on its way.
pub(super) struct Changing {
    id: AgentId,
    all: Arc<Mutex<HashSet<AgentId>>>,
}

impl Suspensions {
    /// Marks an agent. Fails with `CONFLICT` when somebody else is at it.
    pub(super) fn begin(&self, id: &AgentId) -> Result<Changing, Problem> {
        let is_new = self.changing.lock().expect("nothing panics while it is locked").insert(id.clone());
        is_new.then(|| Changing { id: id.clone(), all: self.changing.clone() }).ok_or_else(|| {
            Problem::new(
                Code::Conflict,
                "the agent is being suspended or resumed already; try again in a moment",
            )
        })
    }

    /// Held while it is decided who follows a host that runs again: a backend and a request may report the same one.
    pub(super) async fn readopting(&self) -> MutexGuard<'_, ()> {
        self.readopting.lock().await
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.all.lock().expect("nothing panics while it is locked").remove(&self.id);
    }
}
