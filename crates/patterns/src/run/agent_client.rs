//! The engine's access to agents. The control plane is one implementation, the simulation another.

use async_trait::async_trait;
use parallax_api::message::AnswerRequest;
use parallax_api::workspace::{DiffQuery, MergeRequest, Merged};
use parallax_api::{Agent, AgentId, Attention, Problem, SpawnRequest, Time};

/// The progress of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageProgress {
    /// It has this answer.
    Answered(String),
    /// The agent's CLI shows a dialog, and continues when that is answered.
    Asks(Box<Attention>),
}

/// Operations on agents. Every call may be repeated: a second call with the same key finds what the first one did.
///
/// A refusal with `RUNTIME_UNAVAILABLE`, `TIMEOUT`, `SHUTTING_DOWN` or `INTERNAL` leaves open whether it was done: the engine makes
/// the same call again, as it does after a 404 in nobody's words. Every other refusal is final.
#[async_trait]
pub trait AgentClient: Send + Sync + 'static {
    /// Spawns an agent; with the same key it is the same agent.
    async fn spawn(&self, key: &str, request: &SpawnRequest) -> Result<Agent, Problem>;

    /// Every running agent, also of others.
    async fn running(&self) -> Vec<Agent>;

    /// Sends a message; with the same key it is the same message. Returns its id.
    async fn send(&self, key: &str, agent: &AgentId, text: &str) -> Result<String, Problem>;

    /// The id of the message with this text that was sent at about this time, if it waits at the agent.
    async fn waiting(&self, agent: &AgentId, text: &str, sent_at: Time) -> Result<Option<String>, Problem>;

    /// Withdraws a message that waits at the agent. `CONFLICT` when the agent has it already.
    async fn withdraw(&self, agent: &AgentId, message: &str) -> Result<(), Problem>;

    /// Waits until the message has its answer, or the agent shows a dialog. Fails when it will have none.
    async fn turn(&self, agent: &AgentId, message: &str) -> Result<MessageProgress, Problem>;

    /// The dialog that the agent shows now.
    async fn attention(&self, agent: &AgentId) -> Result<Option<Attention>, Problem>;

    /// Answers the dialog with this id. `CONFLICT` when it is not shown any more, `TIMEOUT` when it is still shown after keys were typed.
    async fn answer(&self, agent: &AgentId, attention: &str, answer: &AnswerRequest) -> Result<(), Problem>;

    /// Waits until the dialog with this id is not shown any more.
    async fn cleared(&self, agent: &AgentId, attention: &str);

    /// Interrupts the agent. It can take another message when this succeeds.
    async fn interrupt(&self, agent: &AgentId) -> Result<(), Problem>;

    /// What the agent has changed in its workspace, as a unified diff. Bytes that are no UTF-8 are replaced.
    async fn diff(&self, agent: &AgentId, query: &DiffQuery) -> Result<String, Problem>;

    /// Commits what is not committed in the agent's workspace, with the message of the request, and merges it.
    async fn merge(&self, agent: &AgentId, request: &MergeRequest) -> Result<Merged, Problem>;

    /// Ends an agent of this run. One that has ended is no error.
    async fn stop(&self, agent: &AgentId) -> Result<(), Problem>;

    /// Ends every agent that was spawned for this run, also those whose spawn has no outcome yet.
    async fn stop_all(&self) -> Result<(), Problem>;
}
