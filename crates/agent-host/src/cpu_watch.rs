//! Whether the agent's program computes though it prints nothing: Gemini CLI does for minutes over a single line of 100 kB.

use std::time::{Duration, Instant};

/// Between two measurements. Each reads the process table.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// CPU seconds in a second from which on a program computes. One that waits uses less than a hundredth; one that computes
/// gets at least this on a machine that is very busy.
const SHARE: f64 = 0.03;

/// Measures the CPU time of a program that is awaited.
#[derive(Default)]
pub struct CpuWatch {
    measured: Option<(Instant, f64)>,
    computed_at: Option<Instant>,
}

impl CpuWatch {
    /// When the program was last seen to compute. `cpu_seconds` measures what it has used so far, when that is due.
    pub fn step(&mut self, cpu_seconds: impl FnOnce() -> f64, now: Instant) -> Option<Instant> {
        if self.measured.is_none_or(|(at, _)| now >= at + INTERVAL) {
            let used = cpu_seconds();
            let before = self.measured.replace((now, used));
            let is_computing =
                before.is_some_and(|(at, before)| used - before >= SHARE * (now - at).as_secs_f64());
            if is_computing {
                self.computed_at = Some(now);
            }
        }
        self.computed_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_waits_does_not_compute() {
        let mut now = Instant::now();
        let mut watch = CpuWatch::default();
        assert_eq!(watch.step(|| 10.0, now), None);
        now += INTERVAL;
        assert_eq!(watch.step(|| 10.02, now), None, "it waits");
        let busy = now + INTERVAL;
        assert_eq!(watch.step(|| 11.0, busy), Some(busy));
        assert_eq!(watch.step(|| unreachable!("not due"), busy + INTERVAL / 2), Some(busy));
        assert_eq!(watch.step(|| 11.0, busy + INTERVAL), Some(busy), "it did, and has stopped");
    }
}
