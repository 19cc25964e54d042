//! State of the handlers.

use tokio_util::sync::CancellationToken;

use crate::session::Session;

/// What every handler may use.
#[derive(Clone)]
pub struct Host {
    /// The agent.
    pub session: Session,
    /// Cancelled when the runtime server has collected the ended agent.
    pub released: CancellationToken,
}
