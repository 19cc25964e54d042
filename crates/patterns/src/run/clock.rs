//! The time of a run. It follows tokio's clock, which a simulation can pause.

use std::time::Duration;

use parallax_api::Time;
use tokio::time::Instant;

/// Wall-clock time, derived from tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    at_began: Time,
}

impl Clock {
    /// A clock that shows `now`.
    pub fn at(now: Time) -> Self {
        Self { began: Instant::now(), at_began: now }
    }

    /// The present.
    pub fn now(&self) -> Time {
        Time::from_millis(self.at_began.as_millis() + millis(self.began.elapsed()))
    }

    /// The instant `wait` after `since`; now when that has passed.
    pub fn after(&self, since: Time, wait: Duration) -> Instant {
        let left = since.as_millis() + millis(wait) - self.now().as_millis();
        Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
