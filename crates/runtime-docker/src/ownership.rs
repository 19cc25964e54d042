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
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures::StreamExt;
use parallax_api::{Code, Problem};
use parallax_profile::{Launch, MountSource};

use crate::config::Credential;
use crate::container::{HOME_DIR, HOST_DIR, OWN_DIR, WORKDIR};
use crate::engine;

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// What an archive is made of, in bytes.
const TAR_BLOCK: usize = 512;
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
/// and the volumes that are mounted there and still belong to root, as new ones do.
pub(crate) async fn give(
    docker: &Docker,
    container: &str,
    user: User,
    launch: &Launch,
    credentials: &[Credential],
) -> Result<(), Problem> {
    let mut dirs = own_dirs(launch, credentials);
    for volume in volumes(launch, credentials) {
        if is_roots(docker, container, &volume).await? {
            dirs.push((volume, 0o755));
        }
    }
    let archive = archive(&dirs, user).map_err(Problem::internal)?;
    let options = UploadToContainerOptionsBuilder::default().path(OWN_DIR).build();
    let uploaded = docker.upload_to_container(container, Some(options), body_full(archive.into())).await;
    uploaded.map_err(|error| engine::problem("make the agent's directories", &error))
}

/// The directories of the agent's own volume, and how they may be used. Nothing that is mounted is among them, and nothing in
/// what is mounted: that is the operator's.
fn own_dirs(launch: &Launch, credentials: &[Credential]) -> Vec<(String, u32)> {
    let mut dirs = vec![(HOST_DIR.to_owned(), 0o700)];
    if launch.mount.is_none() {
        dirs.push((WORKDIR.to_owned(), 0o755));
    }
    if credentials.iter().any(|credential| credential.target.is_empty()) {
        return dirs;
    }
    dirs.push((HOME_DIR.to_owned(), 0o700));
    // The engine makes the way to what it mounts as root, and the CLI could not write beside it.
    for credential in credentials {
        let parents: Vec<&Path> = Path::new(&credential.target).ancestors().skip(1).collect();
        let named = parents.into_iter().rev().filter(|parent| !parent.as_os_str().is_empty());
        dirs.extend(named.map(|parent| (format!("{HOME_DIR}/{}", parent.display()), 0o700)));
    }
    dirs
}

/// Where volumes are mounted that the agent may write in.
fn volumes(launch: &Launch, credentials: &[Credential]) -> Vec<String> {
    let is_volume = |source: &MountSource| matches!(source, MountSource::Volume(_));
    let workdir = launch.mount.iter().filter(|mount| is_volume(&mount.source) && !mount.read_only);
    let workdir = workdir.map(|_| WORKDIR.to_owned());
    let logins =
        credentials.iter().filter(|credential| is_volume(&credential.source) && !credential.read_only);
    workdir.chain(logins.map(Credential::path)).collect()
}

/// Whether a directory of a container that was not started belongs to root. The engine packs all of it to tell; the first
/// entry is the directory itself, and the rest is not read.
async fn is_roots(docker: &Docker, container: &str, path: &str) -> Result<bool, Problem> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let mut packed = std::pin::pin!(docker.download_from_container(container, Some(options)));
    let mut header = Vec::new();
    while header.len() < TAR_BLOCK {
        match packed.next().await {
            Some(Ok(part)) => header.extend_from_slice(&part),
            Some(Err(error)) => return Err(engine::problem("look into the volume", &error)),
            None => return Err(Problem::internal(format!("the Docker engine says nothing about {path}"))),
        }
    }
    let header = tar::Header::from_byte_slice(&header[..TAR_BLOCK]);
    Ok(header.uid().map_err(Problem::internal)? == 0)
}

/// An archive of directories below the agent's own.
fn archive(dirs: &[(String, u32)], user: User) -> io::Result<Vec<u8>> {
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
    use parallax_profile::Mount;

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
    fn nothing_of_the_operators_is_given_away() {
        let id = parallax_api::AgentId::generate();
        let launch = crate::container::tests::launch(&id);
        let dirs = |credentials: &[&str], mount: Option<Mount>| {
            let credentials: Vec<Credential> = credentials.iter().map(|text| text.parse().unwrap()).collect();
            let launch = Launch { mount, ..launch.clone() };
            let dirs: Vec<String> = own_dirs(&launch, &credentials).into_iter().map(|(dir, _)| dir).collect();
            (
                dirs.join(" ").replace("/agent/", ""),
                volumes(&launch, &credentials).join(" ").replace("/agent/", ""),
            )
        };
        let of = |dirs: &str, volumes: &str| (dirs.to_owned(), volumes.to_owned());
        let volume = |read_only| Some(Mount { source: MountSource::Volume("v".into()), read_only });
        let directory = Some(Mount { source: MountSource::Directory("/d".into()), read_only: false });
        assert_eq!(dirs(&[], None), of("host workspace home", ""));
        assert_eq!(dirs(&[], directory), of("host home", ""));
        assert_eq!(dirs(&[], volume(false)), of("host home", "workspace"));
        assert_eq!(dirs(&[], volume(true)), of("host home", ""));
        assert_eq!(dirs(&["/d"], None), of("host workspace", ""), "the home is the operator's directory");
        assert_eq!(dirs(&["login"], None), of("host workspace", "home"));
        assert_eq!(dirs(&["login:.a/b/c"], None), of("host workspace home home/.a home/.a/b", "home/.a/b/c"));
        assert_eq!(dirs(&["/d:.a:ro"], None), of("host workspace home", ""));
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
