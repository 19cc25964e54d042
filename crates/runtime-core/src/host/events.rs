//! Following a host's journal.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use parallax_api::Problem;
use parallax_api::compat;
use parallax_api::host::HostLine;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use super::HostClient;
use super::client::{QUICK, accepted, away};

/// A host elsewhere says something every twenty seconds; ten more without a word and the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest line, in bytes: an event with a 1 MiB message, every character of it escaped.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Lines that are handed on together at most.
const MAX_LINES: usize = 256;
/// Bytes after which no further line is added to those.
const MAX_BYTES: usize = 1024 * 1024;

type Bodies = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A line of a host's event stream.
#[derive(Clone, Debug, PartialEq)]
pub enum ReceivedLine {
    /// One that this version knows.
    Known(Box<HostLine>),
    /// One that it does not: the host is of another version. The stream goes on.
    Unknown,
}

/// A host's event stream: the agent's state first, then every event after the one asked for.
pub struct HostEvents {
    lines: FramedRead<StreamReader<Bodies, Bytes>, LinesCodec>,
    /// How long it may say nothing. `None`: the system tells of its end.
    silence: Option<Duration>,
    /// How the stream broke behind the lines that were handed on last.
    broken: Option<Problem>,
}

impl HostClient {
    /// Opens the event stream after sequence number `since`; 0 is from the start. A host of this machine is asked to say nothing while
    /// there is nothing new: its end ends the connection. One that is only stopped says nothing either way, and goes on later.
    pub async fn events(&self, since: u64) -> Result<HostEvents, Problem> {
        let silence = (!self.address().is_local()).then_some(SILENCE);
        let quiet = if silence.is_none() { "&quiet=true" } else { "" };
        let answer = self.call(Method::GET, &format!("/events?since={since}{quiet}"), None, QUICK).await?;
        let body = accepted(answer).await?.into_body().into_data_stream().map_err(io::Error::other);
        let reader = StreamReader::new(Box::pin(body) as Bodies);
        let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE));
        Ok(HostEvents { lines, silence, broken: None })
    }
}

impl HostEvents {
    /// The next lines: those that have come already, at least one. `None`: the host closed the stream. Fails when the
    /// connection breaks or falls silent. A caller that stops waiting loses nothing.
    pub async fn next(&mut self) -> Result<Option<Vec<ReceivedLine>>, Problem> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let line = match self.silence {
            Some(silence) => {
                tokio::time::timeout(silence, self.lines.next()).await.map_err(|_| away("it fell silent"))?
            }
            None => self.lines.next().await,
        };
        let Some(line) = line.transpose().map_err(away)? else { return Ok(None) };
        let mut bytes = line.len();
        let mut lines = vec![received(&line)];
        while lines.len() < MAX_LINES && bytes < MAX_BYTES {
            match self.lines.next().now_or_never() {
                Some(Some(Ok(line))) => {
                    bytes += line.len();
                    lines.push(received(&line));
                }
                Some(Some(Err(error))) => {
                    self.broken = Some(away(error));
                    break;
                }
                Some(None) => {
                    self.broken = Some(away("it closed the stream"));
                    break;
                }
                None => break,
            }
        }
        Ok(Some(lines))
    }
}

fn received(line: &str) -> ReceivedLine {
    match compat::host_line(line) {
        Some(line) => ReceivedLine::Known(Box::new(line)),
        None => ReceivedLine::Unknown,
    }
}
