//! The one value that ends a server: a token everybody watches and a tracker of who must finish first.
//!
//! The order stands in [`crate::serve::serve`]: not ready, stop accepting, end connections and sockets within the
//! grace, return.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Reaches everything that must know that the server ends. Clones are the same shutdown.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// One that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the shutdown begins.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Where tasks that must finish before the server is gone are spawned or tracked: upgraded sockets, pulls, sweeps.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Whether it has begun; a server that shuts down is not ready.
    pub fn is_shutting_down(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Begins the shutdown. A second call changes nothing.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Begins the shutdown and waits at most `grace` for the tracked tasks; says whether all of them finished.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.begin();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }

    /// Begins the shutdown at SIGTERM or SIGINT; the second one ends the process at once.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = signals.next().await.0;
            tracing::info!("{name}: shutting down, once more ends at once");
            shutdown.begin();
            let (name, number) = signals.next().await;
            tracing::warn!("{name} again: ending now");
            std::process::exit(128 + number);
        });
        Ok(())
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}
