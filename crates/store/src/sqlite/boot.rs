//! Whether the machine went down under the last server.
//!
//! Then the last commits may be missing, and numbers of events that were given out are given again: the event log needs a
//! new name. A file beside the database holds the id of the boot while a server runs, and is removed at its end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::os;

/// The mark of a running server.
#[derive(Debug)]
pub(super) struct BootMark {
    path: PathBuf,
    /// The last server did not end, and the machine was started again since.
    pub was_lost: bool,
}

impl BootMark {
    /// Sets the mark beside this database.
    pub(super) fn set(database: &Path) -> Self {
        let path = database.with_extension("boot");
        let Ok(boot) = os::boot_id() else { return Self { path, was_lost: false } };
        let last = fs::read_to_string(&path).ok();
        let was_lost = last.as_ref().is_some_and(|last| *last != boot);
        // The server that was killed has written the same.
        let is_set = last.as_ref() == Some(&boot);
        if let Err(error) = if is_set { Ok(()) } else { write(&path, &boot) } {
            // A full disk. Should the machine go down as well, the next server may not find out.
            tracing::debug!(%error, "failed to note the boot of this server");
        }
        Self { path, was_lost }
    }
}

fn write(path: &Path, boot: &str) -> io::Result<()> {
    fs::write(path, boot)?;
    fs::File::open(path)?.sync_all()
}

impl Drop for BootMark {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::debug!(%error, "failed to remove the note of this server's boot");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
