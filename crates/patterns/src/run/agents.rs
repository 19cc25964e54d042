//! The agents of a run, as the engine sees them. A control plane is one implementation, a simulation another.

use async_trait::async_trait;
use parallax_api::message::AnswerRequest;
use parallax_api::{Agent, AgentId, Attention, Problem, SpawnRequest};

/// How a turn goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// The message has this answer.
    Answered(String),
    /// The agent's program shows a dialog, and goes on when it is answered.
    Asks(Box<Attention>),
}

/// What can be done with agents. Every call may be made again: keys make the second call find what the first one did.
///
/// A refusal with `RUNTIME_UNAVAILABLE`, `TIMEOUT`, `SHUTTING_DOWN` or `INTERNAL` leaves open whether it was done: the engine makes
/// the same call again. Every other refusal is final.
#[async_trait]
pub trait Agents: Send + Sync + 'static {
    /// Spawns an agent; with the same key it is the same agent.
    async fn spawn(&self, key: &str, request: &SpawnRequest) -> Result<Agent, Problem>;

    /// Every agent that runs now, whoever spawned it.
    async fn running(&self) -> Vec<Agent>;

    /// Sends a message; with the same key it is the same message. Gives its id.
    async fn send(&self, key: &str, agent: &AgentId, text: &str) -> Result<String, Problem>;

    /// Waits until the message has its answer, or the agent shows a dialog. Fails when it will have none.
    async fn turn(&self, agent: &AgentId, message: &str) -> Result<Turn, Problem>;

    /// The dialog that the agent shows now.
    async fn attention(&self, agent: &AgentId) -> Result<Option<Attention>, Problem>;

    /// Answers the dialog with this id. `CONFLICT` when it is not shown any more.
    async fn answer(&self, agent: &AgentId, attention: &str, answer: &AnswerRequest) -> Result<(), Problem>;

    /// Waits until the dialog with this id is not shown any more.
    async fn cleared(&self, agent: &AgentId, attention: &str);

    /// Stops what the agent does. It can take another message when this succeeds.
    async fn interrupt(&self, agent: &AgentId) -> Result<(), Problem>;

    /// Ends an agent of this run. One that has ended is no error.
    async fn stop(&self, agent: &AgentId) -> Result<(), Problem>;

    /// Ends every agent that was spawned for this run, also those that nobody heard of yet.
    async fn stop_all(&self) -> Result<(), Problem>;
}
