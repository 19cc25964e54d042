//! The events of a run for a client: SSE, or a WebSocket whose text frames are the events. Both end with the run.

use std::convert::Infallible;

use axum::extract::ws::{CloseFrame, WebSocket, close_code};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use parallax_api::Problem;
use parallax_api::execution::ExecutionEvent;
use parallax_service::events::socket::{self, ALIVE, MAX_CLIENT_FRAME};
use parallax_service::extract::Upgrade;
use parallax_service::shutdown::Shutdown;
use tokio::sync::OwnedSemaphorePermit;

use super::Runs;

/// The events of the run after the one with the id `since`, in the form that the client asked for.
///
/// # Errors
/// `NOT_FOUND` when there is no such run, `VALIDATION_ERROR` when it has no such event.
pub async fn follow(
    runs: &Runs,
    id: String,
    since: Option<String>,
    upgrade: Option<Upgrade>,
    shutdown: &Shutdown,
) -> Result<Response, Problem> {
    runs.get(&id).await?;
    let after = match since.as_deref() {
        None | Some("") => 0,
        Some(id) => id.parse::<u64>().map_err(|_| {
            Problem::invalid("since", "send the id of the last event of this run that you have, or `0`")
        })?,
    };
    let permit = runs.follower()?;
    let events = events(runs.clone(), id, after);
    let shutdown = shutdown.clone();
    Ok(match upgrade {
        Some(Upgrade(upgrade)) => {
            let upgrade = upgrade.max_message_size(MAX_CLIENT_FRAME);
            upgrade.on_upgrade(move |socket| {
                shutdown.tracker().clone().track_future(send_events(socket, events, permit, shutdown))
            })
        }
        None => {
            let frames = events.map(move |event| {
                let _held_while_streaming = &permit;
                let frame = sse::Event::default().id(&event.id).event(event.data.name()).data(json(&event));
                Ok::<_, Infallible>(frame)
            });
            let frames = frames.take_until(shutdown.token().clone().cancelled_owned());
            Sse::new(frames).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
        }
    })
}

/// The events, page after page, until the run has ended and all of them are sent.
fn events(runs: Runs, id: String, after: u64) -> impl Stream<Item = ExecutionEvent> + Send + 'static {
    let pages = stream::unfold(after, move |after| {
        let (runs, id) = (runs.clone(), id.clone());
        async move {
            let page = runs.next_events(&id, after).await?;
            let last = page.last()?.seq;
            Some((stream::iter(page.into_iter().map(ExecutionEvent::from)), last))
        }
    });
    pages.flatten()
}

async fn send_events(
    socket: WebSocket,
    events: impl Stream<Item = ExecutionEvent> + Send,
    _place: OwnedSemaphorePermit,
    shutdown: Shutdown,
) {
    let end = CloseFrame { code: close_code::NORMAL, reason: "the run is over".into() };
    socket::tell(socket, events.map(|event| json(&event)), end, shutdown).await;
}

fn json(event: &ExecutionEvent) -> String {
    serde_json::to_string(event).expect("an event is plain data with text keys")
}
