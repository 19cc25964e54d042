//! Why the storage failed.

use std::io;
use std::path::PathBuf;

use parallax_api::{Code, Problem};

/// Why the storage failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server has this state directory.
    #[error("the state directory {dir} is in use by another server{}; stop it or say --state-dir", holder(.pid))]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other server, where it is known.
        pid: Option<u32>,
    },
    /// The directory cannot be used.
    #[error("failed to use the state directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no room, or the file system does not take writes. Nothing was changed.
    #[error("the disk of the state directory takes no writes: {0}")]
    Full(String),
    /// The database refused.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread of the database is gone, or panicked at this work.
    #[error("the store has stopped")]
    Stopped,
}

impl StoreError {
    /// Whether the write may succeed when there is room again.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(why) => Self::new(
                Code::StorageFull,
                format!(
                    "this needs the disk, and the disk of the server's state directory takes no writes ({why}): free \
                     some space and try again"
                ),
            ),
            error => {
                // The sources stand in the message: the caller sees one line.
                let mut detail = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(source) = cause {
                    detail = format!("{detail}: {source}");
                    cause = source.source();
                }
                Self::internal(detail)
            }
        }
    }
}
