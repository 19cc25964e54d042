//! The signals that matter while the terminal is raw.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from when it is made, so that none is missed.
pub(super) struct Signals {
    pub resized: Signal,
    pub ending: [(SignalKind, Signal); 4],
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        let ending = |kind| signal(kind).map(|signal| (kind, signal));
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            ending: [
                ending(SignalKind::terminate())?,
                ending(SignalKind::interrupt())?,
                ending(SignalKind::hangup())?,
                ending(SignalKind::quit())?,
            ],
        })
    }

    /// The first of those that end the program.
    pub async fn ending(signals: &mut [(SignalKind, Signal); 4]) -> SignalKind {
        let waits = signals.iter_mut().map(|(kind, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *kind
            })
        });
        futures::future::select_all(waits).await.0
    }
}
