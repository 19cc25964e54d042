//! When memory that is no longer used goes back to the system.
//!
//! Output, a viewer that came or left, and the start need some for a moment. Given back at once it would be asked for again with the
//! next key; so it waits until nothing has happened for a while.

use std::time::{Duration, Instant};

use crate::allocator;

/// How long nothing was printed, and nobody came or left.
const QUIET: Duration = Duration::from_secs(2);
/// How long at most is waited for that, while something is painted all the time.
const LATEST: Duration = Duration::from_secs(30);
/// Output of fewer bytes leaves little.
const MUCH: u64 = 64 * 1024;

/// What has happened since memory was given back last.
#[derive(Default)]
pub(super) struct Tidying {
    /// The offset of the output then.
    offset: u64,
    /// Something was needed for a moment, last at this time.
    since: Option<Instant>,
    /// And first at this one.
    first: Option<Instant>,
}

impl Tidying {
    /// Much was needed for a moment.
    pub(super) fn note(&mut self, now: Instant) {
        self.since = Some(now);
        self.first.get_or_insert(now);
    }

    /// The output has come to `offset`.
    pub(super) fn printed(&mut self, offset: u64, now: Instant) {
        if self.since.is_some() || offset - self.offset >= MUCH {
            self.note(now);
        }
    }

    /// When memory is given back.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.zip(self.first).map(|(since, first)| (since + QUIET).min(first + LATEST))
    }

    /// Gives it back when it is time; `offset` is where the output stands.
    pub(super) fn step(&mut self, offset: u64, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now) {
            (self.offset, self.since, self.first) = (offset, None, None);
            allocator::trim();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_nothing_happens() {
        let start = Instant::now();
        let mut tidying = Tidying::default();
        tidying.printed(100, start);
        assert_eq!(tidying.deadline(), None, "a prompt is little");
        tidying.printed(MUCH, start);
        assert_eq!(tidying.deadline(), Some(start + QUIET));
        let later = start + QUIET / 2;
        tidying.printed(MUCH + 1, later);
        tidying.step(MUCH + 1, start + QUIET);
        assert_eq!(tidying.deadline(), Some(later + QUIET));
        tidying.step(MUCH + 1, later + QUIET);
        assert_eq!(tidying.deadline(), None);
        tidying.printed(2 * MUCH, later + QUIET);
        assert_eq!(tidying.deadline(), None);
        tidying.note(later + QUIET);
        assert_eq!(tidying.deadline(), Some(later + 2 * QUIET));
        let painting = (0..100).map(|step| later + QUIET + step * Duration::from_secs(1));
        painting.for_each(|now| tidying.printed(3 * MUCH, now));
        assert_eq!(
            tidying.deadline(),
            Some(later + QUIET + LATEST),
            "a spinner does not put it off for ever"
        );
    }
}
