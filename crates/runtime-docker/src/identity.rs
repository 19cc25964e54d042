//! The identity of this server: the name in its containers' labels, and the key that signs its hosts' tokens.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use parallax_api::AgentId;
use parallax_api::agent::EnvValue;
use parallax_service::private_dir;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The file in the state directory that holds it.
const FILE: &str = "docker-identity.json";

/// What the labels of a server's containers say, and the key of its hosts' tokens.
#[derive(Clone)]
pub(crate) struct Identity {
    kept: Kept,
    state_dir: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    server: String,
    key: String,
}

impl Identity {
    /// The identity kept in this state directory; a new one when there is none.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub(crate) fn open(state_dir: &Path) -> anyhow::Result<Self> {
        private_dir(state_dir)?;
        let path = state_dir.join(FILE);
        let kept = match read(&path).with_context(|| format!("failed to read {}", path.display()))? {
            Some(kept) => kept,
            None => {
                create(&path).with_context(|| format!("failed to write {}", path.display()))?;
                read(&path)?
                    .with_context(|| format!("{} was removed as soon as it was made", path.display()))?
            }
        };
        Ok(Self { kept, state_dir: state_dir.canonicalize()? })
    }

    /// The name that this server's containers carry.
    pub(crate) fn server(&self) -> &str {
        &self.kept.server
    }

    /// `MACHINE:STATE_DIR`, by which `--gc` looks whether this server still exists. A server in a container has no directory that
    /// others could look into, and its machine is `-`.
    pub(crate) fn owner(&self) -> String {
        format!("{}:{}", machine().unwrap_or_else(|| "-".into()), self.state_dir.display())
    }

    /// The token of an agent's host. Made from the key, so that a server that starts again has it again.
    pub(crate) fn token(&self, id: &AgentId) -> EnvValue {
        let digest = Sha256::new()
            .chain_update(&self.kept.key)
            .chain_update(b":")
            .chain_update(id.as_str())
            .finalize();
        EnvValue::from(hex::encode(digest))
    }
}

/// Whether the server with these two labels still exists. None: unknown, because it is on another machine or in a container.
pub(crate) fn exists(owner: &str, server: &str) -> Option<bool> {
    let (of, state_dir) = owner.split_once(':')?;
    (Some(of) == machine().as_deref()).then(|| {
        let kept = read(&Path::new(state_dir).join(FILE));
        // A file that cannot be read proves nothing.
        kept.map_or(true, |kept| kept.is_some_and(|kept| kept.server == server))
    })
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Written under another name and linked: a server that dies here leaves no partial file, and of two servers that do this at
/// the same time the first one wins.
fn create(path: &Path) -> io::Result<()> {
    let key = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let kept = Kept { server: uuid::Uuid::new_v4().to_string(), key };
    let new = path.with_extension(format!("new-{}", kept.server));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(&kept)?)?;
    file.sync_all()?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(new)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The id of this machine, see machine-id(5): an engine elsewhere may have containers of servers of several machines. None in
/// a container, whose files are not the machine's.
fn machine() -> Option<String> {
    // Engines mount a file of their own there.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/etc/hostname")) {
        return None;
    }
    let id =
        fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    id.or_else(|| Some(rustix::system::uname().nodename().to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_after_a_restart_and_differs_from_others() {
        let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Identity::open(state.path()).unwrap();
        let again = Identity::open(state.path()).unwrap();
        let stranger = Identity::open(other.path()).unwrap();
        let id = AgentId::generate();
        assert_eq!(first.server(), again.server());
        assert_eq!(first.token(&id).expose(), again.token(&id).expose());
        assert_ne!(first.token(&id).expose(), first.token(&AgentId::generate()).expose());
        assert_ne!(first.token(&id).expose(), stranger.token(&id).expose());
        assert_eq!(exists(&first.owner(), first.server()), Some(true));
        assert_eq!(
            exists(&first.owner(), stranger.server()),
            Some(false),
            "another server has the directory now"
        );
        assert_eq!(exists(&first.owner().replacen(':', "-elsewhere:", 1), first.server()), None);
        drop(state);
        assert_eq!(exists(&first.owner(), first.server()), Some(false));
    }
}
