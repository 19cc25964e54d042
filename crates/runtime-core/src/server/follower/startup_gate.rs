//! Following the agents of the last server a few at a time, and only once this one serves.
//!
//! To follow one costs this server and its host half a millisecond of CPU. Every agent is known from the table before, so with a thousand of
//! them whoever asks for the list would wait for what its answer does not need.

use std::pin::pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use parallax_service::shutdown::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long one that does not answer keeps others waiting.
const TURN: Duration = Duration::from_millis(50);

/// Lets as many hosts of this machine be connected to at once as it has cores.
#[derive(Debug)]
pub(in crate::server) struct StartupGate(Arc<Semaphore>);

/// Held while a host is connected to.
#[derive(Debug)]
pub(super) struct Turn(Option<OwnedSemaphorePermit>);

impl StartupGate {
    /// One that is closed.
    pub(in crate::server) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// The server serves. To be called once.
    pub(in crate::server) fn open(&self) {
        self.0.add_permits(available_parallelism().map_or(1, std::num::NonZero::get));
    }

    /// Waits for a turn, which comes in the order of those who wait; at once when the shutdown begins.
    pub(super) async fn wait(&self, shutdown: &Shutdown) -> Turn {
        tokio::select! {
            turn = self.0.clone().acquire_owned() => Turn(turn.ok()),
            () = shutdown.begun() => Turn(None),
        }
    }
}

impl Turn {
    /// The turn of one that has not to wait.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Does `work`, with the turn held until it is done or has taken too long.
    pub(super) async fn hold<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Some(_turn) = self.0
            && let Ok(done) = tokio::time::timeout(TURN, &mut work).await
        {
            return done;
        }
        work.await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hosts_that_do_not_answer_keep_nobody_from_being_followed() {
        let (gate, shutdown) = (Arc::new(StartupGate::new()), Shutdown::new());
        let mut hung = JoinSet::new();
        for _ in 0..100 {
            let (gate, shutdown) = (gate.clone(), shutdown.clone());
            hung.spawn(async move { gate.wait(&shutdown).await.hold(pending::<()>()).await });
        }
        tokio::task::yield_now().await;
        let mut waiting = pin!(async { gate.wait(&shutdown).await.hold(async { "connected" }).await });
        assert!(tokio::time::timeout(TURN * 1000, &mut waiting).await.is_err(), "nobody before it is open");
        gate.open();
        assert_eq!(tokio::time::timeout(TURN * 101, waiting).await.expect("in time"), "connected");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_server_that_goes_before_it_served() {
        let (gate, shutdown) = (StartupGate::new(), Shutdown::new());
        shutdown.begin();
        assert!(gate.wait(&shutdown).await.0.is_none());
    }
}
