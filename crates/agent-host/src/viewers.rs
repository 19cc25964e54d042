//! The viewers of the terminal. Each has a bounded queue of its own.
//!
//! The program waits for a viewer that may type and reads: while one is behind by more than its window, the terminal is
//! read no faster than that viewer reads, so that it loses nothing. Nobody waits for a viewer that does not read, or that
//! only watches: when its queue is full it loses the queue and gets a fresh screen.
//!
//! Where nothing waits for a viewer that came with its own connection, output is written to that at once, in a frame that is made once
//! for all of them.

mod printed;
mod queue;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use bytes::Bytes;
use parallax_api::terminal::{MAX_VIEWERS, TerminalMode};
use parallax_api::{Code, Problem, TerminalSize};
use tokio::sync::Notify;

use crate::allocator;
use crate::lease::ViewerId;
use printed::Printed;
pub use printed::{text, with_offset};
pub use queue::FeedItem;
use queue::Queue;
pub use wire::{Outlet, Wire};

/// The sending side, owned by the session.
#[derive(Default)]
pub struct Viewers {
    /// Who typed last is first: a person waits for the echo of a key, and others do not know when it was pressed.
    feeds: Vec<(ViewerId, Weak<Shared>)>,
    /// Whether a viewer was behind when the queues were last looked at. None gets behind otherwise.
    is_any_behind: bool,
    caught_up: Arc<Notify>,
}

/// A viewer that joins.
pub struct Joining {
    /// Who it is.
    pub viewer: ViewerId,
    /// Whether it may type.
    pub mode: TerminalMode,
    /// Its connection, where it came with its own.
    pub outlet: Option<Outlet>,
}

/// The receiving side: the queue of one viewer. Dropping it removes the viewer.
pub struct Feed(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
    caught_up: Arc<Notify>,
}

impl Viewers {
    /// Adds a viewer, which gets what is printed from `offset` on. Fails with `RESOURCE_LIMIT`.
    pub fn join(&mut self, joining: Joining, offset: u64) -> Result<Feed, Problem> {
        self.feeds.retain(|(_, feed)| feed.strong_count() > 0);
        if self.feeds.len() >= MAX_VIEWERS {
            return Err(Problem::new(Code::ResourceLimit, format!("{MAX_VIEWERS} viewers watch already")));
        }
        let viewer = joining.viewer;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(joining, offset)),
            filled: Notify::new(),
            caught_up: self.caught_up.clone(),
        });
        self.feeds.push((viewer, Arc::downgrade(&shared)));
        Ok(Feed(shared))
    }

    /// A viewer has typed.
    pub fn typed(&mut self, viewer: ViewerId) {
        if let Some(at) = self.feeds.iter().position(|(other, _)| *other == viewer) {
            self.feeds[..=at].rotate_right(1);
        }
    }

    /// Sends every viewer the output from `offset` on, or queues it; never waits.
    pub fn output(&mut self, offset: u64, bytes: &Bytes) {
        let (now, printed) = (Instant::now(), Printed::new(offset, bytes));
        if self.each(|queue| queue.output(&printed, now)) {
            // Up to a mebibyte waited for a viewer that reads nothing.
            allocator::trim();
        }
    }

    /// The program is interrupted: who has much waiting gets a fresh screen instead.
    pub fn interrupted(&mut self) {
        self.change_each(Queue::interrupted);
    }

    /// Queues the new size for every viewer.
    pub fn resized(&mut self, size: TerminalSize) {
        self.change_each(|queue| queue.push_state(FeedItem::Resized(size)));
    }

    /// Queues for every viewer who holds the size.
    pub fn leased(&mut self, holder: Option<ViewerId>) {
        self.change_each(|queue| queue.push_state(FeedItem::Leased(holder)));
    }

    /// Until when the program waits for a viewer, unless that catches up before. None: it does not wait.
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        if !self.is_any_behind {
            return None;
        }
        let holds = |(_, feed): &(ViewerId, Weak<Shared>)| feed.upgrade()?.lock().held_until();
        self.feeds.iter().filter_map(holds).max().filter(|until| *until > now)
    }

    /// Resolves when a viewer that the program waited for has caught up or left. Cancel-safe.
    pub fn caught_up(&self) -> impl Future<Output = ()> + use<> {
        let caught_up = self.caught_up.clone();
        async move { caught_up.notified().await }
    }

    /// Ends every queue; what is queued is still delivered.
    pub fn end(&mut self) {
        self.change_each(|queue| queue.ended = true);
        self.feeds.clear();
    }

    fn change_each(&mut self, change: impl Fn(&mut Queue)) {
        self.each(|queue| {
            change(queue);
            true
        });
    }

    /// Changes every queue. The tasks of viewers are woken for which `change` says that they have something to do. Answers whether a viewer
    /// is skipped.
    fn each(&mut self, change: impl Fn(&mut Queue) -> bool) -> bool {
        let (mut is_skipped, mut is_any_behind) = (false, false);
        self.feeds.retain(|(_, feed)| {
            let Some(shared) = feed.upgrade() else { return false };
            let mut queue = shared.lock();
            let is_filled = change(&mut queue);
            let lagged = queue.lagged;
            is_any_behind |= queue.is_behind;
            drop(queue);
            if is_filled {
                shared.filled.notify_one();
            }
            is_skipped |= lagged;
            !lagged
        });
        self.is_any_behind = is_any_behind;
        is_skipped
    }
}

impl Feed {
    /// The next item for this viewer. While it waits for one, output may come to the viewer without it, if `may_write`: all that was taken
    /// is sent, whole characters.
    pub async fn next(&mut self, may_write: bool) -> FeedItem {
        loop {
            let filled = self.0.filled.notified();
            if let Some(item) = self.take(may_write) {
                return item;
            }
            filled.await;
        }
    }

    fn take(&self, may_write: bool) -> Option<FeedItem> {
        let mut queue = self.0.lock();
        let was_behind = queue.is_behind;
        let item = queue.take(may_write);
        if was_behind && !queue.is_behind {
            self.0.caught_up.notify_one();
        }
        item
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The session may wait for this viewer.
        self.0.caught_up.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("a viewer's queue does not panic")
    }
}
