//! Agents that join and leave a run. Spawns and stops are never cancelled halfway: a spawn completes even if its step ended,
//! and a stopping agent keeps its permit until it is gone.
//!
//! A step sends a [`JoinRequest`] and waits for the agent; [`drive`] spawns it in a task that outlives the step. A
//! `PooledAgent` that is dropped sends a [`Departure`] where its agent does not stay in the pool.

use std::convert::Infallible;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use parallax_api::execution::ExecutionEventData as Data;

use super::engine::Engine;
use super::pool::{Departure, DepartureReason};
use super::queues::{JoinRequest, MembershipQueues};
use super::step_error::StepError;

/// Handles joins and departures for as long as it is polled. Fails when the store accepts no more events.
pub(super) async fn drive(run: &Engine, queues: &mut MembershipQueues) -> Result<Infallible, StepError> {
    let mut changes: FuturesUnordered<BoxFuture<'_, Result<(), StepError>>> = FuturesUnordered::new();
    loop {
        // The senders live as long as the run.
        tokio::select! {
            Some(join) = queues.join_rx.recv() => changes.push(Box::pin(run.handle_join(join))),
            Some(departure) = queues.departure_rx.recv() => changes.push(Box::pin(run.handle_departure(departure))),
            Some(changed) = changes.next() => changed?,
            else => std::future::pending().await,
        }
    }
}

impl Engine {
    async fn handle_join(&self, join: JoinRequest) -> Result<(), StepError> {
        let agent = self.fill(&join.role, join.reservation).await;
        // The step may be over. Its agent is dropped here then, and is free for the next step.
        drop(join.agent_tx.send(agent));
        Ok(())
    }

    async fn handle_departure(&self, departure: Departure) -> Result<(), StepError> {
        let agent = departure.member.agent_id.clone();
        let (reason, at_work) = match &departure.reason {
            DepartureReason::Spare => ("there is nothing more for it to do".to_owned(), None),
            DepartureReason::Dead(reason) => (reason.clone(), None),
            DepartureReason::Abandoned(key) => {
                let key = key.clone();
                // What its agent asks is nobody's to answer any more.
                self.withdraw_of_message(&key).await?;
                if self.take_back(&departure.member, &key).await {
                    self.store.append(Data::MessageAbandoned { key }).await?;
                    departure.keep();
                    return Ok(());
                }
                ("it did not stop what nobody waits for".to_owned(), Some(key))
            }
        };
        if departure.member.managed
            && let Err(problem) = self.retry_until_certain(|| self.agents.stop(&agent)).await
        {
            // The agent may still run, so its permit is never released. The end of the run stops it once more.
            tracing::warn!(execution.id = self.id, agent.id = %agent, %problem, "an agent could not be stopped");
            std::mem::forget(departure.permit);
            return Ok(());
        }
        let role = departure.member.role.clone();
        self.store.append(Data::AgentLeft { agent_id: agent, role, reason }).await?;
        // Not before: a server that dies in between would take the agent for a free one.
        if let Some(key) = at_work {
            self.store.append(Data::MessageAbandoned { key }).await?;
        }
        departure.complete();
        Ok(())
    }
}
