//! The directories of a container that belong to the agent: made before its start, by the engine's archive API.

use std::io;
use std::path::Path;

use bollard::Docker;
use bollard::body_full;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures::StreamExt;
use parallax_api::{Code, Problem};
use parallax_profile::{Launch, Mount, MountSource};

use crate::credentials::Credential;
use crate::engine;
use crate::layout::{HOME_DIR, HOST_DIR, OWN_DIR, WORKDIR};
use crate::user::User;
use crate::volumes::Workspace;

/// The size of a tar header, in bytes.
const TAR_BLOCK: usize = 512;
/// Gives the agent's user the directories of a container that was made and not yet started: those of its own volume, a
/// workdir that was made for it, and volumes with credentials that still belong to root, as new ones do. `root` is the number that root of
/// a container has on the engine's machine.
pub(crate) async fn prepare(
    docker: &Docker,
    container: &str,
    user: User,
    launch: &Launch,
    workspace: Option<Workspace>,
    credentials: &[Credential],
    root: u64,
) -> Result<(), Problem> {
    let mut dirs = own_dirs(launch, credentials);
    match workspace {
        Some(Workspace::Created) => dirs.push((WORKDIR.to_owned(), 0o755)),
        Some(Workspace::Existing) => check_writable(docker, container, user, launch, root).await?,
        None => {}
    }
    for volume in credential_volumes(credentials) {
        if owner(docker, container, &volume, root).await?.uid == 0 {
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

/// Where volumes with credentials are mounted that the agent may write in.
fn credential_volumes(credentials: &[Credential]) -> Vec<String> {
    let is_volume = |source: &MountSource| matches!(source, MountSource::Volume(_));
    let logins =
        credentials.iter().filter(|credential| is_volume(&credential.source) && !credential.read_only);
    logins.map(Credential::path).collect()
}

/// Refuses a workdir that the agent should write in and cannot: a volume that existed keeps its owner and mode.
async fn check_writable(
    docker: &Docker,
    container: &str,
    user: User,
    launch: &Launch,
    root: u64,
) -> Result<(), Problem> {
    let Some(Mount { source: MountSource::Volume(name), read_only: false }) = &launch.mount else {
        return Ok(());
    };
    let owner = owner(docker, container, WORKDIR, root).await?;
    if user.may_write(owner.uid, owner.gid, owner.mode) {
        return Ok(());
    }
    let (uid, gid) = (owner.uid, owner.gid);
    Err(Problem::new(
        Code::WorkdirForbidden,
        format!(
            "the volume `{name}` belongs to user {uid}:{gid}, and the agent, user {user}, may not write there; give it to that \
             user (`docker run --rm --volume {name}:/v debian chown {user} /v`), start the runtime with --user, or ask \
             for `{name}:ro`",
        ),
    )
    .with("field", "workdir"))
}

/// The owner and mode of a directory.
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// The owner of a directory of a container that was not started. The engine packs all of it to tell; the first entry is the
/// directory itself, and the rest is not read.
async fn owner(docker: &Docker, container: &str, path: &str, root: u64) -> Result<Owner, Problem> {
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
    let number = |number: io::Result<u64>| {
        number
            .and_then(|number| u32::try_from(in_container(number, root)).map_err(io::Error::other))
            .map_err(Problem::internal)
    };
    Ok(Owner {
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        mode: header.mode().map_err(Problem::internal)?,
    })
}

/// The number of a user or group in the container, which archives have as the engine's machine knows it. One below the remapped ones is
/// nobody there.
fn in_container(number: u64, root: u64) -> u64 {
    const NOBODY: u64 = 65_534;
    number.checked_sub(root).unwrap_or(NOBODY)
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
    use super::*;

    #[test]
    fn nothing_of_the_operators_is_given_away() {
        let id = parallax_api::AgentId::generate();
        let launch = crate::container::tests::launch(&id);
        let dirs = |credentials: &[&str], mount: Option<Mount>| {
            let credentials: Vec<Credential> = credentials.iter().map(|text| text.parse().unwrap()).collect();
            let launch = Launch { mount, ..launch.clone() };
            let dirs: Vec<String> = own_dirs(&launch, &credentials).into_iter().map(|(dir, _)| dir).collect();
            let volumes = credential_volumes(&credentials);
            [dirs, volumes].map(|paths| paths.join(" ").replace("/agent/", ""))
        };
        let of = |dirs: &str, volumes: &str| [dirs.to_owned(), volumes.to_owned()];
        let volume = |read_only| Some(Mount { source: MountSource::Volume("v".into()), read_only });
        let directory = Some(Mount { source: MountSource::Directory("/d".into()), read_only: false });
        assert_eq!(dirs(&[], None), of("host workspace home", ""));
        assert_eq!(dirs(&[], directory), of("host home", ""));
        assert_eq!(dirs(&[], volume(false)), of("host home", ""));
        assert_eq!(dirs(&[], volume(true)), of("host home", ""));
        assert_eq!(dirs(&["/d"], None), of("host workspace", ""), "the home is the operator's directory");
        assert_eq!(dirs(&["login"], None), of("host workspace", "home"));
        assert_eq!(dirs(&["login:.a/b/c"], None), of("host workspace home home/.a home/.a/b", "home/.a/b/c"));
        assert_eq!(dirs(&["/d:.a:ro"], None), of("host workspace home", ""));
    }
}
