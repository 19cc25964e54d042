//! Safe retries: a request that comes twice with the same `Idempotency-Key` is done once.
//!
//! The outcome is stored under the key together with a digest of the request; the same key with another request is
//! `IDEMPOTENCY_CONFLICT`. Duplicates that come while the first is at work wait for it. Work that was begun is carried to
//! its end when its caller hangs up, so that the retry finds the outcome.
//!
//! A server that dies in the middle leaves a key without an outcome. The retry then does the work again *with the same
//! resource id*: it names what is made (the agent, the message), so that the next server down the line recognises it.
//!
//! While the disk takes no writes, new keys are held in memory within bounds.

mod held;
mod key;
mod response;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_api::problem::Outcome;
use parallax_api::{Code, Problem};
use parallax_store::{IdempotencyStore, KeyRow, KeyState, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument;
use uuid::Uuid;

use held::HeldKeys;
pub use key::IdempotencyKey;
pub use response::StoredResponse;

/// Outcomes by key. Clones share them.
#[derive(Clone, Debug)]
pub struct Idempotency {
    store: Arc<dyn IdempotencyStore>,
    /// A lock for each key whose work is in progress; entries go when they are not held any more.
    key_locks: Arc<Mutex<HashMap<String, Arc<AsyncMutex<()>>>>>,
    held: Arc<Mutex<HeldKeys>>,
}

/// What came of work that is done once.
#[derive(Debug)]
pub struct Done<T> {
    /// Its result.
    pub value: T,
    /// Whether the work was done for an earlier request.
    pub replayed: bool,
}

impl Idempotency {
    /// The keys in `store`.
    pub fn new(store: Arc<dyn IdempotencyStore>) -> Self {
        Self { store, key_locks: Arc::default(), held: Arc::default() }
    }

    /// Does `work` once for `key`; without a key, does it. `operation` (method and path) and `request` are what the key
    /// stands for. `work` gets the id of what it makes: new, or the one of an attempt whose outcome is unknown.
    ///
    /// A refusal that changed nothing is not stored: the same key may try again.
    ///
    /// # Errors
    /// `IDEMPOTENCY_CONFLICT`, or what `work` answers.
    pub async fn once<T, F, Fut>(
        &self,
        key: IdempotencyKey,
        operation: &str,
        request: &impl Serialize,
        work: F,
    ) -> Result<Done<T>, Problem>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(String) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let Some(key) = key.0 else {
            return work(new_resource_id()).await.map(|value| Done { value, replayed: false });
        };
        let request = serde_json::to_vec(&(operation, request)).map_err(Problem::internal)?;
        let digest: [u8; 32] = Sha256::digest(&request).into();
        let this = self.clone();
        let lock = self.key_lock(&key);
        // A task of its own: the caller may hang up, the work goes on.
        let done = tokio::spawn(
            async move {
                let result = {
                    let _held = lock.lock_owned().await;
                    this.locked(key, digest, work).await
                };
                this.key_locks
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|_, lock| Arc::strong_count(lock) > 1);
                result
            }
            .in_current_span(),
        );
        done.await.map_err(Problem::internal)?
    }

    /// The same for a response, which says whether it is replayed.
    ///
    /// # Errors
    /// As [`Idempotency::once`].
    pub async fn respond<F, Fut>(
        &self,
        key: IdempotencyKey,
        operation: &str,
        request: &impl Serialize,
        work: F,
    ) -> Result<StoredResponse, Problem>
    where
        F: FnOnce(String) -> Fut + Send + 'static,
        Fut: Future<Output = Result<StoredResponse, Problem>> + Send + 'static,
    {
        let Done { value, replayed } = self.once(key, operation, request, work).await?;
        Ok(StoredResponse { replayed, ..value })
    }

    async fn locked<T, F, Fut>(&self, key: String, digest: [u8; 32], work: F) -> Result<Done<T>, Problem>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = Result<T, Problem>>,
    {
        let resource_id = match self.claim(&key, digest).await? {
            KeyState::OtherRequest => {
                return Err(Problem::new(
                    Code::IdempotencyConflict,
                    "this `Idempotency-Key` came with another request before; use a new one for a new request",
                ));
            }
            KeyState::Open(resource_id) => resource_id,
            KeyState::Done { outcome, resource_id } => match serde_json::from_str(&outcome) {
                Ok(result) => {
                    let result: Result<T, Problem> = result;
                    return result.map(|value| Done { value, replayed: true });
                }
                // Written by another version: the work is done again, with the same resource id.
                Err(_) => resource_id,
            },
        };
        let result = work(resource_id.clone()).await;
        match &result {
            // The next attempt goes on with the same resource id.
            Err(problem) if problem.code.outcome() == Outcome::Uncertain => {}
            Err(problem) if problem.code.outcome() == Outcome::Unchanged => {
                // A message that is named is the agent's, whatever keeps it from an answer: under another name it would be another one.
                if !problem.more.contains_key("messageId") {
                    self.forget(&key).await?;
                }
            }
            result => {
                let outcome = serde_json::to_string(result).map_err(Problem::internal)?;
                self.complete(KeyRow { key, digest, resource_id, outcome: Some(outcome) }).await?;
            }
        }
        result.map(|value| Done { value, replayed: false })
    }

    async fn claim(&self, key: &str, digest: [u8; 32]) -> Result<KeyState, StoreError> {
        let held = self.held().get(key);
        if let Some(row) = held {
            return Ok(row.state(digest));
        }
        let resource_id = new_resource_id();
        match self.store.claim(key, digest, &resource_id).await {
            Ok(state) => {
                self.write_held().await;
                Ok(state)
            }
            Err(StoreError::Full(why)) => {
                let row =
                    KeyRow { key: key.to_owned(), digest, resource_id: resource_id.clone(), outcome: None };
                if self.held().put(row) {
                    Ok(KeyState::Open(resource_id))
                } else {
                    Err(StoreError::Full(why))
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn complete(&self, row: KeyRow) -> Result<(), StoreError> {
        let outcome = row.outcome.clone().unwrap_or_default();
        if self.held().get(&row.key).is_none() {
            match self.store.complete(&row.key, &outcome).await {
                Err(StoreError::Full(_)) => {}
                done => return done,
            }
        }
        // The work is done, so the answer must not be a refusal: without room here the key stays without an outcome.
        self.held().put(row);
        Ok(())
    }

    async fn forget(&self, key: &str) -> Result<(), StoreError> {
        self.held().remove(key);
        match self.store.forget(key).await {
            // A key without an outcome does no harm: the same request may try again.
            Ok(()) | Err(StoreError::Full(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes the keys that were held while the disk was full.
    async fn write_held(&self) {
        loop {
            let Some(row) = self.held().next() else { return };
            let key = row.key.clone();
            if self.store.put(row.clone()).await.is_err() {
                // The next claim tries again.
                return;
            }
            self.held().remove_if_same(&key, &row);
        }
    }

    fn key_lock(&self, key: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.key_locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.entry(key.to_owned()).or_default().clone()
    }

    fn held(&self) -> MutexGuard<'_, HeldKeys> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_resource_id() -> String {
    Uuid::now_v7().to_string()
}
