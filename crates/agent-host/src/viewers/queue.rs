//! What waits for one viewer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parallax_api::TerminalSize;
use parallax_api::terminal::TerminalMode;

use super::Joining;
use super::printed::Printed;
use super::wire::{Outlet, Written};
use crate::lease::ViewerId;

/// Bytes that may wait for one viewer. Beyond it the queue is dropped and the viewer gets a fresh screen.
pub(super) const MAX_QUEUED: usize = 1024 * 1024;
/// Items that may wait, so that small ones are bounded too.
const MAX_ITEMS: usize = 16 * 1024;
/// A viewer that is behind by more bytes than this makes the program wait …
pub(super) const WINDOW: usize = 128 * 1024;
/// … until it is behind by no more than this …
pub(super) const RESUME: usize = WINDOW / 2;
/// … or has read nothing for this long.
const PATIENCE: Duration = Duration::from_millis(250);
/// When the program is interrupted, a viewer that is behind by more bytes than this gets a fresh screen: the prompt, and not
/// what was printed before it, is what a person waits for.
pub(super) const MAX_STALE: usize = 16 * 1024;
/// Chunks that wait are sent as one, up to this many bytes.
pub(super) const MAX_ITEM: usize = 32 * 1024;

/// An item of a viewer's queue.
#[derive(Debug)]
pub enum FeedItem {
    /// Output that follows what it had, from this offset on.
    Output(u64, Bytes),
    /// The connection has not taken all of what was printed: it is to be flushed.
    Unsent,
    /// The terminal has a new size.
    Resized(TerminalSize),
    /// This viewer, or nobody, holds the size now.
    Leased(Option<ViewerId>),
    /// The viewer was too slow, had what was printed before this offset, and needs a fresh screen.
    Lagged(u64),
    /// The end of the terminal.
    Ended,
}

/// The queue of one viewer.
pub(super) struct Queue {
    /// Where output goes directly while the viewer's task is idle.
    outlet: Option<Outlet>,
    /// The viewer's task has sent what it took and waits for more, which may come to the viewer without it.
    is_idle: bool,
    pub(super) waiting: VecDeque<FeedItem>,
    bytes: usize,
    /// The next byte of output that this viewer gets.
    offset: u64,
    /// Whether the program may have to wait for this viewer.
    is_waited_for: bool,
    pub(super) is_behind: bool,
    /// When the viewer took something last, or had nothing to take.
    read_at: Instant,
    pub(super) lagged: bool,
    pub(super) ended: bool,
}

impl Queue {
    /// For a viewer that has what was printed before `offset`, or is about to.
    pub(super) fn new(joining: Joining, offset: u64) -> Self {
        Self {
            outlet: joining.outlet,
            is_idle: false,
            waiting: VecDeque::new(),
            bytes: 0,
            offset,
            is_waited_for: joining.mode == TerminalMode::Interactive,
            is_behind: false,
            read_at: Instant::now(),
            lagged: false,
            ended: false,
        }
    }

    /// Takes output, and sends it if it can. Answers whether something is left to do for the viewer's task.
    pub(super) fn output(&mut self, printed: &Printed<'_>, now: Instant) -> bool {
        if self.waiting.is_empty() {
            self.read_at = now;
        }
        match self.write(printed) {
            Written::Whole => return false,
            Written::Part => {
                self.is_idle = false;
                self.waiting.push_back(FeedItem::Unsent);
            }
            Written::Nothing => self.push_output(printed),
        }
        true
    }

    /// Writes output to the viewer's connection, behind everything that the viewer was sent.
    fn write(&mut self, printed: &Printed<'_>) -> Written {
        let outlet = self.outlet.as_ref().filter(|_| self.is_idle && self.waiting.is_empty());
        let written = outlet.map_or(Written::Nothing, |outlet| outlet.write(printed));
        if written != Written::Nothing {
            self.offset += printed.bytes.len() as u64;
        }
        written
    }

    fn push_output(&mut self, printed: &Printed<'_>) {
        self.bytes += printed.bytes.len();
        if self.bytes > MAX_QUEUED || self.waiting.len() >= MAX_ITEMS {
            self.skip();
        } else {
            self.is_behind |= self.bytes > WINDOW;
            self.waiting.push_back(FeedItem::Output(printed.offset, printed.bytes.clone()));
        }
    }

    /// The program is interrupted: much that waits gives way to a fresh screen.
    pub(super) fn interrupted(&mut self) {
        if self.bytes > MAX_STALE {
            self.skip();
        }
    }

    /// Queues a state, in place of an older one of its kind with no output in between: a viewer that reads nothing may be told
    /// of any number.
    pub(super) fn push_state(&mut self, state: FeedItem) {
        let kind = std::mem::discriminant(&state);
        let states = self.waiting.iter().rev().take_while(|item| !item.is_output());
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

    /// Until when the program waits for this viewer, unless it reads.
    pub(super) fn held_until(&self) -> Option<Instant> {
        (self.is_waited_for && self.is_behind).then(|| self.read_at + PATIENCE)
    }

    /// The next item for the viewer's task. Where there is none, `may_write` says whether the session may write to the viewer's connection
    /// until there is.
    pub(super) fn take(&mut self, may_write: bool) -> Option<FeedItem> {
        if self.lagged {
            return Some(FeedItem::Lagged(self.offset));
        }
        let next = match self.waiting.pop_front() {
            Some(FeedItem::Output(offset, bytes)) => {
                let bytes = self.joined(bytes);
                self.offset = offset + bytes.len() as u64;
                Some(FeedItem::Output(offset, bytes))
            }
            other => other,
        };
        if next.is_some() {
            self.read_at = Instant::now();
            self.is_behind &= self.bytes > RESUME;
        }
        self.is_idle = next.is_none() && may_write;
        next.or_else(|| self.ended.then_some(FeedItem::Ended))
    }

    /// The chunk `first` and those after it that fit into one item.
    fn joined(&mut self, first: Bytes) -> Bytes {
        self.bytes -= first.len();
        let mut joined = BytesMut::new();
        while let Some(FeedItem::Output(_, more)) = self.waiting.front()
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

impl FeedItem {
    fn is_output(&self) -> bool {
        matches!(self, Self::Output(..) | Self::Unsent)
    }
}
