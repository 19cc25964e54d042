//! Pauses between pieces of a stream.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two pieces: what comes in quick succession goes on together.
const SHORT: Duration = Duration::from_millis(5);
/// The same in a stream that goes on and on: larger pieces cost everybody less, and nobody waits for one event of many.
const LONG: Duration = Duration::from_millis(20);
/// It does after so many pieces with no longer pause between them.
const GOES_ON: u32 = 16;

/// When the next piece may go. One after a pause goes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    last: Option<Instant>,
    /// Pieces before the last with no pause between them.
    before: u32,
}

impl Pace {
    /// Until when the next piece waits, unless that has passed.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.last.map(|last| last + self.pause()).filter(|until| *until > now)
    }

    /// A piece went.
    pub fn went(&mut self, now: Instant) {
        let follows = self.last.is_some_and(|last| now < last + 2 * self.pause());
        self.before = if follows { self.before.saturating_add(1) } else { 0 };
        self.last = Some(now);
    }

    /// The next piece goes at once.
    pub fn rest(&mut self) {
        *self = Self::default();
    }

    fn pause(&self) -> Duration {
        if self.before < GOES_ON { SHORT } else { LONG }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of so many pieces that follow one another as fast as they may.
    fn pauses(pace: &mut Pace, now: &mut Instant, pieces: u32) -> Vec<Duration> {
        let pause = |_| {
            pace.went(*now);
            let pause = pace.until(*now).map_or(Duration::ZERO, |until| until - *now);
            *now += pause;
            pause
        };
        (0..pieces).map(pause).collect()
    }

    #[test]
    fn a_stream_that_goes_on_has_longer_pauses_until_it_rests() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert_eq!(pace.until(now), None, "the first does not wait");
        for _ in 0..2 {
            assert_eq!(pauses(&mut pace, &mut now, GOES_ON), vec![SHORT; GOES_ON as usize]);
            assert_eq!(pauses(&mut pace, &mut now, 3), vec![LONG; 3]);
            assert_eq!(pace.until(now), None, "it has waited");
            now += LONG;
        }
    }
}
