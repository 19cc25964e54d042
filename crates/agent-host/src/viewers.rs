//! The viewers of the terminal. Each has a bounded queue of its own.
//!
//! The program waits for a viewer that may type and reads: while one is behind by more than its window, the terminal is
//! read no faster than that viewer reads, so that it loses nothing. Nobody waits for a viewer that does not read, or that
//! only watches: when its queue is full it loses the queue and gets a fresh screen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parallax_api::terminal::{MAX_VIEWERS, TerminalMode};
use parallax_api::{Code, Problem, TerminalSize};
use tokio::sync::Notify;

use crate::allocator;
use crate::lease::ViewerId;

/// Bytes that may wait for one viewer. Beyond it the queue is dropped and the viewer gets a fresh screen.
const MAX_QUEUED: usize = 1024 * 1024;
/// Items that may wait, so that small ones are bounded too.
const MAX_ITEMS: usize = 16 * 1024;
/// A viewer that is behind by more bytes than this makes the program wait …
const WINDOW: usize = 128 * 1024;
/// … until it is behind by no more than this …
const RESUME: usize = WINDOW / 2;
/// … or has read nothing for this long.
const PATIENCE: Duration = Duration::from_millis(250);
/// When the program is interrupted, a viewer that is behind by more bytes than this gets a fresh screen: the prompt, and not
/// what was printed before it, is what a person waits for.
const MAX_STALE: usize = 16 * 1024;
/// Chunks that wait are sent as one, up to this many bytes.
const MAX_ITEM: usize = 32 * 1024;

/// The sending side, owned by the session.
#[derive(Default)]
pub struct Viewers {
    feeds: Vec<Weak<Shared>>,
    caught_up: Arc<Notify>,
}

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

struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
    caught_up: Arc<Notify>,
}

struct Queue {
    waiting: VecDeque<FeedItem>,
    bytes: usize,
    /// Whether the program may have to wait for this viewer.
    is_waited_for: bool,
    is_behind: bool,
    /// When the viewer took something last, or had nothing to take.
    read_at: Instant,
    lagged: bool,
    ended: bool,
}

impl Viewers {
    /// Adds a viewer. Fails with `RESOURCE_LIMIT`.
    pub fn join(&mut self, mode: TerminalMode) -> Result<Feed, Problem> {
        self.feeds.retain(|viewer| viewer.strong_count() > 0);
        if self.feeds.len() >= MAX_VIEWERS {
            return Err(Problem::new(Code::ResourceLimit, format!("{MAX_VIEWERS} viewers watch already")));
        }
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::new(mode == TerminalMode::Interactive)),
            filled: Notify::new(),
            caught_up: self.caught_up.clone(),
        });
        self.feeds.push(Arc::downgrade(&shared));
        Ok(Feed(shared))
    }

    /// Queues output for every viewer; never waits.
    pub fn output(&mut self, bytes: &Bytes) {
        let now = Instant::now();
        self.each(|queue| {
            if queue.waiting.is_empty() {
                queue.read_at = now;
            }
            queue.bytes += bytes.len();
            if queue.bytes > MAX_QUEUED || queue.waiting.len() >= MAX_ITEMS {
                queue.skip();
            } else {
                queue.is_behind |= queue.bytes > WINDOW;
                queue.waiting.push_back(FeedItem::Output(bytes.clone()));
            }
        });
    }

    /// The program is interrupted: who has much waiting gets a fresh screen instead.
    pub fn interrupted(&mut self) {
        self.each(|queue| {
            if queue.bytes > MAX_STALE {
                queue.skip();
            }
        });
    }

    /// Queues the new size for every viewer.
    pub fn resized(&mut self, size: TerminalSize) {
        self.each(|queue| queue.push_state(FeedItem::Resized(size)));
    }

    /// Queues for every viewer who holds the size.
    pub fn leased(&mut self, holder: Option<ViewerId>) {
        self.each(|queue| queue.push_state(FeedItem::Leased(holder)));
    }

    /// Until when the program waits for a viewer, unless that catches up before. None: it does not wait.
    pub fn held_until(&self, now: Instant) -> Option<Instant> {
        let holds = |viewer: &Weak<Shared>| viewer.upgrade()?.lock().held_until();
        self.feeds.iter().filter_map(holds).max().filter(|until| *until > now)
    }

    /// Resolves when a viewer that the program waited for has caught up or left. Cancel-safe.
    pub fn caught_up(&self) -> impl Future<Output = ()> + use<> {
        let caught_up = self.caught_up.clone();
        async move { caught_up.notified().await }
    }

    /// Ends every queue; what is queued is still delivered.
    pub fn end(&mut self) {
        self.each(|queue| queue.ended = true);
        self.feeds.clear();
    }

    fn each(&mut self, change: impl Fn(&mut Queue)) {
        let mut is_skipped = false;
        self.feeds.retain(|viewer| {
            let Some(shared) = viewer.upgrade() else { return false };
            let mut queue = shared.lock();
            change(&mut queue);
            let lagged = queue.lagged;
            drop(queue);
            shared.filled.notify_one();
            is_skipped |= lagged;
            !lagged
        });
        if is_skipped {
            // Up to a mebibyte waited for a viewer that reads nothing.
            allocator::trim();
        }
    }
}

impl Feed {
    /// The next item for this viewer.
    pub async fn next(&mut self) -> FeedItem {
        loop {
            let filled = self.0.filled.notified();
            if let Some(item) = self.take() {
                return item;
            }
            filled.await;
        }
    }

    fn take(&self) -> Option<FeedItem> {
        let mut queue = self.0.lock();
        let was_behind = queue.is_behind;
        let item = queue.take();
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

impl Queue {
    fn new(is_waited_for: bool) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            is_waited_for,
            is_behind: false,
            read_at: Instant::now(),
            lagged: false,
            ended: false,
        }
    }

    /// Queues a state, in place of an older one of its kind with no output in between: a viewer that reads nothing may be told
    /// of any number.
    fn push_state(&mut self, state: FeedItem) {
        let kind = std::mem::discriminant(&state);
        let states = self.waiting.iter().rev().take_while(|item| !matches!(item, FeedItem::Output(_)));
        let last = states.take(2).position(|item| std::mem::discriminant(item) == kind);
        if let Some(back) = last {
            self.waiting.remove(self.waiting.len() - 1 - back);
        }
        self.waiting.push_back(state);
        if self.waiting.len() > MAX_ITEMS {
            self.skip();
        }
    }

    /// Drops what waits in favour of a fresh screen.
    fn skip(&mut self) {
        self.waiting = VecDeque::new();
        self.is_behind = false;
        self.lagged = true;
    }

    fn held_until(&self) -> Option<Instant> {
        (self.is_waited_for && self.is_behind).then(|| self.read_at + PATIENCE)
    }

    fn take(&mut self) -> Option<FeedItem> {
        if self.lagged {
            return Some(FeedItem::Lagged);
        }
        let next = match self.waiting.pop_front() {
            Some(FeedItem::Output(bytes)) => Some(FeedItem::Output(self.joined(bytes))),
            other => other,
        };
        if next.is_some() {
            self.read_at = Instant::now();
            self.is_behind &= self.bytes > RESUME;
        }
        next.or_else(|| self.ended.then_some(FeedItem::Ended))
    }

    /// The chunk `first` and those after it that fit into one item.
    fn joined(&mut self, first: Bytes) -> Bytes {
        self.bytes -= first.len();
        let mut joined = BytesMut::new();
        while let Some(FeedItem::Output(more)) = self.waiting.front()
            && first.len().max(joined.len()) + more.len() <= MAX_ITEM
        {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(more);
            self.bytes -= more.len();
            self.waiting.pop_front();
        }
        if joined.is_empty() { first } else { joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_viewer_that_only_watches_loses_its_own_queue_only() {
        let mut viewers = Viewers::default();
        let mut slow = viewers.join(TerminalMode::View).unwrap();
        let mut quick = viewers.join(TerminalMode::View).unwrap();
        let chunk = Bytes::from(vec![b'x'; MAX_QUEUED / 2]);
        for _ in 0..3 {
            viewers.output(&chunk);
            assert!(viewers.held_until(Instant::now()).is_none());
            assert!(matches!(quick.next().await, FeedItem::Output(_)));
        }
        assert!(matches!(slow.next().await, FeedItem::Lagged));
        viewers.end();
        assert!(matches!(quick.next().await, FeedItem::Ended));
    }

    #[tokio::test]
    async fn the_program_waits_for_a_viewer_that_reads_and_for_no_other() {
        let mut viewers = Viewers::default();
        let mut viewer = viewers.join(TerminalMode::Interactive).unwrap();
        let chunk = Bytes::from(vec![b'x'; MAX_ITEM]);
        for _ in 0..=WINDOW / MAX_ITEM {
            assert!(viewers.held_until(Instant::now()).is_none());
            viewers.output(&chunk);
        }
        let until = viewers.held_until(Instant::now()).unwrap();
        assert!(viewers.held_until(until).is_none(), "it read nothing");
        viewer.next().await;
        assert!(viewers.held_until(until).is_some(), "it read, and is still behind");
        for _ in 0..(WINDOW - RESUME) / MAX_ITEM {
            viewer.next().await;
        }
        viewers.caught_up().await;
        assert!(viewers.held_until(Instant::now()).is_none());
    }

    #[tokio::test]
    async fn what_waits_is_joined_in_order() {
        let mut viewers = Viewers::default();
        let mut viewer = viewers.join(TerminalMode::Interactive).unwrap();
        let size = TerminalSize { cols: 80, rows: 24 };
        for word in ["a", "b", "c"] {
            viewers.output(&Bytes::from_static(word.as_bytes()));
        }
        viewers.resized(size);
        viewers.output(&Bytes::from_static(b"d"));
        assert!(matches!(viewer.next().await, FeedItem::Output(bytes) if bytes == "abc"));
        assert!(matches!(viewer.next().await, FeedItem::Resized(resized) if resized == size));
        assert!(matches!(viewer.next().await, FeedItem::Output(bytes) if bytes == "d"));
    }

    #[tokio::test]
    async fn after_an_interrupt_nobody_waits_for_what_was_printed_before() {
        let mut viewers = Viewers::default();
        let mut viewer = viewers.join(TerminalMode::Interactive).unwrap();
        viewers.output(&Bytes::from_static(b"little"));
        viewers.interrupted();
        assert!(matches!(viewer.next().await, FeedItem::Output(_)));
        viewers.output(&Bytes::from(vec![b'x'; MAX_STALE + 1]));
        viewers.interrupted();
        assert!(matches!(viewer.next().await, FeedItem::Lagged));
    }

    #[tokio::test]
    async fn a_viewer_that_reads_nothing_is_told_the_last_state_only() {
        let mut viewers = Viewers::default();
        let mut viewer = viewers.join(TerminalMode::Interactive).unwrap();
        viewers.output(&Bytes::from_static(b"a"));
        for cols in 40..1000 {
            viewers.resized(TerminalSize { cols, rows: 24 });
            viewers.leased(None);
        }
        viewers.output(&Bytes::from_static(b"b"));
        viewers.resized(TerminalSize { cols: 80, rows: 24 });
        assert_eq!(viewer.0.lock().waiting.len(), 5);
        assert!(matches!(viewer.next().await, FeedItem::Output(_)));
        assert!(matches!(viewer.next().await, FeedItem::Resized(size) if size.cols == 999));
        assert!(matches!(viewer.next().await, FeedItem::Leased(None)));
        assert!(matches!(viewer.next().await, FeedItem::Output(_)));
        assert!(matches!(viewer.next().await, FeedItem::Resized(size) if size.cols == 80));
    }
}
