//! Refusals: one list of codes, one body (RFC 9457 `application/problem+json`).

mod code;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use code::{Alternative, Class, Code, Outcome, Recovery};

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A refusal, with its code, what to do, and what else helps. The error type of everything that is asked
/// over a socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:parallax:problem:` and the code.
    pub r#type: String,
    /// The code's summary.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time and what to do about it.
    pub detail: String,
    /// For programs.
    pub code: Code,
    /// What else helps: `field`, `loginUrl`, `attention`, `messageId`, `output`, `install`, `runtimes`, …
    #[serde(flatten)]
    pub more: Map<String, Value>,
    /// Whether the answer was in nobody's words: a proxy's, or another server's. Only who got the answer knows, so it is neither sent nor read.
    #[serde(skip)]
    pub is_foreign: bool,
}

impl Problem {
    /// A refusal with this code; `detail` is a sentence for a person.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:parallax:problem:{}", code.as_str().to_lowercase().replace('_', "-")),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
            more: Map::new(),
            is_foreign: false,
        }
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.insert(key.into(), value.into());
        self
    }

    /// `VALIDATION_ERROR` about one field.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::Validation, detail).with("field", field)
    }

    /// `AGENT_NOT_FOUND` for this id.
    pub fn no_agent(id: impl fmt::Display) -> Self {
        Self::new(
            Code::AgentNotFound,
            format!("no agent has the id {id}; `GET /api/managed-agents` lists those there are"),
        )
    }

    /// Whether a spawn that was refused so may succeed on another runtime: the fault is the runtime's, not the
    /// request's.
    pub fn allows_other_runtime(&self) -> bool {
        // Profiles and classes differ between runtimes: what one does not know another may.
        let is_named_there = |field: &Value| field == "type" || field == "class";
        let unknown_name =
            || self.code == Code::Validation && self.more.get("field").is_some_and(is_named_there);
        self.code.alternatives().contains(&Alternative::Runtime) || unknown_name()
    }

    /// `INTERNAL`, keeping the cause's words.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::Internal, format!("{cause:#}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(feature = "axum")]
impl axum::response::IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let status = axum::http::StatusCode::from_u16(self.status).unwrap_or_default();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(axum::http::header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        // For who logs it: the body is only bytes by now.
        response.extensions_mut().insert(self);
        response
    }
}
