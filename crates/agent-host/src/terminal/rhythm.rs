//! How often a terminal is read whose program prints a little all the time, as a build does or a log that is followed.
//!
//! Each piece of output costs a wake-up, writes to the log and to viewers' connections, and conclusions. What comes in quick succession is
//! read together: the terminal is then looked at by the clock, for as long as there is something new, but not so much that the program
//! might have to wait, and until something is written to the program: what somebody types, or the terminal's reply to a query.

use std::time::{Duration, Instant};

/// How long what is printed may wait: not to be seen by who looks on.
pub(super) const PAUSE: Duration = Duration::from_millis(10);
/// A program that has printed for so long with no longer pause goes on.
const GOES_ON: Duration = Duration::from_millis(100);
/// Who prints more than this meanwhile prints much, and is read as fast as it prints.
const MUCH: usize = 16 * 1024;
/// So much within one pause may be all that the kernel keeps.
const FULL: usize = 4095;

/// What a program has printed in quick succession.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// The first piece.
    since: Option<Instant>,
    /// The last one.
    last: Option<Instant>,
    bytes: usize,
    goes_on: bool,
}

impl Rhythm {
    /// When the terminal is looked at next, where the clock says so, and not the system when there is something new.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.last.filter(|_| self.goes_on).map(|last| last + PAUSE)
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, bytes: usize, now: Instant) {
        if self.goes_on {
            self.goes_on = (1..FULL).contains(&bytes);
            self.since = None;
        }
        let follows = self.last.is_some_and(|last| now <= last + PAUSE);
        let since = self.since.filter(|_| follows && self.bytes + bytes <= MUCH);
        self.bytes = since.map_or(0, |_| self.bytes) + bytes;
        self.goes_on |= since.is_some_and(|since| now >= since + GOES_ON);
        (self.since, self.last) = (since.or(Some(now)), Some(now));
    }

    /// The clock rules although it need not: nothing else can.
    pub(super) fn without_reactor(&mut self, now: Instant) {
        self.last.get_or_insert(now);
        self.goes_on = true;
    }

    /// Something is written to the program; what comes of it is to be seen at once.
    pub(super) fn written(&mut self) {
        (self.since, self.bytes, self.goes_on) = (None, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads pieces of so many bytes, so long after one another, for so long. Answers whether the clock rules then.
    fn goes_on(rhythm: &mut Rhythm, now: &mut Instant, bytes: usize, gap: Duration, long: Duration) -> bool {
        let end = *now + long;
        while *now < end {
            *now += gap;
            rhythm.read(bytes, *now);
        }
        rhythm.next_look().is_some()
    }

    #[test]
    fn who_prints_a_little_all_the_time_is_read_by_the_clock() {
        let ms = Duration::from_millis;
        let table = [
            ("reports", 40, ms(1), ms(150), true),
            ("not for long", 40, ms(1), ms(50), false),
            ("with pauses", 40, ms(12), ms(1000), false),
            ("a spinner", 500, ms(50), ms(1000), false),
            ("much, in small pieces", 900, ms(1), ms(1000), false),
            ("much", 28 * 1024, ms(1), ms(1000), false),
        ];
        for (name, bytes, gap, long, expected) in table {
            let (mut rhythm, mut now) = (Rhythm::default(), Instant::now());
            assert_eq!(goes_on(&mut rhythm, &mut now, bytes, gap, long), expected, "{name}");
        }
    }

    #[test]
    fn the_clock_rules_until_there_is_nothing_or_much_or_something_is_written() {
        let ms = Duration::from_millis;
        // So many bytes that are read; or none, because somebody types.
        for (name, end) in [("nothing new", Some(0)), ("much", Some(FULL)), ("a key", None)] {
            let (mut rhythm, mut now) = (Rhythm::default(), Instant::now());
            assert!(goes_on(&mut rhythm, &mut now, 40, ms(1), ms(150)), "{name}");
            assert_eq!(rhythm.next_look(), Some(now + PAUSE));
            // Late, as on a busy machine.
            assert!(goes_on(&mut rhythm, &mut now, 400, ms(35), ms(1000)), "{name}");
            match end {
                Some(bytes) => rhythm.read(bytes, now + PAUSE),
                None => rhythm.written(),
            }
            assert_eq!(rhythm.next_look(), None, "{name}");
            assert!(!goes_on(&mut rhythm, &mut now, 40, ms(1), ms(50)), "{name}: anew");
        }
    }

    #[test]
    fn where_only_the_clock_is_left_whoever_writes_does_not_put_it_off() {
        let (mut rhythm, now) = (Rhythm::default(), Instant::now());
        for later in 0..5 {
            rhythm.written();
            rhythm.without_reactor(now + PAUSE * later / 2);
            assert_eq!(rhythm.next_look(), Some(now + PAUSE));
        }
    }
}
