//! Keys that came while the disk took no writes.

use std::collections::HashMap;

use parallax_store::KeyRow;

/// Keys held at most; more are refused until there is room.
const MAX_KEYS: usize = 1000;
/// Bytes of their outcomes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The keys.
#[derive(Debug, Default)]
pub(super) struct HeldKeys {
    rows: HashMap<String, KeyRow>,
    bytes: usize,
}

impl HeldKeys {
    /// The row of a key.
    pub fn get(&self, key: &str) -> Option<KeyRow> {
        self.rows.get(key).cloned()
    }

    /// Holds a row; false when there is no room.
    pub fn put(&mut self, row: KeyRow) -> bool {
        let added = size(&row);
        let old = self.rows.get(&row.key).map_or(0, size);
        let is_new = old == 0;
        if (is_new && self.rows.len() >= MAX_KEYS) || self.bytes - old + added > MAX_BYTES {
            return false;
        }
        self.bytes = self.bytes - old + added;
        self.rows.insert(row.key.clone(), row);
        true
    }

    /// Some row.
    pub fn next(&self) -> Option<KeyRow> {
        self.rows.values().next().cloned()
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        if let Some(row) = self.rows.remove(key) {
            self.bytes -= size(&row);
        }
    }

    /// Removes a key that was written, unless its row has changed since.
    pub fn remove_if_same(&mut self, key: &str, written: &KeyRow) {
        if self.rows.get(key) == Some(written) {
            self.remove(key);
        }
    }
}

fn size(row: &KeyRow) -> usize {
    1 + row.key.len() + row.outcome.as_ref().map_or(0, String::len)
}
