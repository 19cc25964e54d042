//! How much room the checkouts of agents take: counted in the background, told, and bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use parallax_api::quantity::shown_bytes;
use parallax_api::workspace::WorkspaceSpace;
use parallax_api::{Agent, AgentId, Code, Problem, Time};
use parallax_service::metrics::Metrics;
use parallax_workspace::{Size, Workspaces};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::core::RuntimeCore;

/// From which part of the limit on it is told that room runs out.
const WARN_PERCENT: u64 = 80;
/// How often all are counted.
const EVERY: Duration = Duration::from_secs(60);
/// How soon one is counted again in which something was changed.
const AGAIN: Duration = Duration::from_secs(2);
/// Counting one costs at most this part of the time: a large one is counted less often.
const SHARE: u32 = 20;
/// Counting all of them costs at most this part of the time.
const SHARE_OF_ALL: u32 = 5;
/// How long a spawn waits for the first count of a server that has just started.
const FIRST_COUNT: Duration = Duration::from_secs(10);
/// How long what a clean-up would free is good, and how long finding it out may take.
const RECLAIMABLE_FRESH: Duration = Duration::from_secs(10);
/// Workspaces that are looked into for it at most: the largest ones.
const MAX_RECLAIMABLE: usize = 50;
/// … and at the same time.
const AT_ONCE: usize = 4;
/// Names in a refusal at most.
const MAX_NAMES: usize = 5;

/// What is known of the room that workspaces take.
pub(super) struct Space {
    /// Bytes that they may take together.
    limit: Option<u64>,
    sizes: Mutex<HashMap<AgentId, Counted>>,
    /// Whether all were counted once.
    is_counted_tx: watch::Sender<bool>,
    /// Something is to be counted.
    look: Notify,
    /// Since when room runs out, as it was told.
    tight_since: Mutex<Option<Time>>,
    reclaimable: tokio::sync::Mutex<Option<(Instant, Vec<Reclaimable>)>>,
}

/// One workspace as it was last counted.
#[derive(Clone, Copy)]
struct Counted {
    size: Size,
    at: Instant,
    /// When it may be counted again.
    next: Instant,
    /// Whether something was changed in it since.
    is_asked: bool,
}

/// A workspace that a clean-up would remove.
#[derive(Clone)]
struct Reclaimable {
    id: AgentId,
    name: String,
    bytes: u64,
}

impl Space {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            sizes: Mutex::default(),
            is_counted_tx: watch::Sender::new(false),
            look: Notify::new(),
            tight_since: Mutex::default(),
            reclaimable: tokio::sync::Mutex::default(),
        }
    }

    /// A workspace was made.
    pub(super) fn made(&self) {
        self.look.notify_one();
    }

    /// Something may have been changed in the workspace of this agent. Without a limit, that can wait.
    pub(super) fn changed(&self, agent: &Agent) {
        let id = agent.workspace.as_ref().and_then(|workspace| workspace.id.as_ref()).unwrap_or(&agent.id);
        if self.limit.is_some()
            && let Some(counted) = self.sizes().get_mut(id)
        {
            counted.is_asked = true;
            self.look.notify_one();
        }
    }

    /// A workspace is gone.
    pub(super) fn removed(&self, id: &str) {
        self.sizes().retain(|known, _| known.as_str() != id);
    }

    /// What a workspace takes, in bytes, as last counted.
    pub(super) fn of(&self, id: &AgentId) -> Option<u64> {
        self.sizes().get(id).map(|counted| counted.size.bytes)
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<AgentId, Counted>> {
        self.sizes.lock().expect("nothing panics while it is locked")
    }

    fn tight_since(&self) -> MutexGuard<'_, Option<Time>> {
        self.tight_since.lock().expect("nothing panics while it is locked")
    }

    fn bytes(&self) -> u64 {
        self.sizes().values().fold(0, |sum, counted| sum.saturating_add(counted.size.bytes))
    }

    /// All of them together; none before they were counted.
    pub(super) fn shown(&self) -> Option<WorkspaceSpace> {
        if !*self.is_counted_tx.borrow() {
            return None;
        }
        let bytes = self.bytes();
        let warning = self.limit.filter(|limit| is_tight(bytes, *limit)).map(|limit| {
            let what = format!("workspaces take {} of {}", shown_bytes(bytes), shown_bytes(limit));
            match bytes < limit {
                true => {
                    format!("{what}: `parallax workspaces gc` removes those in which nothing would be lost")
                }
                false => format!("{what}: no more are made until some are gone (`parallax workspaces gc`)"),
            }
        });
        let warning_since = warning.as_ref().and_then(|_| *self.tight_since());
        Some(WorkspaceSpace { bytes, max_bytes: self.limit, warning, warning_since })
    }

    /// Says in the log when room begins to run out, and when there is room again.
    fn tell(&self) {
        let Some(space) = self.shown() else { return };
        let was_told = {
            let mut since = self.tight_since();
            let before = since.is_some();
            *since = space.warning.as_ref().map(|_| since.unwrap_or_else(Time::now));
            before
        };
        match (space.warning, was_told) {
            (Some(warning), false) => tracing::warn!(bytes = space.bytes, "{warning}"),
            (None, true) => tracing::info!(bytes = space.bytes, "workspaces have room again"),
            _ => {}
        }
    }
}

fn is_tight(bytes: u64, limit: u64) -> bool {
    u128::from(bytes) * 100 >= u128::from(limit) * u128::from(WARN_PERCENT)
}

impl RuntimeCore {
    /// Counts workspaces until the server goes.
    pub(super) fn watch_space(self: &Arc<Self>) {
        if self.workspaces.is_none() {
            return;
        }
        let (core, shutdown) = (self.clone(), self.shutdown.clone());
        self.shutdown.tracker().spawn(async move {
            tokio::select! {
                () = core.keep_counting() => {}
                () = shutdown.begun() => {}
            }
        });
    }

    async fn keep_counting(&self) {
        loop {
            let began = Instant::now();
            let next = self.count_workspaces().await;
            self.space.is_counted_tx.send_replace(true);
            self.space.tell();
            let rest = began.elapsed() * SHARE_OF_ALL;
            tokio::time::sleep(rest).await;
            tokio::select! {
                () = self.space.look.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    /// Counts those that are to be counted now, and says when the next one is.
    async fn count_workspaces(&self) -> Instant {
        let space = &self.space;
        let found = self.workspaces.as_ref().map(Workspaces::list);
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to list the workspaces");
                return Instant::now() + EVERY;
            }
            None => return Instant::now() + EVERY,
        };
        space.sizes().retain(|id, _| found.iter().any(|workspace| workspace.record().id == *id));
        for workspace in found {
            let id = workspace.record().id.clone();
            let began = Instant::now();
            let known = space.sizes().get(&id).copied();
            if known.is_some_and(|known| known.due() > began) {
                continue;
            }
            // One that is gone takes nothing.
            let Ok(size) = workspace.size().await else {
                space.removed(id.as_str());
                continue;
            };
            // Of one that is too large to be counted, what was counted before is the better guess where it was more.
            let before = known.filter(|_| !size.is_whole).map_or(0, |known| known.size.bytes);
            let size = Size { bytes: size.bytes.max(before), ..size };
            let (at, took) = (Instant::now(), began.elapsed());
            let counted = Counted { size, at, next: at + AGAIN.max(took * SHARE), is_asked: false };
            if workspace.directory().symlink_metadata().is_ok() {
                space.sizes().insert(id, counted);
            }
        }
        let next = space.sizes().values().map(Counted::due).min();
        next.unwrap_or_else(|| Instant::now() + EVERY)
    }

    /// Fails with `RESOURCE_LIMIT` when the workspaces take all that they may, and says what a clean-up would free.
    pub(super) async fn check_space(&self) -> Result<(), Problem> {
        let Some(limit) = self.space.limit else { return Ok(()) };
        let mut is_counted_rx = self.space.is_counted_tx.subscribe();
        // Until then nothing is known, and nobody is refused for it.
        let _ = tokio::time::timeout(FIRST_COUNT, is_counted_rx.wait_for(|is_counted| *is_counted)).await;
        let bytes = self.space.bytes();
        if bytes < limit {
            return Ok(());
        }
        let reclaimable = self.reclaimable().await;
        let freed: u64 = reclaimable.iter().map(|one| one.bytes).sum();
        let names = reclaimable.iter().map(|one| format!("`{}`", one.name));
        let mut names = names.take(MAX_NAMES).collect::<Vec<_>>().join(", ");
        if reclaimable.len() > MAX_NAMES {
            names += &format!(" and {} more", reclaimable.len() - MAX_NAMES);
        }
        let clean_up = match reclaimable.is_empty() {
            // It may free something all the same: of clones it asks where their commits are by now.
            true => {
                "stop agents, or merge, push or remove what they left, and then run `parallax workspaces gc`"
                    .into()
            }
            false => format!("`parallax workspaces gc` would free {}: {names}", shown_bytes(freed)),
        };
        let detail = format!(
            "workspaces take {} of the {} that they may (--workspaces-max-bytes); {clean_up}",
            shown_bytes(bytes),
            shown_bytes(limit)
        );
        let listed: Vec<_> = reclaimable
            .iter()
            .map(|one| json!({"id": one.id, "name": one.name, "bytes": one.bytes}))
            .collect();
        Err(Problem::new(Code::ResourceLimit, detail)
            .with("field", "workspace")
            .with("bytes", bytes)
            .with("maxBytes", limit)
            .with("reclaimableBytes", freed)
            .with("reclaimable", listed))
    }

    /// What a clean-up would remove, the largest first. However many ask, it is found out once.
    async fn reclaimable(&self) -> Vec<Reclaimable> {
        let mut known = self.space.reclaimable.lock().await;
        if let Some((at, found)) = &*known
            && at.elapsed() < RECLAIMABLE_FRESH
        {
            return found.clone();
        }
        let looking = async {
            let Some(workspaces) = &self.workspaces else { return Vec::new() };
            let mut all = workspaces.list().unwrap_or_default();
            all.sort_by_key(|one| std::cmp::Reverse(self.space.of(&one.record().id)));
            let looked_at = all.into_iter().take(MAX_RECLAIMABLE).map(|workspace| async move {
                let record = workspace.record();
                let goes = !self.is_in_use(record).await
                    && match self.clone_root() {
                        Some(_) => self.kept_clone(&workspace, false).is_none(),
                        None => matches!(workspaces.worth_keeping(&workspace).await, Ok(None)),
                    };
                let bytes = self.space.of(&record.id).unwrap_or_default();
                goes.then(|| Reclaimable { id: record.id.clone(), name: record.name.clone(), bytes })
            });
            stream::iter(looked_at).buffered(AT_ONCE).filter_map(std::future::ready).collect().await
        };
        let found = tokio::time::timeout(RECLAIMABLE_FRESH, looking).await.unwrap_or_default();
        *known = Some((Instant::now(), found.clone()));
        found
    }

    /// After a clean-up: what it would free is something else.
    pub(super) async fn forget_reclaimable(&self) {
        *self.space.reclaimable.lock().await = None;
        self.space.tell();
    }
}

impl Counted {
    /// When it is to be counted again.
    fn due(&self) -> Instant {
        let due = if self.is_asked { self.at } else { self.at + EVERY };
        due.max(self.next)
    }
}

/// Tells Prometheus of the room that workspaces take.
struct SpaceCollector(Arc<Space>);

/// Lets Prometheus ask for it, where agents have workspaces.
pub(super) fn register_collector(metrics: &Metrics, core: &RuntimeCore) {
    if core.workspaces.is_some() {
        let collector = Box::new(SpaceCollector(core.space.clone()));
        metrics.register(|prometheus| prometheus.register_collector(collector));
    }
}

impl fmt::Debug for SpaceCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpaceCollector")
    }
}

impl Collector for SpaceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let space = &self.0;
        let limit = space.limit.map(|limit| {
            ("workspaces_max_bytes", "Bytes that the workspaces of agents may take together", limit)
        });
        let taken =
            ("workspaces_bytes", "Bytes that the workspaces of agents take, as last counted", space.bytes());
        for (name, help, bytes) in std::iter::once(taken).chain(limit) {
            let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_before_it_is_full() {
        assert!(!is_tight(79, 100) && is_tight(80, 100) && is_tight(200, 100));
        assert!(is_tight(u64::MAX, u64::MAX) && !is_tight(0, u64::MAX));
        let space = Space::new(Some(1000));
        let add = |bytes| {
            let (size, now) = (Size { bytes, is_whole: true }, Instant::now());
            let id = format!("{bytes:08}-0000-7000-8000-000000000000").parse().unwrap();
            space.sizes().insert(id, Counted { size, at: now, next: now, is_asked: false });
        };
        add(700);
        assert_eq!(space.shown(), None, "nothing is known before the first count");
        space.is_counted_tx.send_replace(true);
        assert_eq!(space.shown().unwrap().warning, None);
        add(100);
        assert!(space.shown().unwrap().warning.unwrap().contains("gc"));
        add(300);
        let full = space.shown().unwrap();
        assert_eq!((full.bytes, full.max_bytes), (1100, Some(1000)));
        assert!(full.warning.unwrap().contains("no more are made"));
        space.removed("00000700-0000-7000-8000-000000000000");
        assert_eq!(space.shown().unwrap().warning, None);
    }
}
