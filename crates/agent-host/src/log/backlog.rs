//! Output that the disk has not taken yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::entry::IndexEntry;

/// Bytes that may wait for the disk. Beyond it the oldest are lost.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Output in memory, in the order of its offsets.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

/// Output with the index entry of its first byte.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) entry: IndexEntry,
    pub(super) bytes: Bytes,
}

impl Backlog {
    pub(super) fn lock(shared: &Arc<Mutex<Self>>) -> MutexGuard<'_, Self> {
        shared.lock().expect("the backlog does not panic")
    }

    /// Adds a chunk. Returns how many of the oldest bytes were dropped for it.
    pub(super) fn push(&mut self, chunk: Chunk) -> u64 {
        self.bytes += chunk.bytes.len();
        self.chunks.push_back(chunk);
        let mut lost = 0;
        while self.bytes > MAX_BYTES
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.bytes -= chunk.bytes.len();
            lost += chunk.bytes.len() as u64;
        }
        lost
    }

    pub(super) fn front(&self) -> Option<Chunk> {
        self.chunks.front().cloned()
    }

    /// What stands before `offset` was written.
    pub(super) fn written(&mut self, offset: u64) {
        let Some(chunk) = self.chunks.front_mut() else { return };
        let count = usize::try_from(offset.saturating_sub(chunk.entry.offset)).unwrap_or(usize::MAX);
        let count = count.min(chunk.bytes.len());
        self.bytes -= count;
        if count == chunk.bytes.len() {
            self.chunks.pop_front();
        } else {
            chunk.entry.offset += count as u64;
            chunk.bytes = chunk.bytes.slice(count..);
        }
    }

    /// All chunks; cheap, since their bytes are shared.
    pub(super) fn snapshot(&self) -> Vec<Chunk> {
        self.chunks.iter().cloned().collect()
    }
}
