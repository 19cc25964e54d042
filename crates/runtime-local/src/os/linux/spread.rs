//! Where on the disk the directories of agents lie.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// Asks the file system to spread what is made in `dir` over the disk, directory by directory.
///
/// ext4 puts a new directory near the one that it is made in, and its files near it. In that part of the disk it looks for a free
/// entry, past each that was deleted in the last half minute: after many agents have ended, that was a third of what the next ones
/// took to start.
///
/// # Errors
/// When the file system does not know how.
pub(crate) fn spread(dir: &Path) -> io::Result<()> {
    let dir = File::open(dir)?;
    let flags = ioctl_getflags(&dir)?;
    Ok(ioctl_setflags(&dir, flags | IFlags::TOPDIR)?)
}
