//! Whether a response is read on. Who stops reading keeps a place that others wait for.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// How long the next part of a response may lie there before its reader asks for it.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// The reader of one response. Clones watch the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// When it was given what it has asked for. None: it waits for more.
    given: Arc<Mutex<Option<Instant>>>,
}

/// A body that tells when it is asked for more.
pub(super) struct Watched<B> {
    body: B,
    reader: Reader,
}

impl Reader {
    /// The body for this reader.
    pub(super) fn watch<B>(self, body: B) -> Watched<B> {
        Watched { body, reader: self }
    }

    /// Resolves when it has had something for [`READ_TIMEOUT`] and asks for nothing more.
    pub(super) async fn stalled(&self) {
        loop {
            let given = *self.given.lock().expect("nothing panics while it is locked");
            let now = Instant::now();
            // As long as it waits, it is not late before that time from now.
            let until = given.unwrap_or(now) + READ_TIMEOUT;
            if until <= now {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn note(&self, given: Option<Instant>) {
        *self.given.lock().expect("nothing panics while it is locked") = given;
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.reader.note(polled.is_ready().then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures::{StreamExt, stream};
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_reader_that_has_something_is_late() {
        let (parts_tx, parts_rx) = mpsc::channel::<std::io::Result<Bytes>>(2);
        let parts = stream::unfold(parts_rx, async |mut parts_rx| Some((parts_rx.recv().await?, parts_rx)));
        let reader = Reader::default();
        let body = reader.clone().watch(axum::body::Body::from_stream(parts));
        let mut body = axum::body::Body::new(body).into_data_stream();
        // The agent has said nothing for long.
        let reading = tokio::spawn(async move { (body.next().await.unwrap().unwrap(), body) });
        let waited = tokio::time::timeout(READ_TIMEOUT * 10, reader.stalled()).await;
        assert!(waited.is_err(), "it waits for the agent");
        parts_tx.send(Ok("one".into())).await.unwrap();
        parts_tx.send(Ok("two".into())).await.unwrap();
        let (part, body) = reading.await.unwrap();
        assert_eq!(part, "one");
        let began = Instant::now();
        reader.stalled().await;
        assert!((READ_TIMEOUT..READ_TIMEOUT * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
        drop(body);
    }
}
