//! Which agents there are: a map behind a short lock, and what is known of each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parallax_api::terminal::MAX_VIEWERS;
use parallax_api::workspace::{AgentWorkspace, ChangeCounts};
use parallax_api::{Agent, AgentId, AgentStatus, Code, Problem};
use parallax_service::known::Known;
use parallax_service::listing::Place;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::measuring::Count;
use crate::host::HostClient;

/// How often is looked whether the last viewer has gone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Agents that are taken from the map at once, while it is locked.
const PIECE: usize = 128;

/// Every agent of this server, living or ended and still readable.
pub(super) struct Registry {
    entries: Mutex<Entries>,
    slots: Arc<Slots>,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<AgentId, Arc<Entry>>,
    /// The same, in the order of lists.
    in_order: BTreeMap<Place, Arc<Entry>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("slots", &self.slots).finish_non_exhaustive()
    }
}

/// One agent as this server knows it.
pub(super) struct Entry {
    id: AgentId,
    /// Where it stands in lists: when an agent was made does not change.
    place: Place,
    agent_tx: watch::Sender<Arc<Known>>,
    host_state_tx: watch::Sender<HostState>,
    slot: Mutex<Option<Slot>>,
    slots: Arc<Slots>,
    /// Since when the agent is in the archive, and how long it was there before.
    archived_at: Mutex<Option<(Instant, Duration)>>,
    /// Its host is being removed, though the archive holds the agent.
    is_being_removed: AtomicBool,
    /// One permit a viewer.
    pub(super) viewers: Arc<Semaphore>,
    /// Its workspace is to be looked at: this server has changed it.
    pub(super) look_again: Notify,
    /// When CPU time was last asked for, and what it was: for the use since then.
    pub(super) cpu: Mutex<Option<(Instant, f64)>>,
    /// What its host counted last.
    pub(super) count: Mutex<Option<Count>>,
    /// When something else than before was last known of the agent.
    changed_at: Mutex<Instant>,
}

/// The connection to the host of an agent.
#[derive(Clone, Debug)]
pub(super) enum HostState {
    /// The host is being started; cancelled, it is not.
    Starting(CancellationToken),
    /// The host is not found yet, or does not answer.
    Unreachable,
    /// The host answers here.
    Connected(HostClient),
    /// The agent has ended, and the archive holds what remains of it.
    Archived,
}

impl Registry {
    /// An empty registry with room for `capacity` running agents.
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), slots: Arc::new(Slots { taken: AtomicUsize::new(0), capacity }) }
    }

    /// Room for one more agent. Fails with `RESOURCE_LIMIT`.
    pub(super) fn take_slot(&self) -> Result<Slot, Problem> {
        self.slots.take().ok_or_else(|| {
            let capacity = self.slots.capacity;
            Problem::new(
                Code::ResourceLimit,
                format!(
                    "{capacity} agents run here, the most this server allows; stop one, or raise --max-agents"
                ),
            )
            .with("limit", capacity)
        })
    }

    /// Adds an agent. One that runs takes the slot, or, adopted without one, a slot beyond the limit if need be.
    pub(super) fn insert(&self, agent: Agent, host_state: HostState, slot: Option<Slot>) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            id: agent.id.clone(),
            place: Place::of(&agent),
            slot: Mutex::new(slot),
            slots: self.slots.clone(),
            agent_tx: watch::Sender::new(Arc::new(Known::new(agent.clone()))),
            host_state_tx: watch::Sender::new(host_state),
            archived_at: Mutex::default(),
            is_being_removed: AtomicBool::new(false),
            viewers: Arc::new(Semaphore::new(MAX_VIEWERS)),
            look_again: Notify::new(),
            cpu: Mutex::default(),
            count: Mutex::default(),
            changed_at: Mutex::new(Instant::now()),
        });
        entry.account(&agent);
        let mut entries = self.entries();
        if let Some(before) = entries.by_id.insert(agent.id, entry.clone()) {
            entries.in_order.remove(&before.place);
        }
        entries.in_order.insert(entry.place.clone(), entry.clone());
        drop(entries);
        entry
    }

    /// The agent with this id. Fails with `AGENT_NOT_FOUND`.
    pub(super) fn get(&self, id: &AgentId) -> Result<Arc<Entry>, Problem> {
        self.entries().by_id.get(id).cloned().ok_or_else(|| no_agent(id))
    }

    /// Every agent, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries().by_id.values().cloned().collect()
    }

    /// The agents that stand after this place, oldest first. Those that come or go meanwhile may be missing.
    pub(super) fn after(&self, place: Option<Place>) -> impl Iterator<Item = Arc<Entry>> {
        let mut from = place.map_or(Bound::Unbounded, Bound::Excluded);
        let mut piece: std::vec::IntoIter<Arc<Entry>> = Vec::new().into_iter();
        std::iter::from_fn(move || {
            if piece.len() == 0 {
                let range = (from.clone(), Bound::Unbounded);
                let next: Vec<_> = self
                    .entries()
                    .in_order
                    .range(range)
                    .take(PIECE)
                    .map(|(_, entry)| entry.clone())
                    .collect();
                from = Bound::Excluded(next.last()?.place.clone());
                piece = next.into_iter();
            }
            piece.next()
        })
    }

    /// Forgets an agent.
    pub(super) fn remove(&self, id: &AgentId) {
        let mut entries = self.entries();
        if let Some(entry) = entries.by_id.remove(id) {
            entries.in_order.remove(&entry.place);
        }
    }

    /// Agents that run or are being started.
    pub(super) fn running(&self) -> usize {
        self.slots.taken.load(Ordering::Relaxed)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().expect("nothing panics while the registry is locked")
    }
}

impl Entry {
    pub(super) fn id(&self) -> &AgentId {
        &self.id
    }

    /// The agent as last known.
    pub(super) fn agent(&self) -> Agent {
        self.agent_tx.borrow().agent().clone()
    }

    /// The same, as it is shown.
    pub(super) fn known(&self) -> Arc<Known> {
        self.agent_tx.borrow().clone()
    }

    /// Tells of every agent that replaces the last known one.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Known>> {
        self.agent_tx.subscribe()
    }

    /// Makes `agent`, as it was when something happened, what is known, unless something newer is.
    pub(super) fn publish(&self, agent: Agent) {
        self.replace(agent, |agent, known| agent.updated_at >= known.updated_at);
    }

    /// Makes `agent`, as it is now, what is known, whatever the clocks say.
    pub(super) fn set(&self, agent: Agent) {
        self.replace(agent, |_, _| true);
    }

    /// Notes how much is changed in its workspace. When it was updated stays what its host says: by this server's clock, what the host has said
    /// and is still on its way would seem to be older.
    pub(super) fn set_changes(&self, counts: ChangeCounts) {
        self.agent_tx.send_if_modified(|known| {
            let agent = known.agent();
            let Some(workspace) = agent.workspace.as_ref().filter(|shown| shown.changes != Some(counts))
            else {
                return false;
            };
            let workspace = Some(AgentWorkspace { changes: Some(counts), ..workspace.clone() });
            *known = Arc::new(Known::new(Agent { workspace, ..agent.clone() }));
            true
        });
    }

    fn replace(&self, mut agent: Agent, wanted: impl FnOnce(&Agent, &Agent) -> bool) {
        self.agent_tx.send_if_modified(|known| {
            keep_workspace_end(&mut agent, known.agent());
            keep_changes(&mut agent, known.agent());
            if agent == *known.agent() || !wanted(&agent, known.agent()) {
                return false;
            }
            self.account(&agent);
            *known = Arc::new(Known::new(agent));
            *self.changed_at.lock().expect("nothing panics while it is locked") = Instant::now();
            true
        });
    }

    /// When something else than before was last known of it.
    pub(super) fn changed_at(&self) -> Instant {
        *self.changed_at.lock().expect("nothing panics while it is locked")
    }

    /// How it can be asked.
    pub(super) fn host_state(&self) -> HostState {
        self.host_state_tx.borrow().clone()
    }

    /// Whether its host is being started.
    pub(super) fn is_starting(&self) -> bool {
        matches!(*self.host_state_tx.borrow(), HostState::Starting(_))
    }

    pub(super) fn set_host_state(&self, host_state: HostState) {
        self.host_state_tx.send_replace(host_state);
    }

    /// The archive answers for the agent from now on. It was made `age` ago.
    pub(super) fn set_archived(&self, age: Duration) {
        *self.archived_at.lock().expect("nothing panics while it is locked") = Some((Instant::now(), age));
        self.set_host_state(HostState::Archived);
    }

    /// Its host is going to be removed, or is gone.
    pub(super) fn set_being_removed(&self, is_being_removed: bool) {
        self.is_being_removed.store(is_being_removed, Ordering::Release);
    }

    /// Whether it has ended, and nothing is taken away any more that was its host's.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.host_state(), HostState::Archived) && !self.is_being_removed.load(Ordering::Acquire)
    }

    /// How long the agent has been in the archive; `None`: it is not.
    pub(super) fn archived_for(&self) -> Option<Duration> {
        let archived_at = *self.archived_at.lock().expect("nothing panics while it is locked");
        archived_at.map(|(since, age)| since.elapsed() + age)
    }

    /// Waits until it is known whether the host was started.
    pub(super) async fn launched(&self) {
        // The sender lives in `self`.
        let _ = self
            .host_state_tx
            .subscribe()
            .wait_for(|host_state| !matches!(host_state, HostState::Starting(_)))
            .await;
    }

    /// Waits until the agent has ended, as far as this server knows.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`.
        let _ =
            self.agent_tx.subscribe().wait_for(|known| known.agent().status == AgentStatus::Stopped).await;
    }

    /// Waits until it is known what became of the workspace of an agent that has ended.
    pub(super) async fn workspace_ended(&self) {
        let is_told =
            |known: &Arc<Known>| known.agent().exit.as_ref().is_some_and(|exit| exit.workspace.is_some());
        // The sender lives in `self`.
        let _ = self.agent_tx.subscribe().wait_for(is_told).await;
    }

    /// Waits until the agent has ended and everything of it is in the archive.
    pub(super) async fn archived(&self) {
        // The sender lives in `self`.
        let _ = self
            .host_state_tx
            .subscribe()
            .wait_for(|host_state| matches!(host_state, HostState::Archived))
            .await;
    }

    /// Waits until nobody watches its terminal.
    pub(super) async fn unwatched(&self) {
        // Taking all permits would keep out whoever comes meanwhile.
        while self.viewers.available_permits() < MAX_VIEWERS {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// `AGENT_STOPPED`, with how it ended and what to do.
    pub(super) fn stopped(&self) -> Problem {
        let known = self.known();
        let agent = known.agent();
        let reason = agent.exit.as_ref().map_or("unknown", |exit| exit.reason.as_str());
        let detail = match agent.is_suspended() {
            true => "the agent is suspended; `POST …/resume` brings it back".to_owned(),
            false => format!(
                "the agent has ended ({reason}); its log and messages can be read for a while; spawn a new one to go on"
            ),
        };
        let problem = Problem::new(Code::AgentStopped, detail);
        match serde_json::to_value(&agent.exit) {
            Ok(exit) if !exit.is_null() => problem.with("exit", exit),
            _ => problem,
        }
    }

    /// An agent's slot goes with its end.
    fn account(&self, agent: &Agent) {
        let mut slot = self.slot.lock().expect("nothing panics while a slot is locked");
        match agent.status {
            AgentStatus::Stopped => *slot = None,
            // Adopted or restarted: it runs already, whatever the limit says.
            _ if slot.is_none() => *slot = Some(self.slots.take_anyway()),
            _ => {}
        }
    }
}

/// What became of a workspace is found out by this server: a host that tells of the same end once more does not know it.
fn keep_workspace_end(agent: &mut Agent, known: &Agent) {
    let updated_at = known.updated_at;
    if let (Some(exit), Some(known)) = (&mut agent.exit, &known.exit)
        && exit.at == known.at
        && exit.workspace.is_none()
    {
        exit.workspace.clone_from(&known.workspace);
        agent.updated_at = agent.updated_at.max(updated_at);
    }
}

/// So is how much is changed in it.
pub(super) fn keep_changes(agent: &mut Agent, known: &Agent) {
    if let (Some(workspace), Some(known)) = (&mut agent.workspace, &known.workspace)
        && workspace.changes.is_none()
    {
        workspace.changes = known.changes;
    }
}

/// `AGENT_NOT_FOUND` in the words of this API.
pub(super) fn no_agent(id: &AgentId) -> Problem {
    Problem::new(
        Code::AgentNotFound,
        format!("no agent has the id {id}; `GET /api/agents` lists those there are"),
    )
}

/// How many agents run, and how many may.
#[derive(Debug)]
struct Slots {
    taken: AtomicUsize,
    capacity: usize,
}

/// Room for one running agent; given back when dropped.
pub(super) struct Slot(Arc<Slots>);

impl Slots {
    fn take(self: &Arc<Self>) -> Option<Slot> {
        let more = |taken| (taken < self.capacity).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Slot(self.clone()))
    }

    fn take_anyway(self: &Arc<Self>) -> Slot {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Slot(self.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
