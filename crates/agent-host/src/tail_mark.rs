//! Whether the end of a file may lack what was already published: then its numbers must not be given out again.
//!
//! The mark is a small file beside the other. It is created while the disk has room and holds the machine's boot id.
//! When a write fails it is renamed, which needs no room. After a reboot what the kernel had not written yet may be
//! missing: the boot id has changed then.

use std::fs;
use std::path::PathBuf;

use crate::{os, regular_file};

/// The content of a mark when the file was synced to the disk at its end.
const SYNCED: &[u8] = b"synced";
/// A mark is shorter, in bytes.
const MAX_MARK: u64 = 1024;

/// The mark of one file.
#[derive(Debug)]
pub struct TailMark {
    path: PathBuf,
    is_complete: bool,
    was_incomplete: bool,
}

impl TailMark {
    /// Reads the mark at `path` that the last host left, then renews it.
    pub fn open(path: PathBuf) -> Self {
        let mut mark = Self { path, is_complete: true, was_incomplete: false };
        let boot = os::boot_id();
        let last = regular_file::read(&mark.path, MAX_MARK);
        let rebooted = last.is_ok_and(|last| last != SYNCED && boot.as_ref() != Some(&last));
        mark.was_incomplete = rebooted || mark.lost_path().exists();
        mark.is_complete = !mark.lost_path().exists();
        mark.complete();
        mark
    }

    /// Whether the last host may have published more than the file holds.
    pub fn was_incomplete(&self) -> bool {
        self.was_incomplete
    }

    /// Something is published that could not be written. Returns whether the mark changed.
    pub fn incomplete(&mut self) -> bool {
        if self.is_complete
            && let Err(error) = fs::rename(&self.path, self.lost_path())
        {
            tracing::warn!(path = %self.path.display(), %error, "a tail mark cannot be changed");
        }
        std::mem::replace(&mut self.is_complete, false)
    }

    /// All that is published is written.
    pub fn complete(&mut self) {
        self.renew(&os::boot_id().unwrap_or_default());
    }

    /// All that is published is synced to the disk: also after a reboot, or on another machine, nothing is missing.
    pub fn synced(&mut self) {
        self.renew(SYNCED);
    }

    fn renew(&mut self, content: &[u8]) {
        let renewed =
            regular_file::write(&self.path, content).and_then(|()| match fs::remove_file(self.lost_path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            });
        self.is_complete = true;
        if let Err(error) = renewed {
            tracing::warn!(path = %self.path.display(), %error, "a tail mark cannot be written");
        }
    }

    fn lost_path(&self) -> PathBuf {
        self.path.with_extension("lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_next_host_what_happened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tail");
        let open = || TailMark::open(path.clone());
        assert!(!open().was_incomplete(), "a new file");
        assert!(!open().was_incomplete(), "a host that ended");
        let mut mark = open();
        assert!(mark.incomplete());
        assert!(!mark.incomplete(), "once");
        assert!(open().was_incomplete(), "a write had failed");
        assert!(!open().was_incomplete());
        let mut mark = open();
        mark.incomplete();
        mark.complete();
        assert!(!open().was_incomplete(), "it was written after all");
        fs::write(&path, "another boot").unwrap();
        assert!(open().was_incomplete(), "the machine was started again");
        open().synced();
        assert!(!open().was_incomplete(), "all had been synced before");
    }
}
