//! Calls to an agent, passed on to the runtime that has it.
//!
//! The body of a request goes on as it came and the answer comes back as it is, so that every refusal reaches the
//! caller in the runtime's own words. Two things are changed: an agent in an answer carries the runtime's name here,
//! and what is about the connection itself stays here.

pub mod terminal;

use std::time::Duration;

use axum::body::{Body as AnswerBody, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use parallax_api::{Agent, AgentId, Code, Problem};
use parallax_service::shutdown::Shutdown;
use reqwest::Method;

use crate::directory::Directory;
use crate::runtimes::{Runtime, Unanswered};

/// How long a runtime may take for an answer, where the request itself does not say.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Headers of a request that go on to the runtime.
const PASSED_ON: [HeaderName; 3] = [header::CONTENT_TYPE, header::ACCEPT, IDEMPOTENCY_KEY];
/// Headers of an answer that come back.
const PASSED_BACK: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("idempotency-replayed"),
];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One call to one agent.
#[derive(Debug)]
pub struct Call {
    method: Method,
    /// Below the agent: `/send`, or nothing.
    rest: &'static str,
    /// As it came, without the ticket.
    query: String,
    headers: HeaderMap,
    body: Bytes,
    /// How long the answer may take to begin.
    limit: Duration,
}

impl Call {
    /// A call without query, headers and body.
    pub fn new(method: Method, rest: &'static str) -> Self {
        Self {
            method,
            rest,
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limit: ANSWER_TIMEOUT,
        }
    }

    /// The same with this query.
    #[must_use]
    pub fn query(mut self, query: Option<String>) -> Self {
        // A ticket opens this server, not the runtime.
        let pairs = query.as_deref().unwrap_or_default().split('&');
        let pairs: Vec<&str> =
            pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("ticket=")).collect();
        self.query = pairs.join("&");
        self
    }

    /// The same with this body, and those of these headers that say something about it.
    #[must_use]
    pub fn body(mut self, headers: &HeaderMap, body: Bytes) -> Self {
        for name in PASSED_ON {
            if let Some(value) = headers.get(&name) {
                self.headers.insert(name, value.clone());
            }
        }
        self.body = body;
        self
    }

    /// The same with an `Idempotency-Key` of our own where the caller sent none: asking again is then safe.
    #[must_use]
    pub fn safe_to_repeat(mut self) -> Self {
        let fresh = || HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).expect("a UUID is ASCII");
        self.headers.entry(IDEMPOTENCY_KEY).or_insert_with(fresh);
        self
    }

    /// The same with this much time for the answer.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same with so much more time for the answer.
    #[must_use]
    pub fn taking(mut self, time: Duration) -> Self {
        self.limit = self.limit.saturating_add(time);
        self
    }

    /// Makes the call. An answer of the runtime is an answer, refusals included.
    ///
    /// # Errors
    /// When there is none.
    pub async fn send(self, runtime: &Runtime, id: &AgentId) -> Result<reqwest::Response, Unanswered> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let path = format!("/api/agents/{id}{}{mark}{}", self.rest, self.query);
        let request = || {
            let request = runtime.request(self.method.clone(), &path);
            request.headers(self.headers.clone()).body(self.body.clone())
        };
        let repeatable = self.method == Method::GET || self.headers.contains_key(&IDEMPOTENCY_KEY);
        match runtime.exchange(request(), self.limit).await {
            // A kept connection that the runtime closed at that moment, most often because it was restarted.
            Err(unanswered) if repeatable && unanswered.broke_off => {
                runtime.exchange(request(), self.limit).await
            }
            answer => answer,
        }
    }
}

/// The runtime's answer as ours: its body streams through as it comes, until the shutdown.
pub fn pass_back(answer: reqwest::Response, shutdown: &Shutdown) -> Response {
    let (status, headers) = (answer.status(), passed_back(answer.headers()));
    let going = shutdown.token().clone().cancelled_owned();
    (status, headers, AnswerBody::from_stream(answer.bytes_stream().take_until(going))).into_response()
}

/// The same for an answer that is an agent: it gets the runtime's name here, and the directory learns of it. When the
/// runtime does not know the agent, the directory forgets it.
///
/// # Errors
/// When the answer breaks off.
pub async fn pass_back_agent(
    answer: reqwest::Response,
    runtime: &Runtime,
    directory: &Directory,
    id: &AgentId,
) -> Result<Response, Problem> {
    let (status, headers) = (answer.status(), passed_back(answer.headers()));
    let body = read(answer, runtime).await?;
    if status.is_success() {
        return Ok((status, axum::Json(agent(&body, runtime, directory)?)).into_response());
    }
    if status == StatusCode::NOT_FOUND
        && problem(&body).is_some_and(|problem| problem.code == Code::AgentNotFound)
    {
        directory.forget(id);
    }
    Ok((status, headers, body).into_response())
}

/// The agent in a runtime's answer, under its name here; the directory learns of it.
///
/// # Errors
/// When it is none.
pub fn agent(body: &[u8], runtime: &Runtime, directory: &Directory) -> Result<Agent, Problem> {
    let mut agent: Agent = serde_json::from_slice(body).map_err(|error| {
        Problem::internal(format!(
            "the runtime `{}` answered with something else than an agent: {error}",
            runtime.name()
        ))
    })?;
    runtime.name().clone_into(&mut agent.runtime);
    directory.learn(agent.clone());
    Ok(agent)
}

/// The refusal in a body, if it is one.
pub fn problem(body: &[u8]) -> Option<Problem> {
    serde_json::from_slice(body).ok()
}

/// The whole body of an answer.
///
/// # Errors
/// `RUNTIME_UNAVAILABLE` when it breaks off.
pub async fn read(answer: reqwest::Response, runtime: &Runtime) -> Result<Bytes, Problem> {
    answer.bytes().await.map_err(|error| {
        runtime.doubt();
        let detail = format!("the answer of the runtime `{}` broke off: {error}", runtime.name());
        Problem::new(Code::RuntimeUnavailable, detail)
    })
}

fn passed_back(headers: &HeaderMap) -> HeaderMap {
    PASSED_BACK.into_iter().filter_map(|name| headers.get(&name).map(|value| (name, value.clone()))).collect()
}

/// The body of a request as it came. An extractor.
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::PayloadTooLarge, "the body is longer than this server takes")
            }
            _ => Problem::new(Code::Validation, format!("the body did not arrive whole: {rejection}")),
        })
    }
}
