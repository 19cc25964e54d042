//! Opening the database file, whatever state the file and its disk are in.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::errors::OpenError;
use super::schema::Schema;
use super::{migrate, salvage};
use crate::{StorageHealth, StoreError};

/// Files up to this size are checked whole at start (some 50 ms). Damage in a larger one shows when it is read.
const MAX_CHECKED: u64 = 64 * 1024 * 1024;

/// An open database.
#[derive(Debug)]
pub(super) struct Opened {
    pub connection: Connection,
    pub path: PathBuf,
    /// It is in memory only, because there was no room for the file.
    pub in_memory: bool,
    /// Why the file must be repaired before anything else; the connection is closed then.
    pub damage: Option<String>,
}

/// Opens `path`, or makes it. A damaged file is set aside and replaced by what could be read of it; without room for a
/// file the database is in memory until there is.
pub(super) fn open(
    path: &Path,
    schema: &'static Schema,
    health: &StorageHealth,
) -> Result<Opened, StoreError> {
    salvage::finish(path);
    let mut error = match open_file(path, schema, false) {
        Ok(connection) => return Ok(on_file(connection, path)),
        Err(error) => error,
    };
    if error.is_unusable_file() {
        match salvage::salvage(path, schema, &error, health).and_then(|()| open_file(path, schema, false)) {
            Ok(connection) => return Ok(on_file(connection, path)),
            Err(again) => error = again,
        }
    }
    without_room(path, schema, health, error)
}

/// Replaces a file that turned out to be damaged while it was in use.
pub(super) fn repair(
    path: &Path,
    schema: &'static Schema,
    why: String,
    health: &StorageHealth,
) -> Result<Opened, StoreError> {
    let damaged = OpenError::Damaged(why);
    match salvage::salvage(path, schema, &damaged, health).and_then(|()| open_file(path, schema, false)) {
        Ok(connection) => Ok(on_file(connection, path)),
        Err(error) => without_room(path, schema, health, error),
    }
}

/// What can be opened when the file cannot, for want of room.
fn without_room(
    path: &Path,
    schema: &'static Schema,
    health: &StorageHealth,
    error: OpenError,
) -> Result<Opened, StoreError> {
    if error.is_full() {
        health.set_full(&error.to_string());
        // Without the index of the write-ahead log in a file of its own, which needs room.
        if let Ok(connection) = open_file(path, schema, true) {
            return Ok(on_file(connection, path));
        }
        let mut connection = Connection::open_in_memory()?;
        migrate::migrate(&mut connection, schema).map_err(into_store_error)?;
        return Ok(Opened { connection, path: path.into(), in_memory: true, damage: None });
    }
    Err(into_store_error(error))
}

fn on_file(connection: Connection, path: &Path) -> Opened {
    Opened { connection, path: path.into(), in_memory: false, damage: None }
}

fn open_file(path: &Path, schema: &Schema, exclusive: bool) -> Result<Connection, OpenError> {
    // SQLite gives its other files the mode of this one. They hold what people wrote to their agents.
    if let Err(error) = OpenOptions::new().create(true).append(true).mode(0o600).open(path) {
        tracing::debug!(%error, "failed to create the database file");
    }
    let mut connection = Connection::open(path)?;
    if exclusive {
        connection.pragma_update(None, "locking_mode", "exclusive")?;
    }
    configure(&connection)?;
    check(&connection, path)?;
    migrate::migrate(&mut connection, schema)?;
    // What was looked at to check it and to bring it up to date may not be needed again.
    connection.release_memory()?;
    Ok(connection)
}

/// The settings of a connection. `synchronous = normal` syncs at checkpoints only, see docs/reliability.md.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    if path.metadata().is_ok_and(|metadata| metadata.len() > MAX_CHECKED) {
        return Ok(());
    }
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::Damaged(found)) }
}

fn into_store_error(error: OpenError) -> StoreError {
    match error {
        OpenError::Sqlite(error) => error.into(),
        error => StoreError::Database(Box::new(error)),
    }
}

impl Opened {
    /// Writes a database that is in memory to its file and goes on there. A file that is in the way is set aside.
    pub(super) fn move_to_file(&mut self, schema: &Schema) -> Result<(), StoreError> {
        let new = salvage::new_path(&self.path);
        salvage::remove_files(&new);
        // SQLite writes into an empty file, whose mode it keeps.
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(&new);
        made.map_err(|error| StoreError::Full(error.to_string()))?;
        let target = new.to_string_lossy().into_owned();
        if let Err(error) = self.connection.execute("VACUUM INTO ?", [target]) {
            salvage::remove_files(&new);
            return Err(error.into());
        }
        salvage::replace(&self.path, &new).map_err(|error| StoreError::Full(error.to_string()))?;
        self.connection = open_file(&self.path, schema, false).map_err(into_store_error)?;
        self.in_memory = false;
        Ok(())
    }
}
