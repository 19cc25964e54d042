//! When to try again after a stream was lost.

use std::time::Duration;

use crate::{Code, Problem};

/// How often and how long a lost stream is connected again. The pause doubles from `first` to `longest` and starts
/// over once a connection has held that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How many attempts in a row may fail. 0: a loss is the end; none: never give up.
    pub attempts: Option<u32>,
}

impl Retry {
    /// A loss is the end of the stream.
    pub const NEVER: Retry = Retry { first: Duration::ZERO, longest: Duration::ZERO, attempts: Some(0) };
}

impl Default for Retry {
    /// From 100 ms to 3 s, for ever.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(3), attempts: None }
    }
}

/// The pauses of one loss.
pub(super) struct Backoff {
    retry: Retry,
    failed: u32,
}

impl Backoff {
    pub(super) fn new(retry: Retry) -> Self {
        Self { retry, failed: 0 }
    }

    /// A connection held for so long; if that was long enough, the loss is not one of a row.
    pub(super) fn held(&mut self, how_long: Duration) {
        if how_long >= self.retry.longest {
            self.failed = 0;
        }
    }

    /// Whether to try again after `problem`, and how long to wait before.
    pub(super) fn next(&mut self, problem: &Problem) -> Option<Duration> {
        if !may_pass(problem) || self.retry.attempts.is_some_and(|attempts| self.failed >= attempts) {
            return None;
        }
        let pause = self.retry.first.saturating_mul(1 << self.failed.min(16)).min(self.retry.longest);
        self.failed += 1;
        Some(pause)
    }
}

/// Whether a refusal is of the moment. A wrong token or an unknown agent stays one.
fn may_pass(problem: &Problem) -> bool {
    matches!(
        problem.code,
        Code::RuntimeUnavailable | Code::ShuttingDown | Code::Timeout | Code::NoRuntime | Code::ResourceLimit
    ) || problem.status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let lost = Problem::new(Code::RuntimeUnavailable, "gone");
        let mut backoff = Backoff::new(Retry::default());
        let pauses: Vec<u128> = (0..7).map(|_| backoff.next(&lost).expect("goes on").as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3000, 3000]);
        backoff.held(Duration::from_secs(1));
        assert_eq!(backoff.next(&lost), Some(Duration::from_secs(3)), "a short one changes nothing");
        backoff.held(Duration::from_secs(4));
        assert_eq!(backoff.next(&lost), Some(Duration::from_millis(100)));
    }

    #[test]
    fn some_refusals_are_final() {
        let mut backoff = Backoff::new(Retry::default());
        assert_eq!(backoff.next(&Problem::no_agent("x")), None);
        assert_eq!(backoff.next(&Problem::new(Code::Unauthorized, "no")), None);
        assert!(Backoff::new(Retry::NEVER).next(&Problem::new(Code::Timeout, "slow")).is_none());
    }
}
