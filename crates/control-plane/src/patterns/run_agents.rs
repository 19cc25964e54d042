//! The agents of a run: the engine acts on them through the same services as the routes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::join_all;
use parallax_api::agent::StopRequest;
use parallax_api::message::{AnswerRequest, MessageState, MessagesQuery};
use parallax_api::workspace::{CommitRequest, DiffQuery, MergeRequest, Merged};
use parallax_api::{
    Agent, AgentId, AgentStatus, Attention, Code, Message, Problem, Role, SendRequest, SpawnRequest, Time,
};
use parallax_patterns::run::EXECUTION_LABEL;
use parallax_patterns::run::agent_client::{AgentClient, MessageProgress};
use parallax_service::idempotency::IdempotencyKey;
use tokio_util::task::TaskTracker;

use super::RunServices;
use crate::locate::AgentLocator;
use crate::runtimes::Runtime;

/// Messages searched for an answer: agents of a run have few at once.
const LOOK_BACK: usize = 100;
/// Milliseconds that a message may be apart from when the run sent it.
const AT_ONCE: u64 = 60_000;
/// Poll interval in case an event was lost.
const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// What an agent gets between the request to stop and the kill, in milliseconds.
const STOP_GRACE_MS: u64 = 5000;
/// How long the end of a run waits for agents that are just being spawned.
const SPAWNING_TIMEOUT: Duration = Duration::from_secs(20);

/// The agents of one run.
pub struct RunAgents {
    services: RunServices,
    run_id: String,
    /// Spawns whose outcome is unknown.
    spawning: TaskTracker,
}

impl RunAgents {
    /// The agents of the run with this id.
    pub fn new(services: RunServices, run_id: &str) -> Self {
        Self { services, run_id: run_id.to_owned(), spawning: TaskTracker::new() }
    }

    async fn locate(&self, agent: &AgentId) -> Result<Arc<Runtime>, Problem> {
        locate(&self.services.locator, agent).await
    }

    /// The agent as its runtime shows it now.
    async fn fetch(&self, agent: &AgentId) -> Result<Agent, Problem> {
        self.locate(agent).await?.client().get(agent).await
    }

    /// The last messages of the agent.
    async fn messages(&self, agent: &AgentId) -> Result<Vec<Message>, Problem> {
        let query = MessagesQuery { limit: Some(LOOK_BACK), ..MessagesQuery::default() };
        self.locate(agent).await?.client().messages(agent, &query).await
    }

    /// The progress of a message; none while the agent works on it.
    async fn state(&self, agent: &AgentId, message: &str) -> Result<Option<MessageProgress>, Problem> {
        // The agent before its messages: an answer that comes in between is seen.
        let shown = self.fetch(agent).await?;
        let messages = self.messages(agent).await?;
        let is_answer =
            |said: &&Message| said.role == Role::Agent && said.in_reply_to.as_deref() == Some(message);
        if let Some(answer) = messages.iter().find(is_answer) {
            if answer.interrupted {
                return Err(failed("the turn was interrupted"));
            }
            return Ok(Some(MessageProgress::Answered(answer.content.clone())));
        }
        check_alive(&shown)?;
        if let Some(sent) = messages.iter().find(|sent| sent.id == message)
            && let Some(MessageState::Failed | MessageState::Unknown) = sent.state
        {
            // It may have ended since it was looked at, and its messages with it.
            let again = self.fetch(agent).await?;
            check_alive(&again)?;
            if sent.state == Some(MessageState::Failed) {
                return Err(failed(sent.failure.as_deref().unwrap_or("the agent failed to answer")));
            }
            if rests(&shown, &again) {
                let why = sent.failure.as_deref().unwrap_or("nobody knows whether it took the message");
                return Err(failed(why));
            }
        }
        Ok(shown.attention.map(|attention| MessageProgress::Asks(Box::new(attention))))
    }

    /// The running agents that carry the label of this run.
    async fn labelled(&self) -> Vec<Agent> {
        self.services.locator.list().await.into_agents(|agent| {
            agent.status != AgentStatus::Stopped
                && agent.labels.get(EXECUTION_LABEL).is_some_and(|id| *id == self.run_id)
        })
    }
}

#[async_trait]
impl AgentClient for RunAgents {
    async fn spawn(&self, key: &str, request: &SpawnRequest) -> Result<Agent, Problem> {
        let (services, request) = (self.services.clone(), request.clone());
        let key = IdempotencyKey(Some(format!("parallax-run/{key}")));
        // Tracked, because a spawn completes even when its caller is gone: the end of the run waits for it.
        let spawning = self.spawning.spawn(async move {
            let (spawner, asked) = (services.spawner.clone(), request.clone());
            let work = move |agent_id: String| async move { spawner.spawn(&agent_id, &request).await };
            let operation = "POST /api/managed-agents";
            services.idempotency.once(key, operation, &asked, work).await.map(|done| done.value)
        });
        spawning.await.map_err(Problem::internal)?
    }

    async fn running(&self) -> Vec<Agent> {
        let listing = self.services.locator.list().await;
        let mut agents = listing.into_agents(|agent| agent.status != AgentStatus::Stopped);
        agents.retain(|agent| !agent.stale);
        agents
    }

    async fn send(&self, key: &str, agent: &AgentId, text: &str) -> Result<String, Problem> {
        let runtime = self.locate(agent).await?;
        let message = SendRequest { message: text.to_owned(), ..SendRequest::default() };
        message.check()?;
        Ok(runtime.client().send_once(key, agent, &message).await?.message_id)
    }

    async fn waiting(&self, agent: &AgentId, text: &str, sent_at: Time) -> Result<Option<String>, Problem> {
        let messages = self.messages(agent).await?;
        let same = messages.iter().filter(|sent| sent.role == Role::User && sent.content == text);
        // Others may have sent the same words: they are not withdrawn for those of this run.
        let apart = |sent: &&Message| sent.timestamp.as_millis().abs_diff(sent_at.as_millis());
        let sent = same.min_by_key(apart).filter(|sent| apart(sent) < AT_ONCE);
        let sent = sent.filter(|sent| sent.state == Some(MessageState::Accepted));
        Ok(sent.map(|sent| sent.id.clone()))
    }

    async fn withdraw(&self, agent: &AgentId, message: &str) -> Result<(), Problem> {
        self.locate(agent).await?.client().withdraw(agent, message).await
    }

    async fn turn(&self, agent: &AgentId, message: &str) -> Result<MessageProgress, Problem> {
        // Before the first request: whatever happens after it is an event.
        let mut events = Box::pin(self.services.log.subscribe(None, Some(agent.clone())));
        loop {
            if let Some(turn) = self.state(agent, message).await? {
                return Ok(turn);
            }
            // A timeout is a request without an event.
            let _ = tokio::time::timeout(POLL_INTERVAL, events.next()).await;
        }
    }

    async fn attention(&self, agent: &AgentId) -> Result<Option<Attention>, Problem> {
        Ok(self.fetch(agent).await?.attention)
    }

    async fn answer(&self, agent: &AgentId, attention: &str, answer: &AnswerRequest) -> Result<(), Problem> {
        let shown = self.attention(agent).await?;
        if shown.is_none_or(|shown| shown.id != attention) {
            return Err(Problem::new(Code::Conflict, "the agent does not ask this any more"));
        }
        self.locate(agent).await?.client().answer(agent, answer).await.map(drop)
    }

    async fn cleared(&self, agent: &AgentId, attention: &str) {
        let mut events = Box::pin(self.services.log.subscribe(None, Some(agent.clone())));
        loop {
            match self.fetch(agent).await {
                Ok(shown) if shown.attention.as_ref().is_some_and(|shown| shown.id == attention) => {}
                // Unreachable for a while: the agent may still ask when it is back.
                Err(problem) if problem.code != Code::AgentNotFound => {}
                Ok(_) | Err(_) => return,
            }
            // A timeout is a request without an event.
            let _ = tokio::time::timeout(POLL_INTERVAL, events.next()).await;
        }
    }

    async fn interrupt(&self, agent: &AgentId) -> Result<(), Problem> {
        self.locate(agent).await?.client().interrupt(agent).await.map(drop)
    }

    async fn diff(&self, agent: &AgentId, query: &DiffQuery) -> Result<String, Problem> {
        let diff = self.locate(agent).await?.client().diff(agent, query).await?;
        Ok(String::from_utf8_lossy(&diff).into_owned())
    }

    async fn merge(&self, agent: &AgentId, request: &MergeRequest) -> Result<Merged, Problem> {
        request.check()?;
        let runtime = self.locate(agent).await?;
        if runtime.client().changes(agent).await?.dirty {
            let message = request.message.clone().unwrap_or_else(|| "work of an agent".into());
            runtime.client().commit(agent, &CommitRequest { message, author: None }).await?;
        }
        runtime.client().merge(agent, request).await
    }

    async fn stop(&self, agent: &AgentId) -> Result<(), Problem> {
        stop(&self.services.locator, agent).await
    }

    async fn stop_all(&self) -> Result<(), Problem> {
        self.spawning.close();
        // A spawn that takes longer is found by its label afterwards.
        let _ = tokio::time::timeout(SPAWNING_TIMEOUT, self.spawning.wait()).await;
        let agents = self.labelled().await;
        let stopping = agents.iter().map(|agent| stop(&self.services.locator, &agent.id));
        join_all(stopping).await.into_iter().collect()
    }
}

/// The runtime that has the agent. An agent that no reachable runtime knows may be on an unreachable one.
async fn locate(locator: &AgentLocator, agent: &AgentId) -> Result<Arc<Runtime>, Problem> {
    locator.locate(agent).await.map_err(|problem| match problem.more.contains_key("runtimesAway") {
        true => Problem { code: Code::RuntimeUnavailable, ..problem },
        false => problem,
    })
}

/// Stops an agent; success when it is gone already.
pub(super) async fn stop(locator: &AgentLocator, agent: &AgentId) -> Result<(), Problem> {
    let request = StopRequest { grace_ms: STOP_GRACE_MS, force: false };
    let stopped = async { locate(locator, agent).await?.client().stop(agent, &request).await };
    match stopped.await {
        Err(problem) if problem.code == Code::AgentNotFound => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Whether an agent did nothing between two looks at it: what it may not have taken is not answered any more.
fn rests(before: &Agent, after: &Agent) -> bool {
    after.status != AgentStatus::Busy && after.attention.is_none() && before.updated_at == after.updated_at
}

fn check_alive(agent: &Agent) -> Result<(), Problem> {
    if agent.status != AgentStatus::Stopped {
        return Ok(());
    }
    let reason = agent.exit.as_ref().map_or("it ended", |exit| exit.reason.as_str());
    Err(Problem::new(Code::AgentStopped, format!("the agent has ended: {reason}")))
}

fn failed(why: &str) -> Problem {
    Problem::new(Code::AgentFailed, format!("the agent failed to answer: {why}"))
}
