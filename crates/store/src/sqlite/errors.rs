//! What SQLite's errors mean here.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::StoreError;

/// Why a database file could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// A later version of the program wrote it.
    #[error("its part `{part}` has version {found}, and this program knows {known}")]
    Newer { part: &'static str, found: usize, known: usize },
    /// A check found it damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl OpenError {
    /// Whether the file must be set aside.
    pub(super) fn is_unusable_file(&self) -> bool {
        match self {
            Self::Newer { .. } | Self::Damaged(_) => true,
            Self::Sqlite(error) => is_damaged(error) || is_of_another_schema(error),
        }
    }

    /// Whether the file system took no writes.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_full(error))
    }
}

/// Whether the database file is damaged.
pub(super) fn is_damaged(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether another connection has the file.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// A table is there that should not be, or is not there: what the versions say is not true.
fn is_of_another_schema(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_ERROR)
        || matches!(error, rusqlite::Error::SqlInputError { .. })
}

/// Whether a write failed because the file system takes none: it is full, or over a quota, or read-only.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return false };
    matches!(failure.code, ErrorCode::DiskFull | ErrorCode::ReadOnly)
        || matches!(
            failure.extended_code,
            ffi::SQLITE_IOERR_WRITE
                | ffi::SQLITE_IOERR_FSYNC
                | ffi::SQLITE_IOERR_DIR_FSYNC
                | ffi::SQLITE_IOERR_TRUNCATE
                | ffi::SQLITE_IOERR_SHMSIZE
                | ffi::SQLITE_IOERR_SHMOPEN
                | ffi::SQLITE_IOERR_SHMMAP
        )
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) { Self::Full(error.to_string()) } else { Self::Database(Box::new(error)) }
    }
}

/// The error for JSON that cannot be read from or written to a column.
pub(super) fn json(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}
