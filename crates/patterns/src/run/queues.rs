//! The queues between the steps of a run and the task that spawns and stops its agents.

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::pool::{Departure, PooledAgent, Reservation};
use super::step_error::StepError;

/// A reservation to be filled with an agent.
pub(super) struct JoinRequest {
    pub role: String,
    pub reservation: Reservation,
    pub agent_tx: oneshot::Sender<Result<PooledAgent, StepError>>,
}

/// The agents to join and to leave. Bounded by the roles' `maxInstances`.
pub(super) struct MembershipQueues {
    pub join_rx: UnboundedReceiver<JoinRequest>,
    pub departure_rx: UnboundedReceiver<Departure>,
}
