//! Requests that wait for the end of an interrupted turn.

use std::time::{Duration, Instant};

use parallax_api::{Code, Problem};

use super::command::Reply;

/// How long an interrupted turn may take to end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two presses of the interrupt keys.
const PRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The waiting requests, and when the keys were pressed last.
#[derive(Default)]
pub(super) struct Interrupts {
    waiting: Vec<(Reply<()>, Instant)>,
    pressed_at: Option<Instant>,
}

impl Interrupts {
    /// Whether to press the keys now: once for all requests of a moment, since a second Esc means something else.
    pub(super) fn may_press(&mut self, now: Instant) -> bool {
        if self.pressed_at.is_some_and(|at| now - at < PRESS_INTERVAL) {
            return false;
        }
        self.pressed_at = Some(now);
        true
    }

    /// Replies when the turn is over.
    pub(super) fn wait(&mut self, reply: Reply<()>, now: Instant) {
        self.waiting.push((reply, now + TIMEOUT));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }

    /// Replies to the requests that are done or have waited too long.
    pub(super) fn step(&mut self, is_working: bool, now: Instant) {
        for (reply, until) in std::mem::take(&mut self.waiting) {
            let result = if !is_working {
                Ok(())
            } else if now >= until {
                let why = "the agent works on although it was interrupted; try again, or stop it";
                Err(Problem::new(Code::Timeout, why))
            } else {
                self.waiting.push((reply, until));
                continue;
            };
            // A caller that no longer waits needs no answer.
            drop(reply.send(result));
        }
    }
}
