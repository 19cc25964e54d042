//! Refusals for what no handler answers: unknown routes, wrong methods, and handlers that panicked.

use std::any::Any;

use axum::Router;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use parallax_api::{Code, Problem};
use tower_http::catch_panic::CatchPanicLayer;

/// Adds the answers for unknown routes (`NOT_FOUND`), wrong methods (`METHOD_NOT_ALLOWED`, with `Allow`) and panics
/// (`INTERNAL`). For a whole router, after its last route.
pub fn with_fallbacks(router: Router) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send + 'static>| panicked(&*panic)))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at {}", uri.path()))
}

pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!("{} does not take {method}; the `Allow` header names what it takes", uri.path()),
    )
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = words, "a handler panicked");
    // The panic's words may hold what a caller must not see; they stand in the log.
    Problem::new(Code::Internal, "the server met a bug while answering; its log has more").into_response()
}
