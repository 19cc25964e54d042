//! The agents of one role: never more than there may be, one message each at a time.
//!
//! A permit stands for one agent that may be there. Who has a [`Seat`] has an agent and its permit; the permit of an agent
//! that is being stopped is given back when it is gone, not before.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::path;
use parallax_api::AgentId;
use parallax_api::execution::TeamMember;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The agents of one role. Clones are the same.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    /// Agents that stay when nobody needs them.
    floor: usize,
    permits: Arc<Semaphore>,
    /// How many wait for a permit.
    waiting: AtomicUsize,
    state: Mutex<State>,
    /// Takes those that leave. As many as there are agents.
    leaving_tx: UnboundedSender<Leaving>,
}

#[derive(Default)]
struct State {
    free: VecDeque<TeamMember>,
    /// Agents that are there or come, and do not leave.
    live: usize,
    last_number: u32,
    /// Seats with a message that was sent before the server was started again, by the conversation.
    held: HashMap<String, Seat>,
}

/// An agent that leaves its seat, and why.
pub(super) struct Leaving {
    pub member: TeamMember,
    pub why: Why,
    pub pool: Pool,
    pub permit: OwnedSemaphorePermit,
}

/// Why an agent leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There are more than are needed.
    Spare,
    /// Nobody waits any more for the answer to the message of this key, and the agent works on it.
    Abandoned(String),
    /// It can do nothing more.
    Dead(String),
}

impl Pool {
    /// An empty pool of at most `most` agents.
    pub fn new(most: u32, floor: u32, last_number: u32, leaving_tx: UnboundedSender<Leaving>) -> Self {
        Self(Arc::new(Shared {
            floor: floor as usize,
            permits: Arc::new(Semaphore::new(most as usize)),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State { last_number, ..State::default() }),
            leaving_tx,
        }))
    }

    /// Takes up an agent that is there, at work on the message of this key if there is one.
    pub fn take_up(&self, member: TeamMember, in_flight: Option<String>) {
        let permit = in_flight.is_some().then(|| self.0.permits.clone().try_acquire_owned().ok()).flatten();
        let mut state = self.state();
        state.live += 1;
        match (in_flight, permit) {
            (Some(key), Some(permit)) => {
                let place = Some((member, permit));
                let conversation = path::conversation(&key).to_owned();
                let seat = Seat { pool: self.clone(), place, in_flight: Some(key), dead: None };
                state.held.insert(conversation, seat);
            }
            _ => state.free.push_back(member),
        }
    }

    /// The seat of this conversation, from before.
    pub fn claim(&self, conversation: &str) -> Option<Seat> {
        self.state().held.remove(conversation)
    }

    /// Gives up the messages from before whose keys `unwanted` names.
    pub fn abandon(&self, unwanted: impl Fn(&str) -> bool) {
        let given_up: Vec<Seat> = {
            let mut state = self.state();
            let is_unwanted = |seat: &Seat| seat.in_flight.as_deref().is_some_and(&unwanted);
            state.held.extract_if(|_, seat| is_unwanted(seat)).map(|(_, seat)| seat).collect()
        };
        // Not under the lock: a seat that is dropped takes it.
        drop(given_up);
    }

    /// Waits for a place: with an agent that is free (`preferred`, if that one is), or for one that must come.
    pub async fn place(&self, preferred: Option<&AgentId>) -> Place {
        let _waiting = Waiting::new(&self.0.waiting);
        let permit = self.0.permits.clone().acquire_owned().await.expect("a pool is never closed");
        let mut state = self.state();
        let wanted = preferred.and_then(|id| state.free.iter().position(|member| member.agent_id == *id));
        let first = || (0..state.free.len()).min_by_key(|index| state.free[*index].number);
        match wanted.or_else(first).and_then(|index| state.free.remove(index)) {
            Some(member) => Place::Taken(Seat::new(self.clone(), member, permit)),
            None => {
                state.live += 1;
                state.last_number += 1;
                let number = state.last_number;
                Place::Vacant(Vacancy { pool: self.clone(), permit: Some(permit), number })
            }
        }
    }

    /// Agents that could still take work: those that are free and those that may still come.
    pub fn room(&self) -> usize {
        self.0.permits.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a pool.
pub(super) enum Place {
    /// With an agent.
    Taken(Seat),
    /// For one that must come.
    Vacant(Vacancy),
}

/// A place for an agent that must come. Given back when it is dropped.
pub(super) struct Vacancy {
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
    /// Which of the role's agents it will be.
    pub number: u32,
}

impl Vacancy {
    /// The agent came.
    pub fn fill(mut self, member: TeamMember) -> Seat {
        let permit = self.permit.take().expect("a vacancy is filled once");
        Seat::new(self.pool.clone(), member, permit)
    }
}

impl Drop for Vacancy {
    fn drop(&mut self) {
        if self.permit.take().is_some() {
            self.pool.state().live -= 1;
        }
    }
}

/// An agent, for whoever holds this. When it is dropped, the agent is free for others, or leaves.
pub(super) struct Seat {
    pool: Pool,
    place: Option<(TeamMember, OwnedSemaphorePermit)>,
    in_flight: Option<String>,
    dead: Option<String>,
}

impl Seat {
    fn new(pool: Pool, member: TeamMember, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, place: Some((member, permit)), in_flight: None, dead: None }
    }

    /// The agent.
    pub fn member(&self) -> &TeamMember {
        &self.place.as_ref().expect("a seat has its agent until it is dropped").0
    }

    /// It works on this message now.
    pub fn begins(&mut self, key: &str) {
        self.in_flight = Some(key.to_owned());
    }

    /// It works on nothing.
    pub fn rests(&mut self) {
        self.in_flight = None;
    }

    /// It can do nothing more.
    pub fn dies(&mut self, reason: &str) {
        self.dead = Some(reason.to_owned());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((member, permit)) = self.place.take() else { return };
        let shared = &self.pool.0;
        let mut state = self.pool.state();
        let why = match (self.dead.take(), self.in_flight.take()) {
            (Some(reason), _) => Why::Dead(reason),
            (None, Some(key)) => Why::Abandoned(key),
            (None, None) => {
                if state.live <= shared.floor || shared.waiting.load(Ordering::Acquire) > 0 {
                    state.free.push_back(member);
                    return;
                }
                Why::Spare
            }
        };
        // One that leaves is not counted on any more, though it keeps its permit until it is gone.
        state.live -= 1;
        drop(state);
        // Nobody takes leave any more when the run is over: everything is stopped then.
        drop(shared.leaving_tx.send(Leaving { member, why, pool: self.pool.clone(), permit }));
    }
}

impl Leaving {
    /// It is free for others after all.
    pub fn stays(self) {
        self.pool.state().live += 1;
        drop(Seat::new(self.pool, self.member, self.permit));
    }

    /// It is gone.
    pub fn goes(self) {
        drop(self.permit);
    }
}

/// One who waits, as long as it lives.
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
