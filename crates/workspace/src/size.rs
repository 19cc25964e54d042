//! What a workspace takes on the disk.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::workspace::Workspace;

/// Files and directories that are counted at most: what an agent builds can be endless.
const MAX_ENTRIES: usize = 1_000_000;
/// How long counting may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Bytes of a block, as the system counts them.
const BLOCK: u64 = 512;

/// What a workspace takes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of its files: blocks of the disk, each file once.
    pub bytes: u64,
    /// Whether everything was counted.
    pub is_whole: bool,
}

impl Workspace {
    /// Counts it, in bounded time. Links are not followed, other file systems not entered. Of a worktree, what it has in its
    /// repository is not in it.
    ///
    /// # Errors
    /// When its directory cannot be read.
    pub async fn size(&self) -> std::io::Result<Size> {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || size_of(directory, MAX_ENTRIES, TIME_LIMIT))
            .await
            .map_err(std::io::Error::from)?
    }
}

fn size_of(directory: PathBuf, most: usize, time_limit: Duration) -> std::io::Result<Size> {
    let began = Instant::now();
    let top = directory.symlink_metadata()?;
    let mut size = Size { bytes: top.blocks() * BLOCK, is_whole: true };
    let mut left = vec![directory];
    let mut linked = HashSet::new();
    let mut counted = 0;
    while let Some(directory) = left.pop() {
        // It may be gone by now, or be closed to us.
        let Ok(entries) = std::fs::read_dir(&directory) else {
            size.is_whole &= !directory.exists();
            continue;
        };
        for entry in entries.flatten() {
            counted += 1;
            if counted > most || began.elapsed() > time_limit {
                return Ok(Size { is_whole: false, ..size });
            }
            let Ok(found) = entry.metadata() else { continue };
            if found.dev() != top.dev() {
                continue;
            }
            if found.is_dir() {
                left.push(entry.path());
            } else if found.nlink() > 1 && !linked.insert(found.ino()) {
                continue;
            }
            size.bytes = size.bytes.saturating_add(found.blocks() * BLOCK);
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_file_counts_once_and_links_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("inside"), directory.path().join("outside"));
        fs::create_dir_all(inside.join("deep/er")).unwrap();
        fs::write(&outside, vec![1; 4 << 20]).unwrap();
        let before = size_of(inside.clone(), 100, TIME_LIMIT).unwrap();
        fs::write(inside.join("deep/er/file"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(inside.join("deep/er/file"), inside.join("again")).unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink(directory.path(), inside.join("around")).unwrap();
        // A hole takes nothing.
        fs::File::create(inside.join("hole")).unwrap().set_len(1 << 40).unwrap();
        let after = size_of(inside.clone(), 100, TIME_LIMIT).unwrap();
        let grown = after.bytes - before.bytes;
        assert!((1 << 20..2 << 20).contains(&grown), "{grown}");
        assert!(before.is_whole && after.is_whole);
        assert!(!size_of(inside.clone(), 2, TIME_LIMIT).unwrap().is_whole);
        assert!(!size_of(inside, 100, Duration::ZERO).unwrap().is_whole);
        assert!(size_of(directory.path().join("none"), 1, TIME_LIMIT).is_err());
    }
}
