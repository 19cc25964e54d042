//! Following a host's journal.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use parallax_api::Problem;
use parallax_api::compat;
use parallax_api::host::HostLine;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use super::HostClient;
use super::client::{accepted, away};

/// A host elsewhere says something every twenty seconds; ten more without a word and the connection is dead.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest line, in bytes: an event with a 1 MiB message, every character of it escaped.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Bytes read at once: each agent has such a stream for as long as it lives, and most of the time nothing comes.
const READ: usize = 4 * 1024;
/// Room for a line at first: most are shorter.
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
}

impl HostClient {
    /// Opens the event stream after sequence number `since`; 0 is from the start. A host of this machine is asked to say nothing while
    /// there is nothing new: its end ends the connection. One that is only stopped says nothing either way, and goes on later.
    pub async fn events(&self, since: u64) -> Result<HostEvents, Problem> {
        let silence = (!self.address().is_local()).then_some(SILENCE);
        let quiet = if silence.is_none() { "&quiet=true" } else { "" };
        let answer = self.open(&format!("/events?since={since}{quiet}"), READ).await?;
        let body = accepted(answer).await?.into_body().into_data_stream().map_err(io::Error::other);
        let reader = StreamReader::new(Box::pin(body) as Bodies);
        let decoder = BoundedLines(LinesCodec::new_with_max_length(MAX_LINE));
        let lines = FramedRead::with_capacity(reader, decoder, LINE);
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
        let mut bytes = line.as_ref().map_or(0, String::len);
        let mut lines = vec![received(line.as_deref())];
        while lines.len() < MAX_LINES && bytes < MAX_BYTES {
            match self.lines.next().now_or_never() {
                Some(Some(Ok(line))) => {
                    bytes += line.as_ref().map_or(0, String::len);
                    lines.push(received(line.as_deref()));
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

fn received(line: Option<&str>) -> ReceivedLine {
    match line.and_then(compat::host_line) {
        Some(line) => ReceivedLine::Known(Box::new(line)),
        None => ReceivedLine::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over() {
        let text: &[u8] = b"one\nfar too long, and in more pieces than one\ntwo\n";
        let reader = StreamReader::new(futures::stream::iter(text.chunks(7).map(io::Result::Ok)));
        let lines = FramedRead::new(reader, BoundedLines(LinesCodec::new_with_max_length(8)));
        let lines: Vec<Option<String>> = lines.try_collect().await.unwrap();
        assert_eq!(lines, [Some("one".into()), None, Some("two".into())]);
    }
}
