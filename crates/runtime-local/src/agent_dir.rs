//! One agent's directory: its host's socket, log and journal, and which process its host is.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use parallax_api::AgentId;
use parallax_runtime_core::handshake::LAST_WORDS;
use parallax_service::private_dir;

use crate::process::Process;

/// The longest path a Unix socket can have on Linux, in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// An agent id is a UUID.
const ID_LENGTH: usize = 36;
/// Names the host's process; written before the host learns what to run.
const PROCESS: &str = "process";
/// Changes with every boot, after which process numbers and start times mean nothing.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The directory of all agents' directories.
#[derive(Clone, Debug)]
pub(crate) struct AgentDirs(PathBuf);

/// One agent's directory.
#[derive(Clone, Debug)]
pub(crate) struct AgentDir(PathBuf);

impl AgentDirs {
    /// The directory `agents` in `state_dir`, for its owner alone. Fails when sockets in it would have paths that are too
    /// long for the system.
    pub(crate) fn open(state_dir: &Path) -> anyhow::Result<Self> {
        private_dir(state_dir)?;
        let dirs = Self(state_dir.canonicalize()?.join("agents"));
        let longest = dirs.0.as_os_str().len() + ID_LENGTH + "//host.sock".len();
        ensure!(
            longest <= MAX_SOCKET_PATH,
            "the state directory {} is too long by {} bytes: sockets in it could not be opened; choose a shorter --state-dir",
            state_dir.display(),
            longest - MAX_SOCKET_PATH
        );
        private_dir(&dirs.0)?;
        Ok(dirs)
    }

    /// This agent's.
    pub(crate) fn of(&self, id: &AgentId) -> AgentDir {
        AgentDir(self.0.join(id.as_str()))
    }

    /// The agents that have one.
    pub(crate) fn ids(&self) -> io::Result<Vec<AgentId>> {
        let names = fs::read_dir(&self.0)?
            .map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok())));
        names.filter_map(Result::transpose).collect()
    }
}

impl AgentDir {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the host listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("host.sock")
    }

    /// What the host says when something is wrong with it.
    pub(crate) fn errors(&self) -> PathBuf {
        self.0.join("host.err")
    }

    /// The end of what the host said when something was wrong with it.
    pub(crate) fn last_words(&self) -> Vec<u8> {
        let read = || {
            let mut errors = File::open(self.errors())?;
            let length = errors.metadata()?.len();
            errors.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS as u64)))?;
            let mut words = Vec::new();
            errors.take(LAST_WORDS as u64).read_to_end(&mut words)?;
            Ok::<_, io::Error>(words)
        };
        // A host that did not come to write anything has said nothing.
        read().unwrap_or_default()
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        private_dir(&self.0)
    }

    /// Writes down which process the host is.
    pub(crate) fn set_host(&self, host: Process) -> io::Result<()> {
        let line = format!("{} {} {}\n", host.pid, host.start, boot_id());
        // Whole or not at all: half a number is another process.
        let fresh = self.0.join("process.new");
        fs::write(&fresh, line)?;
        fs::rename(fresh, self.0.join(PROCESS))
    }

    /// The host's process, if it has been started since the boot; it may have ended.
    pub(crate) fn host(&self) -> Option<Process> {
        let line = fs::read_to_string(self.0.join(PROCESS)).ok()?;
        let mut words = line.split_ascii_whitespace();
        let process = Process { pid: words.next()?.parse().ok()?, start: words.next()?.parse().ok()? };
        (words.next()? == boot_id()).then_some(process)
    }

    /// Takes it away. Already gone is success.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_host() {
        let state = tempfile::tempdir().unwrap();
        let dirs = AgentDirs::open(state.path()).unwrap();
        let id = AgentId::generate();
        let dir = dirs.of(&id);
        assert_eq!(dir.host(), None);
        dir.create().unwrap();
        let process = Process::of(std::process::id()).unwrap();
        dir.set_host(process).unwrap();
        assert_eq!(dir.host(), Some(process));
        fs::write(state.path().join("agents/Not An Id"), "").unwrap();
        assert_eq!(dirs.ids().unwrap(), [id]);
        dir.remove().unwrap();
        dir.remove().unwrap();
        assert_eq!(dirs.ids().unwrap(), []);
    }

    #[test]
    fn refuses_a_directory_with_no_room_for_sockets() {
        let state = tempfile::tempdir().unwrap();
        let error = AgentDirs::open(&state.path().join("x".repeat(60))).unwrap_err().to_string();
        assert!(error.contains("too long by") && error.contains("--state-dir"), "{error}");
    }
}
