//! The repositories over one SQLite database in the state directory, `NAME.db`.
//!
//! `Database` is the thread that owns the connection; the other modules are one repository each, with their SQL. The
//! tables are described once, in their migrations and in `schema` and `databases`; a damaged file is repaired from that description
//! (`salvage`).
//!
//! A commit survives the death of the process at any moment. It is on the disk for certain with the next checkpoint
//! only: after a loss of power the last commits may be missing, never half there.

mod agents;
mod attempts;
mod boot;
mod connection;
mod database;
mod databases;
mod devices;
mod errors;
mod events;
mod idempotency;
mod lock;
mod migrate;
mod patterns;
mod presets;
mod published;
mod resting;
mod row;
mod run_servers;
mod runs;
mod salvage;
mod schema;
mod texts;
mod usage;

use std::path::Path;
use std::sync::Arc;

use crate::{ControlPlaneStores, RuntimeStores, StoreError, TextIndex, UsageStore};
use database::Database;
use idempotency::Keys;

/// The database of a control plane in this directory, made when it is missing.
///
/// # Errors
/// When another server has the directory, or it cannot be used.
pub async fn open_control_plane(dir: &Path) -> Result<ControlPlaneStores, StoreError> {
    let database = Database::open(dir, &databases::CONTROL_PLANE).await?;
    Ok(ControlPlaneStores {
        events: Arc::new(database.clone()),
        idempotency: Arc::new(Keys::new(database.clone())),
        published: Arc::new(database.clone()),
        attempts: Arc::new(database.clone()),
        patterns: Arc::new(database.clone()),
        presets: Arc::new(database.clone()),
        devices: Arc::new(database.clone()),
        runs: Arc::new(database.clone()),
        health: database.health().clone(),
    })
}

/// The index of texts in this directory, made when it is missing.
///
/// # Errors
/// When another server has the directory, or it cannot be used.
pub async fn open_texts(dir: &Path) -> Result<Arc<dyn TextIndex>, StoreError> {
    Ok(Arc::new(Database::open(dir, &databases::TEXTS).await?))
}

/// What agents use over time, in this directory, made when it is missing.
///
/// # Errors
/// When another server has the directory, or it cannot be used.
pub async fn open_usage(dir: &Path) -> Result<Arc<dyn UsageStore>, StoreError> {
    Ok(Arc::new(Database::open(dir, &databases::USAGE).await?))
}

/// The database of a runtime server in this directory, made when it is missing.
///
/// # Errors
/// When another server has the directory, or it cannot be used.
pub async fn open_runtime(dir: &Path) -> Result<RuntimeStores, StoreError> {
    let database = Database::open(dir, &databases::RUNTIME).await?;
    Ok(RuntimeStores {
        events: Arc::new(database.clone()),
        idempotency: Arc::new(Keys::new(database.clone())),
        agents: Arc::new(database.clone()),
        health: database.health().clone(),
    })
}
