//! Waiting longer each time.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Doubles from a first pause to a longest one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growing {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Growing {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }
}

impl Iterator for Growing {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        Some(pause)
    }
}

impl Backoff for Growing {
    fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let mut pauses = Growing::new(Duration::from_secs(1), Duration::from_secs(5));
        let seconds = |pauses: &mut Growing| pauses.take(4).map(|pause| pause.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(&mut pauses), [1, 2, 4, 5]);
        pauses.reset();
        assert_eq!(seconds(&mut pauses), [1, 2, 4, 5]);
    }
}
