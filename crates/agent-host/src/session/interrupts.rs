//! Interrupts of the current turn: when their keys are pressed, and the requests that wait for the turn's end.

use std::time::{Duration, Instant};

use parallax_api::{Code, Problem};

use super::command::Reply;

/// How long an interrupted turn may take to end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two presses of the interrupt keys.
const PRESS_INTERVAL: Duration = Duration::from_millis(1500);
/// Presses for one turn. The first may only leave a mode of the composer (vim).
const PRESSES: u32 = 4;

/// The waiting requests, and when the keys were pressed last.
#[derive(Default)]
pub(super) struct Interrupts {
    waiting: Vec<(Reply<()>, Instant)>,
    pressed: Option<Pressed>,
}

/// The presses for the turn that runs.
#[derive(Clone, Copy)]
struct Pressed {
    at: Instant,
    times: u32,
}

impl Interrupts {
    /// Whether to press the keys now: once for all requests of a moment, since a second Esc means something else.
    pub(super) fn may_press(&mut self, now: Instant) -> bool {
        if self.pressed.is_some() {
            return false;
        }
        self.pressed = Some(Pressed { at: now, times: 1 });
        true
    }

    /// Replies when the turn is over.
    pub(super) fn wait(&mut self, reply: Reply<()>, now: Instant) {
        self.waiting.push((reply, now + TIMEOUT));
    }

    /// The turn is over: what is interrupted next is another one.
    pub(super) fn turn_over(&mut self) {
        self.pressed = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let again = self.pressed.filter(|pressed| pressed.times < PRESSES).map(|p| p.at + PRESS_INTERVAL);
        self.waiting.iter().map(|(_, until)| *until).chain(again).min()
    }

    /// Replies to the requests that are done or have waited too long. True: the agent works on although it has printed
    /// something since the keys were pressed, so they are to be pressed again.
    pub(super) fn step(&mut self, is_working: bool, last_output: Instant, now: Instant) -> bool {
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
        self.pressed = self.pressed.filter(|_| is_working);
        let Some(pressed) = &mut self.pressed else { return false };
        if pressed.times == PRESSES || now < pressed.at + PRESS_INTERVAL {
            return false;
        }
        let has_read = last_output > pressed.at;
        *pressed = Pressed { at: now, times: pressed.times + u32::from(has_read) };
        has_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pressed_again_while_the_turn_goes_on() {
        let now = Instant::now();
        let mut interrupts = Interrupts::default();
        assert!(interrupts.may_press(now));
        assert!(!interrupts.may_press(now), "two requests are one interrupt");
        let later = now + PRESS_INTERVAL;
        assert_eq!(interrupts.deadline(), Some(later));
        assert!(!interrupts.step(true, now, later), "it has not read the first");
        let later = later + PRESS_INTERVAL;
        assert!(interrupts.step(true, later, later));
        interrupts.turn_over();
        assert!(!interrupts.step(true, later, later + PRESS_INTERVAL), "the next turn was not interrupted");
        assert!(interrupts.may_press(later), "and may be at once");
    }

    #[test]
    fn keys_are_not_pressed_for_ever() {
        let mut now = Instant::now();
        let mut interrupts = Interrupts::default();
        assert!(interrupts.may_press(now));
        let mut pressed = 1;
        for _ in 0..100 {
            now += PRESS_INTERVAL;
            pressed += u32::from(interrupts.step(true, now, now));
        }
        assert_eq!((pressed, interrupts.deadline()), (PRESSES, None));
    }
}
