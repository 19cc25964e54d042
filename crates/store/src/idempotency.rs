//! The repository of idempotency keys.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::StoreError;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The key.
    pub key: String,
    /// A digest of the request it came with.
    pub digest: [u8; 32],
    /// The id of what the request makes.
    pub resource_id: String,
    /// The outcome, when there is one.
    pub outcome: Option<String>,
}

/// The state of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The request has an outcome.
    Done {
        /// The outcome.
        outcome: String,
        /// The id of what the request made.
        resource_id: String,
    },
    /// The outcome is unknown, or the key is new: the work makes a resource with this id.
    Open(String),
    /// The key came with another request.
    OtherRequest,
}

impl KeyRow {
    /// What this row means for a request with this digest.
    pub fn state(self, digest: [u8; 32]) -> KeyState {
        match self.outcome {
            _ if self.digest != digest => KeyState::OtherRequest,
            Some(outcome) => KeyState::Done { outcome, resource_id: self.resource_id },
            None => KeyState::Open(self.resource_id),
        }
    }
}

/// Which key came with which request, and its outcome. A key is kept for at least 24 hours of a server's running time,
/// whatever the wall clock does, unless 10,000 newer ones came.
#[async_trait]
pub trait IdempotencyStore: Debug + Send + Sync {
    /// The state of a key; a new one is stored with the `resource_id`.
    async fn claim(&self, key: &str, digest: [u8; 32], resource_id: &str) -> Result<KeyState, StoreError>;

    /// Stores or replaces a whole row.
    async fn put(&self, row: KeyRow) -> Result<(), StoreError>;

    /// Stores the outcome.
    async fn complete(&self, key: &str, outcome: &str) -> Result<(), StoreError>;

    /// Deletes a key.
    async fn forget(&self, key: &str) -> Result<(), StoreError>;
}
