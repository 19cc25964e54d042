//! The controller's work queue: names of resources to reconcile, each at most once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Resources to reconcile. Never more entries than there are resources.
#[derive(Default)]
pub(super) struct WorkQueue {
    names: Mutex<HashSet<String>>,
    added: Notify,
}

impl WorkQueue {
    /// Adds a resource, unless it already waits.
    pub(super) fn push(&self, resource: &str) {
        self.lock().insert(resource.to_owned());
        self.added.notify_one();
    }

    /// Waits for resources and takes all of them.
    pub(super) async fn take(&self) -> HashSet<String> {
        loop {
            let names = std::mem::take(&mut *self.lock());
            if !names.is_empty() {
                return names;
            }
            self.added.notified().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        // A set of names is whole whatever happened to its last holder.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
