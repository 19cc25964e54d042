//! Whether a server still asks this host for anything: one that follows it has a request open.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

/// The requests that this host answers. Clones are the same.
#[derive(Clone)]
pub(crate) struct Contacts(Arc<Mutex<Requests>>);

struct Requests {
    /// Those whose answers are not yet sent whole.
    open: usize,
    /// When the last one came or ended.
    last: Instant,
}

impl Contacts {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Requests { open: 0, last: Instant::now() })))
    }

    /// Waits until nobody has asked for anything for so long, from now on.
    pub(crate) async fn lost_for(&self, quiet: Duration) {
        lock(&self.0).last = Instant::now();
        loop {
            let left = {
                let requests = lock(&self.0);
                if requests.open > 0 { quiet } else { quiet.saturating_sub(requests.last.elapsed()) }
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    fn begin(&self) -> Contact {
        let mut requests = lock(&self.0);
        (requests.open, requests.last) = (requests.open + 1, Instant::now());
        Contact(self.clone())
    }
}

/// Counts a request until its answer is sent. For `from_fn_with_state`.
pub(crate) async fn count(State(contacts): State<Contacts>, request: Request, next: Next) -> Response {
    let contact = contacts.begin();
    next.run(request).await.map(|body| Body::new(Sending { body, _contact: contact }))
}

/// A request that is being answered.
struct Contact(Contacts);

impl Drop for Contact {
    fn drop(&mut self) {
        let mut requests = lock(&self.0.0);
        (requests.open, requests.last) = (requests.open - 1, Instant::now());
    }
}

/// The body of an answer.
struct Sending {
    body: Body,
    _contact: Contact,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock(requests: &Mutex<Requests>) -> MutexGuard<'_, Requests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_is_waited_for() {
        let contacts = Contacts::new();
        tokio::time::sleep(QUIET * 3).await;
        let began = Instant::now();
        contacts.lost_for(QUIET).await;
        assert_eq!(began.elapsed(), QUIET, "from now on");

        let following = contacts.begin();
        let (waiting, began) = (contacts.clone(), Instant::now());
        let waiting = tokio::spawn(async move { waiting.lost_for(QUIET).await });
        tokio::time::sleep(QUIET * 4).await;
        assert!(!waiting.is_finished());
        drop(following);
        tokio::time::sleep(QUIET / 2).await;
        drop(contacts.begin());
        waiting.await.unwrap();
        assert!(began.elapsed() >= QUIET * 5, "{:?}", began.elapsed());
    }
}
