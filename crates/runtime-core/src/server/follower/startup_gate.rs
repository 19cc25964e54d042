//! Following the agents of the last server a few at a time, and only once this one serves.
//!
//! To follow one costs this server and its host half a millisecond of CPU. Every agent is known from the table before, so with a thousand of
//! them whoever asks for the list would wait for what its answer does not need.

use std::pin::pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use parallax_service::shutdown::Shutdown;
use tokio::sync::Semaphore;

/// How long one that does not answer keeps others waiting.
const TURN: Duration = Duration::from_millis(50);

/// Has the hosts of this machine connected to in turns, as many at once as it has cores; those that take long beside them. Clones are the
/// same gate.
#[derive(Clone, Debug)]
pub(in crate::server) struct StartupGate(Arc<Semaphore>);

impl StartupGate {
    /// One that is closed.
    pub(in crate::server) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// The server serves. To be called once.
    pub(in crate::server) fn open(&self) {
        self.0.add_permits(available_parallelism().map_or(1, std::num::NonZero::get));
    }

    /// Does `work` when it is its turn, in the order of those who come; at once when the shutdown begins.
    pub(super) async fn pass<T>(&self, shutdown: &Shutdown, work: impl Future<Output = T>) -> T {
        let turn = tokio::select! {
            turn = self.0.acquire() => turn.ok(),
            () = shutdown.begun() => None,
        };
        let mut work = pin!(work);
        if let Some(_turn) = turn
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
        let (gate, shutdown) = (StartupGate::new(), Shutdown::new());
        let mut hung = JoinSet::new();
        for _ in 0..100 {
            let (gate, shutdown) = (gate.clone(), shutdown.clone());
            hung.spawn(async move { gate.pass(&shutdown, pending::<()>()).await });
        }
        tokio::task::yield_now().await;
        let mut waiting = pin!(gate.pass(&shutdown, async { "connected" }));
        assert!(tokio::time::timeout(TURN * 1000, &mut waiting).await.is_err(), "nobody before it is open");
        gate.open();
        assert_eq!(tokio::time::timeout(TURN * 101, waiting).await.expect("in time"), "connected");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_server_that_goes_before_it_served() {
        let (gate, shutdown) = (StartupGate::new(), Shutdown::new());
        shutdown.begin();
        tokio::time::timeout(TURN, gate.pass(&shutdown, async {})).await.expect("in time");
    }
}
