//! The launches of suspended agents, in the server's state directory: they hold secrets.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use parallax_api::AgentId;
use parallax_profile::Launch;
use parallax_service::private_dir;

/// The directory in the state directory.
const DIR: &str = "suspended";

/// The launches of suspended agents.
#[derive(Clone, Debug)]
pub(crate) struct KeptLaunches(PathBuf);

impl KeptLaunches {
    /// Those of the server with this state directory.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self(state_dir.join(DIR))
    }

    fn path(&self, id: &AgentId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// Whole or not at all, and on the disk.
    pub(crate) fn put(&self, id: &AgentId, launch: &Launch) -> anyhow::Result<()> {
        private_dir(&self.0)?;
        let (path, partial) = (self.path(id), self.path(id).with_extension("partial"));
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec(launch)?)?;
        file.sync_all()?;
        Ok(fs::rename(partial, path)?)
    }

    /// None: it is not kept.
    pub(crate) fn get(&self, id: &AgentId) -> io::Result<Option<Launch>> {
        match fs::read(self.path(id)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes it; there may be none.
    pub(crate) fn remove(&self, id: &AgentId) {
        if let Err(error) = fs::remove_file(self.path(id))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(agent.id = %id, %error, "the launch of an agent that was suspended is not removed");
        }
    }
}
