//! Writing an agent's events down.

use parallax_api::host::HostEvent;
use parallax_api::{Agent, Problem};
use parallax_store::{NewEvent, Projection, SourcePosition};

use super::core::RuntimeCore;
use super::registry::Entry;

impl RuntimeCore {
    /// Appends events of an agent, and the agent as they show it, in one transaction.
    pub(super) async fn record(&self, entry: &Entry, events: Vec<HostEvent>) -> Result<(), Problem> {
        let shown: Vec<Agent> = events.iter().filter_map(|event| event.data.agent()).cloned().collect();
        let events = events.into_iter().map(|event| NewEvent {
            source: entry.id().to_string(),
            position: SourcePosition::Seq(event.seq),
            projection: match event.data.agent() {
                Some(agent) => Projection::AgentRow(Box::new(agent.clone())),
                None => Projection::Nothing,
            },
            data: event.data,
            at: event.timestamp,
        });
        self.log.append_all(events.collect()).await?;
        for agent in &shown {
            self.backend.agent_changed(agent);
        }
        Ok(())
    }
}
