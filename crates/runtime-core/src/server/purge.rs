//! Forgetting ended agents: after an hour, or when there are more than a thousand.

use std::sync::Arc;
use std::time::Duration;

use parallax_api::AgentId;

use super::change_watch::changes_source;
use super::core::RuntimeCore;
use super::record::source_without_host;
use super::registry::HostState;

/// How often is looked.
const SWEEP: Duration = Duration::from_secs(10);

impl RuntimeCore {
    /// Sweeps until the server goes.
    pub(super) fn start_purging(self: &Arc<Self>) {
        let core = self.clone();
        self.shutdown.tracker().spawn(async move {
            let mut sweep = tokio::time::interval(SWEEP.min(core.config.keep.time));
            loop {
                tokio::select! {
                    _ = sweep.tick() => core.purge().await,
                    () = core.shutdown.begun() => return,
                }
            }
        });
    }

    /// Forgets the ended agents that need not be kept.
    pub(super) async fn purge(&self) {
        for id in self.forgettable() {
            if let Err(error) = self.forget(&id).await {
                tracing::error!(agent.id = %id, %error, "failed to forget an ended agent");
            }
        }
    }

    /// The wall clock is not asked: one that jumps would purge what was to be kept.
    fn forgettable(&self) -> Vec<AgentId> {
        let entries = self.registry.all();
        let mut ended: Vec<(Duration, AgentId)> = entries
            .iter()
            .filter(|entry| matches!(entry.host_state(), HostState::Archived))
            // They are to come back, however long that takes.
            .filter(|entry| !entry.agent().is_suspended())
            .filter_map(|entry| Some((entry.archived_for()?, entry.id().clone())))
            .collect();
        ended.sort_unstable_by(|one, other| other.cmp(one));
        let surplus = ended.len().saturating_sub(self.config.keep.count);
        let old = ended.partition_point(|(age, _)| *age >= self.config.keep.time);
        ended.drain(..surplus.max(old)).map(|(_, id)| id).collect()
    }

    async fn forget(&self, id: &AgentId) -> anyhow::Result<()> {
        // First, so that nobody reads what is half gone; the row last, so that the next server tries again what fails.
        self.registry.remove(id);
        self.archive.purge(id)?;
        for source in [id.to_string(), source_without_host(id), changes_source(id)] {
            self.log.forget_source(&source).await?;
        }
        Ok(self.table.delete(id).await?)
    }
}
