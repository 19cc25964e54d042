//! When to try again after a stream was lost.

use std::time::Duration;

use tokio::time::Instant;

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
    /// How many attempts in a row may fail. 0: a loss is the end; none: any number.
    pub attempts: Option<u32>,
    /// How long attempts in a row may take altogether, with the delays between them, whether they are refused or nobody answers. None: for
    /// ever.
    pub patience: Option<Duration>,
}

impl Retry {
    /// A loss is the end of the stream.
    pub const NEVER: Retry =
        Retry { first: Duration::ZERO, longest: Duration::ZERO, attempts: Some(0), patience: None };
}

impl Default for Retry {
    /// From 100 ms to 3 s, for ever.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(3),
            attempts: None,
            patience: None,
        }
    }
}

/// The attempts to connect a stream again.
pub(super) struct Reconnect {
    backoff: Backoff,
    attempts: Option<u32>,
    failed: u32,
    patience: Option<Duration>,
    /// When the first attempt of the row was to be made.
    lost_at: Option<Instant>,
    /// There was a connection: the address is that of a server.
    has_held: bool,
}

impl Reconnect {
    pub(super) fn new(retry: Retry) -> Self {
        Self {
            backoff: Backoff::new(retry.first, retry.longest),
            attempts: retry.attempts,
            failed: 0,
            patience: retry.patience,
            lost_at: None,
            has_held: false,
        }
    }

    /// A connection held for so long; if that was long enough, the next loss begins a new row of attempts.
    pub(super) fn held(&mut self, how_long: Duration) {
        self.has_held = true;
        if how_long >= self.backoff.longest() {
            self.backoff.reset();
            (self.failed, self.lost_at) = (0, None);
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
        self.lost_at.get_or_insert_with(Instant::now);
        let delay = self.backoff.next_delay();
        if delay >= self.left() {
            return None;
        }
        self.failed += 1;
        Some(delay)
    }

    /// How long an attempt may wait for an answer that may take `usual`.
    pub(super) fn bound(&self, usual: Duration) -> Duration {
        usual.min(self.left())
    }

    fn left(&self) -> Duration {
        let (Some(patience), Some(lost_at)) = (self.patience, self.lost_at) else { return Duration::MAX };
        patience.saturating_sub(lost_at.elapsed())
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

    #[tokio::test(start_paused = true)]
    async fn it_is_given_up_when_it_has_lasted_too_long() {
        let lost = Problem::new(Code::RuntimeUnavailable, "gone");
        let retry = Retry { patience: Some(Duration::from_secs(60)), ..Retry::default() };
        let mut reconnect = Reconnect::new(retry);
        let silence = Duration::from_secs(45);
        let began = Instant::now();
        while let Some(pause) = reconnect.delay_after(&lost) {
            tokio::time::sleep(pause).await;
            // It takes the connection, and says nothing.
            tokio::time::sleep(reconnect.bound(silence)).await;
        }
        let took = began.elapsed();
        assert!((Duration::from_secs(57)..=Duration::from_secs(61)).contains(&took), "{took:?}");
        reconnect.held(Duration::MAX);
        assert_eq!(reconnect.bound(silence), silence);
        assert!(reconnect.delay_after(&lost).is_some(), "a new row of attempts");
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
