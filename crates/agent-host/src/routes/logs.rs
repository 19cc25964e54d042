//! `GET /logs`: what the agent printed, in the requested format.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use parallax_api::Problem;
use parallax_api::observe::{LOG_GAPS, LOG_OFFSET, LogFormat, LogPosition, Logs, LogsQuery};
use parallax_screen::{Plain, render};

use super::host::Host;
use crate::allocator;
use crate::asciicast::{Recording, Version};
use crate::excerpt::Excerpt;
use crate::log::{Gap, IndexEntry, LogReader};
use crate::session::Session;

/// Bytes that are rendered into lines: the newest.
const MAX_RENDERED: u64 = 8 * 1024 * 1024;
/// Bytes that are rendered at first, and for each line that was asked for.
const MIN_RENDERED: u64 = 64 * 1024;
const LINE_LEN: u64 = 512;
/// Bytes of the log that are sent at once.
const PIECE: usize = 256 * 1024;
/// Gaps that are named in the header.
const MAX_GAPS: usize = 64;
/// How often a followed log is read.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// The log from `since` on, in the requested format; `follow` keeps the answer open. Bytes that were lost are named:
/// `[log_gap: …]` in text, a marker in a recording, the header [`LOG_GAPS`] for raw bytes. [`LOG_OFFSET`] says where
/// raw bytes begin, and where lines end.
pub async fn logs(
    State(host): State<Host>,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::invalid("query", error.body_text()))?;
    let session = host.session.clone();
    let log = session.log().clone();
    let end = session.screen().await?.offset;
    let index = log.index().map_err(Problem::internal)?;
    let from = since(query.since()?, &index).min(end);
    let lines = query.lines()?;
    let format = query.format.unwrap_or_default();
    let is_rendered = matches!(format, LogFormat::Text | LogFormat::Ansi);
    let start = log.start().map_err(Problem::internal)?;
    let from = if is_rendered || query.tail.is_none() {
        from
    } else {
        last_lines_start(&log, from.max(start), end, lines).map_err(Problem::internal)?
    };
    let follow = query.follow.unwrap_or(false);
    match format {
        LogFormat::Raw => {
            let from = from.max(start);
            let gaps = log.gaps(from, end).map_err(Problem::internal)?;
            let from = gaps.first().filter(|gap| gap.from <= from).map_or(from, |gap| gap.to);
            let pieces = Follow { session, log, offset: from, end, follow }.pieces();
            let mut response = bytes_body("application/octet-stream", pieces);
            if let Some(gaps) = gaps_header(&gaps) {
                response.headers_mut().insert(LOG_GAPS, gaps);
            }
            response.headers_mut().insert(LOG_OFFSET, from.into());
            Ok(response)
        }
        LogFormat::Asciicast | LogFormat::AsciicastV3 => {
            let version = if format == LogFormat::Asciicast { Version::V2 } else { Version::V3 };
            let from = from.max(start);
            let (index, opening) = if from > start {
                let log = log.clone();
                aside(move || opening(&log, &index, from).map(|painted| (index, painted))).await?
            } else {
                (index, Vec::new())
            };
            let recording = Recording { version, title: session.agent().name, index, from, opening };
            let pieces = Follow { session, log, offset: from, end, follow }.pieces();
            Ok(bytes_body("application/x-asciicast", recording.encode(pieces)))
        }
        LogFormat::Text | LogFormat::Ansi => {
            let read = log.clone();
            let last = aside(move || last_lines(&read, &index, from, end, lines, format)).await?;
            if follow {
                let first = futures::stream::once(async move { Ok(Bytes::from(joined(&last))) });
                let rest = Follow { session, log, offset: end, end, follow }.pieces();
                return Ok(bytes_body("text/plain; charset=utf-8", first.chain(plain(rest, format))));
            }
            if format == LogFormat::Text {
                let count = last.len();
                return Ok(([(LOG_OFFSET, end)], Json(Logs { logs: last, count })).into_response());
            }
            let mut response = joined(&last).into_response();
            response.headers_mut().insert(LOG_OFFSET, end.into());
            Ok(response)
        }
    }
}

/// Renders on a thread of its own: meanwhile the agent goes on.
async fn aside<T: Send + 'static>(
    render: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let rendered = tokio::task::spawn_blocking(move || {
        let rendered = render();
        allocator::trim();
        rendered
    });
    rendered.await.unwrap_or_else(|cause| Err(Problem::internal(cause)))
}

/// Where the last lines begin, as line feeds count them.
fn last_lines_start(log: &LogReader, from: u64, end: u64, lines: usize) -> std::io::Result<u64> {
    let (mut to, mut left) = (end, lines);
    while to > from {
        let start = from.max(to.saturating_sub(PIECE as u64));
        for (offset, piece) in log.pieces(start, to)?.into_iter().rev() {
            for (index, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                let behind = offset + index as u64 + 1;
                // The last line feed ends the last line.
                if behind < end {
                    left -= 1;
                }
                if left == 0 {
                    return Ok(behind);
                }
            }
        }
        to = start;
    }
    Ok(from)
}

/// What paints the terminal as it stood at `from`, which may be in the middle of a sequence: played from the log before.
fn opening(log: &LogReader, index: &[IndexEntry], from: u64) -> Result<Vec<u8>, Problem> {
    let excerpt = Excerpt::read(log, from.saturating_sub(MAX_RENDERED), from).map_err(Problem::internal)?;
    Ok(render::snapshot(excerpt.bytes(), 0, &excerpt.resizes(index)))
}

/// The last lines as a person would have seen them.
fn last_lines(
    log: &LogReader,
    index: &[IndexEntry],
    from: u64,
    end: u64,
    lines: usize,
    format: LogFormat,
) -> Result<Vec<String>, Problem> {
    // From the end, in growing pieces: most requests are for a few lines of a long log.
    let mut len = MIN_RENDERED.max(lines as u64 * LINE_LEN);
    loop {
        let wanted = from.max(end.saturating_sub(len.min(MAX_RENDERED)));
        let excerpt = Excerpt::read(log, wanted, end).map_err(Problem::internal)?;
        let mut rendered = render_lines(&excerpt, index, format);
        // The first lines of a piece may be the rest of what stands before it.
        if rendered.len() > lines || wanted == from || len >= MAX_RENDERED {
            return Ok(rendered.split_off(rendered.len().saturating_sub(lines)));
        }
        len *= 8;
    }
}

/// The lines of an excerpt, without blank ones at the end.
fn render_lines(excerpt: &Excerpt, index: &[IndexEntry], format: LogFormat) -> Vec<String> {
    let resizes = excerpt.resizes(index);
    let mut rendered = match format {
        LogFormat::Ansi => render::ansi_lines(excerpt.bytes(), 0, &resizes),
        _ => render::text_lines(excerpt.bytes(), 0, &resizes),
    };
    while rendered.last().is_some_and(|line| line.trim().is_empty()) {
        rendered.pop();
    }
    rendered
}

/// `FROM-TO` of the first gaps.
fn gaps_header(gaps: &[Gap]) -> Option<HeaderValue> {
    let gaps: Vec<String> =
        gaps.iter().take(MAX_GAPS).map(|gap| format!("{}-{}", gap.from, gap.to)).collect();
    HeaderValue::from_str(&gaps.join(", ")).ok().filter(|value| !value.is_empty())
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
            // Read before the log is: what the agent printed before its end is read below.
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
                // Behind a gap at the end of what was asked for.
                Ok((from, _)) if !self.follow && from >= self.end => return None,
                Ok((from, mut bytes)) if !bytes.is_empty() => {
                    if !self.follow {
                        bytes.truncate(usize::try_from(self.end - from).unwrap_or(usize::MAX));
                    }
                    self.offset = from + bytes.len() as u64;
                    return Some(Ok((from, bytes.into())));
                }
                Ok(_) if !self.follow || ended => return None,
                Ok(_) => tokio::time::sleep(FOLLOW_INTERVAL).await,
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

/// Followed text: output as it comes, without control sequences when the format is `text`.
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
