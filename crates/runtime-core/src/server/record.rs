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
        // What is written of the agent is its last state: those before are replaced in the same transaction.
        let last = shown.last().map(|agent| Projection::AgentRow(Box::new(agent.clone())));
        let last_at = events.iter().rposition(|event| event.data.agent().is_some());
        let mut last = last_at.zip(last);
        let events = events.into_iter().enumerate().map(|(index, event)| NewEvent {
            source: entry.id().to_string(),
            position: SourcePosition::Seq(event.seq),
            projection: match last.take_if(|(at, _)| *at == index) {
                Some((_, agent)) => agent,
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
