//! Containers that somebody pauses (`docker pause`): their hosts do not answer, and are not dead.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use futures::StreamExt;
use parallax_api::AgentId;
use parallax_api::retry::Backoff;
use parallax_runtime_core::BackendEvent;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::engine;
use crate::layout::{agent_of, container_name, label};

/// Between two tries to follow an engine that is away.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// Reports every pause and its end until the receiver is gone: those that stand at the beginning, or after the engine was away, too.
pub(crate) async fn report(context: Arc<Context>, events_tx: mpsc::Sender<BackendEvent>) {
    let mut backoff = RETRY;
    let mut paused = HashSet::new();
    while !events_tx.is_closed() {
        let followed = tokio::select! {
            followed = follow(&context, &events_tx, &mut paused, &mut backoff) => followed,
            () = events_tx.closed() => return,
        };
        if let Err(error) = followed {
            tracing::debug!(error, "the engine's events are not followed now");
        }
        backoff.wait().await;
    }
}

/// Follows one connection to its end. `paused` are the agents that were told to be paused and not yet to go on.
async fn follow(
    context: &Context,
    events_tx: &mpsc::Sender<BackendEvent>,
    paused: &mut HashSet<AgentId>,
    backoff: &mut Backoff,
) -> Result<(), String> {
    let docker = context.docker().map_err(|problem| problem.detail)?;
    let ours = format!("{}={}", label::SERVER, context.identity.server());
    let kinds = HashMap::from([
        ("type", vec!["container"]),
        ("event", vec!["pause", "unpause"]),
        ("label", vec![ours.as_str()]),
    ]);
    let mut events = docker.events(Some(EventsOptionsBuilder::default().filters(&kinds).build()));
    // The request goes out when the stream is first polled, and a pause in between would be missed: so the list is read after
    // the first poll, which waits.
    let mut listed = std::pin::pin!(list(context, &ours));
    let mut is_listed = false;
    // Of these an event is newer than the list.
    let mut heard_of = HashSet::new();
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                let Some(event) = event else { return Ok(()) };
                let event = event.map_err(|error| engine::words(&error))?;
                backoff.reset();
                let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
                let id = agent_of(&attributes, attributes.get("name").map(String::as_str));
                if let Some(id) = id {
                    if !is_listed {
                        heard_of.insert(id.clone());
                    }
                    tell(events_tx, paused, id, event.action.as_deref() == Some("pause")).await;
                }
            }
            found = &mut listed, if !is_listed => {
                is_listed = true;
                let found = found?;
                // Those that went on while nobody heard of it.
                let gone_on: Vec<AgentId> = paused.difference(&found).cloned().collect();
                let all = gone_on.into_iter().map(|id| (id, false)).chain(found.into_iter().map(|id| (id, true)));
                for (id, is_paused) in all.filter(|(id, _)| !heard_of.contains(id)) {
                    tell(events_tx, paused, id, is_paused).await;
                }
            }
        }
    }
}

/// The agents whose containers are paused now.
async fn list(context: &Context, ours: &str) -> Result<HashSet<AgentId>, String> {
    let filters = HashMap::from([("label", vec![ours]), ("status", vec!["paused"])]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    let docker = context.docker().map_err(|problem| problem.detail)?;
    let found = docker.list_containers(Some(options)).await.map_err(|error| engine::words(&error))?;
    let ids = found.into_iter().filter_map(|found| {
        agent_of(&found.labels.unwrap_or_default(), found.names.iter().flatten().map(String::as_str))
    });
    Ok(ids.collect())
}

async fn tell(
    events_tx: &mpsc::Sender<BackendEvent>,
    paused: &mut HashSet<AgentId>,
    id: AgentId,
    is_paused: bool,
) {
    if is_paused {
        paused.insert(id.clone());
    } else {
        paused.remove(&id);
    }
    let why = is_paused.then(|| {
        let container = container_name(&id);
        format!("the agent's container is paused; `docker unpause {container}` lets it go on")
    });
    // A receiver that is gone needs no event.
    drop(events_tx.send(BackendEvent::HostPaused { id, why }).await);
}
