//! The files of the archive: a directory an agent, which appears whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use parallax_api::{Agent, AgentId};
use parallax_service::private_dir;

use super::{Archive, ArchivedAgent, head};

/// What is being made or removed; an id has no extension.
const PARTIAL: &str = "partial";
/// What was damaged and is kept for people.
const DAMAGED: &str = "damaged";
/// Everything about an agent but its output.
const REMAINS: &str = "remains.json";

/// A directory that becomes an agent's archive.
pub(super) struct Draft {
    dir: PathBuf,
    target: PathBuf,
}

/// An empty directory that is removed when this is dropped.
pub(in crate::server) struct Scratch(PathBuf);

impl Archive {
    /// The archive in the directory `dir`, which is made when it is not there. What a server that died left half made goes;
    /// its agents are collected again.
    pub(in crate::server) fn open(dir: PathBuf, runtime: String) -> io::Result<Self> {
        private_dir(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == PARTIAL)
                && let Err(error) = fs::remove_dir_all(&path)
            {
                tracing::warn!(path = %path.display(), %error, "failed to remove what was left half made");
            }
        }
        Ok(Self { dir, runtime })
    }

    /// Whether this agent's archive is here.
    pub(in crate::server) fn holds(&self, id: &AgentId) -> bool {
        self.path(id).is_dir()
    }

    /// Forgets an agent, whole or not at all. Already gone is success.
    pub(in crate::server) fn purge(&self, id: &AgentId) -> io::Result<()> {
        let going = self.dir.join(format!("{id}.gone.{PARTIAL}"));
        match fs::rename(self.path(id), &going) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => fs::remove_dir_all(going),
        }
    }

    /// The agents that it holds.
    pub(in crate::server) fn ids(&self) -> io::Result<Vec<AgentId>> {
        let names = fs::read_dir(&self.dir)?
            .map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok())));
        names.filter_map(Result::transpose).collect()
    }

    /// An empty directory for a while.
    pub(in crate::server) fn scratch(&self, id: &AgentId) -> io::Result<Scratch> {
        let dir = self.dir.join(format!("{id}.files.{PARTIAL}"));
        fresh(&dir)?;
        Ok(Scratch(dir))
    }

    /// Makes the archive of an agent whose host left nothing.
    pub(in crate::server) fn put_empty(&self, agent: &Agent) -> anyhow::Result<()> {
        Draft::create(self, &agent.id)?.publish(agent, &ArchivedAgent::default())
    }

    /// Everything about an agent but its output. What is damaged is set aside, and the rest stays readable.
    pub(super) fn read(&self, id: &AgentId) -> io::Result<ArchivedAgent> {
        let path = self.path(id).join(REMAINS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ArchivedAgent::default()),
            Err(error) => return Err(error),
        };
        match ArchivedAgent::parse(&bytes) {
            Ok(archived) => Ok(archived),
            Err(error) => {
                tracing::error!(agent.id = %id, %error, path = %path.display(), "an archive file is damaged; setting it aside");
                fs::rename(&path, path.with_extension(DAMAGED))?;
                Ok(ArchivedAgent::default())
            }
        }
    }

    pub(super) fn path(&self, id: &AgentId) -> PathBuf {
        self.dir.join(id.as_str())
    }
}

impl Draft {
    /// An empty directory for the archive of this agent.
    pub(super) fn create(archive: &Archive, id: &AgentId) -> io::Result<Self> {
        let target = archive.path(id);
        let dir = target.with_extension(PARTIAL);
        fresh(&dir)?;
        Ok(Self { dir, target })
    }

    /// The bytes that the agent printed.
    pub(super) fn output(&self) -> PathBuf {
        self.dir.join("output.raw")
    }

    /// The same with times and sizes.
    pub(super) fn cast(&self) -> PathBuf {
        self.dir.join("output.cast")
    }

    /// Completes the directory, syncs all of it, and moves it to its name. What the host has is removed after this, so a
    /// loss of power finds either that or the whole archive.
    pub(super) fn publish(self, agent: &Agent, archived: &ArchivedAgent) -> anyhow::Result<()> {
        fs::write(self.dir.join(REMAINS), serde_json::to_vec(archived)?)?;
        head::write(&self.dir, agent)?;
        sync_files(&self.dir).context("failed to sync what was collected")?;
        // A directory cannot take the place of one that is not empty.
        let old = self.target.with_extension(format!("old.{PARTIAL}"));
        match fs::rename(&self.target, &old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
        fs::rename(&self.dir, &self.target).context("failed to move what was collected into place")?;
        if let Some(archive) = self.target.parent() {
            sync(archive).context("failed to sync the archive")?;
        }
        // It would be removed at the next start at the latest.
        drop(fs::remove_dir_all(old));
        Ok(())
    }
}

impl Scratch {
    pub(in crate::server) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Syncs every file of a directory that holds no other directories, and then the directory.
fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        sync(&entry?.path())?;
    }
    sync(dir)
}

fn sync(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// An empty directory, whatever was there.
fn fresh(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_dir(dir)
}
