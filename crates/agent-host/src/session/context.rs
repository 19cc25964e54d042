//! What a session needs of the process that it runs in.

use std::path::PathBuf;

use crate::reaper::Reaper;

/// Directories, programs and services of a session.
pub struct SessionContext {
    /// The host's directory (0700): log, journal, and the agent's own files.
    pub dir: PathBuf,
    /// The host's socket, for hooks.
    pub socket: PathBuf,
    /// This program, for hooks.
    pub binary: PathBuf,
    /// Waits for children.
    pub reaper: Reaper,
    /// The host is the first process of a container.
    pub in_container: bool,
}
