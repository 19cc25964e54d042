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
/// The extension of one that is being written.
const PARTIAL: &str = "partial";

/// The launches of suspended agents.
#[derive(Clone, Debug)]
pub(crate) struct KeptLaunches(PathBuf);

impl KeptLaunches {
    /// Those of the server with this state directory. What an earlier server had begun to write goes.
    pub(crate) fn of(state_dir: &Path) -> Self {
        let directory = state_dir.join(DIR);
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == PARTIAL) {
                remove_file(&entry.path());
            }
        }
        Self(directory)
    }

    fn path(&self, id: &AgentId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// Whole or not at all, and on the disk.
    pub(crate) fn put(&self, id: &AgentId, launch: &Launch) -> anyhow::Result<()> {
        private_dir(&self.0)?;
        let (path, partial) = (self.path(id), self.path(id).with_extension(PARTIAL));
        let writing = || -> anyhow::Result<()> {
            let mut file =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(&serde_json::to_vec(launch)?)?;
            file.sync_all()?;
            fs::rename(&partial, path)?;
            Ok(File::open(&self.0)?.sync_all()?)
        };
        writing().inspect_err(|_| remove_file(&partial))
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
        remove_file(&self.path(id));
    }
}

fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(path = %path.display(), %error, "the launch of an agent that was suspended is not removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::launch;

    #[test]
    fn what_was_half_written_goes_and_the_rest_stays() {
        let state = tempfile::tempdir().unwrap();
        let id = AgentId::generate();
        let kept = KeptLaunches::of(state.path());
        kept.put(&id, &launch(&id)).unwrap();
        let partial = state.path().join(DIR).join(format!("{}.{PARTIAL}", AgentId::generate()));
        fs::write(&partial, "a secret, in part").unwrap();
        let kept = KeptLaunches::of(state.path());
        assert!(!partial.exists());
        assert_eq!(kept.get(&id).unwrap().map(|launch| launch.agent.id), Some(id.clone()));
        kept.remove(&id);
        assert!(kept.get(&id).unwrap().is_none());
    }
}
