//! When to try again after a stream was lost.

use std::time::Duration;

use crate::Problem;
use crate::problem::Recovery;
use crate::retry::Backoff;

/// How often and how long a lost stream is connected again. The delay doubles from `first` to `longest` and starts
/// over once a connection has held that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first delay.
    pub first: Duration,
    /// The longest delay.
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

/// The attempts to connect a stream again.
pub(super) struct Reconnect {
    backoff: Backoff,
    attempts: Option<u32>,
    failed: u32,
    /// There was a connection: the address is that of a server.
    has_held: bool,
}

impl Reconnect {
    pub(super) fn new(retry: Retry) -> Self {
        Self {
            backoff: Backoff::new(retry.first, retry.longest),
            attempts: retry.attempts,
            failed: 0,
            has_held: false,
        }
    }

    /// A connection held for so long; if that was long enough, the next loss begins a new row of attempts.
    pub(super) fn held(&mut self, how_long: Duration) {
        self.has_held = true;
        if how_long >= self.backoff.longest() {
            self.backoff.reset();
            self.failed = 0;
        }
    }

    /// How long to wait before the next attempt; none when `problem` is final or the attempts are used up.
    pub(super) fn delay_after(&mut self, problem: &Problem) -> Option<Duration> {
        // Whoever stands in front of the servers says so while they are replaced: a Service without an endpoint, a proxy.
        let is_nobody = self.has_held && problem.status == 404 && problem.is_foreign;
        if !(is_nobody || is_transient(problem))
            || self.attempts.is_some_and(|attempts| self.failed >= attempts)
        {
            return None;
        }
        self.failed += 1;
        Some(self.backoff.next_delay())
    }
}

/// Whether connecting again may help. A wrong token or an unknown agent stays one.
fn is_transient(problem: &Problem) -> bool {
    // The status counts as well: a proxy, or a newer server, may refuse with one that no code of ours has.
    problem.code.recovery() >= Recovery::NextAttempt || problem.status >= 500
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let lost = Problem::new(Code::RuntimeUnavailable, "gone");
        let mut reconnect = Reconnect::new(Retry::default());
        let pauses: Vec<u128> =
            (0..7).map(|_| reconnect.delay_after(&lost).expect("goes on").as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3000, 3000]);
        reconnect.held(Duration::from_secs(1));
        assert_eq!(reconnect.delay_after(&lost), Some(Duration::from_secs(3)), "a short one changes nothing");
        reconnect.held(Duration::from_secs(4));
        assert_eq!(reconnect.delay_after(&lost), Some(Duration::from_millis(100)));
    }

    #[test]
    fn some_refusals_are_final() {
        let mut reconnect = Reconnect::new(Retry::default());
        assert_eq!(reconnect.delay_after(&Problem::no_agent("x")), None);
        assert_eq!(reconnect.delay_after(&Problem::new(Code::Unauthorized, "no")), None);
        let nobody = Problem { is_foreign: true, ..Problem::new(Code::NotFound, "404 page not found") };
        assert!(reconnect.delay_after(&nobody).is_none(), "an address that is wrong");
        reconnect.held(Duration::ZERO);
        assert!(reconnect.delay_after(&nobody).is_some());
        assert!(Reconnect::new(Retry::NEVER).delay_after(&Problem::new(Code::Timeout, "slow")).is_none());
    }
}
