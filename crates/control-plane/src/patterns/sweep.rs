//! Stops agents whose run has ended: their runtime may have been unreachable when they were to be stopped.

use std::time::Duration;

use parallax_api::execution::ExecutionStatus;
use parallax_api::{Agent, AgentStatus};
use parallax_patterns::run::EXECUTION_LABEL;

use super::Runs;
use super::run_agents::stop;

/// How often the agents are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// Stops agents whose run has ended, until the shutdown.
pub async fn sweep(runs: Runs) {
    let sweeping = async {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            once(&runs).await;
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = runs.services().shutdown.begun() => {}
    }
}

async fn once(runs: &Runs) {
    let locator = &runs.services().locator;
    let run = |agent: &Agent| agent.labels.get(EXECUTION_LABEL).cloned();
    let is_left = |agent: &&Agent| {
        agent.status != AgentStatus::Stopped && run(agent).is_some_and(|id| !runs.is_active(&id))
    };
    let known = locator.cache.all();
    let agents: Vec<Agent> = known.iter().map(|known| known.agent()).filter(is_left).cloned().collect();
    if agents.is_empty() {
        return;
    }
    let ids = agents.iter().filter_map(run).collect();
    // Runs of another control plane are unknown here, and their agents are left alone.
    let Ok(statuses) = runs.statuses(ids).await else { return };
    for agent in agents {
        let ended = run(&agent)
            .and_then(|id| statuses.get(&id).copied())
            .is_some_and(|status| status != ExecutionStatus::Running);
        if !ended {
            continue;
        }
        match stop(locator, &agent.id).await {
            Ok(()) => tracing::info!(agent.id = %agent.id, "stopped an agent whose run has ended"),
            Err(problem) => {
                tracing::debug!(agent.id = %agent.id, %problem, "failed to stop an agent for now");
            }
        }
    }
}
