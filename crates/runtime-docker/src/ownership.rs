//! Who an agent is in its container, and the directories that are its own.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use anyhow::ensure;
use bollard::Docker;
use bollard::body_full;
use bollard::models::ImageInspect;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use parallax_api::{Code, Problem};
use parallax_profile::{Launch, MountSource};

use crate::container::{HOME_DIR, HOST_DIR, OWN_DIR, WORKDIR};
use crate::engine;

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// The first user of most systems.
const FIRST: User = User { uid: 1000, gid: 1000 };

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl FromStr for User {
    type Err = anyhow::Error;

    /// `UID` or `UID:GID`; root is nobody's.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number =
            |text: &str| text.parse().map_err(|_| anyhow::anyhow!("a user is UID or UID:GID, in numbers"));
        let user = Self { uid: number(uid)?, gid: number(gid)? };
        ensure!(user.uid != 0, "agents do not run as root");
        Ok(user)
    }
}

impl User {
    /// Who the agent is: whoever the operator says; who owns the directory it works in, so that it can write there and its
    /// files are theirs; who the image says; or the first user. Never root.
    ///
    /// # Errors
    /// `WORKDIR_FORBIDDEN` for a directory that the agent should write in and cannot.
    pub(crate) fn choose(
        chosen: Option<Self>,
        launch: &Launch,
        image: &ImageInspect,
    ) -> Result<Self, Problem> {
        let of_image = || image.config.as_ref()?.user.as_ref()?.parse().ok();
        let Some(mount) = &launch.mount else { return Ok(chosen.or_else(of_image).unwrap_or(FIRST)) };
        let MountSource::Directory(path) = &mount.source else {
            return Ok(chosen.or_else(of_image).unwrap_or(FIRST));
        };
        let dir = path.metadata().map_err(|cause| {
            Problem::new(Code::WorkdirNotFound, format!("{} cannot be worked in: {cause}", path.display()))
        })?;
        let of_dir = (dir.uid() != 0).then(|| Self { uid: dir.uid(), gid: dir.gid() });
        let user = chosen.or(of_dir).or_else(of_image).unwrap_or(FIRST);
        if mount.read_only || user.may_write(dir.uid(), dir.gid(), dir.mode()) {
            return Ok(user);
        }
        Err(Problem::new(
            Code::WorkdirForbidden,
            format!(
                "{path} belongs to user {owner}, and the agent, user {user}, may not write there; give it to that user \
                 (`chown {user} {path}`), or ask for `{path}:ro`",
                path = path.display(),
                owner = dir.uid(),
            ),
        )
        .with("field", "workdir"))
    }

    fn may_write(self, uid: u32, gid: u32, mode: u32) -> bool {
        let bits = match () {
            () if self.uid == uid => mode >> 6,
            () if self.gid == gid => mode >> 3,
            () => mode,
        };
        bits & 0o3 == 0o3
    }
}

/// Gives the agent's user the directories of a container that was just made and not yet started: those of its own volume,
/// and what is mounted at its workdir when nobody has owned that (`own_workdir`).
pub(crate) async fn give(
    docker: &Docker,
    container: &str,
    user: User,
    own_workdir: bool,
) -> Result<(), Problem> {
    let mut dirs = vec![(HOST_DIR, 0o700), (HOME_DIR, 0o700)];
    if own_workdir {
        dirs.push((WORKDIR, 0o755));
    }
    let archive = archive(&dirs, user).map_err(Problem::internal)?;
    let options = UploadToContainerOptionsBuilder::default().path(OWN_DIR).build();
    let uploaded = docker.upload_to_container(container, Some(options), body_full(archive.into())).await;
    uploaded.map_err(|error| engine::problem("make the agent's directories", &error))
}

/// An archive of directories below the agent's own.
fn archive(dirs: &[(&str, u32)], user: User) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (dir, mode) in dirs {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_uid(user.uid.into());
        header.set_gid(user.gid.into());
        header.set_mode(*mode);
        header.set_size(0);
        let name = Path::new(dir).strip_prefix(OWN_DIR).map_err(io::Error::other)?;
        archive.append_data(&mut header, name, io::empty())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers_and_never_root() {
        assert_eq!("1000".parse::<User>().unwrap(), FIRST);
        assert_eq!("7:8".parse::<User>().unwrap().to_string(), "7:8");
        for bad in ["", "root", "0", "0:0", "node", "1:", "-1"] {
            assert!(bad.parse::<User>().is_err(), "{bad}");
        }
    }

    #[test]
    fn writing_takes_the_bits_of_who_one_is() {
        let user = User { uid: 5, gid: 6 };
        assert!(user.may_write(5, 0, 0o700));
        assert!(!user.may_write(5, 6, 0o577), "the owner's bits count for the owner");
        assert!(user.may_write(0, 6, 0o770));
        assert!(!user.may_write(0, 6, 0o707));
        assert!(user.may_write(0, 0, 0o777));
        assert!(!user.may_write(0, 0, 0o755));
    }
}
