//! One request to one agent, built from the caller's request.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use parallax_api::AgentId;
use reqwest::Method;

use crate::runtimes::{Runtime, Unanswered};

/// How long a runtime may take to answer, where the request itself does not say.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Headers of a request that go on to the runtime.
const REQUEST_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ACCEPT, header::RANGE, IDEMPOTENCY_KEY];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One call to one agent.
#[derive(Debug)]
pub struct Call {
    method: Method,
    /// The path below the agent: `/send`, or nothing.
    rest: Cow<'static, str>,
    /// As it came, without the ticket.
    query: String,
    headers: HeaderMap,
    body: Bytes,
    /// How long the response may take to begin.
    timeout: Duration,
}

impl Call {
    /// A call without query, headers and body.
    pub fn new(method: Method, rest: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            rest: rest.into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: RESPONSE_TIMEOUT,
        }
    }

    /// The same with this query.
    #[must_use]
    pub fn query(mut self, query: Option<&str>) -> Self {
        // A ticket opens this server, not the runtime.
        let pairs = query.unwrap_or_default().split('&');
        let pairs: Vec<&str> =
            pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("ticket=")).collect();
        self.query = pairs.join("&");
        self
    }

    /// The same call to another place below the agent.
    #[must_use]
    pub fn to(mut self, rest: String) -> Self {
        self.rest = rest.into();
        self
    }

    /// The body, as it came.
    pub fn content(&self) -> &Bytes {
        &self.body
    }

    /// The same with this body, and those of these headers that describe it.
    #[must_use]
    pub fn body(mut self, headers: &HeaderMap, body: Bytes) -> Self {
        for name in REQUEST_HEADERS {
            if let Some(value) = headers.get(&name) {
                self.headers.insert(name, value.clone());
            }
        }
        self.body = body;
        self
    }

    /// The same with a new `Idempotency-Key` where the caller sent none, so that the call can be repeated safely.
    #[must_use]
    pub fn safe_to_repeat(mut self) -> Self {
        let fresh = || HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).expect("a UUID is ASCII");
        self.headers.entry(IDEMPOTENCY_KEY).or_insert_with(fresh);
        self
    }

    /// The same with this timeout.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same with this much more time for the response.
    #[must_use]
    pub fn taking(mut self, time: Duration) -> Self {
        self.timeout = self.timeout.saturating_add(time);
        self
    }

    /// Whether the call changes nothing.
    pub fn reads_only(&self) -> bool {
        self.method == Method::GET
    }

    /// Makes the call. A refusal of the runtime is a response.
    ///
    /// # Errors
    /// When there is no response.
    pub async fn send(self, runtime: &Runtime, id: &AgentId) -> Result<reqwest::Response, Unanswered> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let path = format!("/api/agents/{id}{}{mark}{}", self.rest, self.query);
        let request = || {
            let request = runtime.request(self.method.clone(), &path);
            request.headers(self.headers.clone()).body(self.body.clone())
        };
        let repeatable = self.method == Method::GET || self.headers.contains_key(&IDEMPOTENCY_KEY);
        match runtime.exchange(request(), self.timeout).await {
            // A kept connection that the runtime closed at that moment, most often because it was restarted.
            Err(unanswered) if repeatable && unanswered.broke_off => {
                runtime.exchange(request(), self.timeout).await
            }
            response => response,
        }
    }
}
