//! The viewers of the terminal. Each has a bounded queue of its own, and no other viewer waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use bytes::Bytes;
use parallax_api::terminal::MAX_VIEWERS;
use parallax_api::{Code, Problem, TerminalSize};
use tokio::sync::Notify;

use crate::lease::ViewerId;

/// Bytes that may wait for one viewer. Beyond it the queue is dropped and the viewer gets a fresh screen.
const MAX_QUEUED: usize = 1024 * 1024;

/// The sending side, owned by the session.
#[derive(Default)]
pub struct Viewers(Vec<Weak<Shared>>);

/// An item of a viewer's queue.
#[derive(Debug)]
pub enum FeedItem {
    /// Output that follows what it had.
    Output(Bytes),
    /// The terminal has a new size.
    Resized(TerminalSize),
    /// This viewer, or nobody, holds the size now.
    Leased(Option<ViewerId>),
    /// The viewer was too slow and needs a fresh screen.
    Lagged,
    /// The end of the terminal.
    Ended,
}

/// The receiving side: the queue of one viewer. Dropping it removes the viewer.
pub struct Feed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<FeedItem>,
    bytes: usize,
    lagged: bool,
    ended: bool,
}

impl Viewers {
    /// Adds a viewer. Fails with `RESOURCE_LIMIT`.
    pub fn join(&mut self) -> Result<Feed, Problem> {
        self.0.retain(|viewer| viewer.strong_count() > 0);
        if self.0.len() >= MAX_VIEWERS {
            return Err(Problem::new(Code::ResourceLimit, format!("{MAX_VIEWERS} viewers watch already")));
        }
        let shared = Arc::new(Shared::default());
        self.0.push(Arc::downgrade(&shared));
        Ok(Feed(shared))
    }

    /// Queues output for every viewer; never waits.
    pub fn output(&mut self, bytes: &Bytes) {
        self.each(|queue| {
            queue.bytes += bytes.len();
            if queue.bytes > MAX_QUEUED {
                queue.waiting.clear();
                queue.lagged = true;
            } else {
                queue.waiting.push_back(FeedItem::Output(bytes.clone()));
            }
        });
    }

    /// Queues the new size for every viewer.
    pub fn resized(&mut self, size: TerminalSize) {
        self.each(|queue| queue.waiting.push_back(FeedItem::Resized(size)));
    }

    /// Queues for every viewer who holds the size.
    pub fn leased(&mut self, holder: Option<ViewerId>) {
        self.each(|queue| queue.waiting.push_back(FeedItem::Leased(holder)));
    }

    /// Ends every queue; what is queued is still delivered.
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
    /// The next item for this viewer.
    pub async fn next(&mut self) -> FeedItem {
        loop {
            let filled = self.0.filled.notified();
            if let Some(item) = self.0.lock().take() {
                return item;
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
    fn take(&mut self) -> Option<FeedItem> {
        if self.lagged {
            return Some(FeedItem::Lagged);
        }
        let next = self.waiting.pop_front();
        if let Some(FeedItem::Output(bytes)) = &next {
            self.bytes -= bytes.len();
        }
        next.or_else(|| self.ended.then_some(FeedItem::Ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_viewer_loses_its_own_queue_only() {
        let mut viewers = Viewers::default();
        let (mut slow, mut quick) = (viewers.join().unwrap(), viewers.join().unwrap());
        let chunk = Bytes::from(vec![b'x'; MAX_QUEUED / 2]);
        for _ in 0..3 {
            viewers.output(&chunk);
            assert!(matches!(quick.next().await, FeedItem::Output(_)));
        }
        assert!(matches!(slow.next().await, FeedItem::Lagged));
        viewers.end();
        assert!(matches!(quick.next().await, FeedItem::Ended));
    }
}
