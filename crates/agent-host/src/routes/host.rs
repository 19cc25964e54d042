//! State of the handlers.

use std::ops::Deref;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::workspace::Workspace;

/// What every handler may use. Each route keeps one, so clones share what is in it.
#[derive(Clone)]
pub struct Host(Arc<Parts>);

/// What is in it.
pub struct Parts {
    /// The agent.
    pub session: Session,
    /// The clone that it works in, where the host made one.
    pub workspace: Option<Workspace>,
    /// Cancelled when the runtime server has collected the ended agent.
    pub released: CancellationToken,
}

impl Host {
    /// The host of this agent.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Host {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
