//! One agent's directory: its host's socket, log and journal, and which process its host is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use parallax_api::{AgentId, Problem};
use parallax_runtime_core::files::UntrustedDir;
use parallax_runtime_core::handshake::LAST_WORDS;
use parallax_runtime_core::os::boot_id;
use parallax_service::private_dir;

use crate::census;
use crate::os::{self, Process};
use crate::process;

/// The longest path a Unix socket can have on Linux, in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// An agent id is a UUID.
const ID_LENGTH: usize = 36;
/// Names the host's process; written before the host learns what to run.
const PROCESS: &str = "process";
/// More than that file ever has, in bytes.
const MAX_PROCESS: u64 = 256;
/// What the host says when something is wrong with it.
const ERRORS: &str = "host.err";

/// The directory of all agents' directories.
#[derive(Clone, Debug)]
pub(crate) struct AgentDirs(PathBuf);

/// One agent's directory. The agent, which is the same user, may have put anything into it.
#[derive(Clone, Debug)]
pub(crate) struct AgentDir(PathBuf);

/// Which process the host was, as the directory says.
struct Written {
    process: Process,
    boot_id: String,
}

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
        if let Err(error) = os::spread(&dirs.0) {
            tracing::debug!(%error, "the file system puts the agents' directories where it likes");
        }
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
        self.0.join(ERRORS)
    }

    /// The end of what the host said when something was wrong with it.
    pub(crate) fn last_words(&self) -> Vec<u8> {
        let read = || UntrustedDir::open(&self.0)?.tail(ERRORS, LAST_WORDS as u64);
        // A host that did not come to write anything has said nothing.
        read().unwrap_or_default()
    }

    pub(crate) fn exists(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok_and(|found| found.is_dir())
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        private_dir(&self.0)?;
        if self.exists() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Writes down which process the host is.
    pub(crate) fn set_host(&self, host: Process) -> io::Result<()> {
        let line = format!("{} {} {}\n", host.pid, host.start, boot_id());
        // Whole or not at all: half a number is another process. Made anew: what lies there may be a link.
        let fresh = self.0.join("process.new");
        let make = || File::options().write(true).create_new(true).open(&fresh);
        let file = match make() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&fresh)?;
                make()
            }
            made => made,
        };
        file?.write_all(line.as_bytes())?;
        fs::rename(fresh, self.0.join(PROCESS))
    }

    /// The living host. The file only says where to look first: an agent may have written it, and it may be damaged.
    ///
    /// # Errors
    /// As [`census::now`].
    pub(crate) async fn host(&self) -> Result<Option<Process>, Problem> {
        let written = self.written_host(&process::lineage());
        if written.is_some() || !self.exists() {
            return Ok(written);
        }
        Ok(census::now().await?.hosts_of(&self.0).last().copied())
    }

    /// The living host, where the file says which process that is. `spared`: as [`process::is_host`] has it.
    pub(crate) fn written_host(&self, spared: &BTreeSet<u32>) -> Option<Process> {
        let written = self.written().filter(|written| written.boot_id == boot_id())?.process;
        process::is_host(written, &self.0, spared).then_some(written)
    }

    /// Whether the host was started before the machine was.
    pub(crate) fn is_of_another_boot(&self) -> bool {
        self.written().is_some_and(|written| written.boot_id != boot_id())
    }

    fn written(&self) -> Option<Written> {
        let line = UntrustedDir::open(&self.0).and_then(|dir| dir.read(PROCESS, MAX_PROCESS)).ok()?;
        let line = String::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        let process = Process { pid: words.next()?.parse().ok()?, start: words.next()?.parse().ok()? };
        Some(Written { process, boot_id: words.next()?.to_owned() })
    }

    /// Takes it away. Already gone is success.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn what_is_written_counts_only_when_it_is_true() {
        let state = tempfile::tempdir().unwrap();
        let dirs = AgentDirs::open(state.path()).unwrap();
        let id = AgentId::generate();
        let dir = dirs.of(&id);
        assert_eq!(dir.host().await.unwrap(), None);
        dir.create().unwrap();
        // A program that ignores its arguments and waits: it stands for a host.
        let program = state.path().join("host");
        fs::write(&program, "#!/bin/sh\nread line\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let start = |dir: &Path| {
            let mut command = Command::new(&program);
            command.arg("serve").arg("--dir").arg(dir).stdin(Stdio::piped()).spawn().unwrap()
        };
        let process = |child: &Child| Process::of(child.id()).unwrap();
        let mut stranger = start(&dirs.of(&AgentId::generate()).0);
        let ourselves = Process::of(std::process::id()).unwrap();
        let init = Process::of(1).unwrap();
        for forged in [ourselves, init, process(&stranger)] {
            dir.set_host(forged).unwrap();
            assert_eq!(dir.host().await.unwrap(), None, "{forged:?}");
        }
        // A script's command line has its interpreter first, as no host's has.
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        fs::write(state.path().join("agents/Not An Id"), "").unwrap();
        assert_eq!(dirs.ids().unwrap(), [id]);
        fs::remove_file(dir.0.join(PROCESS)).unwrap();
        symlink("/etc/passwd", dir.0.join("process.new")).unwrap();
        dir.set_host(ourselves).unwrap();
        assert!(fs::symlink_metadata(dir.0.join(PROCESS)).unwrap().is_file(), "no link is followed");
        dir.remove().unwrap();
        dir.remove().unwrap();
        assert_eq!(dirs.ids().unwrap(), []);
    }

    #[test]
    fn agents_are_spread_where_the_file_system_knows_how() {
        use rustix::fs::{IFlags, ioctl_getflags};

        let state = tempfile::tempdir().unwrap();
        let other = state.path().join("other");
        fs::create_dir(&other).unwrap();
        let knows_how = os::spread(&other).is_ok();
        AgentDirs::open(state.path()).unwrap();
        let flags = ioctl_getflags(File::open(state.path().join("agents")).unwrap());
        assert_eq!(flags.is_ok_and(|flags| flags.contains(IFlags::TOPDIR)), knows_how);
    }

    #[test]
    fn refuses_a_directory_with_no_room_for_sockets() {
        let state = tempfile::tempdir().unwrap();
        let error = AgentDirs::open(&state.path().join("x".repeat(60))).unwrap_err().to_string();
        assert!(error.contains("too long by") && error.contains("--state-dir"), "{error}");
    }
}
