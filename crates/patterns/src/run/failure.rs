//! Why a step did not do what it should.

use parallax_api::execution::Fault;
use parallax_api::{Code, Problem};

/// A step's failure, and what may follow.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// What happened.
    pub fault: Fault,
    /// What may follow.
    pub next: Next,
}

/// What may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The step may be tried again.
    Again,
    /// Trying again would change nothing.
    Nothing,
    /// The run itself is over or cannot go on: nothing is recorded of it.
    Halt,
}

impl Failure {
    /// One that may not happen again.
    pub fn again(code: &str, message: impl Into<String>) -> Self {
        Self { fault: Fault::new(code, message), next: Next::Again }
    }

    /// One that would happen again.
    pub fn lasting(code: &str, message: impl Into<String>) -> Self {
        Self { fault: Fault::new(code, message), next: Next::Nothing }
    }

    /// The journal takes no more.
    pub fn halted() -> Self {
        Self { fault: Fault::new("HALTED", "the run is not at work any more"), next: Next::Halt }
    }

    /// An expression that means nothing with the values there are.
    pub fn untyped(why: impl Into<String>) -> Self {
        Self::lasting("TYPE_ERROR", why)
    }

    /// A fault that was told before.
    pub fn told(fault: Fault, again: bool) -> Self {
        Self { fault, next: if again { Next::Again } else { Next::Nothing } }
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        let lasting = matches!(
            problem.code,
            Code::Validation
                | Code::PayloadTooLarge
                | Code::Unauthorized
                | Code::Forbidden
                | Code::Unsupported
        );
        Self { fault: Fault::from(problem), next: if lasting { Next::Nothing } else { Next::Again } }
    }
}

/// Whether a refusal leaves open what was done: the same call is made again.
pub(super) fn is_uncertain(problem: &Problem) -> bool {
    matches!(problem.code, Code::RuntimeUnavailable | Code::Timeout | Code::ShuttingDown | Code::Internal)
}
