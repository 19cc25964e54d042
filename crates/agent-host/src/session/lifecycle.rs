//! The start and the end of a run of the agent's program.

use std::time::{Duration, Instant};

use parallax_api::Problem;
use parallax_profile::Conversation;
use tokio::sync::oneshot;

use super::command::Reply;
use crate::process_tree::KillAll;
use crate::termination::Termination;

/// The longest grace that a request may give.
const MAX_GRACE: Duration = Duration::from_mins(10);

/// How far the run is.
pub(super) struct Lifecycle {
    /// A program that ends so soon after its start, without having been ready, did not start.
    start_window: Duration,
    started_tx: Option<oneshot::Sender<Result<(), Problem>>>,
    termination: Option<Termination>,
    /// The program has ended; what it started is being killed.
    cleanup: Option<KillAll>,
    finished: bool,
}

impl Lifecycle {
    /// Of a program that has just been started.
    pub(super) fn new(start_window: Duration) -> Self {
        Self { start_window, started_tx: None, termination: None, cleanup: None, finished: false }
    }

    /// `started_tx` hears whether the program started.
    pub(super) fn notify_started(&mut self, started_tx: oneshot::Sender<Result<(), Problem>>) {
        self.started_tx = Some(started_tx);
    }

    /// Whether the agent has ended for good.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the program is being stopped or restarted.
    pub(super) fn is_terminating(&self) -> bool {
        self.termination.is_some()
    }

    /// Whether the agent is being stopped, not to come back.
    pub(super) fn is_stopping(&self) -> bool {
        self.termination.as_ref().is_some_and(|termination| termination.restart().is_none())
    }

    /// Whether the exit command was begun.
    pub(super) fn has_asked(&self) -> bool {
        self.termination.as_ref().is_some_and(|termination| !termination.is_asking())
    }

    /// Ends the program by itself, for `reason`.
    pub(super) fn terminate(&mut self, reason: &'static str, now: Instant) {
        self.termination = Some(Termination::new(reason, DEFAULT_GRACE, now));
    }

    /// Ends the program on request.
    pub(super) fn stop(&mut self, grace: Duration, reply: Reply<()>, now: Instant) {
        let grace = grace.min(MAX_GRACE);
        let termination = self.termination.get_or_insert_with(|| Termination::new("stopped", grace, now));
        termination.stop(grace, reply, now);
    }

    /// Ends the program on request, to be started again by another host of this directory.
    pub(super) fn suspend(&mut self, reply: Reply<()>, now: Instant) {
        self.termination = Some(Termination::suspending(DEFAULT_GRACE, reply, now));
    }

    /// Ends the program on request, to start it again.
    pub(super) fn restart(&mut self, conversation: Conversation, reply: Reply<()>, now: Instant) {
        self.termination = Some(Termination::restarting(conversation, DEFAULT_GRACE, reply, now));
    }

    /// The termination in progress.
    pub(super) fn termination(&mut self) -> Option<&mut Termination> {
        self.termination.as_mut()
    }

    /// The program has ended: takes what was requested.
    pub(super) fn take_termination(&mut self) -> Option<Termination> {
        self.cleanup = None;
        self.termination.take()
    }

    /// The agent has ended for good. `result` is for a caller that still waits for the start.
    pub(super) fn finish(&mut self, result: impl FnOnce() -> Result<(), Problem>) {
        self.finished = true;
        if let Some(started_tx) = self.started_tx.take() {
            // A caller that no longer waits finds the agent in the list.
            drop(started_tx.send(result()));
        }
    }

    /// When a running program counts as started.
    pub(super) fn start_deadline(&self, spawned: Instant) -> Option<Instant> {
        self.started_tx.as_ref().map(|_| spawned + self.start_window)
    }

    /// Reports a running program as started when it is: at once when it `is_up`.
    pub(super) fn step_start(&mut self, spawned: Instant, is_up: bool, now: Instant) {
        if (is_up || now >= spawned + self.start_window)
            && let Some(started_tx) = self.started_tx.take()
        {
            // A caller that no longer waits finds the agent in the list.
            drop(started_tx.send(Ok(())));
        }
    }

    /// When the termination of a running program goes on.
    pub(super) fn termination_deadline(&self, now: Instant) -> Option<Instant> {
        self.termination.as_ref().map(|termination| termination.deadline(now))
    }

    /// When the cleanup after a program goes on whose output is complete at `drained_at`.
    pub(super) fn cleanup_deadline(&self, drained_at: Instant) -> Instant {
        self.cleanup.as_ref().map_or(drained_at, KillAll::deadline)
    }

    /// Kills what the ended program started. Returns whether nothing is left.
    pub(super) fn step_cleanup(&mut self, drained_at: Instant, now: Instant) -> bool {
        if self.cleanup_deadline(drained_at) > now {
            return false;
        }
        self.cleanup.get_or_insert_with(|| KillAll::new(now)).step(now)
    }
}

/// How long a program may take to end when the request does not say.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);
