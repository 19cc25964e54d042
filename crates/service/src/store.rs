//! What outlives a server: one SQLite database in its state directory, written by one thread.
//!
//! The write-ahead log makes a commit survive the death of the process at any moment (not the loss of power: the last
//! commits may then be missing, never half there).

mod lock;
mod migrate;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parallax_api::Problem;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use lock::Lock;

/// Calls that may wait for the store's thread; more wait for room before they are handed over.
const WAITING: usize = 256;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server has this state directory.
    #[error("the state directory {dir} is in use by another server{}; stop it or say --state-dir", holder(.pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other server, when it told.
        pid: Option<u32>,
    },
    /// The database was written by a later version of the program.
    #[error("the database {name} has version {found}, this program knows {known}: use the newer program")]
    Newer {
        /// The part of the database.
        name: String,
        /// Its version.
        found: usize,
        /// The latest version this program knows.
        known: usize,
    },
    /// The directory cannot be used.
    #[error("failed to use the state directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The store's thread is gone, or the work given to it panicked.
    #[error("the store has stopped")]
    Stopped,
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(anyhow::Error::new(error))
    }
}

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// The database. Clones are the same; when the last is gone, the state directory is free for another server.
#[derive(Clone, Debug)]
pub struct Store {
    work_tx: mpsc::Sender<Work>,
}

impl Store {
    /// Opens `dir/NAME.db`, creating both, and brings it to the last of `migrations`: SQL scripts that run once each,
    /// in order, and never change once released. Waits a moment for a server that is just ending.
    ///
    /// # Errors
    /// When another server has the directory, or it cannot be used.
    pub async fn open(
        dir: &Path,
        name: &str,
        migrations: &'static [&'static str],
    ) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory { dir: dir.into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        let lock = Lock::acquire(dir).await?;
        let path = dir.join(format!("{name}.db"));
        // SQLite gives its other files the mode of this one. They hold what people wrote to their agents.
        let mode = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        mode.map_err(unusable)?;
        let (work_tx, work_rx) = mpsc::channel(WAITING);
        let (opened_tx, opened_rx) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store".into());
        thread.spawn(move || run(&path, lock, opened_tx, work_rx)).map_err(unusable)?;
        opened_rx.await.map_err(|_| StoreError::Stopped)??;
        let store = Self { work_tx };
        store.migrate("main", migrations).await?;
        Ok(store)
    }

    /// Runs `work` in one transaction: all of it is kept when it answers `Ok`, nothing otherwise. Calls run one after
    /// the other in the order they were made; a caller that stops waiting does not stop what was handed over.
    ///
    /// # Errors
    /// When SQLite refuses or the store has stopped.
    pub async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }

    /// Brings the part `name` of the database to the last of its own migrations.
    pub(crate) async fn migrate(
        &self,
        name: &'static str,
        migrations: &'static [&'static str],
    ) -> Result<(), StoreError> {
        self.run(move |connection| migrate::migrate(connection, name, migrations)).await
    }

    /// Runs `work` on the store's thread; transactions are its own affair.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer_tx, answer_rx) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = answer_tx.send(work(connection));
        });
        self.work_tx.send(work).await.map_err(|_| StoreError::Stopped)?;
        answer_rx.await.map_err(|_| StoreError::Stopped)?
    }
}

/// The store's thread: owns the connection and the lock until every [`Store`] is gone.
fn run(
    path: &Path,
    lock: Lock,
    opened_tx: oneshot::Sender<Result<(), StoreError>>,
    mut work_rx: mpsc::Receiver<Work>,
) {
    let mut connection = match connect(path) {
        Ok(connection) => connection,
        Err(error) => {
            // The one who opens may have been cancelled.
            let _ = opened_tx.send(Err(error.into()));
            return;
        }
    };
    if opened_tx.send(Ok(())).is_err() {
        return;
    }
    while let Some(work) = work_rx.blocking_recv() {
        // A panic rolls its transaction back and is told by the dropped answer; the store goes on for the others.
        if catch_unwind(AssertUnwindSafe(|| work(&mut connection))).is_err() {
            tracing::error!("work given to the store panicked");
        }
    }
    // Closing folds the write-ahead log into the database; only then may another server come.
    drop(connection);
    drop(lock);
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
