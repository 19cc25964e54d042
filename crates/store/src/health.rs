//! How the storage of a server is: whether it takes writes, and what of it was found damaged.

use std::sync::Arc;

use parallax_api::runtime::StorageStatus;
use tokio::sync::watch;

/// Damaged rows that are named one by one; more are counted only.
const MAX_NAMED: usize = 50;

/// How the storage is, as its users last saw it. Clones share it.
#[derive(Clone, Debug)]
pub struct StorageHealth(Arc<watch::Sender<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    full: Option<String>,
    damaged: Vec<String>,
    more_damaged: usize,
}

impl Default for StorageHealth {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl StorageHealth {
    /// What `/ready` says of the storage; none when all is well.
    pub fn status(&self) -> Option<StorageStatus> {
        let state = self.0.borrow();
        if state.full.is_none() && state.damaged.is_empty() {
            return None;
        }
        let mut damaged = state.damaged.clone();
        if state.more_damaged > 0 {
            damaged.push(format!("and {} more", state.more_damaged));
        }
        Some(StorageStatus { full: state.full.clone(), damaged })
    }

    /// Why the disk takes no writes, while it takes none.
    pub fn full(&self) -> Option<String> {
        self.0.borrow().full.clone()
    }

    /// A write failed for want of room.
    pub fn set_full(&self, why: &str) {
        self.0.send_if_modified(|state| {
            if state.full.is_some() {
                return false;
            }
            tracing::error!(why, "the disk of the state directory takes no writes; going on from memory");
            state.full = Some(why.to_owned());
            true
        });
    }

    /// A write succeeded.
    pub fn set_writable(&self) {
        self.0.send_if_modified(|state| {
            let was = state.full.take();
            if was.is_some() {
                tracing::info!("the disk of the state directory takes writes again");
            }
            was.is_some()
        });
    }

    /// Something on the disk cannot be used; says what it is, and why.
    pub fn report_damage(&self, what: String) {
        self.0.send_modify(|state| {
            if state.damaged.contains(&what) {
                return;
            }
            tracing::error!(what, "damaged state was found");
            if state.damaged.len() < MAX_NAMED {
                state.damaged.push(what);
            } else {
                state.more_damaged += 1;
            }
        });
    }

    /// Waits until the disk takes no writes.
    pub async fn until_full(&self) {
        // The sender lives in `self`.
        let _ = self.0.subscribe().wait_for(|state| state.full.is_some()).await;
    }

    /// Waits until the disk takes writes.
    pub async fn until_writable(&self) {
        // As above.
        let _ = self.0.subscribe().wait_for(|state| state.full.is_none()).await;
    }
}
