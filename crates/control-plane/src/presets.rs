//! Presets: named spawn requests, and what a request is with one.

use std::sync::Arc;

use parallax_api::preset::{MAX_PRESET, Preset, PresetRequest, check_preset_name};
use parallax_api::{Code, Problem, SpawnRequest};
use parallax_store::{PresetStore, Put};

/// Stored presets at most.
const MAX_PRESETS: usize = 200;

/// The stored presets. Clones share them.
#[derive(Clone, Debug)]
pub struct Presets {
    store: Arc<dyn PresetStore>,
}

impl Presets {
    /// The presets in `store`.
    pub fn new(store: Arc<dyn PresetStore>) -> Self {
        Self { store }
    }

    /// Stores a preset, in place of one of that name. Returns whether it is new.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `PAYLOAD_TOO_LARGE`, `RESOURCE_LIMIT` when there are as many as may be.
    pub async fn put(&self, name: &str, request: &PresetRequest) -> Result<(bool, Preset), Problem> {
        check_preset_name(name)?;
        request.check()?;
        let length = serde_json::to_vec(request).map_err(Problem::internal)?.len();
        if length > MAX_PRESET {
            let detail = format!("a preset has at most {MAX_PRESET} bytes as JSON, this one has {length}");
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        match self.store.put(name, request, MAX_PRESETS).await? {
            Put::TooMany => {
                let detail = format!("there are {MAX_PRESETS} presets already; delete some");
                Err(Problem::new(Code::ResourceLimit, detail))
            }
            put => Ok((put == Put::Created, self.get(name).await?)),
        }
    }

    /// A preset.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn get(&self, name: &str) -> Result<Preset, Problem> {
        self.store.get(name).await?.ok_or_else(|| not_found(name))
    }

    /// Every preset, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<Preset>, Problem> {
        Ok(self.store.list().await?)
    }

    /// Deletes a preset. Agents that were spawned with it are what they are.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none of that name.
    pub async fn delete(&self, name: &str) -> Result<(), Problem> {
        if self.store.delete(name).await? { Ok(()) } else { Err(not_found(name)) }
    }

    /// The request with what its preset says; the request itself when it names none.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when there is no such preset.
    pub async fn resolve(&self, request: &SpawnRequest) -> Result<SpawnRequest, Problem> {
        let Some(name) = &request.preset else { return Ok(request.clone()) };
        match self.store.get(name).await? {
            Some(preset) => Ok(request.clone().over(preset.spawn)),
            None => Err(Problem::invalid("preset", not_found(name).detail)),
        }
    }
}

fn not_found(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    let detail = format!("there is no preset `{shown}`; `GET /api/presets` lists those there are");
    Problem::new(Code::NotFound, detail)
}
