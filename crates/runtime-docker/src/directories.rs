//! The directories of a container that belong to the agent: made before its start, by the engine's archive API.

use std::io;
use std::path::Path;

use bollard::Docker;
use bollard::body_full;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures::StreamExt;
use parallax_api::Problem;
use parallax_profile::{Launch, MountSource};

use crate::credentials::Credential;
use crate::engine;
use crate::layout::{HOME_DIR, HOST_DIR, OWN_DIR, WORKDIR};
use crate::user::User;

/// The size of a tar header, in bytes.
const TAR_BLOCK: usize = 512;
/// Gives the agent's user the directories of a container that was just made and not yet started: those of its own volume,
/// and the volumes that are mounted there and still belong to root, as new ones do.
pub(crate) async fn prepare(
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
}
