//! Waiting between attempts.

use std::time::Duration;

/// Exponential backoff: delays that double from a first to a longest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// How long to wait now; the next delay is twice as long, up to the longest.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next.min(self.longest);
        self.next = delay.saturating_mul(2).min(self.longest);
        delay
    }

    /// Starts over with the first delay.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits for the next delay.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// The longest delay.
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let seconds =
            |backoff: &mut Backoff| (0..5).map(|_| backoff.next_delay().as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(&mut backoff), [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(seconds(&mut backoff), [1, 2, 4, 5, 5]);
    }
}
