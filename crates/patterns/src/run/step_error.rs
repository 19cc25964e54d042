//! Why a step failed, and whether trying it again may help.

use parallax_api::execution::Fault;
use parallax_api::problem::{Outcome, Recovery};
use parallax_api::{Code, Problem};

/// The failure of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepError {
    /// What happened, as the run's record shows it.
    pub fault: Fault,
    /// What the engine does next.
    pub disposition: Disposition,
}

/// What the engine does after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The step may be tried again.
    Retry,
    /// Trying again would change nothing.
    Fail,
    /// The run is shutting down: nothing of this is recorded.
    Abort,
}

impl StepError {
    /// A failure that may not happen again.
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self { fault: Fault::new(code, message), disposition: Disposition::Retry }
    }

    /// A failure that would happen again.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self { fault: Fault::new(code, message), disposition: Disposition::Fail }
    }

    /// The run's store accepts no more events.
    pub fn shutting_down() -> Self {
        let fault = Fault::new("HALTED", "the run is not at work any more");
        Self { fault, disposition: Disposition::Abort }
    }

    /// An expression that has no meaning with the values of this run.
    pub fn type_error(why: impl Into<String>) -> Self {
        Self::permanent("TYPE_ERROR", why)
    }

    /// A text or result that is larger than it may be.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::permanent(Code::PayloadTooLarge.as_str(), message)
    }

    /// A fault that was recorded before.
    pub fn replayed(fault: Fault, disposition: Disposition) -> Self {
        Self { fault, disposition }
    }

    /// Whether the run is shutting down.
    pub fn is_abort(&self) -> bool {
        self.disposition == Disposition::Abort
    }
}

impl From<&Problem> for StepError {
    fn from(problem: &Problem) -> Self {
        let permanent = problem.code.recovery() == Recovery::Never;
        let disposition = if permanent { Disposition::Fail } else { Disposition::Retry };
        Self { fault: Fault::from(problem), disposition }
    }
}

/// Whether a refusal leaves open what was done: the engine makes the same call again. So does a 404 in nobody's words: whoever stands in
/// front of the servers says so while they are replaced.
pub(super) fn is_uncertain(problem: &Problem) -> bool {
    let is_nobody = problem.is_foreign && problem.status == 404;
    is_nobody || problem.code.outcome() == Outcome::Uncertain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_no_answer() {
        let refused = Problem::new(Code::NotFound, "no such workspace");
        assert!(!is_uncertain(&refused) && !is_uncertain(&Problem::no_agent("x")));
        assert!(is_uncertain(&Problem { is_foreign: true, ..refused }));
        // A gateway that takes no message of this size takes none the next time.
        assert!(!is_uncertain(&Problem { is_foreign: true, ..Problem::new(Code::PayloadTooLarge, "413") }));
    }
}
