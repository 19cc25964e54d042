//! Writing an agent's events down.

use std::sync::Arc;

use parallax_api::Problem;
use parallax_api::host::HostEvent;
use parallax_store::{NewEvent, Projection, SourcePosition, WrittenEvent};

use super::core::RuntimeCore;
use super::registry::Entry;

impl RuntimeCore {
    /// Appends events of an agent, and the agent as they show it, in one transaction.
    pub(super) async fn record(&self, entry: &Entry, events: Vec<HostEvent>) -> Result<(), Problem> {
        let events: Vec<_> = events
            .into_iter()
            .map(|event| NewEvent {
                source: entry.id().to_string(),
                position: SourcePosition::Seq(event.seq),
                event: WrittenEvent::new(event.data).into(),
                at: event.timestamp,
                projection: Projection::AgentRow,
            })
            .collect();
        let recorded: Vec<Arc<WrittenEvent>> = events.iter().map(|event| event.event.clone()).collect();
        self.log.append_all(events).await?;
        for agent in recorded.iter().filter_map(|event| event.data().agent()) {
            self.backend.agent_changed(agent);
        }
        Ok(())
    }
}
