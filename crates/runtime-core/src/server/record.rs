//! Writing an agent's events down.

use parallax_api::host::HostEvent;
use parallax_api::{Agent, Problem};
use parallax_store::{NewEvent, Projection, SourcePosition};

use super::core::RuntimeCore;
use super::registry::Entry;

impl RuntimeCore {
    /// Appends one event of an agent, and the agent with it.
    pub(super) async fn record(
        &self,
        entry: &Entry,
        event: HostEvent,
        agent: Option<Agent>,
    ) -> Result<(), Problem> {
        let projection = match &agent {
            Some(agent) => Projection::AgentRow(Box::new(agent.clone())),
            None => Projection::Nothing,
        };
        let event = NewEvent {
            source: entry.id().to_string(),
            position: SourcePosition::Seq(event.seq),
            data: event.data,
            at: event.timestamp,
            projection,
        };
        self.log.append_event(event).await?;
        if let Some(agent) = &agent {
            self.backend.agent_changed(agent);
        }
        Ok(())
    }
}
