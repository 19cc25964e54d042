//! The thread that owns the connection.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use super::boot::BootMark;
use super::connection::{self, Opened};
use super::errors::{is_damaged, is_full};
use super::lock::Lock;
use super::resting::give_back_pages;
use super::schema::Schema;
use crate::{StorageHealth, StoreError};

/// Calls that may wait for the thread; more wait for room before they are handed over.
const MAX_WAITING: usize = 256;
/// How often a disk that takes no writes is tried again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// What the thread does.
pub(super) type Work = Box<dyn FnOnce(&mut Opened) + Send>;

/// The database. Clones share it; when the last is dropped, the state directory is free for another server.
#[derive(Clone, Debug)]
pub(super) struct Database {
    work_tx: mpsc::Sender<Work>,
    schema: &'static Schema,
    health: StorageHealth,
    /// Notified of every call.
    worked: Arc<Notify>,
}

impl Database {
    /// Opens `dir/NAME.db`, creating both. Waits a moment for a server that is just ending.
    pub(super) async fn open(dir: &Path, schema: &'static Schema) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory { dir: dir.into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        let lock = Lock::acquire(dir).await?;
        let path = dir.join(format!("{}.db", schema.name));
        let health = StorageHealth::default();
        let (work_tx, work_rx) = mpsc::channel(MAX_WAITING);
        let (opened_tx, opened_rx) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store".into());
        let thread_health = health.clone();
        let (ended_tx, ended_rx) = oneshot::channel::<()>();
        let work = move || {
            run(path, lock, schema, &thread_health, opened_tx, work_rx);
            drop(ended_tx);
        };
        thread.spawn(work).map_err(unusable)?;
        opened_rx.await.map_err(|_| StoreError::Stopped)??;
        let worked = Arc::new(Notify::new());
        let probing = probe_while_full(work_tx.downgrade(), schema, health.clone());
        let resting = give_back_pages(work_tx.downgrade(), worked.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = ended_rx => {}
                () = probing => {}
                () = resting => {}
            }
        });
        Ok(Self { work_tx, schema, health, worked })
    }

    /// How the storage is.
    pub(super) fn health(&self) -> &StorageHealth {
        &self.health
    }

    /// Runs `work` in one transaction: all of it is kept when it answers `Ok`, nothing otherwise. Calls run one after
    /// the other in the order they were made; a caller that stops waiting does not stop what was handed over.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.transaction(TransactionBehavior::Immediate, work).await
    }

    /// The same for work that only reads.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.transaction(TransactionBehavior::Deferred, work).await
    }

    async fn transaction<T, F>(&self, behavior: TransactionBehavior, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer_tx, answer_rx) = oneshot::channel();
        let (schema, health) = (self.schema, self.health.clone());
        let work: Work = Box::new(move |opened| {
            repair(opened, schema, &health);
            let result = in_transaction(&mut opened.connection, behavior, work);
            if let Err(error) = &result {
                after_error(opened, error, schema, &health);
            }
            // The caller may have stopped waiting; the work is done all the same.
            let _ = answer_tx.send(result.map_err(StoreError::from));
        });
        self.work_tx.send(work).await.map_err(|_| StoreError::Stopped)?;
        self.worked.notify_one();
        answer_rx.await.map_err(|_| StoreError::Stopped)?
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(behavior)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Takes note of a full disk or a damaged file.
fn after_error(
    opened: &mut Opened,
    error: &rusqlite::Error,
    schema: &'static Schema,
    health: &StorageHealth,
) {
    if is_full(error) {
        health.set_full(&error.to_string());
    }
    if is_damaged(error) && !opened.in_memory {
        opened.damage = Some(error.to_string());
        repair(opened, schema, health);
    }
}

/// Repairs a file that turned out to be damaged. What fails is tried again before the next call.
fn repair(opened: &mut Opened, schema: &'static Schema, health: &StorageHealth) {
    let Some(why) = opened.damage.clone() else { return };
    let path = opened.path.clone();
    // The file is closed before it is replaced.
    match Connection::open_in_memory() {
        Ok(placeholder) => opened.connection = placeholder,
        Err(error) => return tracing::error!(%error, "failed to close the damaged database"),
    }
    match connection::repair(&path, schema, why, health) {
        Ok(repaired) => *opened = repaired,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "failed to repair the damaged database");
        }
    }
}

/// Tries a small write in intervals while the disk takes none.
async fn probe_while_full(work_tx: mpsc::WeakSender<Work>, schema: &'static Schema, health: StorageHealth) {
    loop {
        health.until_full().await;
        tokio::time::sleep(PROBE_INTERVAL).await;
        // Not held while waiting: the database ends with its last user.
        let Some(sender) = work_tx.upgrade() else { return };
        let health = health.clone();
        let probe: Work = Box::new(move |opened| match probe(opened, schema) {
            Ok(()) => health.set_writable(),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the disk takes no writes yet");
            }
        });
        if sender.send(probe).await.is_err() {
            return;
        }
    }
}

fn probe(opened: &mut Opened, schema: &'static Schema) -> Result<(), StoreError> {
    if opened.in_memory {
        return opened.move_to_file(schema);
    }
    // A commit that changes nothing but writes a page.
    opened.connection.execute("UPDATE parts SET version = version WHERE name = 'main'", [])?;
    Ok(())
}

/// Owns the connection and the lock until every [`Database`] is dropped.
fn run(
    path: PathBuf,
    lock: Lock,
    schema: &'static Schema,
    health: &StorageHealth,
    opened_tx: oneshot::Sender<Result<(), StoreError>>,
    mut work_rx: mpsc::Receiver<Work>,
) {
    let mut opened = match connection::open(&path, schema, health) {
        Ok(opened) => opened,
        Err(error) => {
            // The caller may have been cancelled.
            let _ = opened_tx.send(Err(error));
            return;
        }
    };
    let boot = BootMark::set(&path);
    if boot.was_lost {
        tracing::warn!("the machine went down under the last server: event ids that were given out are void");
        if let Err(error) = (schema.after_loss)(&opened.connection, false) {
            tracing::error!(%error, "failed to give the event log a new name");
        }
    }
    if opened_tx.send(Ok(())).is_err() {
        return;
    }
    while let Some(work) = work_rx.blocking_recv() {
        // A panic rolls its transaction back and is reported by the dropped answer; the thread goes on for the others.
        if catch_unwind(AssertUnwindSafe(|| work(&mut opened))).is_err() {
            tracing::error!("work given to the store panicked");
        }
    }
    // Closing folds the write-ahead log into the database; only then may another server open it.
    drop(opened);
    drop(boot);
    drop(lock);
}
