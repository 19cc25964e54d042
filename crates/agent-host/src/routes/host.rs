//! State of the handlers.

use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::workspace::Workspace;

/// What every handler may use.
#[derive(Clone)]
pub struct Host {
    /// The agent.
    pub session: Session,
    /// The clone that it works in, where the host made one.
    pub workspace: Option<Workspace>,
    /// Cancelled when the runtime server has collected the ended agent.
    pub released: CancellationToken,
}
