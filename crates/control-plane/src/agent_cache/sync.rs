//! Follows one runtime's events into the control plane's own event log, each event exactly once.
//!
//! The id of the last ingested event is stored in one transaction with that event, so the next connection (or the next
//! server) continues after it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::client::{Change, EventStream, EventsOptions, Retry};
use parallax_api::text::{cut, plain, plain_start};
use parallax_api::{AgentId, AgentStatus, Event, EventData, Problem, Time};
use parallax_service::shutdown::Shutdown;
use parallax_store::{NewEvent, Projection, SourcePosition, WrittenEvent};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::{AgentCache, Heard, gap, list};
use crate::runtimes::Runtime;

/// Delay before reconnecting, so that a runtime that accepts and drops at once is not hammered.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);
/// How long to wait for an unreachable runtime before a connection is tried all the same.
const UNREACHABLE_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// How often the list is read beside the events: a runtime purges ended agents without an event.
const RESYNC_INTERVAL: Duration = Duration::from_secs(60);
/// How soon it is read again when somebody is not on it: an end that was told meanwhile has arrived by then.
const CONFIRM_AFTER: Duration = Duration::from_secs(3);
/// Events that are appended in one transaction at most.
const MAX_BATCH: usize = 512;
/// Bytes of events that are read and not appended yet, roughly; and what each takes beside what it had on its way.
const MAX_AHEAD: usize = 8 * 1024 * 1024;
const SMALL: usize = 2 * 1024;
/// How much of a runtime's own words is shown, in characters: the name of an event, and why events are lost.
const MAX_KIND: usize = 40;
const MAX_REASON: usize = 300;
/// The event id that asks for every event that is kept.
const OLDEST: &str = "0";

/// Follows the runtime's events until the shutdown.
pub async fn sync(cache: Arc<AgentCache>, runtime: Arc<Runtime>, shutdown: Shutdown) {
    let span = tracing::info_span!("sync", runtime.name = runtime.name());
    let syncing = async {
        loop {
            let broken = follow(&cache, &runtime).await;
            tracing::debug!(%broken, "the runtime's event stream broke off");
            runtime.recheck();
            tokio::time::sleep(RECONNECT_DELAY).await;
            // A timeout is one more try.
            let _ = tokio::time::timeout(UNREACHABLE_RETRY_INTERVAL, runtime.reachable()).await;
        }
    };
    tokio::select! {
        () = syncing.instrument(span) => {}
        () = shutdown.begun() => {}
    }
}

/// One connection, until it breaks.
async fn follow(cache: &AgentCache, runtime: &Runtime) -> Problem {
    let following = async {
        let since = match cache.log.position(runtime.name()).await? {
            Some(SourcePosition::Cursor(id)) => id,
            _ => OLDEST.into(),
        };
        let options = EventsOptions { since: Some(since), retry: Retry::NEVER, ..EventsOptions::default() };
        let events = runtime.client().events(options).await?;
        let (changes_tx, changes_rx) = mpsc::channel(MAX_BATCH);
        let room = Arc::new(Semaphore::new(MAX_AHEAD));
        tokio::select! {
            never = read(events, changes_tx, room) => match never {},
            broken = take(cache, runtime, changes_rx) => broken,
        }
    };
    let broken: Result<Infallible, Problem> = following.await;
    match broken {
        Err(problem) => problem,
        Ok(never) => match never {},
    }
}

/// Reads the stream to its end, also while what came before is appended: what comes meanwhile is appended together then.
async fn read(
    mut events: EventStream,
    changes_tx: mpsc::Sender<ReadAhead>,
    room: Arc<Semaphore>,
) -> Infallible {
    let mut has_warned = false;
    loop {
        let (change, size) = match events.next_sized().await {
            Ok((Change::Unknown(frame), _)) => {
                // Once: a runtime must not be able to fill the log.
                if !std::mem::replace(&mut has_warned, true) {
                    let name = kind(&frame);
                    tracing::warn!(event.kind = name, "events of an unknown kind are passed over");
                }
                continue;
            }
            Ok((change, size)) => (Ok(change), size),
            Err(problem) => (Err(problem), 0),
        };
        let is_last = change.is_err();
        let size = SMALL.saturating_add(size).min(MAX_AHEAD);
        let room = room.clone().acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX)).await;
        let room = room.expect("it is never closed");
        // A receiver that is gone has ended what this is part of.
        if changes_tx.send(ReadAhead { change, room }).await.is_err() || is_last {
            return std::future::pending().await;
        }
    }
}

/// The name of an event that is not known, as far as it can be shown.
fn kind(frame: &Value) -> String {
    plain_start(frame["event"].as_str().unwrap_or_default(), MAX_KIND)
}

/// What was read and is not appended yet.
struct ReadAhead {
    change: Result<Change, Problem>,
    room: OwnedSemaphorePermit,
}

/// Takes what is read, and looks at the list now and then.
async fn take(
    cache: &AgentCache,
    runtime: &Runtime,
    mut changes_rx: mpsc::Receiver<ReadAhead>,
) -> Result<Infallible, Problem> {
    // The list is requested after the stream is open: whatever happens after the list is in the stream.
    let mut resync_at = Instant::now();
    let mut departed = cache.departures();
    let mut missing = HashSet::new();
    let mut changes = Vec::new();
    loop {
        tokio::select! {
            1.. = changes_rx.recv_many(&mut changes, MAX_BATCH) => {
                // Their room is free when they are appended.
                let (changes, _room): (Vec<_>, Vec<_>) =
                    changes.drain(..).map(|ReadAhead { change, room }| (change, room)).unzip();
                ingest(cache, runtime, changes).await?;
            }
            Ok(()) = departed.changed() => {
                // Earlier, never later: there may be departures all the time.
                resync_at = resync_at.min(Instant::now() + CONFIRM_AFTER);
            }
            () = tokio::time::sleep_until(resync_at) => {
                missing = end_missing(cache, runtime, &missing).await?;
                departed.mark_unchanged();
                let next = if missing.is_empty() { RESYNC_INTERVAL } else { CONFIRM_AFTER };
                resync_at = Instant::now() + next;
            }
        }
    }
}

/// Appends events to the log and upserts their agents.
async fn ingest(
    cache: &AgentCache,
    runtime: &Runtime,
    changes: Vec<Result<Change, Problem>>,
) -> Result<(), Problem> {
    let mut batch = Vec::with_capacity(changes.len());
    for change in changes {
        let Event { id, mut data, timestamp } = match change {
            Ok(Change::Event(event)) => event,
            Ok(Change::Unknown(_) | Change::Lost(_) | Change::Resumed) => continue,
            Err(problem) => {
                append(cache, runtime, batch).await?;
                return Err(problem);
            }
        };
        if let EventData::Reset { reason } = &mut data {
            *reason = cut(plain(reason), MAX_REASON);
            tracing::warn!(reason, "events of the runtime are lost; reading its agents");
            append(cache, runtime, std::mem::take(&mut batch)).await?;
            emit_missed(cache, runtime).await?;
            *reason = format!("events of the runtime `{}` are lost: {reason}", runtime.name());
        }
        if let Some(agent) = data.agent_mut() {
            runtime.name().clone_into(&mut agent.runtime);
        }
        batch.push(new_event(runtime.name(), id, data, timestamp));
    }
    append(cache, runtime, batch).await
}

/// Publishes what the runtime's list shows and no event did. The position moves with the `reset` that is appended
/// afterwards: after a crash in between, this runs again for what is left.
async fn emit_missed(cache: &AgentCache, runtime: &Runtime) -> Result<(), Problem> {
    let listed = list(runtime).await?;
    let published = cache.published.of(runtime.name()).await?;
    let source = format!("{} after a gap", runtime.name());
    let missed = gap::missed(published, listed, Time::now()).into_iter();
    let missed = missed.map(|data| new_event(&source, Uuid::new_v4().to_string(), data, Time::now()));
    append(cache, runtime, missed.collect()).await
}

/// Reads the list. An agent that was published as starting, is not on it, and was not the last time (`before`) has ended without an
/// event: one that did not start has none, and after a gap it may have been published all the same. Answers who is missing now.
async fn end_missing(
    cache: &AgentCache,
    runtime: &Runtime,
    before: &HashSet<AgentId>,
) -> Result<HashSet<AgentId>, Problem> {
    let listed = cache.resync(runtime).await?;
    let published = cache.published.of(runtime.name()).await?.into_iter();
    let missing =
        published.filter(|agent| agent.status == AgentStatus::Starting && !listed.contains(&agent.id));
    let (ended, missing): (Vec<_>, Vec<_>) = missing.partition(|agent| before.contains(&agent.id));
    let source = format!("{} by its list", runtime.name());
    let ended = ended.into_iter().map(|agent| {
        new_event(&source, Uuid::new_v4().to_string(), gap::lost(agent, Time::now()), Time::now())
    });
    append(cache, runtime, ended.collect()).await?;
    Ok(missing.into_iter().map(|agent| agent.id).collect())
}

fn new_event(source: &str, id: String, data: EventData, at: Time) -> NewEvent {
    NewEvent {
        source: source.into(),
        position: SourcePosition::Cursor(id),
        event: WrittenEvent::new(data).into(),
        at,
        projection: Projection::PublishedAgent,
    }
}

/// Appends what a runtime told, or its list shows. Of another one's agents it can tell nothing: neither is an event, which the next
/// server would take for what its agents are.
async fn append(cache: &AgentCache, runtime: &Runtime, mut events: Vec<NewEvent>) -> Result<(), Problem> {
    let is_anothers = |event: &NewEvent| {
        event.event.data().agent_id().is_some_and(|id| cache.belongs_to_another(id, runtime.name()))
    };
    events.retain(|event| !is_anothers(event));
    if events.is_empty() {
        return Ok(());
    }
    // Before the append: a subscriber that is woken by an event finds the agent as the event shows it, or later.
    let mut newest = HashMap::new();
    for agent in events.iter().filter_map(|event| event.event.data().agent()) {
        let known = newest.entry(&agent.id).or_insert(agent);
        if known.age() <= agent.age() {
            *known = agent;
        }
    }
    for agent in newest.into_values() {
        cache.upsert(agent.clone(), Heard::Told);
    }
    cache.log.append_all(events).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_an_unknown_event_is_shown_but_the_beginning_of_its_name() {
        let secret = json!({"event": format!("agent_sang\u{1b}[2J\n{}", "x".repeat(100)), "data": "s3cret"});
        let shown = kind(&secret);
        assert!(shown.starts_with("agent_sang[2J") && shown.chars().count() == 40, "{shown:?}");
        for frame in [json!({"event": 1}), json!("s3cret"), json!([])] {
            assert_eq!(kind(&frame), "");
        }
    }
}
