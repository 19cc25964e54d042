//! The input side of the session: everything that is typed into the terminal goes through here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parallax_api::Problem;

use super::command::Reply;
use crate::terminal::Terminal;

/// Between two keys that answer a dialog: closer ones can be taken for one key.
const KEY_INTERVAL: Duration = Duration::from_millis(80);
/// How long messages wait after a person typed into the composer.
const TYPING_PAUSE: Duration = Duration::from_secs(5);

/// What waits to be typed, and what was.
pub(super) struct Input {
    /// Keys to press one after the other.
    keys: VecDeque<Vec<u8>>,
    next_key_at: Instant,
    last_at: Instant,
    last_typed_at: Option<Instant>,
    bytes: u64,
}

impl Input {
    pub(super) fn new(now: Instant) -> Self {
        Self { keys: VecDeque::new(), next_key_at: now, last_at: now, last_typed_at: None, bytes: 0 }
    }

    /// Bytes typed so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When something was last typed, sent, or started.
    pub(super) fn last_at(&self) -> Instant {
        self.last_at
    }

    /// Notes that the agent was asked something.
    pub(super) fn touch(&mut self, now: Instant) {
        self.last_at = now;
    }

    /// Keys that wait to be pressed.
    pub(super) fn pending_keys(&self) -> usize {
        self.keys.len()
    }

    /// Writes to the terminal at once. Returns the input offset behind `bytes`. Fails as [`Terminal::write`] does.
    pub(super) fn write(
        &mut self,
        terminal: &mut Terminal,
        bytes: impl Into<Bytes>,
        now: Instant,
    ) -> Result<u64, Problem> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        let target = terminal.write(bytes)?;
        self.bytes += len;
        self.last_at = now;
        Ok(target)
    }

    /// Writes what a person typed. `taken` hears when the program's terminal has taken it, or why it does not; after the
    /// end of the terminal, nothing.
    pub(super) fn type_through(
        &mut self,
        terminal: &mut Terminal,
        bytes: Bytes,
        taken: Reply<()>,
        now: Instant,
    ) {
        self.bytes += bytes.len() as u64;
        self.last_at = now;
        terminal.type_through(bytes, taken);
    }

    /// Queues keys, each a write of its own.
    pub(super) fn press(&mut self, keys: impl IntoIterator<Item = Vec<u8>>) {
        self.keys.extend(keys);
    }

    /// Forgets the keys that wait.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// A person typed.
    pub(super) fn person_typed(&mut self, now: Instant) {
        self.last_typed_at = Some(now);
    }

    /// Until when a person may be typing.
    pub(super) fn typing_until(&self, now: Instant) -> Option<Instant> {
        self.last_typed_at.map(|at| at + TYPING_PAUSE).filter(|until| *until > now)
    }

    /// When the next key is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.keys.is_empty()).then_some(self.next_key_at)
    }

    /// The key to press now.
    pub(super) fn step(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.next_key_at {
            return None;
        }
        let key = self.keys.pop_front()?;
        self.next_key_at = now + KEY_INTERVAL;
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pressed_one_after_the_other() {
        let now = Instant::now();
        let mut input = Input::new(now);
        assert_eq!(input.deadline(), None);
        input.press([b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(input.step(now), Some(b"a".to_vec()));
        assert_eq!(input.step(now), None);
        let next = input.deadline().unwrap();
        assert_eq!(next, now + KEY_INTERVAL);
        assert_eq!(input.step(next), Some(b"b".to_vec()));
        assert_eq!(input.deadline(), None);
    }
}
