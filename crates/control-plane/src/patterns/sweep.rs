//! Agents whose run is over: there should be none. A runtime may have been away when they were to be stopped.

use std::time::Duration;

use parallax_api::{Agent, AgentStatus};
use parallax_patterns::run::EXECUTION_LABEL;

use super::agents::stop;
use crate::app::App;

/// How often the agents are looked through.
const EVERY: Duration = Duration::from_secs(15);

/// Stops agents whose run is over, until the shutdown.
pub async fn sweep(app: App) {
    let sweeping = async {
        loop {
            tokio::time::sleep(EVERY).await;
            once(&app).await;
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = app.shutdown.begun() => {}
    }
}

async fn once(app: &App) {
    let run = |agent: &Agent| agent.labels.get(EXECUTION_LABEL).cloned();
    let mut agents = app.directory.all();
    agents.retain(|agent| {
        agent.status != AgentStatus::Stopped && run(agent).is_some_and(|id| !app.executions.is_at_work(&id))
    });
    if agents.is_empty() {
        return;
    }
    let ids = agents.iter().filter_map(run).collect();
    // Runs of another control plane are not known here, and are none of this one's business.
    let Ok(statuses) = app.executions.statuses(ids).await else { return };
    for agent in agents {
        let over =
            run(&agent).and_then(|id| statuses.get(&id).cloned()).is_some_and(|status| status != "running");
        if !over {
            continue;
        }
        match stop(app, &agent.id).await {
            Ok(()) => tracing::info!(agent.id = %agent.id, "an agent was stopped whose run is over"),
            Err(problem) => tracing::debug!(agent.id = %agent.id, %problem, "an agent cannot be stopped yet"),
        }
    }
}
