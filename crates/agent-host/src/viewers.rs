//! Who watches the terminal: each viewer has a small queue of its own, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use bytes::Bytes;
use parallax_api::{Code, Problem, TerminalSize};
use tokio::sync::Notify;

/// Bytes that may wait for one viewer. When they are more the queue is forgotten and the viewer gets a fresh screen.
const MAX_WAITING: usize = 1024 * 1024;
/// Viewers at once.
const MAX_VIEWERS: usize = 64;

/// The sending side, owned by the session.
#[derive(Default)]
pub struct Viewers(Vec<Weak<Shared>>);

/// What a viewer gets next.
#[derive(Debug)]
pub enum Delivery {
    /// Output that follows what it had.
    Output(Bytes),
    /// The terminal has a new size.
    Resized(TerminalSize),
    /// It was too slow: ask for a fresh screen.
    Lagged,
    /// Nothing more will come.
    Ended,
}

/// The receiving side: one viewer's queue. Dropping it is leaving.
pub struct Feed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    lagged: bool,
    ended: bool,
}

impl Viewers {
    /// One viewer more. Fails with `RESOURCE_LIMIT`.
    pub fn join(&mut self) -> Result<Feed, Problem> {
        self.0.retain(|viewer| viewer.strong_count() > 0);
        if self.0.len() >= MAX_VIEWERS {
            return Err(Problem::new(Code::ResourceLimit, format!("{MAX_VIEWERS} viewers watch already")));
        }
        let shared = Arc::new(Shared::default());
        self.0.push(Arc::downgrade(&shared));
        Ok(Feed(shared))
    }

    /// Gives output to everyone; never waits.
    pub fn output(&mut self, bytes: &Bytes) {
        self.each(|queue| {
            queue.bytes += bytes.len();
            if queue.bytes > MAX_WAITING {
                queue.waiting.clear();
                queue.lagged = true;
            } else {
                queue.waiting.push_back(Delivery::Output(bytes.clone()));
            }
        });
    }

    /// Tells everyone the new size.
    pub fn resized(&mut self, size: TerminalSize) {
        self.each(|queue| queue.waiting.push_back(Delivery::Resized(size)));
    }

    /// Tells everyone that nothing more will come; what waits is still delivered.
    pub fn end(&mut self) {
        self.each(|queue| queue.ended = true);
        self.0.clear();
    }

    fn each(&mut self, change: impl Fn(&mut Queue)) {
        self.0.retain(|viewer| {
            let Some(shared) = viewer.upgrade() else { return false };
            let mut queue = shared.lock();
            change(&mut queue);
            let lagged = queue.lagged;
            drop(queue);
            shared.filled.notify_one();
            !lagged
        });
    }
}

impl Feed {
    /// The next thing for this viewer.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let filled = self.0.filled.notified();
            if let Some(delivery) = self.0.lock().take() {
                return delivery;
            }
            filled.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("a viewer's queue does not panic")
    }
}

impl Queue {
    fn take(&mut self) -> Option<Delivery> {
        if self.lagged {
            return Some(Delivery::Lagged);
        }
        let next = self.waiting.pop_front();
        if let Some(Delivery::Output(bytes)) = &next {
            self.bytes -= bytes.len();
        }
        next.or_else(|| self.ended.then_some(Delivery::Ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_viewer_loses_its_queue_and_nobody_elses() {
        let mut viewers = Viewers::default();
        let (mut slow, mut quick) = (viewers.join().unwrap(), viewers.join().unwrap());
        let chunk = Bytes::from(vec![b'x'; MAX_WAITING / 2]);
        for _ in 0..3 {
            viewers.output(&chunk);
            assert!(matches!(quick.next().await, Delivery::Output(_)));
        }
        assert!(matches!(slow.next().await, Delivery::Lagged));
        viewers.end();
        assert!(matches!(quick.next().await, Delivery::Ended));
    }
}
