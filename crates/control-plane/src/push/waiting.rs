//! Who waits for a person, and what of it is news.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parallax_service::events::EventLog;
use parallax_service::shutdown::Shutdown;

use super::{News, Push};
use crate::agent_cache::AgentCache;
use crate::patterns::Runs;

/// How long is gathered before a message: several questions at once are one.
const GATHER: Duration = Duration::from_secs(1);
/// How often runs are looked at while some are active: their questions are no events of agents.
const RUNS_INTERVAL: Duration = Duration::from_secs(2);

/// Follows who waits and tells the devices, until the shutdown begins.
pub async fn follow(push: Push, cache: Arc<AgentCache>, runs: Runs, log: EventLog, shutdown: Shutdown) {
    // What was asked before this server started was told by the one before it.
    let mut known = waiting(&cache, &runs);
    push.0.news.send_modify(|news| news.waiting = known.len());
    loop {
        // From before the look on: what happens after it is heard. What happens while it is gathered, the next look sees.
        let mut events = Box::pin(log.published());
        let now = waiting(&cache, &runs);
        let began = now.difference(&known).count() as u64;
        push.0.news.send_if_modified(|news| {
            let next = News { waiting: now.len(), began: news.began + began };
            std::mem::replace(news, next) != next
        });
        known = now;
        tokio::select! {
            () = shutdown.begun() => return,
            // None: the store failed; it is tried again.
            _ = events.next() => {}
            () = tokio::time::sleep(RUNS_INTERVAL), if runs.any_active() => {}
        }
        drop(events);
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(GATHER) => {}
        }
    }
}

/// The occasions on which somebody waits, of agents and runs. A dialog of an agent of a run is the agent's.
fn waiting(cache: &AgentCache, runs: &Runs) -> HashSet<String> {
    let mut waiting = cache.attentions();
    for (question, attention) in runs.questions_for_user() {
        if attention.is_none_or(|attention| !waiting.contains(&attention)) {
            waiting.insert(question);
        }
    }
    waiting
}
