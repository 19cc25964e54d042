//! A viewer's place at the terminal.

use std::sync::atomic::{AtomicU64, Ordering};

use parallax_api::Problem;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::Command;
use crate::lease::{Claim, ViewerId};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The place of one viewer, over all the feeds it has. Dropping it gives back the size, if the viewer holds it.
pub struct Seat {
    viewer: ViewerId,
    commands_tx: mpsc::Sender<Command>,
    has_claimed: bool,
}

impl Seat {
    pub(super) fn new(commands_tx: mpsc::Sender<Command>) -> Self {
        Self { viewer: ViewerId(NEXT.fetch_add(1, Ordering::Relaxed)), commands_tx, has_claimed: false }
    }

    /// Names the viewer.
    pub fn viewer(&self) -> ViewerId {
        self.viewer
    }

    /// Takes, keeps or gives back the size. Fails as [`crate::lease::Lease::claim`] does, or with `AGENT_STOPPED`.
    pub async fn claim(&mut self, claim: Claim) -> Result<(), Problem> {
        // From here on, also when this future is dropped.
        self.has_claimed = true;
        let (reply, answer) = oneshot::channel();
        let gone = || Problem::internal("the session's task has ended");
        self.commands_tx.send(self.command(claim, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn command(&self, claim: Claim, reply: super::Reply<()>) -> Command {
        Command::Claim { viewer: self.viewer, claim, reply }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.has_claimed {
            return;
        }
        // Nobody hears the answer. After the session's end there is nothing to give back.
        let release = self.command(Claim::Release, oneshot::channel().0);
        if let Err(TrySendError::Full(release)) = self.commands_tx.try_send(release) {
            let commands_tx = self.commands_tx.clone();
            tokio::spawn(async move { drop(commands_tx.send(release).await) });
        }
    }
}
