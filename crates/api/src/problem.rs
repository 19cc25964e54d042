//! Refusals: one list of codes, one body (RFC 9457 `application/problem+json`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// Why something was refused. The status and the title belong to the code; what to do stands in `detail`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code as the wire has it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status that goes with the code.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// A short, unchanging summary.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The request is malformed; `field` names the place.
    Validation = "VALIDATION_ERROR", 400, "The request is not valid";
    /// No token, or a wrong one.
    Unauthorized = "UNAUTHORIZED", 401, "A valid token is needed";
    /// The token, the `Host` or the `Origin` does not allow this.
    Forbidden = "FORBIDDEN", 403, "Not allowed";
    /// No agent has this id.
    AgentNotFound = "AGENT_NOT_FOUND", 404, "No such agent";
    /// No such route or thing.
    NotFound = "NOT_FOUND", 404, "Not found";
    /// The route exists, the method does not.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, "Method not allowed";
    /// A person must log in first; `loginUrl` says where when it is known.
    AuthRequired = "AUTH_REQUIRED", 409, "The agent waits for a login";
    /// The agent asks something first; `attention` holds the question.
    QuestionPending = "QUESTION_PENDING", 409, "The agent waits for an answer";
    /// The agent has ended.
    AgentStopped = "AGENT_STOPPED", 409, "The agent has ended";
    /// The agent works on something else.
    AgentBusy = "AGENT_BUSY", 409, "The agent is busy";
    /// The agent is in no state for this (nothing to answer, nothing to interrupt).
    Conflict = "CONFLICT", 409, "Not possible in this state";
    /// The same `Idempotency-Key` came with another request.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", 409, "The idempotency key was used for another request";
    /// The body or a frame is too large.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, "Too large";
    /// The body is not JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported media type";
    /// The agent type's program is not installed; `install` says how to get it.
    CliNotFound = "CLI_NOT_FOUND", 422, "The agent's program is not installed";
    /// The working directory does not exist.
    WorkdirNotFound = "WORKDIR_NOT_FOUND", 422, "The working directory does not exist";
    /// The working directory is outside the allowed roots.
    WorkdirForbidden = "WORKDIR_FORBIDDEN", 422, "The working directory is not allowed";
    /// The image cannot be had.
    ImageNotFound = "IMAGE_NOT_FOUND", 422, "The image cannot be had";
    /// This runtime or profile cannot honour a field.
    Unsupported = "UNSUPPORTED", 422, "Not supported here";
    /// A bound is reached: agents, queue, memory, viewers.
    ResourceLimit = "RESOURCE_LIMIT", 429, "A limit is reached";
    /// A bug or a broken disk; the log of the server has more.
    Internal = "INTERNAL", 500, "Internal error";
    /// The agent did not start; `output` has its last words.
    SpawnFailed = "SPAWN_FAILED", 502, "The agent did not start";
    /// The agent failed to answer a message; `messageId` names it.
    AgentFailed = "AGENT_FAILED", 502, "The agent failed";
    /// No runtime can take this; `runtimes` has each one's reason.
    NoRuntime = "NO_RUNTIME", 503, "No runtime can take this";
    /// The runtime that has the agent does not answer.
    RuntimeUnavailable = "RUNTIME_UNAVAILABLE", 503, "The runtime does not answer";
    /// The server is going away.
    ShuttingDown = "SHUTTING_DOWN", 503, "The server is going away";
    /// It takes longer than the request wanted to wait.
    Timeout = "TIMEOUT", 504, "Not in time";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
        (status, [(axum::http::header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
    }
}
