//! A name and a password for a repository: kept for its workspace, handed to git by an askpass, and to nobody else.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::git::Git;
use crate::scratch::ScratchDirectory;

/// Answers git's questions from the files beside it. Git asks for a `Username` first, then for a `Password`.
const ASKPASS: &str = "#!/bin/sh\ncase \"$1\" in [Uu]sername*) exec cat \"${0%/*}/username\";; *) exec cat \"${0%/*}/password\";; esac\n";
/// The largest file of credentials that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Who git says it is to the server of a repository.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The name; servers that take a token alone ignore it.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// What git asks, for as long as it is there.
pub(crate) struct Askpass(ScratchDirectory);

impl Credentials {
    /// Keeps them, for their owner's eyes.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        write(path, 0o600, &serde_json::to_vec(self)?)
    }

    /// Those that were kept; none when there are none.
    pub(crate) fn read(path: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_file() && found.len() <= MAX_FILE => {
                Ok(Some(serde_json::from_slice(&std::fs::read(path)?)?))
            }
            Ok(_) => {
                Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "the credentials are no such file"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A program that tells them to git, below `root`.
    pub(crate) fn askpass(&self, root: &Path) -> std::io::Result<Askpass> {
        let directory = ScratchDirectory::make(root)?;
        for (name, mode, text) in [
            ("username", 0o600, &*self.username),
            ("password", 0o600, &*self.password),
            ("askpass", 0o700, ASKPASS),
        ] {
            write(&directory.path().join(name), mode, text.as_bytes())?;
        }
        Ok(Askpass(directory))
    }
}

impl Askpass {
    /// Git that asks this one and no other: neither a helper of the user's, which would also keep what it is told.
    pub(crate) fn applied(&self, git: Git) -> Git {
        let program: OsString = self.0.path().join("askpass").into();
        git.with_setting("credential.helper=").with_variable("GIT_ASKPASS", program)
    }
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(bytes)
}
