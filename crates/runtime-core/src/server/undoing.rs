//! What is left of spawns that failed, while it is being removed: nothing is made under the same id meanwhile.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use parallax_api::AgentId;

/// The ids whose leftovers are being removed.
#[derive(Debug, Default)]
pub(super) struct Undoing(Arc<Mutex<HashSet<AgentId>>>);

/// Held until nothing is left.
pub(super) struct Leftovers {
    /// Of whom.
    pub(super) id: AgentId,
    all: Arc<Mutex<HashSet<AgentId>>>,
}

impl Undoing {
    /// Marks an id.
    pub(super) fn begin(&self, id: &AgentId) -> Leftovers {
        self.0.lock().expect("nothing panics while it is locked").insert(id.clone());
        Leftovers { id: id.clone(), all: self.0.clone() }
    }

    /// Whether something of it may be left.
    pub(super) fn contains(&self, id: &AgentId) -> bool {
        self.0.lock().expect("nothing panics while it is locked").contains(id)
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        self.all.lock().expect("nothing panics while it is locked").remove(&self.id);
    }
}
