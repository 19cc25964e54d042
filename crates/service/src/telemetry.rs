//! Logs: to standard error, for people on a terminal and as JSON lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use parallax_api::{Code, Problem};
use tower_http::trace::TraceLayer;
use tracing::Span;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::access::path_key::without_key;

/// Starts logging with this filter (`info`, `parallax_service=debug,warn`, …). `LOG_FORMAT` is `json` or `text`;
/// without it, a terminal gets text and everything else JSON.
///
/// # Errors
/// When the filter or the format is not valid, or logging has been started before.
pub fn init(filter: &str) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(filter).with_context(|| format!("the log filter `{filter}` is not valid"))?;
    let json = match std::env::var("LOG_FORMAT").as_deref() {
        Ok("json") => true,
        Ok("text") => false,
        Ok("") | Err(_) => !std::io::stderr().is_terminal(),
        Ok(other) => anyhow::bail!("LOG_FORMAT is `json` or `text`, not `{other}`"),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()
    }
    .context("logging was started twice")
}

/// Gives every request a span with method and path (never the query, which may hold a ticket, nor a key in the path) and logs its end.
pub fn trace(router: Router) -> Router {
    router.layer(
        TraceLayer::new_for_http()
            .make_span_with(|request: &Request| {
                let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
                tracing::info_span!(
                    "request",
                    method = %request.method(),
                    path = %without_key(request.uri().path()),
                    route,
                )
            })
            .on_request(())
            .on_response(|response: &Response, took: Duration, _: &Span| log_answer(response, took))
            .on_body_chunk(())
            .on_eos(())
            // Logged as the answer that it became.
            .on_failure(()),
    )
}

/// The line of an answer. One that says that this server failed is for its operator, the rest for who looks closer.
fn log_answer(response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let duration_ms = took.as_millis() as u64;
    match response.extensions().get::<Problem>() {
        Some(problem) if problem.code == Code::Internal => {
            tracing::error!(status, duration_ms, detail = problem.detail, "failed to answer");
        }
        Some(problem) => {
            tracing::debug!(status, duration_ms, code = %problem.code, detail = problem.detail, "refused");
        }
        None => tracing::debug!(status, duration_ms, "answered"),
    }
}
