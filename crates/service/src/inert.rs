//! What the API answers is data, also where it is what agents wrote: no browser takes it for a page of this server.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;

/// Opened in a browser, an answer runs nothing, loads nothing and has no origin.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// Marks what is answered below `/api`. What is elsewhere (the page, what agents serve on their ports) has policies of its own.
pub(crate) fn inert(router: Router) -> Router {
    router.layer(from_fn(mark))
}

async fn mark(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    if is_api && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    }
    response
}
