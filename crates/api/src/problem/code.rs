//! The table of codes: every way to be refused, and how each is classified.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a caller can do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Send another request.
    Invalid,
    /// Name something that exists.
    NotFound,
    /// Bring the agent into another state first.
    State,
    /// Use another token, name or origin.
    Access,
    /// Install, configure or free something.
    Unfulfillable,
    /// Wait for a server.
    Unavailable,
    /// Wait longer.
    Timeout,
    /// Read the log: it failed on our side or the agent's.
    Failed,
}

/// What a refusal says about the work that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was changed: the same request may be sent again.
    Unchanged,
    /// It may or may not have been done: repeat it under the same name.
    Uncertain,
    /// It was taken and failed afterwards: sent again, it is done again.
    Taken,
}

/// When the same request may succeed, in ascending order of hope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recovery {
    /// Never: the request itself is at fault.
    Never,
    /// After somebody changed something else: the agent, a program, a directory.
    AfterChange,
    /// On another attempt.
    NextAttempt,
    /// After waiting.
    Later,
}

/// What may succeed where this was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// Another runtime: the fault is the runtime's, not the request's.
    Runtime,
    /// Another agent type.
    AgentType,
}

macro_rules! codes {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $name:literal, $status:literal, $title:literal,
            $class:ident, $outcome:ident, $recovery:ident, [$($alternative:ident)*];
    )*) => {
        /// Why something was refused. The status, the title and the classification belong to the code; what to do
        /// stands in `detail`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

            /// What a caller can do about it.
            pub fn class(self) -> Class {
                match self { $(Code::$variant => Class::$class,)* }
            }

            /// What it says about the work that was asked for.
            pub fn outcome(self) -> Outcome {
                match self { $(Code::$variant => Outcome::$outcome,)* }
            }

            /// When the same request may succeed.
            pub fn recovery(self) -> Recovery {
                match self { $(Code::$variant => Recovery::$recovery,)* }
            }

            /// What may succeed instead.
            pub fn alternatives(self) -> &'static [Alternative] {
                match self { $(Code::$variant => &[$(Alternative::$alternative),*],)* }
            }
        }
    };
}

// Each code with its status and title, its class, what it says of the outcome, when the same request may succeed, and
// which alternatives may.
codes! {
    /// The request is malformed; `field` says where.
    Validation = "VALIDATION_ERROR", 400, "The request is not valid",
        Invalid, Unchanged, Never, [AgentType];
    /// No token, or a wrong one.
    Unauthorized = "UNAUTHORIZED", 401, "A valid token is needed",
        Access, Unchanged, Never, [];
    /// The token, the `Host` or the `Origin` does not allow this.
    Forbidden = "FORBIDDEN", 403, "Not allowed",
        Access, Unchanged, Never, [];
    /// No agent has this id.
    AgentNotFound = "AGENT_NOT_FOUND", 404, "No such agent",
        NotFound, Unchanged, AfterChange, [];
    /// No such route or thing.
    NotFound = "NOT_FOUND", 404, "Not found",
        NotFound, Unchanged, AfterChange, [];
    /// The route exists, the method does not.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, "Method not allowed",
        Invalid, Unchanged, Never, [];
    /// A person must log in first; `loginUrl` says where when it is known.
    AuthRequired = "AUTH_REQUIRED", 409, "The agent waits for a login",
        State, Unchanged, AfterChange, [];
    /// The agent asks something first; `attention` holds the question.
    QuestionPending = "QUESTION_PENDING", 409, "The agent waits for an answer",
        State, Unchanged, AfterChange, [];
    /// The question that was answered is over, or another stands now; `attention` holds it.
    QuestionChanged = "QUESTION_CHANGED", 409, "The question is another one now",
        State, Unchanged, AfterChange, [];
    /// The agent has ended.
    AgentStopped = "AGENT_STOPPED", 409, "The agent has ended",
        State, Unchanged, AfterChange, [];
    /// The agent works on something else.
    AgentBusy = "AGENT_BUSY", 409, "The agent is busy",
        State, Unchanged, AfterChange, [];
    /// The agent is in no state for this (nothing to answer, nothing to interrupt).
    Conflict = "CONFLICT", 409, "Not possible in this state",
        State, Unchanged, AfterChange, [];
    /// The same `Idempotency-Key` came with another request.
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", 409, "The idempotency key was used for another request",
        State, Unchanged, AfterChange, [];
    /// The body or a frame is too large.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, "Too large",
        Invalid, Unchanged, Never, [];
    /// The body is not JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported media type",
        Invalid, Unchanged, Never, [];
    /// The agent type's program is not installed; `install` says how to get it.
    CliNotFound = "CLI_NOT_FOUND", 422, "The agent's program is not installed",
        Unfulfillable, Unchanged, AfterChange, [Runtime AgentType];
    /// The working directory does not exist.
    WorkdirNotFound = "WORKDIR_NOT_FOUND", 422, "The working directory does not exist",
        Unfulfillable, Unchanged, AfterChange, [];
    /// The working directory is outside the allowed roots.
    WorkdirForbidden = "WORKDIR_FORBIDDEN", 422, "The working directory is not allowed",
        Unfulfillable, Unchanged, AfterChange, [];
    /// The image cannot be had.
    ImageNotFound = "IMAGE_NOT_FOUND", 422, "The image cannot be had",
        Unfulfillable, Unchanged, AfterChange, [Runtime AgentType];
    /// This runtime or profile cannot honour a field.
    Unsupported = "UNSUPPORTED", 422, "Not supported here",
        Unfulfillable, Unchanged, Never, [Runtime AgentType];
    /// More than the runtime's policy allows, or something that it does not allow; `field` names it, `maximum` or `allowed`
    /// say what is allowed.
    PolicyDenied = "POLICY_DENIED", 422, "The runtime's policy does not allow this",
        Unfulfillable, Unchanged, AfterChange, [Runtime];
    /// A bound is reached: agents, queue, memory, viewers.
    ResourceLimit = "RESOURCE_LIMIT", 429, "A limit is reached",
        Unfulfillable, Unchanged, Later, [Runtime];
    /// A bug or a broken disk; the log of the server has more.
    Internal = "INTERNAL", 500, "Internal error",
        Failed, Uncertain, NextAttempt, [];
    /// The agent did not start; `output` has its last words.
    SpawnFailed = "SPAWN_FAILED", 502, "The agent did not start",
        Unfulfillable, Unchanged, NextAttempt, [Runtime AgentType];
    /// The agent failed to answer a message; `messageId` names it.
    AgentFailed = "AGENT_FAILED", 502, "The agent failed",
        Failed, Taken, NextAttempt, [];
    /// No runtime can take this; `runtimes` has each one's reason.
    NoRuntime = "NO_RUNTIME", 503, "No runtime can take this",
        Unavailable, Unchanged, NextAttempt, [AgentType];
    /// The runtime that has the agent does not answer.
    RuntimeUnavailable = "RUNTIME_UNAVAILABLE", 503, "The runtime does not answer",
        Unavailable, Uncertain, Later, [Runtime];
    /// The server is going away.
    ShuttingDown = "SHUTTING_DOWN", 503, "The server is going away",
        Unavailable, Uncertain, Later, [Runtime];
    /// It takes longer than the request wanted to wait.
    Timeout = "TIMEOUT", 504, "Not in time",
        Timeout, Uncertain, Later, [];
    /// The server's disk is full, or its database cannot be written; nothing was done.
    StorageFull = "STORAGE_FULL", 507, "The server cannot store anything",
        Unavailable, Unchanged, Later, [Runtime];
}

impl Code {
    /// Whether a spawn that was refused so may succeed with another agent type.
    pub fn allows_other_type(self) -> bool {
        self.alternatives().contains(&Alternative::AgentType)
    }
}

// By hand: the derive does not see names that a macro passes on.
impl utoipa::PartialSchema for Code {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some("Why something was refused; each code has one status."))
            .into()
    }
}

impl ToSchema for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Problem;

    #[test]
    fn the_schema_lists_the_codes_of_the_wire() {
        let schema = serde_json::to_value(<Code as utoipa::PartialSchema>::schema()).expect("json");
        let wire: Vec<Value> =
            Code::ALL.iter().map(|code| serde_json::to_value(code).expect("json")).collect();
        assert_eq!(schema["enum"], Value::Array(wire));
        assert!(schema["enum"].as_array().expect("a list").contains(&Value::from("VALIDATION_ERROR")));
    }

    #[test]
    fn faults_of_the_request_are_final_on_every_runtime() {
        let elsewhere = [
            Code::RuntimeUnavailable,
            Code::ShuttingDown,
            Code::ResourceLimit,
            Code::CliNotFound,
            Code::ImageNotFound,
            Code::Unsupported,
            Code::PolicyDenied,
            Code::SpawnFailed,
            Code::StorageFull,
        ];
        for code in Code::ALL {
            assert_eq!(Problem::new(*code, "").allows_other_runtime(), elsewhere.contains(code), "{code}");
        }
        assert!(Problem::invalid("type", "no such profile").allows_other_runtime());
        assert!(Problem::invalid("class", "no such class").allows_other_runtime());
        assert!(!Problem::invalid("name", "too long").allows_other_runtime());
    }

    #[test]
    fn what_is_uncertain_may_be_asked_again() {
        for code in Code::ALL {
            let uncertain = matches!(
                code,
                Code::Timeout | Code::RuntimeUnavailable | Code::ShuttingDown | Code::Internal
            );
            assert_eq!(code.outcome() == Outcome::Uncertain, uncertain, "{code}");
            assert!(!uncertain || code.recovery() >= Recovery::NextAttempt, "{code}");
        }
    }

    #[test]
    fn a_server_error_may_pass_and_a_client_error_may_not_except_for_limits() {
        for code in Code::ALL {
            let may_pass = code.status() >= 500 || *code == Code::ResourceLimit;
            assert_eq!(code.recovery() >= Recovery::NextAttempt, may_pass, "{code}");
        }
    }
}
