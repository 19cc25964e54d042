//! Forgetting ended agents: after an hour, or when there are more than a thousand.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parallax_api::{AgentId, Time};

use super::core::RuntimeCore;
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
        for id in self.forgettable(Time::now()) {
            if let Err(error) = self.forget(&id).await {
                tracing::error!(agent.id = %id, %error, "failed to forget an ended agent");
            }
        }
    }

    /// Takes out of the archive what is in no record: a server died while it forgot it.
    pub(super) fn remove_orphans(&self) -> io::Result<()> {
        let unknown = |id: &AgentId| self.registry.get(id).is_err();
        self.archive.ids()?.iter().filter(|id| unknown(id)).try_for_each(|id| self.archive.purge(id))
    }

    fn forgettable(&self, now: Time) -> Vec<AgentId> {
        let entries = self.registry.all();
        let mut ended: Vec<(Time, AgentId)> = entries
            .iter()
            .filter(|entry| matches!(entry.host_state(), HostState::Archived))
            .map(|entry| {
                let agent = entry.agent();
                (agent.exit.map_or(agent.updated_at, |exit| exit.at), agent.id)
            })
            .collect();
        ended.sort_unstable();
        let surplus = ended.len().saturating_sub(self.config.keep.count);
        let time = i64::try_from(self.config.keep.time.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.as_millis().saturating_sub(time);
        let old = ended.partition_point(|(at, _)| at.as_millis() <= oldest);
        ended.drain(..surplus.max(old)).map(|(_, id)| id).collect()
    }

    async fn forget(&self, id: &AgentId) -> anyhow::Result<()> {
        // First, so that nobody reads what is half gone; the record last, so that the next server tries again what fails.
        self.registry.remove(id);
        self.archive.purge(id)?;
        self.log.forget_source(id.as_str()).await?;
        Ok(self.table.delete(id).await?)
    }
}
