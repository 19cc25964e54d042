//! What the program reports of itself in its output, several states at once where it prints fast.

use std::time::{Duration, Instant};

use parallax_profile::DetectorInput;
use parallax_screen::TerminalReport;

use super::Runner;

/// Reports of a second, of any kind, of which each has its state published, whatever was printed at once. Of more, a piece of output has its last state, and
/// what is printed at once is one piece: a program must not fill journals and databases as fast as it can print reports.
const MAX_REPORTS: u32 = 2000;
const SECOND: Duration = Duration::from_secs(1);

/// How many reports may still have their state published one by one.
#[derive(Debug)]
pub(super) struct ReportBudget {
    since: Instant,
    left: u32,
}

impl ReportBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, left: MAX_REPORTS }
    }

    /// Whether one more may be now.
    fn take(&mut self, now: Instant) -> bool {
        if now >= self.since + SECOND {
            *self = Self::new(now);
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

impl Runner {
    /// Takes what the program reported, each with the offset of the output that it stands at. The state of each is published, within
    /// the budget.
    pub(super) fn on_reports(&mut self, reports: &[(TerminalReport, u64)]) {
        // With a look at the screen a dialog may show that is answered, in the next step, before anybody is told of it.
        let has_seen_screen = self.process.detector.has_seen_screen();
        self.journal.clone().together(|| {
            for (report, offset) in reports {
                // The output of a turn begins and ends where it was reported, also in the middle of a chunk.
                self.messaging.set_offset(*offset);
                self.observe(DetectorInput::Terminal(report));
                let now = Instant::now();
                if has_seen_screen && self.report_budget.take(now) {
                    self.publish(now);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_a_second_are_bounded() {
        let start = Instant::now();
        let mut budget = ReportBudget::new(start);
        let taken =
            |budget: &mut ReportBudget, now| (0..2 * MAX_REPORTS).filter(|_| budget.take(now)).count();
        let all = usize::try_from(MAX_REPORTS).unwrap();
        assert_eq!(taken(&mut budget, start), all);
        assert_eq!(taken(&mut budget, start + SECOND / 2), 0);
        assert_eq!(taken(&mut budget, start + SECOND), all);
        assert_eq!(taken(&mut budget, start + SECOND * 3 / 2), 0);
    }
}
