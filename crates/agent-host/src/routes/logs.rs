//! What the agent printed, written out the way it was asked for.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use parallax_api::Problem;
use parallax_api::observe::{LogFormat, LogPosition, Logs, LogsQuery};
use parallax_screen::render::{self, Resize};

use super::host::Host;
use crate::asciicast;
use crate::log::{IndexEntry, LogReader};
use crate::plain::Plain;
use crate::session::Session;

/// Bytes that are rendered for lines: the newest.
const MAX_RENDERED: u64 = 8 * 1024 * 1024;
/// Bytes of the log that are sent at once.
const PIECE: usize = 256 * 1024;
/// How often a followed log is looked at when nothing wakes it.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// The log, from `since` on, in the format that was asked for; `follow` keeps the answer open.
pub async fn logs(
    State(host): State<Host>,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    let session = host.session;
    let log = session.log().clone();
    let end = session.screen().await?.offset;
    let index = log.index().map_err(Problem::internal)?;
    let from = since(query.since()?, &index).min(end);
    let lines = query.lines()?;
    let follow = query.follow.unwrap_or(false);
    let format = query.format.unwrap_or_default();
    match format {
        LogFormat::Raw => {
            let from = from.max(log.start().map_err(Problem::internal)?);
            Ok(bytes_body(
                "application/octet-stream",
                Follow { session, log, offset: from, end, follow }.pieces(),
            ))
        }
        LogFormat::Asciicast => {
            let title = session.agent().name;
            let pieces = Follow { session, log, offset: from, end, follow }.pieces();
            Ok(bytes_body("application/x-asciicast", asciicast::encode(title, index, from, pieces)))
        }
        LogFormat::Text | LogFormat::Ansi => {
            let last = last_lines(&log, &index, from, end, lines, format)?;
            if follow {
                let first = futures::stream::once(async move { Ok(Bytes::from(joined(&last))) });
                let rest = Follow { session, log, offset: end, end, follow }.pieces();
                return Ok(bytes_body("text/plain; charset=utf-8", first.chain(plain(rest, format))));
            }
            if format == LogFormat::Text {
                let count = last.len();
                return Ok(Json(Logs { logs: last, count }).into_response());
            }
            Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], joined(&last)).into_response())
        }
    }
}

/// The last lines a person would have seen.
fn last_lines(
    log: &LogReader,
    index: &[IndexEntry],
    from: u64,
    end: u64,
    lines: usize,
    format: LogFormat,
) -> Result<Vec<String>, Problem> {
    let wanted = from.max(end.saturating_sub(MAX_RENDERED));
    let limit = usize::try_from(end.saturating_sub(wanted)).unwrap_or(usize::MAX);
    let (start, bytes) = log.read(wanted, limit).map_err(Problem::internal)?;
    let mut resizes: Vec<Resize> = Vec::new();
    for entry in index {
        if resizes.last().is_none_or(|last| last.size != entry.size) {
            resizes.push(Resize { offset: entry.offset, size: entry.size });
        }
    }
    let mut rendered = match format {
        LogFormat::Ansi => render::ansi_lines(&bytes, start, &resizes),
        _ => render::text_lines(&bytes, start, &resizes),
    };
    while rendered.last().is_some_and(|line| line.trim().is_empty()) {
        rendered.pop();
    }
    Ok(rendered.split_off(rendered.len().saturating_sub(lines)))
}

/// Where `since` is: a byte offset, or the first byte printed after a time.
fn since(since: Option<LogPosition>, index: &[IndexEntry]) -> u64 {
    match since {
        None => 0,
        Some(LogPosition::Offset(offset)) => offset,
        Some(LogPosition::Time(time)) => {
            index.iter().find(|entry| entry.at > time).map_or(u64::MAX, |entry| entry.offset)
        }
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A log from an offset on, piece by piece.
struct Follow {
    session: Session,
    log: LogReader,
    offset: u64,
    end: u64,
    follow: bool,
}

impl Follow {
    /// The pieces, each with its offset; ends at `end`, or, followed, with the agent.
    fn pieces(self) -> impl Stream<Item = std::io::Result<(u64, Bytes)>> + Send + 'static {
        futures::stream::unfold(self, |mut follow| async move {
            let piece = follow.next().await?;
            Some((piece, follow))
        })
    }

    async fn next(&mut self) -> Option<std::io::Result<(u64, Bytes)>> {
        loop {
            // Asked for before reading: what the agent printed before its end is read below.
            let ended = self.session.agent().exit.is_some();
            let limit = if self.follow {
                PIECE
            } else {
                usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(PIECE).min(PIECE)
            };
            if limit == 0 {
                return None;
            }
            match self.log.read(self.offset, limit) {
                Err(error) => return Some(Err(error)),
                Ok((from, bytes)) if !bytes.is_empty() => {
                    self.offset = from + bytes.len() as u64;
                    return Some(Ok((from, bytes.into())));
                }
                Ok(_) if !self.follow || ended => return None,
                Ok(_) => tokio::time::sleep(FOLLOW_EVERY).await,
            }
        }
    }
}

fn bytes_body<T: IntoBytes + 'static>(
    kind: &'static str,
    pieces: impl Stream<Item = std::io::Result<T>> + Send + 'static,
) -> Response {
    ([(CONTENT_TYPE, kind)], Body::from_stream(pieces.map(|piece| piece.map(IntoBytes::into_bytes))))
        .into_response()
}

/// Followed text: what is printed, as it comes, without its control sequences when it is to be plain.
fn plain(
    pieces: impl Stream<Item = std::io::Result<(u64, Bytes)>> + Send + 'static,
    format: LogFormat,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let mut stripped = Plain::default();
    pieces.map(move |piece| {
        let (_, bytes) = piece?;
        if format == LogFormat::Ansi {
            return Ok(bytes);
        }
        Ok(Bytes::from(stripped.strip(&bytes)))
    })
}

/// A piece of a body.
trait IntoBytes {
    fn into_bytes(self) -> Bytes;
}

impl IntoBytes for Bytes {
    fn into_bytes(self) -> Bytes {
        self
    }
}

impl IntoBytes for (u64, Bytes) {
    fn into_bytes(self) -> Bytes {
        self.1
    }
}
