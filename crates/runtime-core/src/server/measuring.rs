//! What agents use and have done: what their hosts count, and where the backend measures, what it measures.
//!
//! Of one agent its host is asked. Of all at once only hosts are asked that may count something new, so that nobody is woken for what is
//! known.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use parallax_api::observe::{AgentMetrics, Metrics};
use parallax_api::{AgentId, AgentStatus, Problem};

use super::archive::Archive;
use super::core::RuntimeCore;
use super::registry::{Entry, HostState};
use crate::backend::Usage;

/// A host tells of activity once a second at most: what it counted so long after the last thing that it told is all of it.
const SETTLED: Duration = Duration::from_secs(5);
/// Hosts that are asked at the same time.
const AT_ONCE: usize = 16;
/// How long one of all hosts may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long all together may take, which is less than a control plane waits: who is not measured by then is left out.
const ALL_PATIENCE: Duration = Duration::from_secs(8);

/// What a host counted, and when it was asked.
#[derive(Clone)]
pub(super) struct Count {
    asked_at: Instant,
    metrics: Metrics,
}

impl RuntimeCore {
    /// What an agent uses and has done now.
    pub(super) async fn metrics(&self, id: &AgentId) -> Result<Metrics, Problem> {
        let entry = self.registry.get(id)?;
        let counted = self.count(&entry).await?;
        let is_archived = matches!(entry.host_state(), HostState::Archived);
        let usage = if is_archived { None } else { self.backend.usage(id).await.ok().flatten() };
        Ok(with_usage(&entry, counted, usage))
    }

    /// The same of every agent that lives and whose host answers.
    pub(super) async fn all_metrics(&self) -> Vec<AgentMetrics> {
        let living = self.registry.all().into_iter().filter(|entry| {
            matches!(entry.host_state(), HostState::Connected(_))
                && entry.known().agent().status != AgentStatus::Stopped
        });
        let measuring = living.map(async |entry| {
            let metrics = tokio::time::timeout(PATIENCE, self.known_metrics(&entry)).await.ok()?.ok()?;
            Some(AgentMetrics { agent_id: entry.id().clone(), metrics })
        });
        let measured = stream::iter(measuring).buffer_unordered(AT_ONCE).filter_map(std::future::ready);
        measured.take_until(tokio::time::sleep(ALL_PATIENCE)).collect().await
    }

    /// What an agent uses, and what its host is known to count.
    async fn known_metrics(&self, entry: &Entry) -> Result<Metrics, Problem> {
        let usage = self.backend.usage(entry.id()).await.ok().flatten();
        // Where the backend does not measure, only the host does.
        let known = usage.as_ref().and_then(|_| still_true(entry));
        let counted = match known {
            Some(counted) => counted,
            None => self.count(entry).await?,
        };
        Ok(with_usage(entry, counted, usage))
    }

    async fn count(&self, entry: &Entry) -> Result<Metrics, Problem> {
        let asked_at = Instant::now();
        let ended_id = entry.id().clone();
        let ended = move |archive: &Archive| archive.metrics(&ended_id);
        let metrics = self.read(entry.id(), async |host| host.metrics().await, ended).await?;
        *entry.count.lock().expect("nothing panics while it is locked") =
            Some(Count { asked_at, metrics: metrics.clone() });
        Ok(metrics)
    }
}

/// What the host counted last, where it counts the same now: the agent is idle, and was when the host was asked.
fn still_true(entry: &Entry) -> Option<Metrics> {
    let Count { asked_at, metrics } =
        entry.count.lock().expect("nothing panics while it is locked").clone()?;
    let was_idle = asked_at.saturating_duration_since(entry.changed_at()) >= SETTLED;
    let is_idle = entry.known().agent().status == AgentStatus::Ready;
    let uptime_seconds = metrics.uptime_seconds + asked_at.elapsed().as_secs_f64();
    (was_idle && is_idle).then_some(Metrics { uptime_seconds, ..metrics })
}

fn with_usage(entry: &Entry, counted: Metrics, usage: Option<Usage>) -> Metrics {
    let Some(usage) = usage else { return counted };
    Metrics {
        cpu_percent: cpu_percent(entry, usage),
        cpu_seconds: usage.cpu_seconds,
        memory_bytes: usage.memory_bytes,
        processes: usage.processes,
        ..counted
    }
}

/// CPU use since it was last asked for, 100 is one core.
fn cpu_percent(entry: &Entry, usage: Usage) -> Option<f64> {
    let now = Instant::now();
    let before =
        entry.cpu.lock().expect("nothing panics while it is locked").replace((now, usage.cpu_seconds));
    let (then, seconds) = before?;
    let elapsed = now.duration_since(then).as_secs_f64();
    // Processes that ended took their time with them.
    (elapsed > 0.0).then(|| ((usage.cpu_seconds - seconds).max(0.0) / elapsed * 1000.0).round() / 10.0)
}
