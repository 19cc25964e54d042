//! The web UI, compiled in from `ui/dist`.
//!
//! `make ui` builds it. Without that the server works all the same, and says at `/` how to get the page. Beside each text file the
//! build puts the same compressed (`.gz`), which is what a browser gets; a browser that has the file gets 304.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parallax_api::{Code, Problem};
use rust_embed::{Embed, EmbeddedFile};

/// Paths that need no token: the page asks for one, and it is worth nothing without.
pub const OPEN_PATHS: [&str; 4] = ["/", "/assets/*", "/sw.js", "/manifest.webmanifest"];

/// Scripts and connections are of this server only. Styles may be inline because xterm.js makes its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where there is no page.
const NOT_BUILT: &str = include_str!("web_ui/not_built.html");

#[derive(Embed)]
#[folder = "ui/dist"]
struct Dist;

/// `GET /`, `GET /assets/…`, and what a browser wants at an address of its own.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/assets/{*path}", get(asset))
        .route("/sw.js", get(|headers: HeaderMap| file("sw.js", headers)))
        .route("/manifest.webmanifest", get(|headers: HeaderMap| file("manifest.webmanifest", headers)))
}

async fn index(headers: HeaderMap) -> Response {
    sent("index.html", &headers)
        .unwrap_or_else(|| guarded(StatusCode::OK, "text/html; charset=utf-8", NOT_BUILT))
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), headers).await
}

async fn file(name: &str, headers: HeaderMap) -> Response {
    sent(name, &headers).unwrap_or_else(|| {
        Problem::new(Code::NotFound, format!("there is nothing at /{name}")).into_response()
    })
}

/// The file as this client wants it: compressed where it can read that, or the word that it has it already. None without the file.
fn sent(name: &str, asked: &HeaderMap) -> Option<Response> {
    let plain = Dist::get(name)?;
    let compressed = if takes_gzip(asked) { Dist::get(&format!("{name}.gz")) } else { None };
    let is_compressed = compressed.is_some();
    let tag = entity_tag(&plain, is_compressed);
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| names(known, &tag));
    let mut response = if is_known {
        guarded(StatusCode::NOT_MODIFIED, media_type(name), ())
    } else {
        let file = compressed.unwrap_or(plain);
        guarded(StatusCode::OK, media_type(name), file.data.into_owned())
    };
    let headers = response.headers_mut();
    if is_compressed && !is_known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_named_by_contents(name) {
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

/// Names these bytes: the contents and how they are sent.
fn entity_tag(file: &EmbeddedFile, is_compressed: bool) -> String {
    let digest = hex::encode(&file.metadata.sha256_hash()[..12]);
    format!("\"{digest}{}\"", if is_compressed { "-gzip" } else { "" })
}

/// Whether `If-None-Match` has the tag, weak or not.
fn names(known: &HeaderValue, tag: &str) -> bool {
    known.to_str().is_ok_and(|known| {
        known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
    })
}

/// Whether a file of other contents would have another name: the build ends names with eight characters of a digest, such as
/// `index-DC125OPr.js`. A name that only looks like words is not taken for one.
fn is_named_by_contents(path: &str) -> bool {
    let digest = || {
        let name = path.strip_prefix("assets/")?;
        let stem = name.strip_suffix(".js").or_else(|| name.strip_suffix(".css"))?;
        let at = stem.len().checked_sub(9)?;
        stem.get(at..)?.strip_prefix('-')
    };
    digest().is_some_and(|digest| {
        digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && digest.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && weight.replace(' ', "") != "q=0"
        })
    })
}

fn guarded(status: StatusCode, media_type: &'static str, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        // A browser asks each time whether it has the newest; most of the answers are 304.
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
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_digest_are_kept_for_long() {
        for name in ["index-DC125OPr.js", "lib-kMPke-JE.js", "terminal-pane-oFExELc5.css"] {
            assert!(is_named_by_contents(&format!("assets/{name}")), "{name}");
        }
        for name in [
            "assets/xterm.js",
            "assets/react-markdown.js",
            "assets/licenses.md",
            "index-DC125OPr.js",
            "assets/é-DC125OPr.js.gz",
            "assets/.js",
            "index-DC125OPr.css",
        ] {
            assert!(!is_named_by_contents(name), "{name}");
        }
    }
}
