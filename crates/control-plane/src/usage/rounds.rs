//! One round of asking: each runtime once for all of its agents that live, and for each of its agents that has ended.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, stream};
use parallax_api::observe::{AgentMetrics, Metrics};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem};
use tokio::time::Instant;

use crate::locate::AgentLocator;
use crate::runtimes::Runtime;

/// Agents that are asked for one by one at the same time.
const AT_ONCE: usize = 4;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What became of asking for an agent.
pub(super) enum Answer {
    /// What it uses, and when that was.
    Metrics(Box<Metrics>, Instant),
    /// It is gone, or has no host yet: there is nothing that could be measured.
    Nothing,
    /// It is there, and nobody told.
    Missing,
}

/// What a runtime tells of its agents.
enum Told {
    /// Of these; of others that live it does not know.
    These(HashMap<AgentId, (Metrics, Instant)>),
    /// It is of an earlier version, and is asked for one after the other.
    OneByOne,
    /// Nothing: it does not answer.
    Nothing,
}

/// Asks for each of these agents.
pub(super) async fn ask(locator: &AgentLocator, due: Vec<Agent>) -> Vec<(Agent, Answer)> {
    let of_living: HashSet<&str> = due
        .iter()
        .filter(|agent| agent.status != AgentStatus::Stopped && locator.is_reachable(agent))
        .map(|agent| agent.runtime.as_str())
        .collect();
    let asking = of_living
        .into_iter()
        .filter_map(|name| locator.runtimes.get(name))
        .map(async |runtime| (runtime.name().to_owned(), ask_for_all(runtime).await));
    let mut told: HashMap<String, Told> = join_all(asking).await.into_iter().collect();
    let mut answers = Vec::new();
    let mut one_by_one = Vec::new();
    for agent in due {
        let answer = match told.get_mut(&agent.runtime) {
            Some(Told::These(agents)) if agent.status != AgentStatus::Stopped => {
                match agents.remove(&agent.id) {
                    Some((metrics, at)) => Answer::Metrics(Box::new(metrics), at),
                    None if agent.status == AgentStatus::Starting => Answer::Nothing,
                    None => Answer::Missing,
                }
            }
            Some(Told::Nothing) => Answer::Missing,
            _ if !locator.is_reachable(&agent) => Answer::Missing,
            _ => {
                one_by_one.push(agent);
                continue;
            }
        };
        answers.push((agent, answer));
    }
    // A runtime that does not answer in time keeps others waiting once in a round, not for each of its agents.
    let silent: Mutex<HashSet<String>> = Mutex::default();
    let silent = || silent.lock().unwrap_or_else(PoisonError::into_inner);
    let asking = one_by_one.into_iter().map(async |agent| {
        let runtime =
            locator.runtimes.get(&agent.runtime).filter(|runtime| !silent().contains(runtime.name()));
        let Some(runtime) = runtime else { return (agent, Answer::Missing) };
        let answer = tokio::time::timeout(TIMEOUT, ask_for_one(runtime, &agent)).await.unwrap_or_else(|_| {
            silent().insert(agent.runtime.clone());
            Answer::Missing
        });
        (agent, answer)
    });
    answers.extend(stream::iter(asking).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    answers
}

async fn ask_for_all(runtime: &Runtime) -> Told {
    let is_older = |problem: &Problem| matches!(problem.code, Code::NotFound | Code::MethodNotAllowed);
    match tokio::time::timeout(TIMEOUT, runtime.client().all_metrics()).await {
        Ok(Ok(list)) => {
            let at = Instant::now();
            let told = |told: AgentMetrics| (told.agent_id, (told.metrics, at));
            Told::These(list.agents.into_iter().map(told).collect())
        }
        Ok(Err(problem)) if is_older(&problem) => Told::OneByOne,
        Ok(Err(problem)) => {
            tracing::debug!(runtime.name = runtime.name(), %problem, "agents could not be measured");
            Told::Nothing
        }
        Err(_) => Told::Nothing,
    }
}

async fn ask_for_one(runtime: &Runtime, agent: &Agent) -> Answer {
    match runtime.client().metrics(&agent.id).await {
        Ok(metrics) => Answer::Metrics(Box::new(metrics), Instant::now()),
        Err(problem) if problem.code == Code::AgentNotFound => Answer::Nothing,
        Err(_) if agent.status == AgentStatus::Starting => Answer::Nothing,
        Err(problem) => {
            tracing::debug!(agent.id = %agent.id, %problem, "an agent could not be measured");
            Answer::Missing
        }
    }
}
