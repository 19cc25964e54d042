//! Responses of some length are compressed for who takes that.
//!
//! Streams are not: each of their pieces is to arrive when it was written, and a compressor waits for more. Nor is what is compressed
//! already, or a part of something.

use axum::Router;
use axum::http::{HeaderMap, header};
use tower_http::compression::predicate::Predicate;
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// Shorter bodies fit into one packet as they are.
const MIN_SIZE: u64 = 1024;
/// Media types that become much smaller.
const TEXTS: [&str; 5] = [
    "application/json",
    "application/problem+json",
    "application/yaml",
    "application/openmetrics-text",
    "text/",
];

/// Compresses what these routes answer.
pub(crate) fn compressed(router: Router) -> Router {
    let layer = CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest);
    router.layer(layer.compress_when(WholeText))
}

/// Texts of known length.
#[derive(Clone, Copy)]
struct WholeText;

impl Predicate for WholeText {
    fn should_compress<B: http_body::Body>(&self, response: &axum::http::Response<B>) -> bool {
        let headers = response.headers();
        let length = response.body().size_hint().exact().or_else(|| content_length(headers));
        length.is_some_and(|length| length >= MIN_SIZE) && is_text(headers)
    }
}

/// What a body that comes in pieces says of all of them.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    TEXTS.iter().any(|text| kind.starts_with(text)) && !kind.starts_with("text/event-stream")
}
