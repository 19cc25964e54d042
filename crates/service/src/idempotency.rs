//! Safe retries: a request that comes twice with the same `Idempotency-Key` is done once.
//!
//! The answer is stored under the key together with a digest of the request; the same key with another request is
//! `IDEMPOTENCY_CONFLICT`. Duplicates that come while the first is at work wait for it. What a caller that hung up
//! began is carried to its end, so that its retry finds the answer.
//!
//! A server that dies in the middle leaves a key without an answer. The retry then does the work again *with the same
//! [handle](Idempotency::once)*: a UUID that names what is made (the agent, the message), so that the next server
//! down the line recognises it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parallax_api::problem::Outcome;
use parallax_api::{Code, Problem, Time};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument;
use uuid::Uuid;

use crate::store::{Store, StoreError};

/// How long a key is remembered.
const KEEP_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Keys remembered; the oldest are forgotten first.
const KEEP_KEYS: i64 = 10_000;
/// The longest key, in bytes.
const MAX_KEY: usize = 255;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        handle TEXT NOT NULL,
        outcome TEXT,
        at INTEGER NOT NULL
    );
    CREATE INDEX idempotency_by_age ON idempotency (at);
"];

/// The `Idempotency-Key` header, when there is one. An extractor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(key) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        match key.to_str() {
            Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Self(Some(key.to_owned()))),
            _ => Err(Problem::invalid(
                "Idempotency-Key",
                format!("an idempotency key has 1 to {MAX_KEY} visible ASCII characters"),
            )),
        }
    }
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Location` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The JSON body.
    pub body: Value,
    /// Whether it is given again.
    #[serde(skip)]
    pub replayed: bool,
}

impl Answer {
    /// An answer with this status and body.
    pub fn new(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_value(body).map_err(Problem::internal)?;
        Ok(Self { status: status.as_u16(), location: None, body, replayed: false })
    }

    /// The same with a `Location`.
    #[must_use]
    pub fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            headers.insert(header::LOCATION, location);
        }
        if self.replayed {
            headers.insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
        }
        response
    }
}

/// What was answered under which key. Clones are the same.
#[derive(Clone, Debug)]
pub struct Idempotency {
    store: Store,
    /// One turn per key at work; entries go when nobody holds or waits for them.
    turns: Arc<Mutex<HashMap<String, Arc<AsyncMutex<()>>>>>,
}

/// What the store says of a key.
enum Claim {
    Answered(Box<Result<Answer, Problem>>),
    Open { handle: String },
    Other,
}

impl Idempotency {
    /// The keys in `store`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        store.migrate("idempotency", MIGRATIONS).await?;
        Ok(Self { store: store.clone(), turns: Arc::default() })
    }

    /// Does `work` once for `key`; without a key, does it. `operation` (method and path) and `request` are what the
    /// key stands for. `work` gets the handle to name what it makes: new, or the one of an attempt whose outcome
    /// nobody knows.
    ///
    /// A refusal that changed nothing is not stored: the same key may try again.
    ///
    /// # Errors
    /// `IDEMPOTENCY_CONFLICT`, or what `work` answers.
    pub async fn once<F, Fut>(
        &self,
        key: IdempotencyKey,
        operation: &str,
        request: &impl Serialize,
        work: F,
    ) -> Result<Answer, Problem>
    where
        F: FnOnce(String) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let Some(key) = key.0 else { return work(new_handle()).await };
        let request = serde_json::to_vec(&(operation, request)).map_err(Problem::internal)?;
        let digest: [u8; 32] = Sha256::digest(&request).into();
        let this = self.clone();
        let turn = self.turn(&key);
        // A task of its own: the caller may hang up, the work goes on.
        let done = tokio::spawn(
            async move {
                let result = {
                    let _turn = turn.lock_owned().await;
                    this.in_turn(key, digest, work).await
                };
                this.turns
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|_, turn| Arc::strong_count(turn) > 1);
                result
            }
            .in_current_span(),
        );
        done.await.map_err(Problem::internal)?
    }

    async fn in_turn<F, Fut>(&self, key: String, digest: [u8; 32], work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = Result<Answer, Problem>>,
    {
        let asked = key.clone();
        let handle = match self.store.with(move |db| claim(db, &asked, digest)).await? {
            Claim::Answered(result) => return result.map(|answer| Answer { replayed: true, ..answer }),
            Claim::Open { handle } => handle,
            Claim::Other => {
                return Err(Problem::new(
                    Code::IdempotencyConflict,
                    "this `Idempotency-Key` came with another request before; use a new one for a new request",
                ));
            }
        };
        let result = work(handle).await;
        match &result {
            // The next attempt goes on with the same handle.
            Err(problem) if problem.code.outcome() == Outcome::Uncertain => {}
            Err(problem) if problem.code.outcome() == Outcome::Unchanged => {
                self.store.with(move |db| forget(db, &key)).await?;
            }
            result => {
                let outcome = serde_json::to_string(result).map_err(Problem::internal)?;
                self.store.with(move |db| keep(db, &key, &outcome)).await?;
            }
        }
        result
    }

    fn turn(&self, key: &str) -> Arc<AsyncMutex<()>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().clone()
    }
}

fn new_handle() -> String {
    Uuid::now_v7().to_string()
}

fn claim(db: &Connection, key: &str, digest: [u8; 32]) -> rusqlite::Result<Claim> {
    let now = Time::now().as_millis();
    db.execute("DELETE FROM idempotency WHERE at < ?", [now - KEEP_MILLIS])?;
    let known = db
        .query_row("SELECT digest, handle, outcome FROM idempotency WHERE key = ?", [key], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()?;
    let Some((of, handle, outcome)) = known else {
        let handle = new_handle();
        db.execute("INSERT INTO idempotency VALUES (?, ?, ?, NULL, ?)", params![key, digest, handle, now])?;
        db.execute(
            "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency ORDER BY at DESC LIMIT -1 OFFSET ?)",
            [KEEP_KEYS],
        )?;
        return Ok(Claim::Open { handle });
    };
    if of != digest {
        return Ok(Claim::Other);
    }
    // An outcome that cannot be read was written by another version: the work is done again, under the same handle.
    Ok(match outcome.and_then(|outcome| serde_json::from_str(&outcome).ok()) {
        Some(result) => Claim::Answered(Box::new(result)),
        None => Claim::Open { handle },
    })
}

fn keep(db: &Connection, key: &str, outcome: &str) -> rusqlite::Result<()> {
    db.execute("UPDATE idempotency SET outcome = ? WHERE key = ?", [outcome, key]).map(|_| ())
}

fn forget(db: &Connection, key: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM idempotency WHERE key = ?", [key]).map(|_| ())
}
