//! Following a host's journal.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::http::Method;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use parallax_api::Problem;
use parallax_api::compat;
use parallax_api::host::HostLine;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use super::HostClient;
use super::client::{QUICK, accepted, away};

/// A host elsewhere says something every twenty seconds; ten more without a word and the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest line, in bytes: an event with a 1 MiB message, every character of it escaped.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Room for a line at first: most are shorter, and each agent has such a stream for as long as it lives.
const LINE: usize = 1024;
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
    /// One that it does not: the host is of another version, or the line is too long. The stream goes on.
    Unknown,
}

/// Lines, and `None` for one that is too long, of which only that is read.
struct BoundedLines(LinesCodec);

impl Decoder for BoundedLines {
    type Item = Option<String>;
    type Error = LinesCodecError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        or_too_long(self.0.decode(bytes))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Self::Item>, Self::Error> {
        or_too_long(self.0.decode_eof(bytes))
    }
}

fn or_too_long(
    decoded: Result<Option<String>, LinesCodecError>,
) -> Result<Option<Option<String>>, LinesCodecError> {
    match decoded {
        // The codec leaves out what is left of it.
        Err(LinesCodecError::MaxLineLengthExceeded) => Ok(Some(None)),
        decoded => Ok(decoded?.map(Some)),
    }
}

/// A host's event stream: the agent's state first, then every event after the one asked for.
pub struct HostEvents {
    lines: FramedRead<StreamReader<Bodies, Bytes>, BoundedLines>,
    /// How long it may say nothing. `None`: the system tells of its end.
    silence: Option<Duration>,
    /// How the stream broke behind the lines that were handed on last.
    broken: Option<Problem>,
    /// Lines that are not handed on yet, and their length.
    gathered: Vec<ReceivedLine>,
    bytes: usize,
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
        let decoder = BoundedLines(LinesCodec::new_with_max_length(MAX_LINE));
        let lines = FramedRead::with_capacity(reader, decoder, LINE);
        Ok(HostEvents { lines, silence, broken: None, gathered: Vec::new(), bytes: 0 })
    }
}

impl HostEvents {
    /// The next lines: those that have come already, at least one. `None`: the host closed the stream. Fails when the
    /// connection breaks or falls silent. A caller that stops waiting loses nothing.
    pub async fn next(&mut self) -> Result<Option<Vec<ReceivedLine>>, Problem> {
        if !self.gathered.is_empty() {
            // A caller stopped waiting for what might have come with them.
            return Ok(Some(self.take_gathered()));
        }
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
        self.gather(line.as_deref());
        while self.gathered.len() < MAX_LINES && self.bytes < MAX_BYTES {
            let mut next = self.lines.next().now_or_never();
            if next.is_none() {
                // The connection hands on one frame, and is asked for the next one by whoever takes it.
                tokio::task::yield_now().await;
                next = self.lines.next().now_or_never();
            }
            match next {
                Some(Some(Ok(line))) => self.gather(line.as_deref()),
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
        Ok(Some(self.take_gathered()))
    }

    fn gather(&mut self, line: Option<&str>) {
        self.bytes += line.map_or(0, str::len);
        self.gathered.push(received(line));
    }

    fn take_gathered(&mut self) -> Vec<ReceivedLine> {
        self.bytes = 0;
        std::mem::take(&mut self.gathered)
    }
}

fn received(line: Option<&str>) -> ReceivedLine {
    match line.and_then(compat::host_line) {
        Some(line) => ReceivedLine::Known(Box::new(line)),
        None => ReceivedLine::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;

    use super::*;
    use crate::host::HostAddress;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over() {
        let text: &[u8] = b"one\nfar too long, and in more pieces than one\ntwo\n";
        let reader = StreamReader::new(futures::stream::iter(text.chunks(7).map(io::Result::Ok)));
        let lines = FramedRead::new(reader, BoundedLines(LinesCodec::new_with_max_length(8)));
        let lines: Vec<Option<String>> = lines.try_collect().await.unwrap();
        assert_eq!(lines, [Some("one".into()), None, Some("two".into())]);
    }

    /// Whoever writes a batch to disk falls behind a host that tells much, unless what came meanwhile is the next one.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_come_meanwhile_comes_together() {
        const LINES: usize = 5000;
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("host.sock");
        let line = Bytes::from(format!("{}\n", "x".repeat(399)));
        let tell = async move || {
            let lines = futures::stream::iter(std::iter::repeat_n(line.clone(), LINES));
            Body::from_stream(lines.map(Ok::<_, io::Error>))
        };
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let host = Router::new().route("/events", get(tell));
        tokio::spawn(async move { axum::serve(listener, host).await });
        let mut events = HostClient::new(HostAddress::Unix(socket)).events(0).await.unwrap();
        // As a follower, which is a task.
        let following = tokio::spawn(async move {
            let (mut lines, mut batches) = (0, 0);
            while lines < LINES {
                lines += events.next().await.unwrap().expect("more lines").len();
                batches += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            batches
        });
        let batches = following.await.unwrap();
        assert!(batches < LINES / 50, "{batches} batches");
    }
}
