//! The bound of request bodies.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt;
use http_body_util::Limited;
use parallax_api::{Code, Problem};

/// The longest body unless told otherwise, in bytes: the longest message (1 MiB) fits even when JSON escapes every
/// character of it.
pub const DEFAULT_LIMIT: usize = 8 * 1024 * 1024;
/// How much of a refused body is read and thrown away: a client that still sends when the connection closes may
/// never see the answer.
const DRAIN: usize = 64 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// The request with its body bounded. A body that says that it is longer is refused before it is read.
pub(super) async fn bound(request: Request, limit: usize) -> Result<Request, Problem> {
    if request.body().size_hint().lower() <= limit as u64 {
        return Ok(request.map(|body| Body::new(Limited::new(body, limit))));
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
