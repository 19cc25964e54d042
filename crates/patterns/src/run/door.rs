//! Agents that come and agents that leave. Neither is dropped in the middle: who is being spawned comes, though the step that
//! wanted it may be over, and who is being stopped keeps its place until it is gone.

use std::convert::Infallible;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use parallax_api::execution::ExecutionEventData as Data;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::Inner;
use super::failure::Failure;
use super::pool::{Leaving, Seat, Vacancy, Why};

/// A place that is to be filled, and who waits for it.
pub(super) struct Coming {
    pub role: String,
    pub vacancy: Vacancy,
    pub seat_tx: oneshot::Sender<Result<Seat, Failure>>,
}

/// Those at the door. As many as there may be agents.
pub(super) struct Door {
    pub coming_rx: UnboundedReceiver<Coming>,
    pub leaving_rx: UnboundedReceiver<Leaving>,
}

/// Sees to those who come and leave, as long as the run is at work.
pub(super) async fn keep(run: &Inner, door: &mut Door) -> Result<Infallible, Failure> {
    let mut passing: FuturesUnordered<BoxFuture<'_, Result<(), Failure>>> = FuturesUnordered::new();
    loop {
        // What sends lives as long as the run.
        tokio::select! {
            Some(coming) = door.coming_rx.recv() => passing.push(Box::pin(run.let_in(coming))),
            Some(leaving) = door.leaving_rx.recv() => passing.push(Box::pin(run.let_go(leaving))),
            Some(passed) = passing.next() => passed?,
            else => std::future::pending().await,
        }
    }
}

impl Inner {
    async fn let_in(&self, coming: Coming) -> Result<(), Failure> {
        let seat = self.fill(&coming.role, coming.vacancy).await;
        // Nobody waits for it any more: dropped here, it is free for the next.
        drop(coming.seat_tx.send(seat));
        Ok(())
    }

    async fn let_go(&self, leaving: Leaving) -> Result<(), Failure> {
        let agent = leaving.member.agent_id.clone();
        let reason = match &leaving.why {
            Why::Spare => "there is nothing more for it to do".to_owned(),
            Why::Dead(reason) => reason.clone(),
            Why::Abandoned(key) => {
                let key = key.clone();
                // An agent that works for others as well is not interrupted: its answer comes, and nobody hears it.
                let free = !leaving.member.managed || self.agents.interrupt(&agent).await.is_ok();
                self.book.record(Data::MessageAbandoned { key }).await?;
                if free {
                    leaving.stays();
                    return Ok(());
                }
                "it did not stop what nobody waits for".to_owned()
            }
        };
        if leaving.member.managed
            && let Err(problem) = self.patiently(|| self.agents.stop(&agent)).await
        {
            // It may be there, so its place is not given to another. The end of the run stops it once more.
            tracing::warn!(execution.id = self.id, agent.id = %agent, %problem, "an agent could not be stopped");
            std::mem::forget(leaving.permit);
            return Ok(());
        }
        let role = leaving.member.role.clone();
        self.book.record(Data::AgentLeft { agent_id: agent, role, reason }).await?;
        leaving.goes();
        Ok(())
    }
}
