//! The repository of pattern files.

use std::fmt::Debug;

use async_trait::async_trait;
use parallax_api::Time;

use crate::StoreError;

/// A pattern file as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternRow {
    /// The pattern's name.
    pub name: String,
    /// The file.
    pub source: String,
    /// When one of this name was first stored.
    pub created_at: Time,
    /// When this file was stored.
    pub updated_at: Time,
}

/// What became of a file that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored, the first of its name.
    Created,
    /// It is stored in place of another.
    Replaced,
    /// There is one of this name, and it was not to be replaced.
    Exists,
    /// As many as may be are stored.
    TooMany,
}

/// Pattern files by name.
#[async_trait]
pub trait PatternStore: Debug + Send + Sync {
    /// Stores a file; `replace` says whether one of this name may exist, `max` how many files may.
    async fn put(&self, name: &str, source: &str, replace: bool, max: usize) -> Result<Put, StoreError>;

    /// The file of this name.
    async fn get(&self, name: &str) -> Result<Option<PatternRow>, StoreError>;

    /// Every file, by name.
    async fn list(&self) -> Result<Vec<PatternRow>, StoreError>;

    /// Deletes a file; false when there was none.
    async fn delete(&self, name: &str) -> Result<bool, StoreError>;
}
