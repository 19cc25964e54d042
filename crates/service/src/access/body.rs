//! The bound of request bodies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use http_body_util::Limited;
use parallax_api::{Code, Problem};
use tokio::time::{Instant, Sleep};

/// The longest body unless told otherwise, in bytes: the longest message (1 MiB) fits even when JSON escapes every
/// character of it.
pub const DEFAULT_LIMIT: usize = 8 * 1024 * 1024;
/// The slowest a body may arrive, in bytes a second.
const MIN_RATE: u64 = 8 * 1024;
/// How long a body may take before its rate counts.
const START_GRACE: Duration = Duration::from_secs(10);
/// How much of a refused body is read and thrown away: a client that still sends when the connection closes may
/// never see the answer.
const DRAIN: usize = 64 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The request with its body bounded. A body that says that it is longer is refused before it is read.
pub(super) async fn bound(request: Request, limit: usize) -> Result<Request, Problem> {
    if request.body().size_hint().lower() <= limit as u64 {
        return Ok(request.map(|body| Body::new(Limited::new(RatedBody::new(body), limit))));
    }
    // A client that waits for `100 Continue` has sent nothing yet and must not be asked to.
    if !request.headers().contains_key(header::EXPECT) {
        drain(request.into_body()).await;
    }
    Err(too_large(limit))
}

/// `PAYLOAD_TOO_LARGE` for this limit.
pub fn too_large(limit: usize) -> Problem {
    Problem::new(Code::PayloadTooLarge, format!("a body has at most {limit} bytes here")).with("limit", limit)
}

async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    let read = async {
        let mut left = DRAIN;
        while let Some(Ok(chunk)) = chunks.next().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { break };
            left = rest;
        }
    };
    // Out of time is as good as read: the answer follows either way.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

/// A body that must arrive at [`MIN_RATE`], after [`START_GRACE`].
struct RatedBody {
    inner: Body,
    received: u64,
    began: Instant,
    /// Runs while the body is waited for.
    late: Option<Pin<Box<Sleep>>>,
}

/// The body came slower than [`MIN_RATE`].
#[derive(Debug, thiserror::Error)]
#[error("it came slower than {MIN_RATE} bytes a second")]
struct TooSlow;

impl RatedBody {
    fn new(inner: Body) -> Self {
        Self { inner, received: 0, began: Instant::now(), late: None }
    }

    /// When more must have arrived.
    fn deadline(&self) -> Instant {
        self.began + START_GRACE + Duration::from_secs(self.received / MIN_RATE)
    }
}

impl HttpBody for RatedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    self.received += data.len() as u64;
                }
                self.late = None;
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let deadline = self.deadline();
                let late = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                late.as_mut().poll(cx).map(|()| Some(Err(TooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
