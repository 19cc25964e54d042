//! The repository of presets.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::preset::{Preset, PresetRequest};

use crate::{Put, StoreError};

/// Presets by name.
#[async_trait]
pub trait PresetStore: Debug + Send + Sync {
    /// Stores a preset, in place of one of this name; `max` is how many may be stored.
    async fn put(&self, name: &str, request: &PresetRequest, max: usize) -> Result<Put, StoreError>;

    /// The preset of this name. One that cannot be read is none.
    async fn get(&self, name: &str) -> Result<Option<Preset>, StoreError>;

    /// Every preset, by name.
    async fn list(&self) -> Result<Vec<Preset>, StoreError>;

    /// Deletes a preset; false when there was none.
    async fn delete(&self, name: &str) -> Result<bool, StoreError>;
}
