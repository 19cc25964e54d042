//! Following one runtime's events into this control plane's own log, each exactly once.
//!
//! The id of the last event taken stands in the log, in one transaction with that event: whoever dies, the next pull
//! goes on after it.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::client::{Change, EventsOptions, Retry};
use parallax_api::{Agent, Event, EventData, Problem, Time};
use parallax_service::events::Mark;
use parallax_service::shutdown::Shutdown;
use tracing::Instrument;
use uuid::Uuid;

use super::{Directory, gap, list, told};
use crate::runtimes::Runtime;

/// Pause after a pull broke off, so that a runtime that lets in and drops at once is not asked all the time.
const PAUSE: Duration = Duration::from_millis(200);
/// How long to wait for a runtime that is known to be away before it is tried all the same.
const TRY_EVERY: Duration = Duration::from_secs(5);
/// How often the list is asked for beside the events: a runtime forgets ended agents without an event.
const REFILL_EVERY: Duration = Duration::from_secs(60);
/// What asks for every event that is kept.
const OLDEST: &str = "0";

/// Follows the runtime's events until the shutdown.
pub async fn pull(directory: Arc<Directory>, runtime: Arc<Runtime>, shutdown: Shutdown) {
    let span = tracing::info_span!("pull", runtime.name = runtime.name());
    let pulling = async {
        loop {
            let broken = follow(&directory, &runtime).await;
            tracing::debug!(%broken, "the runtime's event stream broke off");
            runtime.doubt();
            tokio::time::sleep(PAUSE).await;
            // Out of time is one more try.
            let _ = tokio::time::timeout(TRY_EVERY, runtime.reachable()).await;
        }
    };
    tokio::select! {
        () = pulling.instrument(span) => {}
        () = shutdown.begun() => {}
    }
}

/// One connection, until it breaks.
async fn follow(directory: &Directory, runtime: &Runtime) -> Problem {
    let following = async {
        let since = match directory.log.mark(runtime.name()).await? {
            Some(Mark::Cursor(id)) => id,
            _ => OLDEST.into(),
        };
        let options = EventsOptions { since: Some(since), retry: Retry::NEVER, ..EventsOptions::default() };
        let mut events = runtime.client().events(options).await?;
        // Asked for as soon as the stream stands: what happens after the list is in the stream.
        let mut refill = tokio::time::interval(REFILL_EVERY);
        loop {
            tokio::select! {
                change = events.next_change() => match change? {
                    Change::Event(event) => take(directory, runtime, event).await?,
                    Change::Unknown(frame) => tracing::warn!(%frame, "an event of a kind that is not known here"),
                    Change::Lost(_) | Change::Resumed => {}
                },
                _ = refill.tick() => directory.refill(runtime).await?,
            }
        }
    };
    let broken: Result<std::convert::Infallible, Problem> = following.await;
    match broken {
        Err(problem) => problem,
        Ok(never) => match never {},
    }
}

/// Takes one event into the log, and the agent it shows into the directory.
async fn take(directory: &Directory, runtime: &Runtime, event: Event) -> Result<(), Problem> {
    let Event { id, mut data, timestamp } = event;
    if let EventData::Reset { reason } = &mut data {
        tracing::warn!(reason, "events of the runtime are lost; asking for its agents");
        tell_missed(directory, runtime).await?;
        *reason = format!("events of the runtime `{}` are lost: {reason}", runtime.name());
    }
    if let Some(agent) = data.agent_mut() {
        runtime.name().clone_into(&mut agent.runtime);
    }
    append(directory, runtime.name(), Mark::Cursor(id), data, timestamp).await
}

/// Tells what the runtime's list shows and no event did. The `reset` that follows is what makes it final: whoever
/// dies before it does this again, for what is left of it.
async fn tell_missed(directory: &Directory, runtime: &Runtime) -> Result<(), Problem> {
    let listed = list(runtime).await?;
    let name = runtime.name().to_owned();
    let told: Vec<Agent> = directory.store.with(move |db| told::of(db, &name)).await?;
    let source = format!("{} after a gap", runtime.name());
    for data in gap::missed(told, listed, Time::now()) {
        let mark = Mark::Cursor(Uuid::new_v4().to_string());
        append(directory, &source, mark, data, Time::now()).await?;
    }
    Ok(())
}

async fn append(
    directory: &Directory,
    source: &str,
    mark: Mark,
    data: EventData,
    at: Time,
) -> Result<(), Problem> {
    let agent = data.agent().cloned();
    // First, so that whoever is woken by the event finds the agent as the event says.
    if let Some(agent) = agent.clone() {
        directory.learn(agent);
    }
    let tell =
        move |db: &rusqlite::Connection, _: &Event| agent.iter().try_for_each(|agent| told::put(db, agent));
    directory.log.append_with(source, mark, data, at, tell).await?;
    Ok(())
}
