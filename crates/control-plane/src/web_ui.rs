//! The web UI, compiled in from `ui/dist`.
//!
//! `make ui` builds it. Without that the server works all the same, and says at `/` how to get the page.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parallax_api::{Code, Problem};
use rust_embed::{Embed, EmbeddedFile};

/// Paths that need no token: the page asks for one, and it is worth nothing without.
pub const OPEN_PATHS: [&str; 2] = ["/", "/assets/*"];

/// Scripts and connections are of this server only. Styles may be inline because xterm.js makes its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where there is no page.
const NOT_BUILT: &str = include_str!("web_ui/not_built.html");

#[derive(Embed)]
#[folder = "ui/dist"]
struct Dist;

/// `GET /` and `GET /assets/…`.
pub fn routes() -> Router {
    Router::new().route("/", get(index)).route("/assets/{*path}", get(asset))
}

async fn index() -> Response {
    match Dist::get("index.html") {
        Some(page) => file(page, "text/html; charset=utf-8"),
        None => guarded(StatusCode::OK, "text/html; charset=utf-8", NOT_BUILT),
    }
}

async fn asset(Path(path): Path<String>) -> Response {
    match Dist::get(&format!("assets/{path}")) {
        Some(asset) => file(asset, media_type(&path)),
        None => Problem::new(Code::NotFound, format!("there is nothing at /assets/{path}")).into_response(),
    }
}

fn file(file: EmbeddedFile, media_type: &'static str) -> Response {
    guarded(StatusCode::OK, media_type, file.data.into_owned())
}

fn guarded(status: StatusCode, media_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        // The names of the files do not change with their contents.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
