//! Looks at the workspaces of agents while they run, and tells when what is changed there is something else than before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parallax_api::workspace::ChangeCounts;
use parallax_api::{AgentId, AgentStatus, EventData, Time};
use parallax_store::StoreError;

use super::core::RuntimeCore;
use super::registry::Entry;

/// How long an agent must be left alone before it is looked at, or how long it is waited for that: changes come in bursts.
const DEBOUNCE: Duration = Duration::from_millis(1000);
/// How often is looked without any sign: people and what agents started in the background change files, too.
const UNPROMPTED: Duration = Duration::from_secs(30);
/// A look costs at most this part of the time: a large repository is looked at less often.
const SHARE: u32 = 20;

impl RuntimeCore {
    /// Looks at the agent's workspace until the agent has ended or the server goes.
    pub(super) fn watch_changes(self: &Arc<Self>, entry: Arc<Entry>) {
        let agent = entry.agent();
        if agent.workspace.is_none() || agent.status == AgentStatus::Stopped {
            return;
        }
        let (core, shutdown) = (self.clone(), self.shutdown.clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = core.keep_looking(&entry) => {}
                () = entry.ended() => {}
                () = shutdown.begun() => {}
            }
            if let Err(error) = core.log.forget_source(&changes_source(entry.id())).await {
                tracing::debug!(agent.id = %entry.id(), %error, "the position of an agent's changes is kept");
            }
        });
    }

    async fn keep_looking(&self, entry: &Entry) {
        let mut agent_rx = entry.changes();
        loop {
            // Before the look: what happens while it lasts, it may have missed. What it finds is a change itself, so there is one
            // look more.
            agent_rx.mark_unchanged();
            self.space.changed(&entry.agent());
            let began = Instant::now();
            match self.changes(entry.id()).await {
                Ok(changes) => self.tell_changes(entry, (&changes).into()).await,
                // The agent may have made it so, and mend it.
                Err(problem) => {
                    tracing::debug!(agent.id = %entry.id(), %problem, "a workspace cannot be looked at");
                }
            }
            let rest = DEBOUNCE.max(began.elapsed() * SHARE);
            tokio::time::sleep(rest).await;
            tokio::select! {
                // The agent's end is waited for elsewhere.
                _ = agent_rx.changed() => {}
                () = entry.look_again.notified() => {}
                () = tokio::time::sleep(UNPROMPTED) => {}
            }
        }
    }

    async fn tell_changes(&self, entry: &Entry, counts: ChangeCounts) {
        let known = entry.agent().workspace.map(|workspace| workspace.changes);
        let Some(before) = known.filter(|before| *before != Some(counts)) else { return };
        // Before it is told, so that what the host says meanwhile has them, too.
        entry.set_changes(counts);
        // That there is nothing is no news.
        if before.unwrap_or_default() == counts {
            return;
        }
        let source = changes_source(entry.id());
        let told = async {
            // Of this server alone: the numbers of the host are the host's.
            let seq = self.log.source_seq(&source).await? + 1;
            let agent = Box::new(entry.agent());
            // An agent that has ended meanwhile is shown as ended from there on.
            if agent.status == AgentStatus::Stopped {
                return Ok(None);
            }
            self.log.append(&source, seq, EventData::Changes { agent }, Time::now()).await
        };
        let told: Result<_, StoreError> = told.await;
        if let Err(error) = told {
            tracing::warn!(agent.id = %entry.id(), %error, "failed to tell of an agent's changes");
        }
    }
}

/// What the event log calls the source of the changes in an agent's workspace.
pub(super) fn changes_source(id: &AgentId) -> String {
    format!("changes/{id}")
}
