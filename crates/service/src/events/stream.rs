//! A subscription for a client: SSE, or a WebSocket whose text frames are the events.
//!
//! In SSE the `data` of a frame is the same JSON as a WebSocket frame, whole: `{"id", "event", "data", "timestamp"}`.

use std::convert::Infallible;
use std::str::FromStr;

use axum::body::{Body, Bytes};
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, Stream, StreamExt, stream};
use parallax_api::event::EventsQuery;
use parallax_api::{AgentId, Code, Problem};
use tokio::sync::OwnedSemaphorePermit;

use super::socket::{self, ALIVE, MAX_CLIENT_FRAME, going_away};
use super::{EventLog, MAX_SUBSCRIBERS, Subscription};
use crate::extract::Upgrade;
use crate::shutdown::Shutdown;
use crate::websocket;

/// Bytes of SSE after which no further event is added to a piece.
const PIECE: usize = 32 * 1024;

/// A subscription and its permit among those that may be.
struct Seat {
    subscription: Subscription,
    _permit: OwnedSemaphorePermit,
}

/// The stream in whichever form the client asked for: WebSocket if it upgrades, SSE otherwise.
pub fn follow(
    log: &EventLog,
    query: EventsQuery,
    headers: &HeaderMap,
    upgrade: Option<Upgrade>,
    shutdown: &Shutdown,
) -> Response {
    match upgrade {
        Some(Upgrade(upgrade)) => websocket(log, query, upgrade, shutdown),
        None => {
            let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
            sse(log, query, last, shutdown)
        }
    }
}

/// The stream as SSE. `last_event_id` is what a client that reconnects sends; it is newer than the query's `since`.
pub fn sse(
    log: &EventLog,
    query: EventsQuery,
    last_event_id: Option<String>,
    shutdown: &Shutdown,
) -> Response {
    let query = EventsQuery { since: last_event_id.filter(|id| !id.is_empty()).or(query.since), ..query };
    let seat = match seat(log, &query) {
        Ok(seat) => seat,
        Err(problem) => return problem.into_response(),
    };
    let frames = frames(seat).take_until(shutdown.token().clone().cancelled_owned());
    let frames = with_signs_of_life(frames).map(Ok::<_, Infallible>);
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(together(frames))).into_response()
}

/// A comment whenever nothing was sent for [`ALIVE`].
fn with_signs_of_life(frames: impl Stream<Item = Bytes> + Send) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(Box::pin(frames), |mut frames| async move {
        let next = tokio::time::timeout(ALIVE, frames.next()).await;
        Some((next.unwrap_or(Some(Bytes::from_static(b":\n\n")))?, frames))
    })
}

/// What is there already goes out as one piece: whoever reads pays for each.
fn together<E: Send>(
    frames: impl Stream<Item = Result<Bytes, E>> + Send,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    stream::unfold((Box::pin(frames), None), |(mut frames, failed)| async move {
        if let Some(failed) = failed {
            return Some((Err(failed), (frames, None)));
        }
        let first = match frames.next().await? {
            Ok(frame) => frame,
            Err(error) => return Some((Err(error), (frames, None))),
        };
        let (mut more, mut failed) = (Vec::new(), None);
        while first.len() + more.len() < PIECE
            && let Some(Some(frame)) = frames.next().now_or_never()
        {
            match frame {
                Ok(frame) => more.extend_from_slice(&frame),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let piece = if more.is_empty() { first } else { [&first[..], &more].concat().into() };
        Some((Ok(piece), (frames, failed)))
    })
}

/// The stream as a WebSocket; closed with 1001 when the server goes.
pub fn websocket(
    log: &EventLog,
    query: EventsQuery,
    upgrade: WebSocketUpgrade,
    shutdown: &Shutdown,
) -> Response {
    let seat = match seat(log, &query) {
        Ok(seat) => seat,
        Err(problem) => return websocket::refuse(upgrade, problem),
    };
    let shutdown = shutdown.clone();
    upgrade
        .max_message_size(MAX_CLIENT_FRAME)
        .on_upgrade(move |socket| shutdown.tracker().clone().track_future(tell(socket, seat, shutdown)))
}

fn seat(log: &EventLog, query: &EventsQuery) -> Result<Seat, Problem> {
    let agent = query.agent_id.as_deref().map(AgentId::from_str).transpose()?;
    let permit = log.shared.subscribers.clone().try_acquire_owned().map_err(|_| {
        Problem::new(Code::ResourceLimit, format!("{MAX_SUBSCRIBERS} subscribers follow events already"))
    })?;
    // Before the answer is sent: what happens from now on belongs to the stream.
    Ok(Seat { subscription: log.subscription(query.since.as_deref(), agent), _permit: permit })
}

/// What a client of SSE gets.
fn frames(seat: Seat) -> impl Stream<Item = Bytes> + Send {
    let Seat { subscription, _permit: permit } = seat;
    // An id without data sets what the client resumes from, though nothing happened yet.
    let start = subscription.id().map(|id| Bytes::from(format!("id: {id}\n\n")));
    let events = subscription.into_stream().map(move |published| {
        let _held_while_streaming = &permit;
        published.sse()
    });
    stream::iter(start).chain(events)
}

async fn tell(socket: WebSocket, seat: Seat, shutdown: Shutdown) {
    let Seat { subscription, _permit } = seat;
    let texts = subscription.into_stream().map(|published| published.json());
    socket::tell(socket, texts, going_away(), shutdown).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_with_nothing_to_tell_says_that_it_lives() {
        let start = tokio::time::Instant::now();
        let events = stream::iter([Duration::ZERO, ALIVE * 5 / 2, Duration::ZERO]).then(|pause| async move {
            tokio::time::sleep(pause).await;
            Bytes::from("event")
        });
        let sent = with_signs_of_life(events).map(|frame| (frame, start.elapsed()));
        let sent: Vec<_> = sent.collect().await;
        let life = |alive: u32| (Bytes::from(":\n\n"), ALIVE * alive);
        let event = |at| (Bytes::from("event"), at);
        let expected = [event(Duration::ZERO), life(1), life(2), event(ALIVE * 5 / 2), event(ALIVE * 5 / 2)];
        assert_eq!(sent, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_already_goes_out_as_one_piece() {
        let at_once = ["a", "b", "c"].map(|frame| Ok(Bytes::from(frame)));
        let later = stream::once(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Bytes::from("d"))
        });
        let long = vec![b'e'; PIECE];
        let rest = [Ok(Bytes::from(long.clone())), Ok("f".into()), Err("broken"), Ok("g".into())];
        let frames = stream::iter(at_once).chain(later).chain(stream::iter(rest));
        let pieces: Vec<_> = together(frames).collect().await;
        let long = [b"d", &long[..]].concat();
        assert_eq!(
            pieces,
            [Ok("abc".into()), Ok(long.into()), Ok("f".into()), Err("broken"), Ok("g".into())],
            "each once, in order"
        );
    }
}
