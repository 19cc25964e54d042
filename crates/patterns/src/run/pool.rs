//! The agents of one role: never more than the role's `maxInstances`, and one message at a time for each.
//!
//! A permit stands for one agent that may exist. A [`PooledAgent`] holds an agent and its permit; the permit of an agent that
//! is being stopped is released when the agent is gone, not before.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::AgentId;
use parallax_api::execution::TeamMember;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::path;

/// The agents of one role. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    /// Idle agents that are kept.
    floor: usize,
    permits: Arc<Semaphore>,
    /// How many callers wait for a permit.
    waiting: AtomicUsize,
    state: Mutex<State>,
    /// Receives agents that leave. Bounded by the permits.
    departure_tx: UnboundedSender<Departure>,
}

#[derive(Default)]
struct State {
    free: VecDeque<TeamMember>,
    /// Agents that are here or being spawned, and do not leave.
    live: usize,
    last_number: u32,
    /// Agents at work on a message of before the restart, by conversation.
    held: HashMap<String, PooledAgent>,
}

/// The removal of an agent from its pool.
pub(super) struct Departure {
    pub member: TeamMember,
    pub reason: DepartureReason,
    pub pool: Pool,
    pub permit: OwnedSemaphorePermit,
}

/// Why an agent leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DepartureReason {
    /// The pool has more than it needs.
    Spare,
    /// The agent works on the message of this key, whose answer is not wanted any more.
    Abandoned(String),
    /// The agent has ended or failed.
    Dead(String),
}

impl Pool {
    /// An empty pool of at most `most` agents.
    pub fn new(most: u32, floor: u32, last_number: u32, departure_tx: UnboundedSender<Departure>) -> Self {
        Self(Arc::new(Shared {
            floor: floor as usize,
            permits: Arc::new(Semaphore::new(most as usize)),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State { last_number, ..State::default() }),
            departure_tx,
        }))
    }

    /// Adds an agent that exists already, at work on the message `in_flight` if there is one.
    pub fn restore(&self, member: TeamMember, in_flight: Option<String>) {
        let permit = in_flight.is_some().then(|| self.0.permits.clone().try_acquire_owned().ok()).flatten();
        let mut state = self.state();
        state.live += 1;
        match (in_flight, permit) {
            (Some(key), Some(permit)) => {
                let slot = Some((member, permit));
                let conversation = path::conversation(&key).to_owned();
                let agent = PooledAgent { pool: self.clone(), slot, in_flight: Some(key), dead: None };
                state.held.insert(conversation, agent);
            }
            _ => state.free.push_back(member),
        }
    }

    /// The agent that works for this conversation since before the restart.
    pub fn claim(&self, conversation: &str) -> Option<PooledAgent> {
        self.state().held.remove(conversation)
    }

    /// Abandons the messages of before the restart whose keys are `unwanted`.
    pub fn abandon(&self, unwanted: impl Fn(&str) -> bool) {
        let abandoned: Vec<PooledAgent> = {
            let mut state = self.state();
            let is_unwanted = |agent: &PooledAgent| agent.in_flight.as_deref().is_some_and(&unwanted);
            state.held.extract_if(|_, agent| is_unwanted(agent)).map(|(_, agent)| agent).collect()
        };
        // Outside the lock, which `PooledAgent::release` takes.
        drop(abandoned);
    }

    /// Waits for a permit, and takes an idle agent (`preferred` where it is idle) or reserves a slot for a new one.
    pub async fn checkout(&self, preferred: Option<&AgentId>) -> Checkout {
        let _waiting = Waiting::new(&self.0.waiting);
        let permit = self.0.permits.clone().acquire_owned().await.expect("a pool is never closed");
        let mut state = self.state();
        let wanted = preferred.and_then(|id| state.free.iter().position(|member| member.agent_id == *id));
        let first = || (0..state.free.len()).min_by_key(|index| state.free[*index].number);
        match wanted.or_else(first).and_then(|index| state.free.remove(index)) {
            Some(member) => Checkout::Ready(PooledAgent::new(self.clone(), member, permit)),
            None => {
                state.live += 1;
                state.last_number += 1;
                let number = state.last_number;
                Checkout::Reserved(Reservation { pool: self.clone(), permit: Some(permit), number })
            }
        }
    }

    /// How many more agents could take work now: idle ones and those that may still be spawned.
    pub fn available(&self) -> usize {
        self.0.permits.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of [`Pool::checkout`].
pub(super) enum Checkout {
    /// An idle agent.
    Ready(PooledAgent),
    /// A slot for an agent that must be spawned.
    Reserved(Reservation),
}

/// A slot for an agent that is to be spawned. Released when it is dropped.
pub(super) struct Reservation {
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
    /// The number of the agent within its role.
    pub number: u32,
}

impl Reservation {
    /// The agent has joined.
    pub fn fill(mut self, member: TeamMember) -> PooledAgent {
        let permit = self.permit.take().expect("a reservation is filled once");
        PooledAgent::new(self.pool.clone(), member, permit)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.permit.take().is_some() {
            self.pool.state().live -= 1;
        }
    }
}

/// A guard of an agent that is in use. When it is dropped, the agent returns to the pool or departs.
pub(super) struct PooledAgent {
    pool: Pool,
    slot: Option<(TeamMember, OwnedSemaphorePermit)>,
    in_flight: Option<String>,
    dead: Option<String>,
}

impl PooledAgent {
    fn new(pool: Pool, member: TeamMember, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, slot: Some((member, permit)), in_flight: None, dead: None }
    }

    /// The agent.
    pub fn member(&self) -> &TeamMember {
        &self.slot.as_ref().expect("the slot is taken by `release` only").0
    }

    /// Marks it as working on this message.
    pub fn start(&mut self, key: &str) {
        self.in_flight = Some(key.to_owned());
    }

    /// Marks it as idle.
    pub fn finish(&mut self) {
        self.in_flight = None;
    }

    /// Marks it as unusable.
    pub fn mark_dead(&mut self, reason: &str) {
        self.dead = Some(reason.to_owned());
    }

    /// Gives the agent up before another is put in its place, which may need its permit. The guard is empty then.
    pub fn release(&mut self) {
        let Some((member, permit)) = self.slot.take() else { return };
        let shared = &self.pool.0;
        let mut state = self.pool.state();
        let reason = match (self.dead.take(), self.in_flight.take()) {
            (Some(reason), _) => DepartureReason::Dead(reason),
            (None, Some(key)) => DepartureReason::Abandoned(key),
            (None, None) => {
                if state.live <= shared.floor || shared.waiting.load(Ordering::Acquire) > 0 {
                    state.free.push_back(member);
                    return;
                }
                DepartureReason::Spare
            }
        };
        // A departing agent does not count as live, though it keeps its permit until it is gone.
        state.live -= 1;
        drop(state);
        // Fails when the run is over: all its agents are stopped then.
        drop(shared.departure_tx.send(Departure { member, reason, pool: self.pool.clone(), permit }));
    }
}

impl Drop for PooledAgent {
    fn drop(&mut self) {
        self.release();
    }
}

impl Departure {
    /// Returns it to the pool after all.
    pub fn keep(self) {
        self.pool.state().live += 1;
        drop(PooledAgent::new(self.pool, self.member, self.permit));
    }

    /// The agent is gone: releases its permit.
    pub fn complete(self) {
        drop(self.permit);
    }
}

/// Counts a waiting caller for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
