//! The timer of the session's task.

use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Deadlines that are nearer than this move all the time while something is printed.
const SOON: Duration = Duration::from_millis(500);

/// Wakes the task in time, and now and then early: a deadline that has moved further away is not set anew before the old one
/// has passed. To set a timer costs two system calls, and every key moves a deadline.
pub(super) struct Alarm {
    soon: Timer,
    later: Timer,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// For when it is set, if it has not rung.
    at: Option<Instant>,
}

impl Alarm {
    /// Not set. To be called on the runtime.
    pub(super) fn new() -> Self {
        Self { soon: Timer::new(), later: Timer::new() }
    }

    /// Resolves at `wake` or before; without one, never. Cancel-safe.
    pub(super) async fn until(&mut self, wake: Option<Instant>) {
        let Some(wake) = wake else { return std::future::pending().await };
        let is_soon = wake <= Instant::now() + SOON;
        if is_soon { &mut self.soon } else { &mut self.later }.until(wake).await;
    }
}

impl Timer {
    fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), at: None }
    }

    async fn until(&mut self, wake: Instant) {
        if self.at.is_none_or(|at| at > wake) {
            self.sleep.as_mut().reset(wake.into());
            self.at = Some(wake);
        }
        self.sleep.as_mut().await;
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rings_in_time_and_at_most_once_early() {
        let mut alarm = Alarm::new();
        let start = tokio::time::Instant::now();
        let at = |millis: u64| Some((start + Duration::from_millis(millis)).into_std());
        // Cancelled: the deadline moves away.
        for millis in [20, 30, 40] {
            let rang = tokio::time::timeout(Duration::from_millis(1), alarm.until(at(millis))).await;
            assert!(rang.is_err());
        }
        alarm.until(at(60)).await;
        assert_eq!(start.elapsed().as_millis(), 20, "early");
        alarm.until(at(60)).await;
        assert_eq!(start.elapsed().as_millis(), 60);
        // A nearer one is not missed.
        let rang = tokio::time::timeout(Duration::from_millis(1), alarm.until(at(300))).await;
        assert!(rang.is_err());
        alarm.until(at(100)).await;
        assert_eq!(start.elapsed().as_millis(), 100);
        let never = tokio::time::timeout(Duration::from_secs(9), alarm.until(None)).await;
        assert!(never.is_err());
    }
}
