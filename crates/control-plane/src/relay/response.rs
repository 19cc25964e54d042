//! A runtime's response, as the control plane's.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use parallax_api::client::read_within;
use parallax_api::files::OMITTED_HEADER;
use parallax_api::observe::{LOG_GAPS, LOG_OFFSET};
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_service::shutdown::Shutdown;

use crate::agent_cache::{AgentCache, Heard};
use crate::runtimes::Runtime;

/// Headers of a response that go back to the caller.
const RESPONSE_HEADERS: [HeaderName; 11] = [
    header::CONTENT_TYPE,
    // Who reads a response that broke off is to notice.
    header::CONTENT_LENGTH,
    header::CONTENT_DISPOSITION,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
    HeaderName::from_static(LOG_GAPS),
    HeaderName::from_static(LOG_OFFSET),
    HeaderName::from_static(OMITTED_HEADER),
];

/// The longest body that is read as a whole, in bytes: an agent, or a refusal.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long one may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The runtime's response as ours: its body streams through as it comes, until the shutdown.
pub fn into_response(response: reqwest::Response, shutdown: &Shutdown) -> Response {
    let (status, headers) = (response.status(), response_headers(response.headers()));
    let shutting_down = shutdown.token().clone().cancelled_owned();
    (status, headers, Body::from_stream(response.bytes_stream().take_until(shutting_down))).into_response()
}

/// The same for a response whose body is an agent: it gets the runtime's name here and is cached. When the runtime does
/// not know the agent, it is removed from the cache.
///
/// # Errors
/// When the response breaks off.
pub async fn into_agent_response(
    response: reqwest::Response,
    runtime: &Runtime,
    cache: &AgentCache,
    id: &AgentId,
    heard: Heard,
) -> Result<Response, Problem> {
    let (status, headers) = (response.status(), response_headers(response.headers()));
    let body = read(response, runtime).await?;
    if status.is_success() {
        return Ok((status, axum::Json(agent(&body, runtime, cache, Some(id), heard)?)).into_response());
    }
    if status == StatusCode::NOT_FOUND
        && problem(&body).is_some_and(|problem| problem.code == Code::AgentNotFound)
    {
        cache.remove(id);
    }
    Ok((status, headers, body).into_response())
}

/// The agent in a runtime's response, under the runtime's name here; it is cached. It must be the one that was asked for, or, where
/// the runtime gives the id (`id` is none), not another runtime's: the caller would go on with that one.
///
/// # Errors
/// `INTERNAL` when the body is no agent, or not this one.
pub fn agent(
    body: &[u8],
    runtime: &Runtime,
    cache: &AgentCache,
    id: Option<&AgentId>,
    heard: Heard,
) -> Result<Agent, Problem> {
    let unexpected = |what: String| {
        Problem::internal(format!(
            "the runtime `{}` answered with something else than {what}",
            runtime.name()
        ))
    };
    let mut agent: Agent =
        serde_json::from_slice(body).map_err(|error| unexpected(format!("an agent: {error}")))?;
    if id.is_some_and(|id| agent.id != *id) || cache.belongs_to_another(&agent.id, runtime.name()) {
        return Err(unexpected("an agent of its own that was asked for".into()));
    }
    runtime.name().clone_into(&mut agent.runtime);
    cache.upsert(agent.clone(), heard);
    Ok(agent)
}

/// The refusal in a body, if it is one.
pub fn problem(body: &[u8]) -> Option<Problem> {
    serde_json::from_slice(body).ok()
}

/// The whole body of a response.
///
/// # Errors
/// `RUNTIME_UNAVAILABLE` when it breaks off, has more than 16 MiB or takes longer than 30 s.
pub async fn read(response: reqwest::Response, runtime: &Runtime) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, read_within(MAX_BODY, response)).await;
    let why = match read {
        Ok(Ok(Some(body))) => return Ok(body),
        Ok(Ok(None)) => format!("has more than {} MiB", MAX_BODY >> 20),
        Ok(Err(error)) => format!("broke off: {error}"),
        Err(_) => format!("did not end within {} s", BODY_TIMEOUT.as_secs()),
    };
    runtime.recheck();
    let detail = format!("the answer of the runtime `{}` {why}", runtime.name());
    Err(Problem::new(Code::RuntimeUnavailable, detail))
}

fn response_headers(headers: &HeaderMap) -> HeaderMap {
    let kept = RESPONSE_HEADERS.into_iter();
    kept.filter_map(|name| headers.get(&name).map(|value| (name, value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream::{self, Stream};
    use parallax_api::runtime::RuntimeKind;

    use super::*;
    use crate::runtimes::{RuntimeSpec, Runtimes};

    /// Why this body is not read.
    async fn unread(body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> String {
        let spec = RuntimeSpec::of_kind(RuntimeKind::Local, "http://127.0.0.1:1");
        let runtimes = Runtimes::new(vec![spec], "a control plane").expect("a runtime");
        let response = axum::http::Response::new(reqwest::Body::wrap_stream(body));
        let runtime = runtimes.get("local").expect("it is there");
        let problem = read(response.into(), runtime).await.expect_err("it has no end");
        assert_eq!(problem.code, Code::RuntimeUnavailable);
        problem.detail
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_an_end() {
        let piece = || Ok(Bytes::from_static(&[b'x'; 64 * 1024]));
        let endless = stream::repeat_with(piece);
        assert!(unread(endless).await.contains("more than 16 MiB"));
        let silent = stream::once(async move { piece() }).chain(stream::pending());
        assert!(unread(silent).await.contains("within 30 s"));
        let cut = stream::iter([piece(), Err(io::Error::other("cut"))]);
        assert!(unread(cut).await.contains("broke off"));
    }
}
